"""Sensors of the switch itself: temperatures, fans and supplies, by the names of sensor_service.

The names are free text in each platform's configuration (``SMB_TH5_TEMP``, ``PSU1_L_VIN``,
``CPU_CORE0_TEMP``); these patterns hold for all platforms that FBOSS configures.
"""

from __future__ import annotations

import re

from fleetops_collectors.fboss.scope import Scope
from fleetops_collectors.json_input import Json
from fleetops_collectors.number_text import number_of

_POWER, _VOLTAGE, _CURRENT, _TEMPERATURE, _FAN = range(5)
_TYPES = {
    **{"POWER": _POWER, "VOLTAGE": _VOLTAGE, "CURRENT": _CURRENT, "FAN": _FAN},
    **{"TEMPERTURE": _TEMPERATURE, "TEMPERATURE": _TEMPERATURE},
}
"""SensorType of sensor_config.thrift, with its own spelling of temperature."""
_PSU = re.compile(r"PSU(?P<number>\d*)(?:_[LR])?_(?:(?P<rail>\w+)_)?(?P<what>[VIP](?:IN|OUT))")
_PSU_TEMPERATURE = re.compile(r"PSU(?P<number>\d*)_(?:\w+_)?TEMP\d*")
_PSU_FAN = re.compile(r"PSU(?P<number>\d*)_(?:\w+_)?FAN\w*")
_PLACES = (
    ("asic", re.compile(r"(?:^|_)(?:(?:TH|J|R|Q)\d+(?:_\d+)?_(?:DIODE|TEMP)|ASIC|NPU|GB_)")),
    ("cpu", re.compile(r"^CPU_(?:CORE|PACKAGE|UNCORE|PHYS)")),
    ("memory", re.compile(r"(?:^|_)DIMM")),
    ("disk", re.compile(r"(?:^|_)(?:NVME|SSD|M2)_")),
    ("inlet", re.compile(r"(?:^|_)INLET(?:_|$)")),
    ("outlet", re.compile(r"(?:^|_)OUTLET(?:_|$)")),
)
"""Where a temperature is taken, by its name; the rest is the board."""
_KINDS = (
    (_TEMPERATURE, re.compile(r"TEMP|THERMAL|DIODE")),
    (_FAN, re.compile(r"RPM$|FAN")),
    (_VOLTAGE, re.compile(r"V(?:IN|OUT)|VOLT")),
    (_CURRENT, re.compile(r"I(?:IN|OUT)|CURR")),
    (_POWER, re.compile(r"P(?:IN|OUT)|POWER")),
)
"""By name, for the older structure, which has no type."""


def decode_sensor(scope: Scope, name: str, sensor: Json) -> None:
    """One ``SensorData``; without a value its last read failed."""
    raw, time = scope.dated(number_of(sensor.get("value")), sensor.get("timeStamp"))
    kind = _kind(name, sensor.get("sensorType", sensor.get("type")))
    if supply := _supply(name, kind):
        device = f"{scope.switch}/psu{supply[0]}"
        scope.columns.add("power_unit", device, supply[1], raw, time)
        return
    source = _source(name, kind)
    if source is None:
        scope.decoded.unmapped[f"SensorData.{name}"] += 1
    else:
        scope.columns.add("host", scope.switch, source, raw, time)


def _kind(name: str, declared: object) -> int | None:
    if isinstance(declared, int) and not isinstance(declared, bool):
        return declared
    if isinstance(declared, str) and declared.upper() in _TYPES:
        return _TYPES[declared.upper()]
    return next((kind for kind, pattern in _KINDS if pattern.search(name)), None)


def _supply(name: str, kind: int | None) -> tuple[str, str] | None:
    """Number of the supply and the source, for sensors of a power supply."""
    if kind == _TEMPERATURE and (match := _PSU_TEMPERATURE.fullmatch(name)):
        return match["number"] or "1", "PSU.TEMP"
    if kind == _FAN and (match := _PSU_FAN.fullmatch(name)):
        return match["number"] or "1", "PSU.FAN"
    if kind in (_POWER, _VOLTAGE, _CURRENT) and (match := _PSU.fullmatch(name)):
        standby = "STBY_" if "STBY" in (match["rail"] or "") else ""
        return match["number"] or "1", f"PSU.{standby}{match['what']}"
    return None


def _source(name: str, kind: int | None) -> str | None:
    if kind == _TEMPERATURE:
        place = next((place for place, pattern in _PLACES if pattern.search(name)), "board")
        return f"SensorData.{place}"
    return "SensorData.fan" if kind == _FAN else None
