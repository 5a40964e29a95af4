"""The value of a point: ``{value: number or null, timestamp, quality}``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson

from fleetops.core.errors import InputError
from fleetops_schemas.readings import Quality

GOOD_QUALITY = 1
"""Any other number: the publisher does not trust the value (dsx-exchange, ValueMessage). Some write
it as text: NICo's own publisher of leaks in trays and isolation requests does."""
MILLISECONDS_FROM = 1e11
"""Times from here on are milliseconds (1973), below it seconds (until the year 5138): dsx-exchange
writes the former, the shape before it the latter."""
CLOCK_UNSET_BEFORE = datetime(2000, 1, 1, tzinfo=UTC)

Json = Mapping[str, Any]


class Sample(NamedTuple):
    """The newest value of a point."""

    value: float | None
    """As the source gave it, in the source's unit; null unless ``quality`` is good."""
    quality: Quality
    time: datetime | None
    """The publisher's own time."""
    received_at: datetime


def read_json(payload: bytes) -> Json:
    """The object in a payload; where it is a CloudEvent, the one that this carries.

    Raises:
        InputError: it is none.
    """
    try:
        found = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise InputError(f"no JSON: {error}") from error
    if not isinstance(found, dict):
        raise InputError(f"a JSON {type(found).__name__} instead of an object")
    data = found.get("data")
    return data if "specversion" in found and isinstance(data, dict) else found


def read_value(message: Json, received_at: datetime, *, has_quality: bool) -> Sample:
    """The sample in a value message.

    Args:
        message: The payload.
        received_at: When it came, aware.
        has_quality: Whether its shape has a quality; then a message without one is not good.

    Raises:
        InputError: it holds no value at all.
    """
    if "value" not in message:
        raise InputError("no member 'value'")
    time = time_of(message.get("timestamp"))
    value = number_of(message["value"])
    quality = number_of(message.get("quality", None if has_quality else GOOD_QUALITY))
    if value is None or quality != GOOD_QUALITY:
        return Sample(None, Quality.MISSING, time, received_at)
    if time is not None and time < CLOCK_UNSET_BEFORE:
        return Sample(None, Quality.STALE, time, received_at)
    return Sample(value, Quality.GOOD, time, received_at)


def number_of(value: object) -> float | int | None:
    """The number in a JSON value, also one written as text; None for null, NaN and words."""
    if isinstance(value, bool):
        return int(value)
    try:
        number = float(value) if isinstance(value, str) else value
        finite = isinstance(number, int | float) and math.isfinite(number)
    except (ValueError, OverflowError):
        return None
    return number if finite else None  # type: ignore[return-value]  # finite says that it is one


def time_of(value: object) -> datetime | None:
    """The time in seconds or milliseconds since 1970; None where there is none."""
    number = number_of(value)
    if number is None:
        return None
    try:
        return datetime.fromtimestamp(number / (1000 if number >= MILLISECONDS_FROM else 1), UTC)
    except (ValueError, OverflowError, OSError):
        return None
