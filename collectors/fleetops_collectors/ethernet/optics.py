"""The module (transceiver) of a port: what ``ethtool -m`` says of its lanes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fleetops_collectors.quality import Verdict, judge
from fleetops_schemas.catalog import Metric, load_catalog
from fleetops_schemas.readings import Quality, Reading

FLOOR_MILLIWATTS = 0.0001
"""Modules measure in tenths of a microwatt (SFF-8636, CMIS) and give 0 or 1, which is -40 dBm, for
"no light": a floor, not a measurement."""
_NUMBER = re.compile(r"(-?\d{1,9}(?:\.\d{1,9})?)(?:\s.*)?", re.DOTALL)


@dataclass(slots=True)
class Module:
    """A module's diagnostics as texts or numbers, lane by lane, and what it says of itself."""

    temperature: object = None
    """Degrees Celsius."""
    bias: list[object] = field(default_factory=list)
    """Milliamperes, a lane each."""
    transmit: list[object] = field(default_factory=list)
    """Milliwatts."""
    receive: list[object] = field(default_factory=list)
    """Milliwatts."""
    about: dict[str, str] = field(default_factory=dict)
    """``vendor name``, ``vendor pn``, ``vendor sn``, ``active firmware version``."""

    def __bool__(self) -> bool:
        return bool(self.about or self.bias or self.transmit or self.receive) or (
            self.temperature is not None
        )


def module_readings(device: str, module: Module) -> list[Reading]:
    """Temperature, weakest lanes and highest bias. A module without diagnostics gives nothing.

    Lanes whose laser is off while others' are on are not in use (a module of eight lanes that
    carries four) and are left out. A lane in use that is at its floor makes the weakest power a
    *sentinel*: there is no light, and no number for it.
    """
    bias = [_number(lane) for lane in module.bias]
    used = [at for at, value in enumerate(bias) if value] or range(len(bias))
    receive = _lanes(module.receive, used, len(bias))
    transmit = _lanes(module.transmit, used, len(bias))
    found = []
    if module.temperature is not None:
        of = _metric("optics_temperature_celsius")
        found.append(_reading(device, of, _judge(of, _number(module.temperature))))
    for name, lanes in (
        ("optics_receive_power_milliwatts", receive),
        ("optics_transmit_power_milliwatts", transmit),
    ):
        if lanes:
            of = _metric(name)
            found.append(_reading(device, of, _weakest(of, lanes)))
    if bias:
        of = _metric("optics_bias_milliamperes")
        known = [value for value in bias if value is not None]
        found.append(_reading(device, of, _judge(of, max(known, default=None))))
    return found


def _lanes(lanes: Sequence[object], used: Sequence[int], count: int) -> list[float | None]:
    values = [_number(lane) for lane in lanes]
    return [values[at] for at in used] if len(values) == count else values


def _weakest(of: Metric, lanes: Sequence[float | None]) -> Verdict:
    known = [value for value in lanes if value is not None]
    if len(known) < len(lanes):
        return None, Quality.MISSING
    weakest = min(known)
    if 0 <= weakest <= FLOOR_MILLIWATTS:
        return None, Quality.SENTINEL
    return judge(of, weakest)


def _judge(of: Metric, value: float | None) -> Verdict:
    return (None, Quality.MISSING) if value is None else judge(of, value)


def _number(value: object) -> float | None:
    """The number at the beginning of ``0.9077 mW / -0.42 dBm``, or JSON's number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if abs(value) < 1e12 and math.isfinite(value) else None  # noqa: PLR2004
    match = _NUMBER.fullmatch(value.strip()) if isinstance(value, str) else None
    return float(match[1]) if match else None


def _metric(name: str) -> Metric:
    return load_catalog()["fabric_port"].metric(name)


def _reading(device: str, of: Metric, verdict: Verdict) -> Reading:
    return Reading("fabric_port", device, of.name, verdict[0], of.unit, verdict[1])


def module_from_json(said: Mapping[str, object]) -> Module:
    """The module in an object of ``ethtool --json -m`` (ethtool 6.14 and later)."""
    temperature = _first(said, "module_temperature_measurement", "module_temperature")
    return Module(
        temperature=None if isinstance(temperature, dict) else temperature,
        bias=_list(_first(said, "laser_tx_bias_current", "laser_bias_current")),
        transmit=_list(_first(said, "transmit_avg_optical_power", "laser_output_power")),
        receive=_list(
            _first(said, "rx_power", "rcvr_signal_avg_optical_power", "receiver_signal_oma")
        ),
        about={
            key.replace("_", " "): text
            for key in ("vendor_name", "vendor_pn", "vendor_sn", "active_firmware_version")
            if isinstance(text := said.get(key), str)
        },
    )


def _first(said: Mapping[str, object], *names: str) -> object:
    return next((said[name] for name in names if name in said), None)


def _list(value: object) -> list[object]:
    if isinstance(value, dict):  # rx_power: {"values": [...]} or {"value": ...}; else thresholds
        value = value.get("values", value.get("value"))
    if isinstance(value, list):
        return value[:64]
    return [] if value is None else [value]
