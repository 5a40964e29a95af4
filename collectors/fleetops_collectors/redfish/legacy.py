"""The deprecated ``Thermal`` and ``Power`` of a chassis, as older controllers still give them.

What stands in their lists becomes the sensors and supplies that took their place, after those where
a service gives both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fleetops_collectors.redfish.cells import Cells, Given, Subject
from fleetops_collectors.redfish.names import Names, supply
from fleetops_collectors.redfish.sensors import read_sensor
from fleetops_collectors.redfish.values import Json, objects_of, state_of, text_of

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


def read_thermal(uri: str, thermal: Json, names: Names, cells: Cells) -> list[str]:
    """Reads temperatures and fans; returns the names of those without a column."""
    return [
        text_of(sensor.get("Id")) or "?"
        for sensor in (*_temperatures(thermal), *_fans(thermal))
        if not _read(uri, sensor, names, cells)
    ]


def read_power(uri: str, power: Json, names: Names, cells: Cells) -> list[str]:
    """Reads supplies; returns the names of voltages, which have no column."""
    base = names.subject(uri)
    for number, item in enumerate(objects_of(power.get("PowerSupplies"))):
        if base is not None:
            _read_supply(base, number, item, cells)
    return [_name(item) for item in objects_of(power.get("Voltages"))]


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
        units = text_of(item.get("ReadingUnits"))
        yield {
            **item,
            "Id": f"fan_{_name(item)}",
            "ReadingType": "Percent" if units == "Percent" else "Rotational",
            "ReadingUnits": "%" if units == "Percent" else "RPM",
        }


def _read(uri: str, sensor: Json, names: Names, cells: Cells) -> bool:
    measured = read_sensor(uri, sensor, names)
    for one in measured or ():
        given = one.given._replace(rank=one.given.rank + LEGACY_RANK)
        cells.put(one.subject, one.metric, given)
    return measured is not None or sensor.get("Reading") is None


def _read_supply(base: Subject, number: int, item: Json, cells: Cells) -> None:
    member = text_of(item.get("MemberId"))
    subject = supply(base, member if member.isdecimal() else str(number))
    state = state_of(item)
    for column in _SUPPLY:
        if column.name in item:
            given = Given(item[column.name], LEGACY_RANK + column.rank, column.scale, state=state)
            cells.put(subject, column.metric, given)
    status = item.get("Status")
    if isinstance(status, dict):
        cells.put(subject, "health", Given(status.get("Health"), LEGACY_RANK, state=state))


def _name(item: Json) -> str:
    return text_of(item.get("Name")) or text_of(item.get("MemberId")) or "?"
