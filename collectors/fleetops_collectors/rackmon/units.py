"""Units as register maps spell them."""

from __future__ import annotations

import re

SUFFIXES = {
    "LPM": "LPM",
    "KPA": "kPa",
    "RPM": "RPM",
    "PCT": "Percent",
    "W": "Watts",
    "C": "DegreesC",
    "V": "Volts",
}
NEEDS = {"C": "TEMP", "V": "VOLT"}
"""A single letter is a unit only beside its quantity: ``HEX_Input_Current_V`` is a slip."""
_WORDS = re.compile(r"[A-Z0-9]+")


def unit_of_name(name: str) -> str:
    """The unit that a name ends in, in the maps' words; "" where it is open to doubt."""
    words = _WORDS.findall(name.upper())
    if len(words) < 2:  # noqa: PLR2004 (a quantity and its unit)
        return ""
    last = words[-1]
    if last in NEEDS and not any(NEEDS[last] in word for word in words[:-1]):
        return ""
    return SUFFIXES.get(last, "")
