"""The switch itself: supplies, fans, temperatures and leak detectors."""

from __future__ import annotations

import re

from fleetops_collectors.columns import Raw
from fleetops_collectors.number_text import number_of
from fleetops_collectors.sonic.scope import Scope
from fleetops_collectors.sonic.tables import Fields, Tables
from fleetops_schemas.readings import Quality

_LEAKS = ("LIQUID_COOLING_DEVICE", "LIQUID_COOLING_INFO")
"""As the design calls the table, and as thermalctld does."""
_NO = frozenset({"false", "no", "0"})
_YES = frozenset({"true", "yes", "1"})
_DETECTOR_OK = frozenset({"ok", "good", "normal"})
_SEVERITY = {"minor": 1, "warning": 1, "low": 1}
"""A leak of unknown size counts as a large one."""
_LARGE = 2
_PLACES = (
    ("asic", re.compile(r"\basic|switch.?chip|\bnpu", re.IGNORECASE)),
    ("cpu", re.compile(r"cpu|core\b|pch\b|\bcomex", re.IGNORECASE)),
    ("memory", re.compile(r"dimm|sodimm|memory", re.IGNORECASE)),
    ("disk", re.compile(r"\bssd|nvme|disk|emmc", re.IGNORECASE)),
    ("inlet", re.compile(r"inlet|intake|ambient.*port", re.IGNORECASE)),
    ("outlet", re.compile(r"outlet|exhaust|ambient.*fan", re.IGNORECASE)),
)
"""Where a sensor sits, by its name; platforms choose names freely, and the rest is the board."""
_ELSEWHERE = re.compile(r"xsfp|sfp|transceiver|module \d|^psu", re.IGNORECASE)
"""Sensors that are read from their own tables already."""


def decode_platform(tables: Tables, scope: Scope) -> None:
    """Everything about the switch that is no port."""
    for name, fields in tables.get("PSU_INFO", {}).items():
        _supply(scope, name, fields)
    for name, fields in tables.get("FAN_INFO", {}).items():
        _fan(scope, name, fields)
    for name, fields in tables.get("TEMPERATURE_INFO", {}).items():
        _temperature(scope, name, fields)
    for table in _LEAKS:
        for name, fields in tables.get(table, {}).items():
            _leak(scope, name, fields)
    chassis = tables.get("CHASSIS_INFO", {}).get("chassis 1", {})
    about = tables.get("DEVICE_METADATA", {}).get("localhost", {})
    scope.identify(
        "host",
        scope.switch,
        "",
        serial=chassis.get("serial", ""),
        model=chassis.get("model", "") or about.get("hwsku", ""),
        firmware=about.get("build_version", ""),
    )


def _supply(scope: Scope, name: str, fields: Fields) -> None:
    device = scope.part(name.replace(" ", "").lower())
    absent = fields.get("presence", "").lower() in _NO

    def read(field: str, text: str) -> Raw:
        if absent:
            return Quality.ABSENT
        return _health(fields) if field == "status" else number_of(text)

    scope.row("power_unit", device, "PSU_INFO", fields, read)
    scope.identify(
        "power_unit",
        device,
        name,
        serial=fields.get("serial", ""),
        model=fields.get("model", ""),
    )


def _health(fields: Fields) -> Raw:
    """Critical without power, a warning above its power threshold."""
    status = fields.get("status", "").lower()
    if status in _NO:
        return 2
    if status not in _YES:
        return Quality.MISSING
    return 1 if fields.get("power_overload", "").lower() in _YES else 0


def _fan(scope: Scope, name: str, fields: Fields) -> None:
    """Speeds are percent of the maximum; a fan that is out has none, and does not count as slow."""
    if fields.get("presence", "").lower() in _NO:
        scope.decoded.problems.append(f"FAN_INFO|{name}: no fan there")
        fields = {**fields, "speed": "N/A"}
    scope.row("host", scope.switch, "FAN_INFO", fields)


def _temperature(scope: Scope, name: str, fields: Fields) -> None:
    if _ELSEWHERE.search(name):
        scope.unmapped("TEMPERATURE_INFO", name)
        return
    place = next((place for place, pattern in _PLACES if pattern.search(name)), "board")
    time = scope.time_of(fields)
    raw = scope.fresh(number_of(fields.get("temperature", "")), time)
    scope.columns.add("host", scope.switch, f"TEMPERATURE_INFO.{place}", raw, time)
    scope.unmapped("TEMPERATURE_INFO", "thresholds", max(0, len(fields) - 1))


def _leak(scope: Scope, name: str, fields: Fields) -> None:
    device = scope.part(name)
    detector = fields.get("leak_sensor_status", "").lower()
    works = detector in _DETECTOR_OK if detector not in {"", "n/a", "none"} else None
    severity = fields.get("leak_severity", fields.get("severity", "")).lower()  # as it was called

    def read(field: str, text: str) -> Raw:
        if field == "leak_sensor_status":
            return Quality.MISSING if works is None else int(works)
        word = text.lower()
        if works is False or word not in _YES | _NO:
            return Quality.MISSING  # a broken detector says nothing about leaks
        if word in _NO:
            return 0
        return _SEVERITY.get(severity, _LARGE)

    scope.row("coolant_unit", device, "LIQUID_COOLING_INFO", fields, read)
