"""The module (transceiver) of a port: what ``ethtool -m`` says of its lanes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fleetops_collectors.optics import from_dbm, from_milliwatts, is_dark
from fleetops_collectors.quality import Verdict, judge
from fleetops_schemas.catalog import Metric, load_catalog
from fleetops_schemas.readings import Quality, Reading

_NUMBER = re.compile(r"(-?\d{1,9}(?:\.\d{1,9})?)(?:\s.*)?", re.DOTALL)
_DBM = re.compile(r"(-?(?:\d{1,9}(?:\.\d{1,9})?|inf))\s*dBm", re.IGNORECASE)
"""A power that is told in dBm alone, as some versions and switches do for modules of CMIS."""


@dataclass(slots=True)
class Module:
    """A module's diagnostics as texts or numbers, lane by lane, and what it says of itself."""

    temperature: object = None
    """Degrees Celsius."""
    bias: list[object] = field(default_factory=list)
    """Milliamperes, a lane each."""
    transmit: list[object] = field(default_factory=list)
    """Milliwatts, or a text with its unit."""
    receive: list[object] = field(default_factory=list)
    """As ``transmit``."""
    about: dict[str, str] = field(default_factory=dict)
    """``vendor name``, ``vendor pn``, ``vendor sn``, ``active firmware version``."""

    def __bool__(self) -> bool:
        return bool(self.about or self.bias or self.transmit or self.receive) or (
            self.temperature is not None
        )


def module_readings(device: str, module: Module) -> list[Reading]:
    """Temperature, weakest lanes, dark lanes and highest bias; nothing where it measures nothing.

    Lanes whose laser is off while others' are on are not in use (a module of eight lanes that
    carries four) and are left out.
    """
    bias = [_number(lane) for lane in module.bias]
    used = [at for at, value in enumerate(bias) if value] or range(len(bias))
    receive = _lanes(module.receive, used, len(bias))
    transmit = _lanes(module.transmit, used, len(bias))
    verdicts: dict[str, Verdict] = {}
    if module.temperature is not None:
        verdicts["optics_temperature_celsius"] = _highest(
            "optics_temperature_celsius", [_number(module.temperature)]
        )
    if receive:
        verdicts["optics_receive_power_milliwatts"] = _weakest(receive)
        verdicts["optics_dark_lanes"] = sum(map(is_dark, receive)), Quality.GOOD
    if transmit:
        verdicts["optics_transmit_power_milliwatts"] = _weakest(transmit)
    if bias:
        verdicts["optics_bias_milliamperes"] = _highest("optics_bias_milliamperes", bias)
    return [
        Reading("fabric_port", device, name, value, _metric(name).unit, quality)
        for name, (value, quality) in verdicts.items()
    ]


def _lanes(lanes: Sequence[object], used: Sequence[int], count: int) -> list[float | Quality]:
    values = [_power(lane) for lane in lanes]
    return [values[at] for at in used] if len(values) == count else values


def _weakest(lanes: Sequence[float | Quality]) -> Verdict:
    """Of the lanes that have light; both directions have one range."""
    lit = [lane for lane in lanes if not isinstance(lane, Quality)]
    if lit:
        return judge(_metric("optics_receive_power_milliwatts"), min(lit))
    return None, Quality.SENTINEL if any(map(is_dark, lanes)) else Quality.MISSING


def _highest(name: str, values: Sequence[float | None]) -> Verdict:
    known = [value for value in values if value is not None]
    return judge(_metric(name), max(known)) if known else (None, Quality.MISSING)


def _power(lane: object) -> float | Quality:
    """Milliwatts of a lane."""
    match = _DBM.fullmatch(lane.strip()) if isinstance(lane, str) else None
    if match is not None:
        return from_dbm(float(match[1]))
    number = _number(lane)
    return Quality.MISSING if number is None else from_milliwatts(number)


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
