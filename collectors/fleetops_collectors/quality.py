"""From a number in a metric's unit to a value that may be stored, or to the reason why not."""

from __future__ import annotations

import math

from fleetops_schemas.catalog import Metric, MetricKind
from fleetops_schemas.readings import Quality

SATURATED_NUMBERS = frozenset(
    # The float twins of the 63 and 64 bit limits are one higher, since they round up.
    {2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64}
)
"""Tops of the widths that counters are kept in; raw, before any scaling. 16 bits and fewer are
left out: 65,535 errors are also an honest count, and Redfish and DCGM count in 32 bits or more."""
LARGEST_INTEGER = 2**64
"""No source counts in more bits. Text may hold hundreds of digits, which are no float."""

Verdict = tuple[float | int | None, Quality]


def judge(metric: Metric, raw: float, scale: float = 1.0, offset: float = 0.0) -> Verdict:
    """The value to store and its quality.

    Args:
        metric: what is measured.
        raw: the number as the source gave it, in the source's unit.
        scale: with ``offset``, turns it into the metric's unit: raw * scale + offset.
        offset: in the metric's unit.
    """
    if raw in SATURATED_NUMBERS:
        counter = metric.kind is MetricKind.COUNTER
        return None, Quality.SATURATED if counter else Quality.SENTINEL
    if not isinstance(raw, float) and abs(raw) > LARGEST_INTEGER:
        return None, Quality.OUT_OF_RANGE
    value = raw if scale == 1.0 and offset == 0.0 else raw * scale + offset
    if not math.isfinite(value):
        return None, Quality.MISSING
    low, high = metric.range
    if not low <= value <= high:
        return None, Quality.OUT_OF_RANGE
    return (round(value) if metric.type.is_integer else value), Quality.GOOD
