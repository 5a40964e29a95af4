"""Control records as rows of their tables: what people filter by, and the whole as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from fleetops_schemas.records import Action, Event, Finding, Incident, Record

_TIME = pa.timestamp("us", tz="UTC")
_HOSTS = pa.list_(pa.string())


def _schema(special: Mapping[str, pa.DataType], *texts: str) -> pa.Schema:
    fields = dict(special) | dict.fromkeys((*texts, "body"), pa.string())
    return pa.schema(list(fields.items()))


_EVENTS = _schema(
    {"time": _TIME, "updated_at": _TIME, "code": pa.int64()},
    *("id", "host", "device", "device_class", "source", "kind", "severity", "text"),
)
_FINDINGS = _schema(
    {"started_at": _TIME, "updated_at": _TIME},
    *("id", "status", "detector", "kind", "host", "device", "device_class"),
    *("severity", "action", "job", "summary"),
)
_INCIDENTS = _schema(
    {
        "opened_at": _TIME,
        "updated_at": _TIME,
        "resolved_at": _TIME,
        "suspect_hosts": _HOSTS,
        "affected_hosts": _HOSTS,
    },
    *("id", "status", "verdict", "kind", "severity", "action"),
    *("cause_device", "cause_device_class", "job", "title"),
)
_ACTIONS = _schema(
    {"created_at": _TIME, "updated_at": _TIME, "nodes": _HOSTS, "epoch": pa.int64()},
    *("id", "kind", "state", "target", "intent_id", "incident_id", "requested_by", "decided_by"),
)


def events_table(events: Sequence[Event]) -> pa.Table:
    """Rows of ``events``."""
    return _rows(_EVENTS, events, lambda event: {"updated_at": event.observed_at})


def findings_table(findings: Sequence[Finding]) -> pa.Table:
    """Rows of ``findings``; "" stands for no host and no job."""
    return _rows(_FINDINGS, findings)


def incidents_table(incidents: Sequence[Incident]) -> pa.Table:
    """Rows of ``incidents``."""
    return _rows(_INCIDENTS, incidents)


def actions_table(actions: Sequence[Action]) -> pa.Table:
    """Rows of ``actions``."""
    return _rows(_ACTIONS, actions)


def _rows(
    schema: pa.Schema,
    records: Sequence[Record],
    extra: Callable[[Any], Mapping[str, object]] = lambda _: {},
) -> pa.Table:
    texts = [field.name for field in schema if field.type == pa.string()]
    rows = []
    for record in records:
        row = {name: getattr(record, name, None) for name in schema.names} | dict(extra(record))
        row |= {name: "" if row[name] is None else str(row[name]) for name in texts}
        rows.append(row | {"body": record.model_dump_json()})
    return pa.Table.from_pylist(rows, schema=schema)
