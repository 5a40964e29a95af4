"""Optical modules: lanes, temperature, error rates; and the laser of a co-packaged one.

With co-packaged optics the light comes from an external source (ELSFP) that is plugged in for
itself. xcvrd writes it to ``TRANSCEIVER_ELS_*``, earlier as ``els_*`` fields beside the module's
own (sonic-net/SONiC, doc/pmon/xcvrd_cpo.md); here it is a device of its own below the port.
"""

from __future__ import annotations

import re

from fleetops_collectors.columns import Raw
from fleetops_collectors.number_text import number_of, with_unit
from fleetops_collectors.optics import from_dbm, from_milliwatts, is_dark
from fleetops_collectors.sonic.scope import Scope
from fleetops_collectors.sonic.tables import Fields, Tables
from fleetops_schemas.readings import Quality

CLASS = "fabric_port"
LASER = "laser1"
"""A port has at most one external laser source (FBOSS: one to one with the module's controller)."""
DOM = "TRANSCEIVER_DOM_SENSOR"
ELS = "TRANSCEIVER_ELS_DOM_SENSOR"
_SENSORS = (
    *(DOM, "TRANSCEIVER_DOM_TEMPERATURE"),
    *("TRANSCEIVER_PM", "TRANSCEIVER_VDM_REAL_VALUE"),
)
_LASER_SENSORS = (ELS, "TRANSCEIVER_ELS_DOM_TEMPERATURE")
_PREFIX = "els_"
_POWER = re.compile(r"(rx|tx)\d+power")
_RECEIVED = re.compile(r"rx\d+power")
_LASER_POWER = re.compile(r"opt_power_monitor\d+")
_REMOVED = "0"
"""TRANSCEIVER_STATUS_SW.status: 0 removed, 1 inserted, others are errors of a present module."""


def decode_modules(tables: Tables, scope: Scope) -> None:
    """Sensors and identity of every module and laser."""
    for table in _SENSORS:
        for port, fields in tables.get(table, {}).items():
            own, laser = _apart(fields)
            _sensors(scope, scope.part(port), table, own)
            if laser:
                _sensors(scope, laser_of(scope, port), ELS, laser)
    for table in _LASER_SENSORS:
        for port, fields in tables.get(table, {}).items():
            own, laser = _apart(fields)
            _sensors(scope, laser_of(scope, port), table, {**own, **laser})
    for table in ("TRANSCEIVER_STATUS_SW", "TRANSCEIVER_STATUS"):
        for port, fields in tables.get(table, {}).items():
            if fields.get("status") == _REMOVED:
                scope.columns.add(CLASS, scope.part(port), f"{DOM}.temperature", Quality.ABSENT)
    _identities(tables, scope)


def laser_of(scope: Scope, port: str) -> str:
    """The device name of a port's external laser."""
    return f"{scope.part(port)}/{LASER}"


def _apart(fields: Fields) -> tuple[Fields, Fields]:
    """A row's own fields, and those of the laser without their prefix."""
    own = {name: text for name, text in fields.items() if not name.startswith(_PREFIX)}
    laser = {
        name.removeprefix(_PREFIX): text
        for name, text in fields.items()
        if name.startswith(_PREFIX)
    }
    return own, laser


def _sensors(scope: Scope, device: str, table: str, fields: Fields) -> None:
    scope.row(CLASS, device, table, fields, _read)
    received = [
        _read(name, text) for name, text in fields.items() if re.fullmatch(r"rx\d+power", name)
    ]
    if any(power is not Quality.MISSING for power in received):
        time = scope.time_of(fields)
        dark = scope.fresh(sum(map(is_dark, received)), time)
        scope.columns.put(CLASS, device, "optics_dark_lanes", dark, time)


def _read(name: str, text: str) -> Raw:
    """Power is in dBm, older releases wrote the unit behind it; a laser's own is in milliwatts."""
    if _LASER_POWER.fullmatch(name):
        raw = number_of(text)
        return raw if isinstance(raw, Quality) else from_milliwatts(raw)
    if not _POWER.fullmatch(name):
        return number_of(text)
    raw, unit = with_unit(text)
    if isinstance(raw, Quality):
        return raw
    return from_milliwatts(raw) if unit.lower() == "mw" else from_dbm(raw)


def _identities(tables: Tables, scope: Scope) -> None:
    firmware = tables.get("TRANSCEIVER_FIRMWARE_INFO", {})
    for port, fields in tables.get("TRANSCEIVER_INFO", {}).items():
        own, laser = _apart(fields)
        # releases before 2023 had it in the same row
        active = firmware.get(port, own).get("active_firmware", "")
        _identity(scope, scope.part(port), port, own, active)
        _identity(scope, laser_of(scope, port), port, laser, "")
    lasers = tables.get("TRANSCEIVER_ELS_FIRMWARE_INFO", {})
    for port, fields in tables.get("TRANSCEIVER_ELS_INFO", {}).items():
        own, laser = _apart(fields)
        active = lasers.get(port, {}).get("active_firmware", "")
        _identity(scope, laser_of(scope, port), port, {**own, **laser}, active)


def _identity(scope: Scope, device: str, port: str, fields: Fields, firmware: str) -> None:
    """What a module says of itself; releases before 2020 had longer names for it."""
    model = fields.get("model", fields.get("modelname", ""))
    scope.identify(
        CLASS,
        device,
        port,
        serial=fields.get("serial", fields.get("serialnum", "")),
        manufacturer=fields.get("manufacturer", fields.get("manufacturename", "")),
        model=model,
        part_number=model,
        firmware=firmware,
    )
