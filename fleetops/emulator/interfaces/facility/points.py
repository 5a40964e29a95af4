"""The points of coolant units: what building management publishes of each, and under which topic.

Which point a metric is, is the catalogue's: its ``facility`` sources of the object type ``CDU``,
``CDU/pointType[/loop[/side]]``, read backwards. Topics and payloads are those of dsx-exchange
(NVIDIA, AsyncAPI "BMS Event Bus" 1.0), or of the shape before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import orjson

from fleetops.emulator.model.tables import Table
from fleetops.emulator.site import Loop, Site
from fleetops_schemas.catalog import Metric, MetricKind, load_catalog
from fleetops_schemas.platforms import Interface

DEVICE_CLASS: Final = "coolant_unit"
OBJECT_TYPE: Final = "CDU"
PREFIX: Final = "BMS/v1"
AREAS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "": (),
        "secondary": ("Secondary",),
        "secondary/supply": ("Secondary", "Supply"),
        "secondary/return": ("Secondary", "Return"),
        "primary": ("Primary",),
        "primary/supply": ("Primary", "Inlet"),
        "primary/return": ("Primary", "Outlet"),
    }
)
"""By loop and side of a source's name: the process area, as the integration guide has it."""
ENGINEERING_UNITS: Final[Mapping[str, tuple[str, float]]] = MappingProxyType(
    {
        "Cel": ("degC", 1.0),
        "L/min": ("LPM", 1.0),
        "kPa": ("kPa", 1.0),
        "{rev}/min": ("RPM", 1.0),
        "1": ("%", 100.0),
    }
)
"""By the metric's unit: how it is written, and how many of these are one of those."""
GOOD, BAD = 1, 0


class Shape(StrEnum):
    """Of topics and payloads."""

    PUB = "pub"
    """dsx-exchange."""
    OLDER = "older"
    """The shape before it, that NICo's consumer still reads: no types in topics, no quality,
    seconds."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What building management calls a metric."""

    point_type: str
    area: tuple[str, ...]
    unit: str
    """Engineering unit; "" for a state."""
    scale: float
    """With ``offset``, from the point's value to the metric's: value * scale + offset."""
    offset: float


@dataclass(frozen=True, slots=True)
class Point:
    """One point: a cell of the table, and its name."""

    key: str
    """``objectType/pointType/tagPath``."""
    row: int
    metric: str
    kind: Kind
    metadata: bytes

    def topic(self, message: str, shape: Shape) -> str:
        """Of its ``Value`` or ``Metadata``."""
        if shape is Shape.OLDER:
            return f"{PREFIX}/{self.key}/{message}"
        return f"{PREFIX}/PUB/{message}/{self.key}"

    def value(self, table: Table, now: datetime, shape: Shape) -> bytes:
        """The payload of its value."""
        number = (float(table[self.metric][self.row]) - self.kind.offset) / self.kind.scale
        good = bool(table.present[self.row]) and not np.isnan(number)
        return value_body(number if good else None, now, shape)


def value_body(value: float | None, now: datetime, shape: Shape) -> bytes:
    """A value message; one of None is of bad quality."""
    if shape is Shape.OLDER:
        return orjson.dumps({"value": value, "timestamp": int(now.timestamp())})
    quality = BAD if value is None else GOOD
    stamp = int(now.timestamp() * 1000.0)
    return orjson.dumps({"value": value, "timestamp": stamp, "quality": quality})


@cache
def kinds() -> Mapping[str, Kind]:
    """By metric: those of a coolant unit that building management has a point for."""
    found = {}
    for metric in load_catalog()[DEVICE_CLASS].metrics:
        kind = _kind(metric)
        if kind is not None:
            found[metric.name] = kind
    return found


def _kind(metric: Metric) -> Kind | None:
    """The point of a metric; that which names its loop where there are several."""
    named = {
        source.name.removeprefix(f"{OBJECT_TYPE}/"): source
        for source in metric.sources.get(Interface.FACILITY.value, ())
        if source.name.startswith(f"{OBJECT_TYPE}/")
    }
    fitting = [name for name in named if name.partition("/")[2] in AREAS]
    is_state = metric.kind is MetricKind.STATE
    if not fitting or not (is_state or metric.unit in ENGINEERING_UNITS):
        return None
    name = next((one for one in fitting if "/" in one), fitting[0])
    point_type, _, place = name.partition("/")
    unit, factor = ("", 1.0) if is_state else ENGINEERING_UNITS[metric.unit]
    source = named[name]
    return Kind(point_type, AREAS[place], unit, source.scale / factor, source.offset)


def points_of(site: Site, loop: Loop, table: Table) -> Iterator[Point]:
    """The points of a unit, its pumps and its leak detector, where the table has a value."""
    devices: list[tuple[str, tuple[str, ...]]] = [(loop.name, ())]
    for number, pump in enumerate(site.pumps[loop.pumps], start=1):
        devices.append((pump, ("Pump", str(number))))
    # the name under which a point of building management is a detector of its unit
    devices.append((f"{loop.name}/leak", ()))
    for device, area in devices:
        row = table.roster.index.get(device)
        if row is None:
            continue
        for metric in table.metrics_of(row):
            if metric in kinds():
                yield _point(loop, row, metric, area)


def _point(loop: Loop, row: int, metric: str, part: tuple[str, ...]) -> Point:
    kind = kinds()[metric]
    area = [*part, *kind.area]
    tag = "-".join([*area, kind.unit]).strip("-%").lower() or "value"
    metadata: dict[str, Any] = {
        "objectType": OBJECT_TYPE,
        "pointType": kind.point_type,
        "objectName": loop.name,
        "objectId": object_id(loop.name),
        **({"processArea": area} if area else {}),
        **({"engUnit": kind.unit} if kind.unit else {"stateText": ["normal", "leak"]}),
    }
    key = f"{OBJECT_TYPE}/{kind.point_type}/{loop.name}/{tag}"
    return Point(key, row, metric, kind, orjson.dumps(metadata))


def object_id(name: str) -> str:
    """A unit's identifier in building management."""
    return name.replace("/", "-")
