"""Several sources of one value become one reading: the cells of the wide table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import cache
from typing import NamedTuple

from fleetops_collectors.quality import judge
from fleetops_collectors.redfish.values import FIRST_CREDIBLE_YEAR, number_of
from fleetops_schemas.catalog import Metric, load_catalog
from fleetops_schemas.readings import Quality, Reading

_SUM = frozenset(
    {
        "flow_litres_per_minute",
        "rated_flow_litres_per_minute",
        "primary_flow_litres_per_minute",
        "coolant_flow_litres_per_minute",
        "heat_removed_watts",
        "primary_heat_removed_watts",
        "ecc_correctable_total",
        "ecc_uncorrectable_total",
        "ecc_correctable_lifetime_total",
        "ecc_uncorrectable_lifetime_total",
        "remapped_rows_correctable_total",
        "remapped_rows_uncorrectable_total",
    }
)
"""What adds up over the connectors of a unit, or over the memories of an accelerator."""
_LOWEST = frozenset(
    {
        "fan_speed_rpm",
        "fan_speed_ratio",
        "temperature_margin_celsius",
        "input_voltage_volts",
        "reservoir_level_ratio",
        "supply_pressure_kilopascals",
        "leak_detector_ok",
        "optics_receive_power_milliwatts",
        "optics_transmit_power_milliwatts",
        "optics_supply_voltage_volts",
    }
)
"""Where the lowest is the one to know; of everything else it is the highest."""


class Subject(NamedTuple):
    """The device that a resource speaks of."""

    device_class: str
    device: str


class Given(NamedTuple):
    """One value as a source gives it."""

    raw: object
    rank: int = 0
    """Preference among sources of one cell: 0 before 1."""
    scale: float = 1.0
    offset: float = 0.0
    time: datetime | None = None
    state: str = "Enabled"
    """``Status.State`` of the part that measures."""
    interval: timedelta = timedelta()
    """How often the part measures; a reading is not stale before its third interval."""


class _Sample(NamedTuple):
    value: float | int | None
    quality: Quality
    time: datetime | None
    rank: int


class Cells:
    """Collects what the sources give, and settles on one reading a cell."""

    def __init__(self, reference: datetime | None, stale_after: timedelta) -> None:
        """Readings older than ``stale_after`` before ``reference`` are stale.

        Args:
            reference: the service's own present; None where it has no clock.
            stale_after: see above.
        """
        self._reference = reference
        self._stale_after = stale_after
        self._samples: dict[tuple[Subject, str], tuple[Metric, list[_Sample]]] = {}

    def put(self, subject: Subject, metric_name: str, given: Given) -> None:
        """Adds one source of a cell."""
        self.put_metric(subject, _metric(subject.device_class, metric_name), given)

    def put_metric(self, subject: Subject, metric: Metric, given: Given) -> Quality:
        """Adds one source of a cell; the quality of what it gave."""
        value, quality = self._judge(metric, given)
        cell = self._samples.get((subject, metric.name))
        if cell is None:
            cell = self._samples[subject, metric.name] = (metric, [])
        cell[1].append(_Sample(value, quality, given.time, given.rank))
        return quality

    def is_recent(self, time: datetime | None, within: timedelta) -> bool:
        """Whether a time is so close to the service's present."""
        if time is None or self._reference is None:
            return False
        return self._reference - time <= within

    def readings(self) -> list[Reading]:
        """One reading a cell, in the order in which the cells were first given."""
        found = []
        for (subject, name), (metric, samples) in self._samples.items():
            sample = _settle(name, samples)
            found.append(
                Reading(*subject, name, sample.value, metric.unit, sample.quality, sample.time)
            )
        return found

    def _judge(self, metric: Metric, given: Given) -> tuple[float | int | None, Quality]:
        if given.state == "Absent":
            return None, Quality.ABSENT
        number = number_of(given.raw, metric)
        if number is None:
            return None, Quality.MISSING
        if self._is_stale(given):
            return None, Quality.STALE
        return judge(metric, number, given.scale, given.offset)

    def _is_stale(self, given: Given) -> bool:
        if given.time is None:
            return False
        if given.time.year < FIRST_CREDIBLE_YEAR:
            return True
        if self._reference is None:
            return False
        limit = max(self._stale_after, 3 * given.interval) if given.interval else self._stale_after
        return self._reference - given.time > limit


@cache
def _metric(device_class: str, name: str) -> Metric:
    return load_catalog()[device_class].metric(name)


def _settle(metric_name: str, samples: list[_Sample]) -> _Sample:
    if len(samples) == 1:
        return samples[0]
    good = [sample for sample in samples if sample.quality is Quality.GOOD]
    if not good:
        return min(samples, key=lambda sample: sample.rank)
    rank = min(sample.rank for sample in good)
    good = [sample for sample in good if sample.rank == rank]
    if len(good) > 1 and metric_name in _SUM:
        for sample in samples:  # a sum that lacks a part is no sum
            if sample.rank == rank and sample.quality not in (Quality.GOOD, Quality.ABSENT):
                return sample
        return good[0]._replace(value=sum(_values(good)))
    choose: Callable[..., _Sample] = min if metric_name in _LOWEST else max
    return choose(good, key=lambda sample: sample.value)


def _values(samples: Iterable[_Sample]) -> list[float | int]:
    return [sample.value for sample in samples if sample.value is not None]
