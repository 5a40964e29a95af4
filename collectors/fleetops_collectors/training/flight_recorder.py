"""Dumps of PyTorch's flight recorder: the operations a rank has entered, and those it waits in.

Each rank writes one file when a collective times out (``TORCH_NCCL_DUMP_ON_TIMEOUT``) or when asked
to, as a pickle or as JSON; its name ends in the rank. The layout is that of
``torch/csrc/distributed/c10d/FlightRecorder*`` (versions 1.4 to 2.10): ``pg_status`` counts
collectives by process group id, ``entries`` names the last few thousand of them.
Pure: no file, no clock.

Operations that were started together (``batch_isend_irecv``, which pipelines use) stay "scheduled"
for ever; the entry ``coalesced`` behind them, of the same numbers, tells what became of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fleetops.core.errors import InputError
from fleetops_collectors.training.plain_pickle import read_pickle
from fleetops_collectors.training.ranks import folded, text_of, whole_of

MAX_RANK = 4_000_000
_BACKEND = re.compile(r"^[a-z]{1,16}:")
_BETWEEN = re.compile(r"(?:send|recv) \d{1,7}(?:->|<-)(\d{1,7})")
MAX_GROUPS = 4096
"""Process groups of one dump that are looked at."""
COALESCED = "coalesced"
_NUMBERS = ("collective_seq_id", "p2p_seq_id", "seq_id")


@dataclass(frozen=True, slots=True)
class Waiting:
    """The first operation that a rank has entered and not left."""

    sequence: int
    """Of a collective, the same on every rank."""
    operation: str
    started: bool
    """Whether the device had begun it."""
    since_ns: int
    """When the rank entered it, nanoseconds since 1970."""
    timed_out: bool
    """PyTorch's watchdog gave it up: retired and not completed."""
    peer: int | None = None
    """Of a send or receive: the global rank on the other side."""


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
    """In a collective."""
    waiting_for_peer: Waiting | None
    """In a send or receive."""


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
            _append(found.setdefault(name, []), entry)
    groups = {name: _state(name, entries, members, status) for name, entries in found.items()}
    return Dump(rank, written_at, groups)


def _members(config: object) -> dict[str, tuple[int, ...]]:
    """By group: its ranks, written as the text ``[0, 1, 2]``; as a list before 2.0."""
    members = {}
    for name, group in _items(config):
        ranks = group.get("ranks") if isinstance(group, dict) else group
        parts = ranks.strip("[] ").split(",") if isinstance(ranks, str) else ranks
        listed = parts if isinstance(parts, list) else []
        found = (whole_of(part) for part in listed)
        members[str(name)[:200]] = tuple(rank for rank in found if rank is not None)
    return members


def _append(entries: list[dict[Any, Any]], entry: dict[Any, Any]) -> None:
    """Adds the next entry of a group; what ends operations started together goes to each."""
    first = len(entries)
    if _operation(entry) == COALESCED:
        while first and _is_part(entries[first - 1], entry):
            first -= 1
    if first == len(entries):
        entries.append(entry)
        return
    fate = {"state": entry.get("state"), "retired": entry.get("retired"), COALESCED: True}
    for place in range(first, len(entries)):
        entries[place] = {**entries[place], **fate}


def _is_part(entry: Mapping[Any, Any], whole: Mapping[Any, Any]) -> bool:
    """Whether an entry is one of those that were started together and end by ``whole``."""
    return (
        entry.get("state") == "scheduled"
        and COALESCED not in entry  # the part of another whole already
        and all(whole_of(entry.get(name)) == whole_of(whole.get(name)) for name in _NUMBERS)
    )


def _state(
    name: str,
    entries: Sequence[dict[Any, Any]],
    members: Mapping[str, tuple[int, ...]],
    status: object,
) -> GroupState:
    ranks = members.get(name, ())
    collectives = [entry for entry in entries if not _is_between_peers(entry)]
    entered = max((_sequence(entry) for entry in collectives), default=0)
    done = [entry for entry in collectives if entry.get("state") == "completed"]
    completed = max((_sequence(entry) for entry in done), default=0)
    counts = _counts(status, entries)
    # ids count on each rank by itself, so before there were names the members tell groups apart
    has_name = entries[0].get("process_group") is not None
    return GroupState(
        name=name if has_name else f"{name} of ranks {folded(ranks)}",
        description=_group_name(entries[0])[1],
        ranks=ranks,
        entered=max(entered, _count(counts, "last_enqueued_collective")),
        completed=max(completed, _count(counts, "last_completed_collective")),
        waiting=_first_open(_behind_the_last_done(collectives), ranks),
        waiting_for_peer=_first_open(filter(_is_between_peers, entries), ranks),
    )


def _behind_the_last_done(collectives: Sequence[dict[Any, Any]]) -> Sequence[dict[Any, Any]]:
    """Those that may still be waited in: the collectives of one group end in their order.

    Parts of a gather of uneven sizes have numbers of their own before PyTorch 2.5, and no end.
    """
    for place in range(len(collectives) - 1, -1, -1):
        if collectives[place].get("state") == "completed":
            return collectives[place + 1 :]
    return collectives


def _first_open(entries: Iterable[dict[Any, Any]], ranks: tuple[int, ...]) -> Waiting | None:
    """The first of the entries that is not completed."""
    still_open = (entry for entry in entries if entry.get("state") != "completed")
    first = min(still_open, key=lambda entry: whole_of(entry.get("record_id")) or 0, default=None)
    if first is None:
        return None
    operation = _operation(first)
    return Waiting(
        sequence=_sequence(first),
        operation=operation or "an operation",
        started=first.get("state") == "started",
        since_ns=whole_of(first.get("time_created_ns")) or 0,
        timed_out=first.get("retired") is True,
        peer=_peer(operation, ranks),
    )


def _peer(operation: str, ranks: tuple[int, ...]) -> int | None:
    """The other side of ``send 0->1`` or ``recv 0<-1``, which count within their group."""
    found = _BETWEEN.fullmatch(operation)
    place = int(found[1]) if found else len(ranks)
    return ranks[place] if place < len(ranks) else None


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
    """Of a collective; before 2.0 one number counted everything."""
    return whole_of(entry.get("collective_seq_id", entry.get("seq_id"))) or 0


def _operation(entry: Mapping[Any, Any]) -> str:
    return _BACKEND.sub("", text_of(entry.get("profiling_name")))


def _is_between_peers(entry: Mapping[Any, Any]) -> bool:
    """Whether it is a send or receive; before 2.0 its name alone told."""
    told = entry.get("is_p2p")
    return bool(told) if told is not None else _BETWEEN.fullmatch(_operation(entry)) is not None


def _group_name(entry: Mapping[Any, Any]) -> tuple[str, str]:
    """Name and description of an entry's process group; before 2.1 the name, or the id, alone."""
    group = entry.get("process_group")
    if group is None and (number := whole_of(entry.get("pg_id"))) is not None:
        return str(number), ""
    if isinstance(group, (tuple, list)) and group:
        return text_of(group[0]), text_of(group[1]) if len(group) > 1 else ""
    return text_of(group), ""


def _dicts(value: object) -> Iterable[dict[Any, Any]]:
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else ()


def _items(value: object) -> Iterable[tuple[Any, Any]]:
    return value.items() if isinstance(value, dict) else ()
