"""A node's history: events and findings of the store, incidents and actions of the bus."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from fleetops.api.models import HistoryEntry, HistoryType, Page
from fleetops.api.paging import Key, decode_cursor, paginate, time_key
from fleetops.api.state import Snapshot, hosts_of
from fleetops.api.telemetry import Telemetry
from fleetops.core.errors import InputError
from fleetops.store.queries import Before

_STORED = (HistoryType.EVENT, HistoryType.FINDING)


def history_of(
    snapshot: Snapshot, telemetry: Telemetry, node: str, cursor: str | None, limit: int
) -> Page[HistoryEntry]:
    """One page of what happened to a node, newest first.

    Raises:
        InputError: the cursor is none of ours.
        StoreUnavailableError: no answer in time.
    """
    before = None if cursor is None else _position(cursor)
    entries = [*_of_bus(snapshot, node)]
    for type_ in _STORED:
        rows = telemetry.history(type_, node, before, limit + 1).to_pylist()
        entries += [HistoryEntry(type=type_, **row) for row in rows]
    items, following = paginate(entries, _key, cursor, limit, newest_first=True)
    return Page(items=items, next_cursor=following)


def _key(entry: HistoryEntry) -> Key:
    return time_key(entry.time), entry.type, entry.id


def _position(cursor: str) -> Before:
    key = decode_cursor(cursor)
    try:
        time, type_, identity = key
        time_key(datetime.fromisoformat(time))
    except (ValueError, OverflowError) as error:
        raise InputError("cursor: not one this list gave; start again without it") from error
    return Before(datetime.fromisoformat(time).astimezone(UTC), type_, identity)


def _of_bus(snapshot: Snapshot, node: str) -> Iterator[HistoryEntry]:
    for incident in snapshot.incidents.values():
        if node in hosts_of(incident):
            yield HistoryEntry(
                time=incident.opened_at,
                type=HistoryType.INCIDENT,
                id=incident.id,
                kind=incident.kind,
                state=incident.status,
                severity=incident.severity,
                device=incident.cause_device,
                text=incident.title,
            )
    for action in snapshot.actions.values():
        if node in action.nodes:
            yield HistoryEntry(
                time=action.created_at,
                type=HistoryType.ACTION,
                id=action.id,
                kind=action.kind,
                state=action.state,
                device=action.target,
                text=f"{action.reason} (by {action.requested_by})",
            )
