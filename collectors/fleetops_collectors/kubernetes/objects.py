"""Objects of the Kubernetes API: members that may be missing, times, quantities."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

Json = Mapping[str, Any]

_QUANTITY = re.compile(r"([0-9]{1,30}(?:\.[0-9]{1,30})?)(?:[eE]([+-]?[0-9]{1,3})|([a-zA-Z]{0,2}))")
_SUFFIXES = {
    # apimachinery, resource.Quantity
    **{"": 1, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12},
    **{"P": 10**15, "E": 10**18, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50},
    "Ei": 2**60,
}


def under(value: object, *keys: str) -> Json:
    """The object at the end of the keys; an empty one where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def items(value: object) -> Iterator[Json]:
    """The objects of a list."""
    if isinstance(value, list):
        yield from (one for one in value if isinstance(one, dict))


def text(value: object) -> str:
    """The text, or an empty one."""
    return value if isinstance(value, str) else ""


def time_of(value: object) -> datetime | None:
    """An RFC 3339 time."""
    try:
        found = datetime.fromisoformat(text(value))
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else None


def quantity(value: object) -> float | None:
    """A quantity (``96``, ``1Ti``, ``1500m``) as a number; None where it is none."""
    match = _QUANTITY.fullmatch(str(value).strip()[:80])
    if match is None:
        return None
    number, exponent, suffix = match.groups()
    if exponent is not None:
        return float(f"{number}e{exponent}")
    factor = _SUFFIXES.get(suffix)
    return None if factor is None else float(number) * factor


def name_of(one: Json) -> str:
    """An object's name."""
    return text(under(one, "metadata").get("name"))
