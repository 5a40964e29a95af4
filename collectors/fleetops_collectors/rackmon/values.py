"""Values in JSON of others, taken only where they are what they should be."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

Json = Mapping[str, Any]


def whole(value: object) -> int | None:
    """A whole number, also one written as text (``"0x3C"``); None where it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        try:
            return int(value, 0)
        except ValueError:
            return None
    return None


def number(value: object) -> float | None:
    """A finite number; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def text(value: object) -> str:
    """A text; "" where it is none."""
    return value if isinstance(value, str) else ""


def objects(value: object) -> list[Json]:
    """The objects in a list; none where it is no list."""
    if not isinstance(value, list):
        return []
    return [item for item in value if isinstance(item, dict)]


def count_unknown(found: Json, known: Iterable[str], place: str, unknown: Counter[str]) -> None:
    """Counts the keys of an object that nobody here knows, by ``PLACE.KEY``."""
    for key in found.keys() - set(known):
        unknown[f"{place}.{key}"[:100]] += 1
