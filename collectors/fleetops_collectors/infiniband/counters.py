"""The counters of a port: which column each fills, and where each stops counting."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from fleetops_collectors.quality import Verdict, judge
from fleetops_schemas.catalog import Metric, MetricKind, Source, load_catalog
from fleetops_schemas.readings import Quality, Reading

PROTOCOL = "infiniband"
DEVICE_CLASS = "fabric_port"
LEGACY_BITS = {
    "symbol_errors_total": 16,
    "link_recovery_total": 8,
    "link_downed_total": 8,
    "receive_errors_total": 16,
    "receive_remote_errors_total": 16,
    "receive_relay_errors_total": 16,
    "transmit_discards_total": 16,
    "transmit_constraint_errors_total": 8,
    "receive_constraint_errors_total": 8,
    "link_integrity_errors_total": 4,
    "buffer_overruns_total": 4,
    "management_drops_total": 16,
}
"""Widths of the PortCounters attribute, which sysfs reads; they stop at their tops. InfiniBand
Architecture Specification 1.6, 16.1.3.5; Linux drivers/infiniband/core/sysfs.c. Those of 32 and 64
bits are known by their tops alone (:mod:`fleetops_collectors.quality`). A value above the top comes
from a driver that keeps more bits."""
_NOT_THERE = ("n/a", "no")
"""Linux writes "N/A (no PMA)" for a port without performance counters."""


class Column(NamedTuple):
    """Where a counter goes."""

    metric: Metric
    source: Source


@cache
def columns() -> dict[str, Column]:
    """The columns of counters, by the source's own name: sysfs file or line of perfquery."""
    return {
        name: Column(metric, source)
        for name, places in load_catalog().by_source(PROTOCOL).items()
        for device_class, metric, source in places
        if device_class.name == DEVICE_CLASS and metric.kind is MetricKind.COUNTER
    }


def metric(name: str) -> Metric:
    """A metric of ports."""
    return load_catalog()[DEVICE_CLASS].metric(name)


def judge_counter(column: Column, text: str | None, *, legacy: bool) -> Verdict:
    """The value of a counter's text, in the column's unit, and its quality.

    Args:
        column: Where it goes.
        text: What the source says; None where it refuses to say it.
        legacy: Whether it comes from the attribute with the narrow counters.

    Raises:
        ValueError: it is no number.
    """
    if text is None or text.lower().startswith(_NOT_THERE):
        return None, Quality.ABSENT
    if not text:
        return None, Quality.MISSING
    raw = whole_number(text)
    bits = LEGACY_BITS.get(column.metric.name) if legacy else None
    if bits is not None and raw == (1 << bits) - 1:
        return None, Quality.SATURATED
    return judge(column.metric, raw, column.source.scale, column.source.offset)


def whole_number(text: str) -> int:
    """The number in a text of digits alone.

    Raises:
        ValueError: there is something else in it.
    """
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > 40:  # noqa: PLR2004
        raise ValueError(f"{text[:40]!r} is no number")
    return int(text)


def reading(device: str, of: Metric, verdict: Verdict) -> Reading:
    """A reading of a port."""
    value, quality = verdict
    return Reading(DEVICE_CLASS, device, of.name, value, of.unit, quality)
