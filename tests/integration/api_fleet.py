"""A small fleet on the bus and in the store, for the API to show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fleetops.store.records import events_table, findings_table
from fleetops_schemas import topics
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.identity import InventoryDevice
from fleetops_schemas.readings import Quality, Reading
from fleetops_schemas.records import (
    ActionState,
    CollectorReport,
    Event,
    Finding,
    FindingStatus,
    Job,
    RecommendedAction,
    Severity,
    TargetReport,
)
from fleetops_schemas.telemetry import BatchBuilder
from tests.integration.api_server import (
    NOW,
    ApiRig,
    action,
    eventually,
    incident,
    node_state,
    placement,
)


def fill(rig: ApiRig) -> None:
    rig.publish(
        topics.INVENTORY,
        *(placement(f"node{n:03}", f"r{(n + 1) // 2:02}", n % 2) for n in range(1, 5)),
    )
    states = (
        node_state("node001", "ALLOCATED", jobs=("81",)),
        node_state("node002", "IDLE", "DRAIN", reason="fleetops:inc-0009 hot"),
        node_state("node003", "IDLE", "DRAIN", reason="replacing a fan"),
        node_state("node004"),
    )
    rig.publish(topics.NODES, *((state.node, state) for state in states))
    job = Job(
        id="81", name="train", user="ada", state="RUNNING", nodes=("node001",), observed_at=NOW
    )
    rig.publish(topics.JOBS, ("81", job))
    report = CollectorReport(
        collector="bmc",
        instance="one",
        time=datetime.now(UTC),
        interval_seconds=60,
        targets=(
            TargetReport(target="https://bmc1", host="node001", up=True),
            TargetReport(target="https://bmc2", host="node002", up=False, error="timed out"),
        ),
    )
    rig.publish(topics.COLLECTORS, ("bmc", report))
    incidents = [
        incident(1, "node001"),
        incident(2, "node003", severity=Severity.WARNING),
        incident(3, "node001", is_open=False),
    ]
    rig.publish(topics.INCIDENTS, *((one.id, one) for one in incidents))
    acts = [action(n, "node001") for n in (1, 2)] + [action(3, "node002", ActionState.DONE)]
    rig.publish(topics.ACTIONS, *((one.id, one) for one in acts))
    devices = [
        InventoryDevice(
            device=f"node001/gpu{n}",
            device_class="accelerator",
            host="node001",
            serial=f"165{n}",
            since=NOW,
            conflicts=("uuid: nvml GPU-1, redfish 2",) if n == 1 else (),
        )
        for n in range(3)
    ]
    rig.publish(topics.DEVICES, *((one.device, one) for one in devices))
    store_telemetry(rig)
    with rig.client("viewer") as client:
        eventually(lambda: len(client.actions().items) == 3, "the filled fleet")


def store_telemetry(rig: ApiRig) -> None:
    now = datetime.now(UTC)
    builder = BatchBuilder(load_catalog()["accelerator"])
    for second in range(10):
        for gpu, celsius in ((0, 60.0 + second), (1, 55.0)):
            readings = [
                Reading("accelerator", f"node001/gpu{gpu}", metric, value, unit, quality)
                for metric, value, unit, quality in (
                    ("temperature_celsius", celsius, "Cel", Quality.GOOD),
                    ("power_watts", None, "W", Quality.SENTINEL),
                    ("energy_joules", 100.0 * second, "J", Quality.GOOD),
                )
            ]
            builder.add(
                readings, ts=now - timedelta(seconds=10 - second), host="node001", rack="r01"
            )
    rig.store.insert("accelerator", builder.build())
    events = [
        Event(
            id=f"event-{n}",
            time=NOW - timedelta(minutes=n),
            observed_at=NOW,
            host="node001",
            device="node001/gpu0",
            device_class="accelerator",
            source="kernel_log",
            kind="accelerator_application",
            code=31,
            severity=Severity.INFO,
            text=f"XID 31 number {n}",
        )
        for n in range(7)
    ]
    rig.store.insert("events", events_table([*events, *events]))
    finding = Finding(
        id="thresholds:accelerator_hot:node001/gpu0",
        detector="thresholds",
        kind="accelerator_hot",
        status=FindingStatus.FIRING,
        started_at=NOW - timedelta(minutes=2, seconds=30),
        updated_at=NOW,
        device="node001/gpu0",
        device_class="accelerator",
        host="node001",
        severity=Severity.CRITICAL,
        action=RecommendedAction.DRAIN,
        summary="too hot",
    )
    rig.store.insert("findings", findings_table([finding]))
