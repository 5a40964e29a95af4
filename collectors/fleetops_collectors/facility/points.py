"""What a point is: from its metadata to a column of the catalog, or to the name of what has none.

A point's name in the catalog (sources of protocol ``facility``) is ``objectType/pointType``, for a
coolant unit with its loop and side behind it (``CDU/LiquidTemperature/secondary/supply``), for a
phase with its number, for a set point with ``setpoint``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from fleetops_collectors.facility.topics import BMS_PUBLISHER, Address
from fleetops_collectors.facility.units import NO_UNIT, Unit, unit_of
from fleetops_schemas.catalog import DeviceClass, Metric, MetricKind, Source, load_catalog

PROTOCOL = "facility"
MAX_TEXT = 256
"""Characters of a name or an identifier."""
HEARTBEAT = "HeartbeatTimestampBms"
UNITLESS = "power_factor_ratio"
"""The one measurement that the specification lets go without a unit."""

_PARTS = {
    # a rack and a unit are more than one device: what stands where, by point type
    "RackPower": "feed",
    "RackElectricalIsolationStatus": "feed",
    "RackElectricalIsolationRequest": "feed",
    "LeakResponseRackElectricalIsolationStatus": "feed",
    "RackLeakDetect": "leak",
    "RackLeakSensorFault": "leak",
    "LeakDetectRack": "leak",
    "LeakSensorFaultRack": "leak",
    "RackLeakDetectTray": "tray-leak",
    "LeakDetectRackTray": "tray-leak",
    "LeakDetect": "leak",
}
_RACK_PART = "manifold"
_IDENTIFIERS = ("rackLocationId", "rackID", "rackId", "objectId", "objectID")
_NAMES = ("rackLocationName", "rackName", "objectName")
_LOOPS = {
    **dict.fromkeys(("primary", "facility", "fws"), "primary"),
    **dict.fromkeys(("secondary", "technology", "tcs"), "secondary"),
}
_SIDES = {
    # the integration guide: the secondary loop has supply and return, the primary inlet and outlet
    "supply": ("secondary", "supply"),
    "return": ("secondary", "return"),
    "inlet": ("primary", "supply"),
    "outlet": ("primary", "return"),
}
_FILLERS = frozenset(("loop", "side", "line", "cdu", "liquid", "water", "coolant", "temperature"))
_WORD = re.compile(r"[a-z]+|\d+")
_UNSAFE = re.compile(r"[^A-Za-z0-9._:-]+")
_PHASES = {"A": "1", "B": "2", "C": "3"}


@dataclass(frozen=True, slots=True)
class Point:
    """A point with a column: where its values go, and how they get into the column's unit."""

    device_class: str
    device: str
    metric: Metric
    scale: float
    offset: float
    publisher: str
    """Whose values count: the BMS, or the integration that the metadata names."""


@dataclass(frozen=True, slots=True)
class Unmapped:
    """A point without a column."""

    name: str
    publisher: str


def point_of(
    metadata: Mapping[str, Any], address: Address, names: Mapping[str, str]
) -> Point | Unmapped:
    """What the metadata say of a point.

    Args:
        metadata: The payload.
        address: Its topic; its types go before those of the payload.
        names: By identifier of the building management, the device's or rack's name in FleetOps.
    """
    object_type = address.object_type or _text(metadata.get("objectType"))
    point_type = address.point_type or _text(metadata.get("pointType"))
    area = _area(metadata.get("processArea"))
    name = _source_name(object_type, point_type, area, metadata)
    publisher = _text(metadata.get("integration")) or BMS_PUBLISHER
    unit_text = _text(metadata.get("engUnit"))
    unit = unit_of(unit_text)
    fits = [place for place in _sources(name) if _fits(place[1], unit, metadata)]
    if not fits:
        wrong_unit = f" [{unit_text or 'no unit'}]" if _sources(name) else ""
        return Unmapped(f"{name}{wrong_unit}", publisher)
    device = _device(object_type, point_type, area, metadata, names)
    if not device:
        return Unmapped(f"{name} (no identifier)", publisher)
    device_class, metric, source = fits[0]
    unit = unit or NO_UNIT
    return Point(
        device_class=device_class.name,
        device=device,
        metric=metric,
        scale=unit.scale * source.scale,
        offset=unit.offset * source.scale + source.offset,
        publisher=publisher,
    )


@cache
def _all_sources() -> dict[str, list[tuple[DeviceClass, Metric, Source]]]:
    return load_catalog().by_source(PROTOCOL)


def _sources(name: str) -> list[tuple[DeviceClass, Metric, Source]]:
    return _all_sources().get(name, [])


def _fits(metric: Metric, unit: Unit | None, metadata: Mapping[str, Any]) -> bool:
    """Whether values in the unit are of the metric: all but states must say it.

    A state has no unit; a word in its place that is none (``bool``) loses no leak.
    """
    if metric.kind is MetricKind.STATE:
        return unit in {None, NO_UNIT}
    if unit is None:
        return False
    if not metadata.get("engUnit") and metric.name != UNITLESS:
        return False  # percent or ratio? nothing is guessed
    return unit.symbol == metric.unit and not metadata.get("stateText")


def _source_name(
    object_type: str, point_type: str, area: frozenset[str], metadata: Mapping[str, Any]
) -> str:
    name = f"{object_type}/{point_type}"
    if point_type == "PhaseCurrent":
        phase = _text(metadata.get("phase"))
        name += f"/{_PHASES.get(phase, phase)}"
    if object_type == "CDU" and point_type.startswith("Liquid"):
        name += _loop_and_side(area)
    return f"{name}/setpoint" if metadata.get("isSetpoint") is True else name


def _loop_and_side(area: frozenset[str]) -> str:
    """``/secondary/supply`` of a process area; the area itself where it means anything else."""
    rest = area - _FILLERS
    loops = {_LOOPS[word] for word in rest & _LOOPS.keys()}
    sides = rest & _SIDES.keys()
    known = not rest - _LOOPS.keys() - _SIDES.keys()
    if not known or len(loops) > 1 or len(sides) > 1:
        return f"/{' '.join(sorted(rest))}"
    if not sides:
        return f"/{loops.pop()}" if loops else ""
    loop, side = _SIDES[next(iter(sides))]
    if loop == "primary" and loops == {"secondary"}:
        return f"/{' '.join(sorted(rest))}"  # into or out of the unit? the guide does not say
    return f"/{loops.pop() if loops else loop}/{side}"


def _device(
    object_type: str,
    point_type: str,
    area: frozenset[str],
    metadata: Mapping[str, Any],
    names: Mapping[str, str],
) -> str:
    """The device's name; empty where the metadata identify nothing."""
    parent = _text(metadata.get("associateId"))
    found = (_text(metadata.get(key)) for key in (*_IDENTIFIERS, "associateId", *_NAMES))
    identifier = next(filter(None, found), "")
    if not identifier:
        return ""
    device = names.get(identifier) or _UNSAFE.sub("-", identifier)
    if object_type == "Rack":
        return f"{device}/{_PARTS.get(point_type, _RACK_PART)}"
    if parent == identifier:
        device += f"/{object_type.lower()}"
    if point_type in _PARTS:
        return f"{device}/{_PARTS[point_type]}"
    if point_type == "PumpSpeed" and "pump" in area:
        number = next((word for word in sorted(area) if word.isdecimal()), "")
        return f"{device}/pump{number}"
    return device


def _area(value: object) -> frozenset[str]:
    """The words of a process area: a list, or one text."""
    texts = value if isinstance(value, list) else [value]
    words = (_WORD.findall(text.lower()) for text in texts if isinstance(text, str))
    return frozenset(word for found in words for word in found)


def _text(value: object) -> str:
    """The text; empty where there is none, or none that could be a name."""
    return value.strip() if isinstance(value, str) and len(value) <= MAX_TEXT else ""
