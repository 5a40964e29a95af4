"""What every management controller has: service root, manager, event log, sensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from fleetops.emulator.identity import serial_of, uuid_of
from fleetops.emulator.interfaces.redfish.log import LogEntry
from fleetops.emulator.interfaces.redfish.points import Point, encoder, points_of
from fleetops.emulator.interfaces.redfish.quirks import OddSensor, Quirk
from fleetops.emulator.interfaces.redfish.tree import (
    ENABLED,
    MAX_EXPAND_LEVELS,
    OK,
    ROOT,
    Resource,
    Tree,
    View,
    link,
)
from fleetops_schemas.catalog import Source, load_catalog

UNITS = {
    "Temperature": "Cel",
    "Power": "W",
    "Voltage": "V",
    "Current": "A",
    "Percent": "%",
}
"""By ReadingType, in UCUM's spelling."""
SCALES = {"Percent": 0.01}
"""What turns a reading into the metric's unit, where it is not the same."""
MANAGER = "BMC"
ENTRIES = f"Managers/{MANAGER}/LogServices/Log/Entries"
"""The event log's."""
EVENTS = f"{ROOT}/EventService/SSE"
"""Where events are streamed."""
SENSOR_TYPE = "Sensor.v1_12_0.Sensor"
ENVIRONMENT = "PlatformEnvironmentMetrics"
"""The report of sensors and other readings of a chassis."""


class Sensor(NamedTuple):
    """One sensor of a chassis."""

    id: str
    title: str
    reading_type: str
    context: str
    device_class: str
    metric: str
    part: int = 0


class LeakDetector(NamedTuple):
    """A leak detector, by its part."""

    title: str
    part: int
    metrics: frozenset[str]


def add_service(tree: Tree, services: Sequence[str]) -> None:
    """The service root with the services and collections named."""
    tree.add(
        "",
        "ServiceRoot.v1_20_0.ServiceRoot",
        {
            "Id": "RootService",
            "Name": "Root Service",
            "RedfishVersion": "1.15.0",
            "Vendor": "FleetOps Emulator",
            "ProtocolFeaturesSupported": {
                "ExpandQuery": {
                    "ExpandAll": True,
                    "Levels": True,
                    "MaxLevels": MAX_EXPAND_LEVELS,
                    "Links": False,
                    "NoLinks": True,
                },
                "TopSkipQuery": True,
                "SelectQuery": False,
                "FilterQuery": False,
                "OnlyMemberQuery": False,
                "ExcerptQuery": False,
            },
            **{service: link(service) for service in services},
            "SessionService": link("SessionService"),
            "EventService": link("EventService"),
            "TelemetryService": link("TelemetryService"),
            "Links": {"Sessions": link("SessionService/Sessions")},
        },
        live=lambda view: {"UUID": str(uuid_of(view.name))},
    )


def add_event_service(tree: Tree) -> None:
    """Events come over Server-Sent Events alone: there are no subscriptions."""
    tree.add(
        "EventService",
        "EventService.v1_12_0.EventService",
        {
            "Name": "Event Service",
            "ServiceEnabled": True,
            "Status": ENABLED,
            "ServerSentEventUri": EVENTS,
            "SSEFilterPropertiesSupported": {"EventFormatType": True, "OriginResource": False},
        },
    )


def add_manager(tree: Tree, points: Sequence[Point] = ()) -> None:
    """The controller itself, with its event log (entries inline, newest last)."""
    base = f"Managers/{MANAGER}"
    tree.add_collection("Managers", "Manager", [MANAGER])
    tree.add(
        base,
        "Manager.v1_24_0.Manager",
        {
            "Name": "Manager",
            "ManagerType": "BMC",
            "Model": "Emulated controller",
            "FirmwareVersion": "1.0.0",
            "DateTimeLocalOffset": "+00:00",
            "Status": ENABLED if points else OK,
            "PowerState": "On",
            "LogServices": link(f"{base}/LogServices"),
        },
        points=points,
        live=lambda view: {"DateTime": view.timestamp()},
    )
    tree.add_collection(f"{base}/LogServices", "LogService", ["Log"])
    tree.add(
        f"{base}/LogServices/Log",
        "LogService.v1_9_0.LogService",
        {
            "Name": "Event Log",
            "MaxNumberOfRecords": 1000,
            "OverWritePolicy": "WrapsWhenFull",
            "ServiceEnabled": True,
            "Status": ENABLED,
            "Entries": link(ENTRIES),
        },
    )

    def told(view: View) -> Resource:
        members = [entry_resource(entry) for entry in view.log]
        return {"Members@odata.count": len(members), "Members": members}

    tree.add(
        ENTRIES,
        "LogEntryCollection.LogEntryCollection",
        {"Name": "Log Entry Collection"},
        live=told,
    )


def add_sensors(
    tree: Tree,
    chassis: str,
    sensors: Sequence[Sensor],
    odd: Mapping[str, OddSensor] = MappingProxyType({}),
    *,
    as_text: bool = False,
) -> None:
    """The sensors of a chassis; each read just now.

    Args:
        tree: to add them to.
        chassis: its id.
        sensors: that show cells of the tables.
        odd: others, by id.
        as_text: whether readings are strings.
    """
    base = f"Chassis/{chassis}/Sensors"
    tree.add_collection(base, "Sensor", [*(sensor.id for sensor in sensors), *odd])
    for name, one in odd.items():
        tree.add(f"{base}/{name}", SENSOR_TYPE, one.static, live=one.live)
    for sensor in sensors:
        tree.add(
            f"{base}/{sensor.id}",
            SENSOR_TYPE,
            {
                "Name": sensor.title,
                "ReadingType": sensor.reading_type,
                "ReadingUnits": UNITS[sensor.reading_type],
                "PhysicalContext": sensor.context,
                "Status": OK,
            },
            points=[_reading(sensor, as_text=as_text)],
            live=lambda view: {"ReadingTime": view.timestamp()},
            report=ENVIRONMENT,
        )


def _reading(sensor: Sensor, *, as_text: bool) -> Point:
    metric = load_catalog()[sensor.device_class].metric(sensor.metric)
    source = Source(name="Sensor.Reading", scale=SCALES.get(sensor.reading_type, 1.0))
    encode = encoder(metric, source)
    if as_text:
        return Point(
            sensor.part, sensor.metric, ("Reading",), lambda value: str(encode(value)), "N/A"
        )
    return Point(sensor.part, sensor.metric, ("Reading",), encode)


def add_leak_detection(
    tree: Tree, base: str, detector: LeakDetector, quirks: frozenset[Quirk] = frozenset()
) -> None:
    """A leak detection with one detector, ``leak0``; ``base`` is its path."""
    tree.add(
        base,
        "LeakDetection.v1_2_0.LeakDetection",
        {
            "Name": "Leak Detection",
            "Status": ENABLED,
            "LeakDetectors": link(f"{base}/LeakDetectors"),
        },
    )
    points = points_of("LeakDetector", "coolant_unit", detector.part, detector.metrics)
    if Quirk.FLOATING_DETECTOR in quirks:
        points = tuple(
            replace(point, blank="Critical") if point.metric == "leak_state" else point
            for point in points
        )
    tree.add_collection(f"{base}/LeakDetectors", "LeakDetector", ["leak0"])
    tree.add(
        f"{base}/LeakDetectors/leak0",
        "LeakDetector.v1_2_0.LeakDetector",
        {"Name": detector.title, "LeakDetectorType": "Moisture", "PhysicalContext": "Chassis"},
        points=points,
    )


def equipment_identity(view: View) -> Resource:
    """Who a coolant unit or a power shelf is, and where it stands."""
    return {
        "Name": view.name,
        "SerialNumber": serial_of(view.name),
        "UUID": str(uuid_of(view.name)),
        "Location": {"Placement": {"Rack": view.rack}},
    }


def entry_path(entry: LogEntry) -> str:
    """URI of a log entry."""
    return f"{ROOT}/{ENTRIES}/{entry.id}"


def entry_resource(entry: LogEntry) -> Resource:
    """A log entry as its collection shows it."""
    return {
        "@odata.id": entry_path(entry),
        "@odata.type": "#LogEntry.v1_21_0.LogEntry",
        "Id": str(entry.id),
        "Name": f"Log Entry {entry.id}",
        "EntryType": "Event",
        "Severity": entry.severity,
        "Created": entry.created.isoformat(timespec="milliseconds"),
        "Message": entry.message,
        "MessageArgs": list(entry.arguments),
        "MessageId": entry.message_id,
        "Links": {"OriginOfCondition": {"@odata.id": entry.origin}},
    }
