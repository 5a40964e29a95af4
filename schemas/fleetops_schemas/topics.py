"""The one table of topics: name, partitions, retention, and what the key and the value are."""

from __future__ import annotations

from dataclasses import dataclass

from fleetops_schemas.catalog import load_catalog

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it is created on the bus. ``retention_seconds`` None keeps for ever."""

    name: str
    partitions: int
    key: str
    value: str
    compacted: bool = False
    retention_seconds: int | None = 3 * DAY_SECONDS


EVENTS = Topic("fleetops.events", 8, "host", "JSON Event", retention_seconds=14 * DAY_SECONDS)
FINDINGS = Topic(
    "fleetops.findings", 8, "device", "JSON Finding", retention_seconds=14 * DAY_SECONDS
)
INCIDENTS = Topic("fleetops.incidents", 8, "incident id", "JSON Incident", compacted=True)
JOBS = Topic("fleetops.jobs", 4, "job id", "JSON Job", compacted=True)
INVENTORY = Topic("fleetops.inventory", 4, "host", "JSON HostPlacement", compacted=True)
NODES = Topic("fleetops.nodes", 4, "node", "JSON NodeState", compacted=True)
IDENTITIES = Topic("fleetops.identities", 4, "source:device", "JSON DeviceIdentity", compacted=True)
DEVICES = Topic("fleetops.devices", 4, "device", "JSON InventoryDevice", compacted=True)
COLLECTORS = Topic("fleetops.collectors", 4, "collector id", "JSON CollectorReport", compacted=True)
# One partition: intents and actions are few, and their total order is what makes the ledger one.
INTENTS = Topic(
    "fleetops.intents", 1, "intent id", "JSON Intent", retention_seconds=90 * DAY_SECONDS
)
ACTIONS = Topic("fleetops.actions", 1, "action id", "JSON Action", compacted=True)
DEAD_LETTER = Topic(
    "fleetops.dead_letter",
    4,
    "original key",
    "original bytes; reason and origin in the headers",
    retention_seconds=30 * DAY_SECONDS,
)


def telemetry_topic(device_class: str) -> Topic:
    """The telemetry topic of a device class: Arrow IPC, keyed by rack."""
    return Topic(f"fleetops.telemetry.{device_class}", 16, "rack or pod", "Arrow IPC stream")


def telemetry_topics() -> tuple[Topic, ...]:
    """The telemetry topics of every device class."""
    return tuple(telemetry_topic(name) for name in sorted(load_catalog().classes))


def all_topics() -> tuple[Topic, ...]:
    """Every topic FleetOps uses."""
    return (
        *telemetry_topics(),
        EVENTS,
        FINDINGS,
        INCIDENTS,
        JOBS,
        INVENTORY,
        IDENTITIES,
        DEVICES,
        NODES,
        COLLECTORS,
        INTENTS,
        ACTIONS,
        DEAD_LETTER,
    )
