"""Many values of a payload become the columns of wide rows.

A switch says one thing in many places: the power of each lane, the pause frames of each priority,
a temperature in two tables. Each cell gets one reading here:

- the source named first in the catalog wins, where it has a number;
- of several values from one source, counters are summed, the weakest light and the slowest fan are
  kept, and of everything else the highest;
- a cell without any number keeps the reason why.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import NamedTuple

from fleetops_collectors.quality import judge
from fleetops_schemas.catalog import Metric, MetricKind, Source, load_catalog
from fleetops_schemas.readings import Quality, Reading

LOWEST_COUNTS = frozenset(
    {
        "optics_receive_power_milliwatts",
        "optics_transmit_power_milliwatts",
        "fan_speed_ratio",
        "fan_speed_rpm",
    }
)
"""Metrics of which the lowest of several values is kept."""
SUMMED = frozenset({"optics_dark_lanes"})
"""Gauges that are summed, as every counter is."""
REASONS = (
    *(Quality.ABSENT, Quality.SATURATED, Quality.STALE),
    *(Quality.SENTINEL, Quality.OUT_OF_RANGE, Quality.MISSING),
)
"""The most telling first: what a cell without a number says."""
Raw = float | int | Quality
"""A number in the source's unit, or why there is none."""


class _Part(NamedTuple):
    rank: int
    """Of its source among the metric's; 0 is the first."""
    value: float | int | None
    quality: Quality
    time: datetime | None


class _Place(NamedTuple):
    metric: Metric
    source: Source
    rank: int


@cache
def _places(protocol: str) -> dict[tuple[str, str], _Place]:
    """By device class and source name."""
    return {
        (declared.name, source.name): _Place(metric, source, rank)
        for declared in load_catalog().classes.values()
        for metric in declared.metrics
        for rank, source in enumerate(metric.sources.get(protocol, ()))
    }


class Columns:
    """The cells of one payload."""

    def __init__(self, protocol: str) -> None:
        """Empty; ``protocol`` names the sources of the catalog."""
        self._places = _places(protocol)
        self._cells: dict[tuple[str, str, str], tuple[Metric, list[_Part]]] = {}

    def has(self, device_class: str, source: str) -> bool:
        """Whether the catalog has a column for the source."""
        return (device_class, source) in self._places

    def add(
        self,
        device_class: str,
        device: str,
        source: str,
        raw: Raw,
        time: datetime | None = None,
    ) -> None:
        """One value as the source gives it.

        Raises:
            KeyError: the catalog has no column for it; ask :meth:`has` first.
        """
        place = self._places[device_class, source]
        if isinstance(raw, Quality):
            part = _Part(place.rank, None, raw, time)
        else:
            scale, offset = place.source.scale, place.source.offset
            part = _Part(place.rank, *judge(place.metric, raw, scale, offset), time)
        self._append(device_class, device, place.metric, part)

    def put(
        self, device_class: str, device: str, metric: str, raw: Raw, time: datetime | None = None
    ) -> None:
        """One value that was worked out, in the metric's own unit.

        Raises:
            KeyError: there is no such metric.
        """
        declared = load_catalog()[device_class].metric(metric)
        verdict = (None, raw) if isinstance(raw, Quality) else judge(declared, raw)
        self._append(device_class, device, declared, _Part(0, *verdict, time))

    def readings(self) -> list[Reading]:
        """One reading a cell, in the order in which the cells were first named."""
        return [
            Reading(device_class, device, metric.name, value, metric.unit, quality, time)
            for (device_class, device, _), (metric, parts) in self._cells.items()
            for value, quality, time in [_merged(metric, parts)]
        ]

    def _append(self, device_class: str, device: str, metric: Metric, part: _Part) -> None:
        key = (device_class, device, metric.name)
        self._cells.setdefault(key, (metric, []))[1].append(part)


def _merged(
    metric: Metric, parts: list[_Part]
) -> tuple[float | int | None, Quality, datetime | None]:
    if len(parts) == 1:
        return parts[0].value, parts[0].quality, parts[0].time
    good = [part for part in parts if part.value is not None]
    if not good:
        part = min(parts, key=lambda part: REASONS.index(part.quality))
        return None, part.quality, part.time
    rank = min(part.rank for part in good)
    used = [part for part in good if part.rank == rank]
    # As old as its oldest part: nothing is made to look fresher than it is.
    time = min((part.time for part in used if part.time), default=None)
    values = [part.value for part in used if part.value is not None]
    if metric.kind is MetricKind.COUNTER or metric.name in SUMMED:
        if any(part.rank == rank and part.quality is Quality.SATURATED for part in parts):
            return None, Quality.SATURATED, time
        return *judge(metric, sum(values)), time
    return (min if metric.name in LOWEST_COUNTS else max)(values), Quality.GOOD, time
