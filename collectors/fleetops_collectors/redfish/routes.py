"""The ways through a service: which links lead to readings, and which resources hold none."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fleetops_collectors.redfish.tree import is_whole, type_of
from fleetops_collectors.redfish.values import Json, objects_of

_UNIT_PARTS = (
    "PrimaryCoolantConnectors",
    "SecondaryCoolantConnectors",
    "Pumps",
    "Fans",
    "Filters",
    "Reservoirs",
    "EnvironmentMetrics",
    "LeakDetection",
)
_FOLLOW: dict[str, tuple[str, ...]] = {
    "ServiceRoot": (
        "Systems",
        "Chassis",
        "Managers",
        "ThermalEquipment",
        "PowerEquipment",
        "TelemetryService",
        "EventService",
    ),
    "ComputerSystem": ("Processors", "Memory", "LogServices"),
    "Processor": ("Metrics", "EnvironmentMetrics", "Ports", "Links.Memory"),
    "Memory": ("Metrics", "EnvironmentMetrics"),
    "Port": ("Metrics",),
    "Chassis": (
        "Sensors",
        "ThermalSubsystem",
        "PowerSubsystem",
        "EnvironmentMetrics",
        "LeakDetectors",
        "NetworkAdapters",
        "LogServices",
    ),
    "NetworkAdapter": ("Ports",),
    "ThermalSubsystem": (
        "Fans",
        "CoolantConnectors",
        "Pumps",
        "Filters",
        "LeakDetection",
        "ThermalMetrics",
    ),
    "LeakDetection": ("LeakDetectors",),
    "PowerSubsystem": ("PowerSupplies", "Batteries"),
    "PowerSupply": ("Metrics", "Sensors"),
    "Battery": ("Metrics",),
    "ThermalEquipment": ("CDUs", "HeatExchangers", "ImmersionUnits", "RPUs"),
    "CoolingUnit": _UNIT_PARTS,
    "PowerEquipment": (
        "PowerShelves",
        "RackPDUs",
        "FloorPDUs",
        "Switchgear",
        "TransferSwitches",
        "ElectricalBuses",
    ),
    "PowerDistribution": (
        "Mains",
        "Branches",
        "Feeders",
        "Subfeeds",
        "Outlets",
        "Metrics",
        "PowerSupplies",
    ),
    "Manager": ("LogServices",),
    "TelemetryService": ("MetricReports",),
}
"""By type: the properties that link to readings."""
_DEPRECATED = {"Thermal": "ThermalSubsystem", "Power": "PowerSubsystem"}
"""Of a chassis: resources that are read where it lacks what took their place."""
_STRUCTURE = frozenset(
    {
        "ServiceRoot",
        "Chassis",
        "NetworkAdapter",
        "ThermalSubsystem",
        "ThermalEquipment",
        "PowerEquipment",
        "TelemetryService",
        "EventService",
        "LogService",
    }
)
"""Types that hold no readings: read once a discovery."""
_NAMING = _STRUCTURE | {
    "ComputerSystem",
    "Processor",
    "Memory",
    "Manager",
    "CoolingUnit",
    "PowerDistribution",
    "PowerSupply",
    "Power",
    "Battery",
    "Pump",
    "LeakDetector",
}
"""Types that decide how devices are named, or say which hardware they are; kept, so that a part of
a round names the same."""
_EXPANDED = frozenset(
    {
        "Processors",
        "Memory",
        "Ports",
        "Sensors",
        "Fans",
        "Pumps",
        "CoolantConnectors",
        "LeakDetectors",
        "PowerSupplies",
        "Batteries",
        "Outlets",
        "Branches",
        "MetricReports",
    }
)
"""Collections worth reading whole: one request instead of one a member."""
_NO_EVENT_LOG = re.compile(r"(?i)dump|crash|postcode|journal|hostlogger|fdr|audit")
"""Logs of bulk data, boot codes and logins, which are no events of the hardware."""


def followed(kind: str, resource: Json) -> Iterator[tuple[str, ...]]:
    """The property paths of a resource that link to readings."""
    for path in _FOLLOW.get(kind, ()):
        yield tuple(path.split("."))
    if kind == "Chassis":
        for old, new in _DEPRECATED.items():
            if new not in resource:
                yield (old,)


def holds_readings(kind: str, resource: Json) -> bool:
    """Whether a resource of a type changes from round to round."""
    if kind == "ThermalSubsystem":
        return "FanRedundancy" in resource
    return kind not in _STRUCTURE and not kind.endswith("Collection")


def names_devices(kind: str) -> bool:
    """Whether devices are named after resources of this type."""
    return kind in _NAMING


def is_read_whole(uri: str) -> bool:
    """Whether a collection is worth an ``$expand``."""
    return uri.rsplit("/", 1)[-1] in _EXPANDED


def is_event_log(uri: str) -> bool:
    """Whether a log service's entries are events of the hardware."""
    return not _NO_EVENT_LOG.search(uri.rsplit("/", 1)[-1])


def is_mere_structure(uri: str, resource: Json) -> bool:
    """Whether a resource may be taken as unchanged because its ETag is.

    Only what holds no reading: services exist whose ETags stand while the readings under them
    move, and a reading from a cache is one that was not taken.
    """
    kind = type_of(resource, uri)
    if kind.endswith("Collection"):
        members = objects_of(resource.get("Members"))
        return kind != "LogEntryCollection" and not any(map(is_whole, members))
    # A chassis shows its health; of equipment without systems that is a reading.
    return kind != "Chassis" and kind in _STRUCTURE and not holds_readings(kind, resource)
