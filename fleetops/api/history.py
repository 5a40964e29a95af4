"""A node's history: events and findings of the store, incidents and actions of the bus."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from fleetops.api.models import HistoryEntry, HistoryType, Page
from fleetops.api.paging import Key, decode_cursor, paginate, time_key
from fleetops.api.state import Snapshot, hosts_of
from fleetops.api.telemetry import Telemetry
from fleetops.core.errors import InputError
from fleetops.store.base import Parameter

# FINAL: a row that was stored twice must not fill a page twice
_STORED = {
    HistoryType.EVENT: """
SELECT toString(kind) AS kind, id, time, toString(severity) AS severity, '' AS state,
       toString(device) AS device, text
FROM events FINAL WHERE host = {host:String}""",
    HistoryType.FINDING: """
SELECT toString(kind) AS kind, id, started_at AS time, toString(severity) AS severity,
       toString(status) AS state, toString(device) AS device, summary AS text
FROM findings FINAL WHERE host = {host:String}""",
}


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
        entries += _of_store(telemetry, type_, node, before, limit)
    items, following = paginate(entries, _key, cursor, limit, newest_first=True)
    return Page(items=items, next_cursor=following)


def _key(entry: HistoryEntry) -> Key:
    return time_key(entry.time), entry.type, entry.id


def _position(cursor: str) -> Key:
    key = decode_cursor(cursor)
    try:
        time, _, _ = key
        time_key(datetime.fromisoformat(time))
    except (ValueError, OverflowError) as error:
        raise InputError("cursor: not one this list gave; start again without it") from error
    return key


def _of_store(
    telemetry: Telemetry, type_: HistoryType, node: str, before: Key | None, limit: int
) -> Iterator[HistoryEntry]:
    sql = f"SELECT * FROM ({_STORED[type_]})"  # noqa: S608 - a constant of this module
    parameters: dict[str, Parameter] = {"host": node, "limit": limit + 1}
    if before is not None:
        sql += (
            " WHERE (time, {type:String}, id)"
            " < ({time:DateTime64(6, 'UTC')}, {last_type:String}, {last_id:String})"
        )
        parameters |= {
            "type": type_,
            "time": datetime.fromisoformat(before[0]).astimezone(UTC),
            "last_type": before[1],
            "last_id": before[2],
        }
    sql += " ORDER BY time DESC, id DESC LIMIT {limit:UInt32}"
    for row in telemetry.query(sql, parameters).to_pylist():
        yield HistoryEntry(type=type_, **row)


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
