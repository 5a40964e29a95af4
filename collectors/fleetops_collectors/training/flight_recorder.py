"""PyTorch's flight recorder: the collectives a rank has entered, and the one it hangs in.

Each rank writes one file when a collective times out (``TORCH_NCCL_DUMP_ON_TIMEOUT``) or when asked
to, as a pickle or as JSON; its name ends in the rank. The layout is that of
``torch/csrc/distributed/c10d/FlightRecorder*`` (versions 2.0 to 2.10): ``pg_status`` counts
collectives by process group id, ``entries`` names the last few thousand of them.
Pure: no file, no clock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fleetops.core.errors import InputError
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.training.happenings import Happening, as_event
from fleetops_collectors.training.plain_pickle import read_pickle
from fleetops_collectors.training.ranks import (
    RankNames,
    folded,
    number_of,
    reading_of,
    text_of,
    whole_of,
)
from fleetops_schemas.records import RecommendedAction, Severity

STALLED = "collective_stalled"
MAX_RANK = 4_000_000
MAX_GROUPS = 4096
"""Process groups of one dump that are looked at."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The first collective that a rank has entered and not left."""

    sequence: int
    operation: str
    started: bool
    """Whether the device had begun it."""
    since_ns: int
    """When the rank entered it, nanoseconds since 1970."""
    timed_out: bool
    """PyTorch's watchdog gave it up: retired and not completed."""
    timeout_ms: float


@dataclass(frozen=True, slots=True)
class GroupState:
    """What one rank knows of one of its process groups."""

    name: str
    description: str
    ranks: tuple[int, ...]
    """Members by global rank; empty where the dump does not say."""
    entered: int
    """Number of the last collective it entered; 0 for none."""
    completed: int
    waiting: Waiting | None


@dataclass(frozen=True, slots=True)
class Dump:
    """What one rank's file says."""

    rank: int
    written_at: datetime
    groups: Mapping[str, GroupState]


def is_dump(document: object) -> bool:
    """Whether this is a flight recorder's document."""
    return isinstance(document, dict) and "pg_config" in document and "version" in document


def load(data: bytes) -> Any:  # noqa: ANN401
    """The document in a dump, pickle or JSON.

    Raises:
        InputError: it is neither.
    """
    if data[:1] == b"\x80":
        return read_pickle(data)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"neither a pickle nor JSON: {error}") from error


def parse_dump(document: object, rank: int, written_at: datetime) -> Dump:
    """What a rank's document says of each of its process groups.

    Raises:
        InputError: the document is of another kind.
    """
    if not isinstance(document, dict) or not is_dump(document):
        raise InputError("no flight recorder's dump: it has no version and no pg_config")
    if not 0 <= rank <= MAX_RANK:
        raise InputError(f"{rank} is no rank")
    members = _members(document.get("pg_config"))
    status = document.get("pg_status")
    found: dict[str, list[dict[Any, Any]]] = {}
    for entry in _dicts(document.get("entries")):
        name = _group_name(entry)[0]
        if name and (name in found or len(found) < MAX_GROUPS):
            found.setdefault(name, []).append(entry)
    groups = {name: _state(name, entries, members, status) for name, entries in found.items()}
    return Dump(rank, written_at, groups)


def decode_dumps(dumps: Sequence[Dump], names: RankNames, stall_seconds: float) -> Decoded:
    """Where each rank stands, and which collectives of the job hang.

    Args:
        dumps: One a rank; those of ranks on other hosts may be missing.
        names: How the ranks are called.
        stall_seconds: A collective that was entered so long before the dump hangs.
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
    decoded.events += [
        as_event(happening, names) for happening in _stalls(dumps, names, stall_seconds)
    ]
    return decoded


def _stalls(dumps: Sequence[Dump], names: RankNames, stall_seconds: float) -> Iterator[Happening]:
    by_group: dict[str, dict[int, GroupState]] = {}
    for dump in dumps:
        for group in dump.groups.values():
            by_group.setdefault(group.name, {})[dump.rank] = group
    written = {dump.rank: dump.written_at for dump in dumps}
    for states in by_group.values():
        stuck = {
            rank: state.waiting
            for rank, state in states.items()
            if state.waiting and _is_stuck(state.waiting, written[rank], stall_seconds)
        }
        if stuck:
            yield _stall(states, stuck, names, max(written[rank] for rank in stuck))


def _is_stuck(waiting: Waiting, written_at: datetime, stall_seconds: float) -> bool:
    age = written_at.timestamp() - waiting.since_ns / 1e9
    return waiting.timed_out or (waiting.since_ns > 0 and age >= stall_seconds)


def _stall(
    states: Mapping[int, GroupState],
    stuck: Mapping[int, Waiting],
    names: RankNames,
    written_at: datetime,
) -> Happening:
    """Who keeps the others waiting: whoever never entered, else whoever's device did not begin."""
    first = min(stuck.values(), key=lambda waiting: waiting.sequence)
    sequence = first.sequence
    absent = [rank for rank, state in states.items() if state.entered < sequence]
    inside = [rank for rank, waiting in stuck.items() if waiting.sequence == sequence]
    idle = [rank for rank in inside if not stuck[rank].started]
    lagging = absent or (idle if len(idle) < len(inside) else [])
    group = next(iter(states.values()))
    others = {waiting.operation for waiting in stuck.values() if waiting.sequence == sequence}
    silent = sorted(set(group.ranks) - set(states))
    what = f"{first.operation} {sequence} of process group {group.description or group.name}"
    if absent:
        who = f"ranks {folded(absent)} never entered it"
    elif lagging:
        who = f"ranks {folded(lagging)} entered it and did not begin"
    elif len(others) > 1:
        who = f"the ranks called different operations: {', '.join(sorted(others))}"
    else:
        who = "every rank that left a dump is inside"
    one = lagging[0] if len(lagging) == 1 else None
    return Happening(
        kind=STALLED,
        severity=Severity.WARNING,
        action=RecommendedAction.INSPECT if lagging else RecommendedAction.CHECK_JOB,
        time=written_at,
        rank=one,
        ranks=tuple(lagging or inside),
        text=f"{what}: {who}; {len(inside)} ranks wait in it",
        identity=f"{group.name}:{sequence}:{folded(lagging)}",
        attributes={
            "process_group": group.name,
            "operation": first.operation,
            "sequence": sequence,
            "lagging_ranks": folded(lagging),
            "waiting_ranks": folded(inside),
            "ranks_without_dump": folded(silent),
        },
    )


def _members(config: object) -> dict[str, tuple[int, ...]]:
    """By group: its ranks, which are written as the text ``[0, 1, 2]``."""
    members = {}
    for name, group in _items(config):
        ranks = group.get("ranks") if isinstance(group, dict) else None
        parts = ranks.strip("[] ").split(",") if isinstance(ranks, str) else []
        found = (whole_of(part.strip()) for part in parts)
        members[str(name)[:200]] = tuple(rank for rank in found if rank is not None)
    return members


def _state(
    name: str,
    entries: Sequence[dict[Any, Any]],
    members: Mapping[str, tuple[int, ...]],
    status: object,
) -> GroupState:
    collectives = [entry for entry in entries if not entry.get("is_p2p")]
    entered = max((_sequence(entry) for entry in collectives), default=0)
    done = [entry for entry in collectives if entry.get("state") == "completed"]
    completed = max((_sequence(entry) for entry in done), default=0)
    counts = _counts(status, entries)
    open_entries = [entry for entry in collectives if entry.get("state") != "completed"]
    first = min(open_entries, key=_sequence, default=None)
    return GroupState(
        name=name,
        description=_group_name(entries[0])[1],
        ranks=members.get(name, ()),
        entered=max(entered, _count(counts, "last_enqueued_collective")),
        completed=max(completed, _count(counts, "last_completed_collective")),
        waiting=_waiting(first) if first is not None else None,
    )


def _waiting(entry: dict[Any, Any]) -> Waiting:
    return Waiting(
        sequence=_sequence(entry),
        operation=text_of(entry.get("profiling_name")).removeprefix("nccl:") or "a collective",
        started=entry.get("state") == "started",
        since_ns=whole_of(entry.get("time_created_ns")) or 0,
        timed_out=entry.get("retired") is True,
        timeout_ms=number_of(entry.get("timeout_ms")) or 0.0,
    )


def _counts(status: object, entries: Sequence[dict[Any, Any]]) -> dict[Any, Any]:
    """The group's counts in ``pg_status``, which goes by the id that its entries carry."""
    if not isinstance(status, dict):
        return {}
    number = whole_of(entries[-1].get("pg_id"))
    counts = status.get(str(number), status.get(number))
    return counts if isinstance(counts, dict) else {}


def _count(counts: Mapping[Any, Any], key: str) -> int:
    """A count; -1, for none yet, is 0."""
    return whole_of(counts.get(key)) or 0


def _sequence(entry: Mapping[Any, Any]) -> int:
    return whole_of(entry.get("collective_seq_id")) or 0


def _group_name(entry: Mapping[Any, Any]) -> tuple[str, str]:
    """Name and description of an entry's process group; before 2.1 the name alone."""
    group = entry.get("process_group")
    if isinstance(group, (tuple, list)) and group:
        return text_of(group[0]), text_of(group[1]) if len(group) > 1 else ""
    return text_of(group), ""


def _dicts(value: object) -> Iterable[dict[Any, Any]]:
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else ()


def _items(value: object) -> Iterable[tuple[Any, Any]]:
    return value.items() if isinstance(value, dict) else ()
