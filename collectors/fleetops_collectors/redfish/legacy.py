"""The deprecated ``Thermal`` and ``Power`` of a chassis, as older controllers still give them.

What stands in their lists becomes the sensors and supplies that took their place, after those where
a service gives both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fleetops_collectors.redfish.cells import Cells, Given, Subject
from fleetops_collectors.redfish.names import Names
from fleetops_collectors.redfish.sensors import read_sensor
from fleetops_collectors.redfish.values import Json, dig, objects_of, state_of, text_of

LEGACY_RANK = 15
"""After sensors (20) and the properties of the resources that replace these; before reports."""


class _Column(NamedTuple):
    name: str
    metric: str
    scale: float = 1.0
    rank: int = 0


_SUPPLY = (
    _Column("LineInputVoltage", "input_voltage_volts"),
    _Column("PowerInputWatts", "input_power_watts"),
    _Column("PowerOutputWatts", "output_power_watts"),
    _Column("LastPowerOutputWatts", "output_power_watts", rank=1),
    _Column("EfficiencyPercent", "efficiency_ratio", 0.01),
)
_DELL_RATING = ("Oem", "Dell", "DellPowerSupplyView", "Range1MaxInputPowerWatts")


def read_thermal(uri: str, thermal: Json, names: Names, cells: Cells) -> list[str]:
    """Reads temperatures and fans; returns the names of those without a column."""
    return [
        text_of(sensor.get("Id")) or "?"
        for sensor in (*_temperatures(thermal), *_fans(thermal))
        if not _read(uri, sensor, names, cells)
    ]


def read_power(uri: str, power: Json, names: Names, cells: Cells) -> list[str]:
    """Reads supplies; returns the names of voltages, which have no column."""
    for supply_uri, item in supplies_of(uri, power, names):
        if subject := names.subject(supply_uri):
            _read_supply(subject, item, cells)
    return [_name(item) for item in objects_of(power.get("Voltages"))]


def supplies_of(uri: str, power: Json, names: Names) -> Iterator[tuple[str, Json]]:
    """The supplies in a ``Power``, at URIs that name them as the newer resources' do.

    Dell's ``MemberId`` is the newer resource's id (``PSU.Slot.1``), others' the place in the list,
    which counts from 0 where the newer ids may count from 1.
    """
    items = objects_of(power.get("PowerSupplies"))
    members = [text_of(item.get("MemberId")).replace("/", "_") for item in items]
    if not all(members) or len(set(members)) < len(members):
        members = [str(place) for place in range(len(items))]
    newer = names.supplies_of_chassis(uri.rpartition("/")[0])
    if len(newer) == len(members) and set(members).isdisjoint(newer):
        members = newer
    for member, item in zip(members, items, strict=True):
        yield f"{uri}/PowerSupplies/{member}", item


def _temperatures(thermal: Json) -> Iterator[Json]:
    for item in objects_of(thermal.get("Temperatures")):
        yield {
            **item,
            "Id": _name(item),
            "Reading": item.get("ReadingCelsius"),
            "ReadingType": "Temperature",
            "ReadingUnits": "Cel",
        }


def _fans(thermal: Json) -> Iterator[Json]:
    for item in objects_of(thermal.get("Fans")):
        units = text_of(item.get("ReadingUnits")) or text_of(item.get("Units"))
        values = (item.get(name) for name in ("Reading", "ReadingRPM", "CurrentReading"))
        yield {
            **item,
            "Id": f"fan_{_name(item)}",
            "Reading": next((value for value in values if value is not None), None),
            "ReadingType": "Percent" if units == "Percent" else "Rotational",
            "ReadingUnits": "%" if units == "Percent" else "RPM",
        }


def _read(uri: str, sensor: Json, names: Names, cells: Cells) -> bool:
    measured = read_sensor(uri, sensor, names)
    for one in measured or ():
        given = one.given._replace(rank=one.given.rank + LEGACY_RANK)
        cells.put(one.subject, one.metric, given)
    return measured is not None or sensor.get("Reading") is None


def _read_supply(subject: Subject, item: Json, cells: Cells) -> None:
    state = state_of(item)
    for column in _SUPPLY:
        if column.name in item:
            raw, scale = _as_meant(item, column)
            given = Given(raw, LEGACY_RANK + column.rank, scale, state=state)
            cells.put(subject, column.metric, given)
    status = item.get("Status")
    if isinstance(status, dict):
        cells.put(subject, "health", Given(status.get("Health"), LEGACY_RANK, state=state))


def _as_meant(item: Json, column: _Column) -> tuple[object, float]:
    """The value and its scale; Dell's controllers mean two properties in their own way."""
    raw = item[column.name]
    if column.name == "EfficiencyPercent" and isinstance(raw, int | float) and 0 < raw <= 1:
        return raw, 1.0  # 0.91 is no percentage of a supply that works
    if column.name == "PowerInputWatts" and raw in [limit for limit, _ in dig(item, _DELL_RATING)]:
        return None, 1.0  # what it may draw at most, and not what it draws
    return raw, column.scale


def _name(item: Json) -> str:
    names = (text_of(item.get(key)) for key in ("Name", "FanName", "MemberId"))
    return next(filter(None, names), "?")
