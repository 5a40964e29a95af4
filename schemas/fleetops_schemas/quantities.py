"""Numbers of profiles as people write them: the unit is in the field's name."""

from __future__ import annotations

from typing import Final

_TERA, _GIGA, _GIBI = 1e12, 1e9, 2.0**30
_SCALED: Final = (
    ("operations_per_second", _TERA, "T/s"),
    ("bytes_per_second", _GIGA, "GB/s"),
    ("bytes", _GIBI, "GiB"),
)
"""By the end of a field's name: what the number is divided by, and the unit that is left."""
_UNITS: Final = (
    ("litres_per_minute_per_kilowatt", "L/min/kW"),
    ("gigabits_per_second", "Gbit/s"),
    ("joules_per_kelvin", "J/K"),
    ("watts_per_kelvin", "W/K"),
    ("kelvin_per_watt", "K/W"),
    ("kilopascals", "kPa"),
    ("megahertz", "MHz"),
    ("milliamperes", "mA"),
    ("milliohms", "mΩ"),
    ("milliwatts", "mW"),
    ("celsius", "°C"),
    ("seconds", "s"),
    ("kelvin", "K"),
    ("litres", "L"),
    ("hertz", "Hz"),
    ("volts", "V"),
    ("watts", "W"),
    ("rpm", "rpm"),
)
"""Longer ends first: the first that fits counts."""


def quantity(path: str, value: float) -> str:
    """``450 GB/s`` for ``scale_up.bytes_per_second`` of 4.5e11; a plain number without a unit."""
    field = path.rpartition(".")[2]
    for end, divisor, unit in _SCALED:
        if field.endswith(end):
            return f"{_plain(value / divisor)} {unit}"
    for end, unit in _UNITS:
        if field.endswith(end):
            return f"{_plain(value)} {unit}"
    return _plain(value)


def _plain(value: float) -> str:
    """Six digits at most, thousands apart, never an exponent."""
    text = f"{value:.6g}"
    number = float(text)
    if number == int(number):
        return f"{int(number):,}"
    return text if "e" not in text else f"{number:.9f}".rstrip("0")
