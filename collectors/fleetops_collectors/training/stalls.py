"""Whom a hanging job waits for, by the flight recorder's dumps of its ranks. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from fleetops_collectors.decoded import Decoded
from fleetops_collectors.training.flight_recorder import Dump, GroupState, Waiting
from fleetops_collectors.training.happenings import Happening, as_event
from fleetops_collectors.training.ranks import RankNames, folded, reading_of
from fleetops_schemas.records import RecommendedAction, Severity

STALLED = "collective_stalled"


def decode_dumps(dumps: Sequence[Dump], names: RankNames, stall_seconds: float) -> Decoded:
    """Where each rank stands, and which operations of the job hang.

    Args:
        dumps: One a rank; those of ranks on other hosts may be missing.
        names: How the ranks are called.
        stall_seconds: An operation that was entered so long before the dump hangs.
    """
    decoded = Decoded()
    for dump in dumps:
        if not dump.groups:
            decoded.problems.append(f"rank {dump.rank}: the dump holds no collective")
            continue
        widest = max(dump.groups.values(), key=lambda group: len(group.ranks))
        device = names.device(dump.rank)
        counts = {
            "rank": dump.rank,
            "collectives_launched_total": widest.entered,
            "collectives_completed_total": widest.completed,
        }
        for metric, value in counts.items():
            decoded.readings.append(reading_of(device, metric, value, dump.written_at))
        if names.job:
            decoded.labels[device] = {"job": names.job}
    stalls = _stalls(dumps, stall_seconds)
    decoded.events += [as_event(happening, names) for happening in stalls]
    return decoded


def _stalls(dumps: Sequence[Dump], stall_seconds: float) -> Iterator[Happening]:
    by_group: dict[str, dict[int, GroupState]] = {}
    for dump in dumps:
        for group in dump.groups.values():
            by_group.setdefault(group.name, {})[dump.rank] = group
    written = {dump.rank: dump.written_at for dump in dumps}

    def stuck(waits: Mapping[int, Waiting | None]) -> dict[int, Waiting]:
        return {
            rank: waiting
            for rank, waiting in waits.items()
            if waiting and _is_stuck(waiting, written[rank], stall_seconds)
        }

    for states in by_group.values():
        inside = stuck({rank: state.waiting for rank, state in states.items()})
        if inside:
            yield _collective_stall(states, inside, max(written[rank] for rank in inside))
        alone = stuck({rank: state.waiting_for_peer for rank, state in states.items()})
        if alone:
            yield _peer_stall(states, alone, max(written[rank] for rank in alone))


def _is_stuck(waiting: Waiting, written_at: datetime, stall_seconds: float) -> bool:
    age = written_at.timestamp() - waiting.since_ns / 1e9
    return waiting.timed_out or (waiting.since_ns > 0 and age >= stall_seconds)


def _collective_stall(
    states: Mapping[int, GroupState], stuck: Mapping[int, Waiting], written_at: datetime
) -> Happening:
    """Who keeps the others waiting: whoever never entered, else whoever's device did not begin."""
    first = min(stuck.values(), key=lambda waiting: waiting.sequence)
    absent = [rank for rank, state in states.items() if state.entered < first.sequence]
    inside = [rank for rank, waiting in stuck.items() if waiting.sequence == first.sequence]
    idle = [rank for rank in inside if not stuck[rank].started]
    lagging = absent or (idle if len(idle) < len(inside) else [])
    operations = {stuck[rank].operation for rank in inside}
    if absent:
        who = f"ranks {folded(absent)} never entered it"
    elif lagging:
        who = f"ranks {folded(lagging)} entered it and did not begin"
    elif len(operations) > 1:
        who = f"the ranks called different operations: {', '.join(sorted(operations))}"
    else:
        who = "every rank that left a dump is inside"
    text = f"{first.operation} {first.sequence} of {_named(states)}: {who}"
    return _happening(states, first, lagging, inside, text, written_at)


def _peer_stall(
    states: Mapping[int, GroupState], stuck: Mapping[int, Waiting], written_at: datetime
) -> Happening:
    """Sends and receives wait in chains; at the end of each is a rank that waits for nobody."""
    first = min(stuck.values(), key=lambda waiting: waiting.since_ns)
    awaited = {waiting.peer for waiting in stuck.values() if waiting.peer is not None}
    lagging = [rank for rank in sorted(awaited) if rank in states and rank not in stuck]
    who = f"ranks {folded(lagging)} wait for nobody" if lagging else "no rank at its end is known"
    text = f"{first.operation} of {_named(states)}: {who}"
    return _happening(states, first, lagging, list(stuck), text, written_at)


def _happening(
    states: Mapping[int, GroupState],
    first: Waiting,
    lagging: Sequence[int],
    inside: Sequence[int],
    text: str,
    written_at: datetime,
) -> Happening:
    group = next(iter(states.values()))
    silent = set(group.ranks) - set(states)
    return Happening(
        kind=STALLED,
        severity=Severity.WARNING,
        action=RecommendedAction.INSPECT if lagging else RecommendedAction.CHECK_JOB,
        time=written_at,
        rank=lagging[0] if len(lagging) == 1 else None,
        ranks=tuple(lagging or inside),
        text=f"{text}; {len(inside)} ranks wait in it",
        identity=f"{group.name}:{first.operation}:{first.sequence}:{folded(lagging)}",
        attributes={
            "process_group": group.name,
            "operation": first.operation,
            "sequence": first.sequence,
            "lagging_ranks": folded(lagging),
            "waiting_ranks": folded(inside),
            "ranks_without_dump": folded(silent),
        },
    )


def _named(states: Mapping[int, GroupState]) -> str:
    group = next(iter(states.values()))
    return f"process group {group.description or group.name}"
