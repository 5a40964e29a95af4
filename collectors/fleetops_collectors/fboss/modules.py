"""Optical modules: lanes, temperature, error rates; and the laser of a co-packaged one.

Power is in milliwatts, with a twin in dBm that says -40 for no light (transceiver.thrift). With
co-packaged optics the module's controller mirrors the external laser (ELSFP) into the module's own
fields; where an exporter gives it for itself, it is a device of its own below the port.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from fleetops_collectors.columns import Raw
from fleetops_collectors.fboss.scope import Scope
from fleetops_collectors.fboss.structs import Module
from fleetops_collectors.json_input import Json
from fleetops_collectors.number_text import number_of
from fleetops_collectors.optics import from_dbm, from_milliwatts, is_dark
from fleetops_schemas.readings import Quality

_LASER = re.compile(r"(?i)els(?:fp)?\w*|pls\w*|external_?laser\w*|laser_?source\w*")
"""Fields that hold an external laser; no public Thrift structure names it yet (November 2026)."""
_LANE_VALUES: dict[str, Callable[[float], float | Quality]] = {
    "rxPwr": from_milliwatts,
    "rxPwrdBm": from_dbm,
    "txPwr": from_milliwatts,
    "txPwrdBm": from_dbm,
    "txBias": lambda value: value,
}
_COPPER = frozenset({1, "COPPER"})
_LANE_MAPS = ("portNameToMediaLanes", "portNameToHostLanes")
_KNOWN = frozenset(
    {
        *("sensor", "channels", "timeCollected", "vendor", *_LANE_MAPS),
        *("vdmDiagsStats", "vdmPerfMonitorStats"),
    }
)


def decode_module(scope: Scope, name: str, module: Module) -> None:
    """Every port that the module serves gets its temperature and the port's own lanes."""
    for port, lanes in _ports(name, module):
        device = scope.part(port)
        _sensors(scope, device, module, lanes)
        scope.identify(device, port, _identity(module.state))
        lasers = [
            value
            for part in (module.stats, module.state)
            for key, value in part.items()
            if _LASER.fullmatch(key) and isinstance(value, dict)
        ]
        for number, laser in enumerate(lasers, 1):
            below = f"{device}/laser{number}"
            _sensors(scope, below, Module(laser, laser), None)
            scope.identify(below, port, _identity(laser))
    _error_rates(scope, module.stats.get("vdmPerfMonitorStats"))
    for key in module.stats.keys() - _KNOWN:
        scope.decoded.unmapped[f"TcvrStats.{key}"] += not _LASER.fullmatch(key)


def _ports(name: str, module: Module) -> Iterator[tuple[str, frozenset[int] | None]]:
    """Ports of a module, each with its lanes on the fibre; None for all."""
    for field in _LANE_MAPS:
        for part in (module.stats, module.state):
            lanes = part.get(field)
            if isinstance(lanes, dict) and lanes:
                for port, numbers in lanes.items():
                    by_fibre = field == _LANE_MAPS[0] and isinstance(numbers, list)
                    yield port, frozenset(_integers(numbers)) if by_fibre else None
                return
    yield (f"transceiver{name}" if name.isdecimal() else name), None


def _integers(numbers: list[object]) -> Iterator[int]:
    return (number for number in numbers if isinstance(number, int))


def _sensors(scope: Scope, device: str, module: Module, lanes: frozenset[int] | None) -> None:
    stats = module.stats
    stamp = stats.get("timeCollected")
    if module.state.get("present") is False:
        scope.add(device, "GlobalSensors.temp", Quality.ABSENT, stamp)
        return
    sensor = stats.get("sensor")
    for key in ("temp", "vcc"):
        if isinstance(sensor, dict) and key in sensor:
            scope.add(device, f"GlobalSensors.{key}", _value(sensor[key]), stamp)
    if not _is_copper(module.state):
        _lanes(scope, device, stats, lanes)
    diagnostics = stats.get("vdmDiagsStats")
    diagnostics = diagnostics if isinstance(diagnostics, dict) else {}
    for key, value in diagnostics.items():
        source = f"VdmDiagsStats.{key}"
        if scope.columns.has("fabric_port", source):
            scope.add(device, source, number_of(value), diagnostics.get("statsCollectionTme"))


def _error_rates(scope: Scope, monitor: object) -> None:
    """Each port's own, on the fibre; ``vdmDiagsStats`` is the older form, of the whole module."""
    monitor = monitor if isinstance(monitor, dict) else {}
    ports = monitor.get("mediaPortVdmStats")
    for port, side in ports.items() if isinstance(ports, dict) else ():
        rates = side.get("datapathBER") if isinstance(side, dict) else None
        for key, rate in rates.items() if isinstance(rates, dict) else ():
            source = f"VdmPerfMonitorPortSideStats.datapathBER.{key}"
            if scope.columns.has("fabric_port", source):
                stamp = monitor.get("statsCollectionTme")
                scope.add(scope.part(port), source, number_of(rate), stamp)


def _lanes(scope: Scope, device: str, stats: Json, lanes: frozenset[int] | None) -> None:
    stamp = stats.get("timeCollected")
    received = []
    for channel in _dicts(stats.get("channels")):
        if lanes is not None and channel.get("channel") not in lanes:
            continue
        sensors = channel.get("sensors")
        for key, value in sensors.items() if isinstance(sensors, dict) else ():
            if key not in _LANE_VALUES:
                scope.decoded.unmapped[f"ChannelSensors.{key}"] += 1
                continue
            raw = _value(value)
            power = raw if isinstance(raw, Quality) else _LANE_VALUES[key](raw)
            scope.add(device, f"ChannelSensors.{key}", power, stamp)
            if key == "rxPwr":
                received.append(power)
    if any(power is not Quality.MISSING for power in received):
        dark, time = scope.dated(sum(map(is_dark, received)), stamp)
        scope.columns.put("fabric_port", device, "optics_dark_lanes", dark, time)


def decode_detail(scope: Scope, port: str, detail: Json) -> None:
    """A row of ``fboss2 show transceiver``, whose powers are in dBm."""
    device = scope.part(port)
    up = detail.get("isUp")
    scope.add(
        device, "TransceiverDetail.isUp", int(up) if isinstance(up, bool) else Quality.MISSING
    )
    if detail.get("isPresent") is False:
        scope.add(device, "TransceiverDetail.temperature", Quality.ABSENT)
        return
    for key in ("temperature", "voltage"):
        scope.add(device, f"TransceiverDetail.{key}", number_of(detail.get(key)))
    received: list[Raw] = []
    for key in ("currentMA", "txPower", "rxPower"):
        values = detail.get(key)
        for value in values if isinstance(values, list) else ():
            raw = number_of(value)
            if key != "currentMA" and not isinstance(raw, Quality):
                raw = from_dbm(raw)
            scope.add(device, f"TransceiverDetail.{key}", raw)
            received += [raw] if key == "rxPower" else []
    if any(raw is not Quality.MISSING for raw in received):
        scope.columns.put(
            "fabric_port", device, "optics_dark_lanes", received.count(Quality.SENTINEL)
        )
    said = {"serial": "serial", "manufacturer": "vendor", "part_number": "partNumber"}
    scope.identify(device, port, {key: str(detail.get(name) or "") for key, name in said.items()})


def _value(sensor: object) -> Raw:
    """The value of a ``Sensor`` structure, or a bare number."""
    return number_of(sensor.get("value") if isinstance(sensor, dict) else sensor)


def _is_copper(state: Json) -> bool:
    cable = state.get("cable")
    return isinstance(cable, dict) and cable.get("transmitterTech") in _COPPER


def _dicts(values: object) -> Iterator[Json]:
    return (
        value for value in (values if isinstance(values, list) else ()) if isinstance(value, dict)
    )


def _identity(state: Json) -> dict[str, str]:
    vendor, status = state.get("vendor"), state.get("status")
    firmware = status.get("fwStatus") if isinstance(status, dict) else None
    said = {"serial": "serialNumber", "manufacturer": "name", "part_number": "partNumber"}
    vendor = vendor if isinstance(vendor, dict) else {}
    firmware = firmware if isinstance(firmware, dict) else {}
    found = {key: str(vendor.get(name) or "") for key, name in said.items()}
    return {**found, "model": found["part_number"], "firmware": str(firmware.get("version") or "")}
