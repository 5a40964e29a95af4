"""Numbers as devices write them: in text, with units, or as words that mean none."""

from __future__ import annotations

import re

from fleetops_schemas.readings import Quality

NO_VALUE = frozenset(
    {"", "n/a", "na", "none", "null", "nan", "unknown", "not available", "-", "not supported"}
)
"""Words for "no value", in lower case."""
MAX_DIGITS = 400
"""Longest text that is read as a number."""
_WITH_UNIT = re.compile(
    r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?inf)\s*([A-Za-z%/]*)", re.ASCII
)


def number_of(value: object) -> float | int | Quality:
    """The number a JSON value or a text holds; ``missing`` where it holds none.

    Whole numbers stay exact: a 64 bit counter would not survive as a float.
    """
    return with_unit(value)[0]


def with_unit(value: object) -> tuple[float | int | Quality, str]:
    """The number and the unit written behind it (``-1.2dBm``), or ``""``."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return (value, "") if value == value else (Quality.MISSING, "")  # noqa: PLR0124 (NaN)
    if not isinstance(value, str) or len(value) > MAX_DIGITS:
        return Quality.MISSING, ""
    text = value.strip()
    match = None if text.lower() in NO_VALUE else _WITH_UNIT.fullmatch(text)
    if match is None:
        return Quality.MISSING, ""
    digits, unit = match.groups()
    return (int(digits) if digits.isdecimal() else float(digits)), unit
