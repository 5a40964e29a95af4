"""Rows for the store: random telemetry of every type, and one record of each kind."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from fleetops_schemas.catalog import Catalog, Metric, MetricKind, MetricType, load_catalog
from fleetops_schemas.records import (
    Action,
    ActionKind,
    ActionState,
    Event,
    Evidence,
    Finding,
    FindingStatus,
    Incident,
    IncidentStatus,
    NodeOutcome,
    RecommendedAction,
    Severity,
    TimelineEntry,
    Verdict,
)
from fleetops_schemas.telemetry import arrow_schema

START = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
CLASSES = sorted(load_catalog().classes)


def unique(name: str = "node") -> str:
    """A name that no other test uses: tests of a class share one store."""
    return f"{name}{uuid.uuid4().hex[:10]}"


def telemetry(
    device_class: str, devices: list[str], *, ts: datetime = START, null_share: float = 0.3
) -> pa.Table:
    """One row a device with random values over each type's whole width, and nulls."""
    schema = arrow_schema(device_class)
    rows, random = len(devices), np.random.default_rng(len(devices))
    columns = []
    for field in schema:
        absent = random.random(rows) < null_share
        if field.name == "ts":
            values = pa.array([ts] * rows, field.type)
        elif field.name in ("device", "host"):
            names = devices if field.name == "device" else [d.split("/")[0] for d in devices]
            values = pa.array(names).dictionary_encode()
        elif pa.types.is_dictionary(field.type):
            values = pa.array([f"{field.name} é'{n % 3}" for n in range(rows)]).dictionary_encode()
        elif pa.types.is_floating(field.type):
            kind = field.type.to_pandas_dtype()
            values = pa.array(random.normal(0, 1e6, rows).astype(kind), mask=absent)
        else:
            kind = np.dtype(field.type.to_pandas_dtype())
            top = np.iinfo(kind).max
            whole = random.integers(0, top, rows, dtype=kind, endpoint=True)
            whole[:1] = top
            values = pa.array(whole, mask=absent)
        columns.append(values)
    return pa.table(columns, names=schema.names)


def plain(table: pa.Table) -> pa.Table:
    """Dictionary columns as the text they stand for."""
    columns = [
        c.cast(c.type.value_type) if pa.types.is_dictionary(c.type) else c for c in table.columns
    ]
    return pa.table(columns, names=table.column_names).combine_chunks()


def with_metric(device_class: str, name: str, type_: MetricType) -> Catalog:
    catalog = load_catalog()
    declared = catalog[device_class]
    metric = Metric(
        name=name, unit="1", type=type_, kind=MetricKind.GAUGE, range=(0, 65535), description="New."
    )
    grown = declared.model_copy(update={"metrics": (*declared.metrics, metric)})
    return catalog.model_copy(update={"classes": {**catalog.classes, device_class: grown}})


def rollup_schema(row: dict[str, object]) -> pa.Schema:
    kinds = {"ts": pa.timestamp("ms", "UTC"), "samples": pa.uint32()}
    texts = {"device", "host", "rack"}
    return pa.schema([(n, kinds.get(n, pa.string() if n in texts else pa.float64())) for n in row])


TIME = datetime.now(UTC).replace(microsecond=123456)

EVENT = Event(
    id="event-1",
    time=TIME,
    observed_at=TIME,
    host="node001",
    device="node001/gpu0",
    device_class="accelerator",
    source="kernel_log",
    kind="accelerator_fallen_off_bus",
    code=79,
    severity=Severity.CRITICAL,
    text="GPU has fallen off the bus: it's \\gone\\",
    attributes={"pci": "0000:1a:00", "line": 3},
)
FINDING = Finding(
    id="fault_events:accelerator_fallen_off_bus:node001/gpu0",
    detector="fault_events",
    kind="accelerator_fallen_off_bus",
    status=FindingStatus.FIRING,
    started_at=TIME,
    updated_at=TIME,
    device="node001/gpu0",
    device_class="accelerator",
    host="node001",
    severity=Severity.CRITICAL,
    action=RecommendedAction.DRAIN_AND_REPLACE,
    summary="XID 79",
    evidence=(Evidence(text="one line", metric="last_fault_code", value=79.0),),
)
INCIDENT = Incident(
    id="incident-1",
    status=IncidentStatus.OPEN,
    verdict=Verdict.HARDWARE,
    kind="accelerator_fallen_off_bus",
    cause_device="node001/gpu0",
    cause_device_class="accelerator",
    severity=Severity.CRITICAL,
    title="node001/gpu0 fell off the bus",
    explanation="XID 79 was seen; nothing else of its rack.",
    action=RecommendedAction.DRAIN_AND_REPLACE,
    suspect_hosts=("node001",),
    affected_hosts=("node001", "node002"),
    job="81",
    opened_at=TIME,
    updated_at=TIME,
    findings=(FINDING,),
    timeline=(TimelineEntry(time=TIME, text="opened"),),
)
ACTION = Action(
    id="action-1",
    intent_id="intent-1",
    kind=ActionKind.DRAIN,
    target="node001",
    nodes=("node001",),
    state=ActionState.PENDING_APPROVAL,
    reason="XID 79",
    requested_by="fleetops:planner",
    incident_id="incident-1",
    created_at=TIME,
    updated_at=TIME,
    epoch=3,
    outcomes=(NodeOutcome(node="node001", state=ActionState.PENDING_APPROVAL),),
)
