"""The last readings of every device of a class, as one array: [metric, device, tick] of float32.

A device has its own ring of ticks, so that late or missing rows of one shift no other. 100,000
devices x 40 metrics x 30 ticks take 480 MB, and one array operation sees all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetops.detect.devices import (
    FIRST_CAPACITY,
    DeviceIndex,
    Rows,
    column_values,
    rounds,
    times_seconds,
)

Floats = npt.NDArray[np.float32]
MAD_TO_SIGMA = 1.4826
"""1 / Phi^-1(3/4): makes the median absolute deviation estimate a normal's standard deviation."""


class Window:
    """A ring of ``ticks`` readings a device. NaN is null; rows not newer than the last are late."""

    def __init__(self, metrics: Sequence[str], ticks: int) -> None:
        """Keeps these metrics; grows by doubling as devices appear."""
        self.metrics = tuple(metrics)
        self.devices = DeviceIndex()
        self.late_rows = 0
        self._position = {name: position for position, name in enumerate(self.metrics)}
        self._values = np.full((len(self.metrics), 0, ticks), np.nan, np.float32)
        self._times = np.full((0, ticks), -np.inf)
        self._cursor = np.zeros(0, np.int64)

    @property
    def last_seen(self) -> npt.NDArray[np.float64]:
        """Time of each device's newest row, seconds since 1970."""
        newest = self._times[: len(self.devices), :]
        if newest.shape[0] == 0:
            return np.zeros(0)
        times: npt.NDArray[np.float64] = newest.max(axis=1)
        return times

    @property
    def values(self) -> Floats:
        """Every reading kept: [metric, device, tick]; ticks of a device are in ring order."""
        return self._values[:, : len(self.devices), :]

    def update(self, batch: pa.RecordBatch) -> Rows:
        """Takes a batch in; the device row of each of its rows, late ones included."""
        rows = self.devices.rows(batch)
        self._grow(len(self.devices))
        times = times_seconds(batch)
        matrix = np.stack([column_values(batch, name) for name in self.metrics]).astype(np.float32)
        for chosen in rounds(rows, times):
            self._put(rows, times, matrix, chosen)
        return rows

    def latest(self, metric: str) -> Floats:
        """(devices,) each device's newest row's value; NaN where that is null."""
        count = len(self.devices)
        ticks = self._values.shape[2]
        newest = (self._cursor[:count] - 1) % ticks
        values: Floats = self._values[self._position[metric], np.arange(count), newest]
        return values

    def median(self, metric: str, seconds: float, before_seconds: float = 0.0) -> Floats:
        """(devices,) median of the readings of the last ``seconds`` before each device's newest.

        ``before_seconds`` leaves out the newest so many seconds: what used to be normal.
        """
        count = len(self.devices)
        values = self._values[self._position[metric], :count, :]
        age = self.last_seen[:, None] - self._times[:count, :]
        chosen = (age >= before_seconds) & (age <= before_seconds + seconds)
        return masked_median(np.where(chosen, values, np.float32(np.nan)))

    def count(self, metric: str, before_seconds: float = 0.0) -> npt.NDArray[np.int64]:
        """(devices,) how many readings are kept that are at least ``before_seconds`` old."""
        count = len(self.devices)
        values = self._values[self._position[metric], :count, :]
        age = self.last_seen[:, None] - self._times[:count, :]
        there: npt.NDArray[np.int64] = ((age >= before_seconds) & ~np.isnan(values)).sum(axis=1)
        return there

    def _put(
        self, rows: Rows, times: npt.NDArray[np.float64], matrix: Floats, chosen: Rows
    ) -> None:
        at = rows[chosen]
        newest = self._times[at, (self._cursor[at] - 1) % self._times.shape[1]]
        fresh = times[chosen] > newest
        self.late_rows += int(len(fresh) - fresh.sum())
        chosen, at = chosen[fresh], at[fresh]
        slot = self._cursor[at]
        self._values[:, at, slot] = matrix[:, chosen]
        self._times[at, slot] = times[chosen]
        self._cursor[at] = (slot + 1) % self._times.shape[1]

    def _grow(self, count: int) -> None:
        capacity = len(self._cursor)
        if count <= capacity:
            return
        wanted = max(count, 2 * capacity, FIRST_CAPACITY)
        metrics, _, ticks = self._values.shape
        values = np.full((metrics, wanted, ticks), np.nan, np.float32)
        values[:, :capacity, :] = self._values
        times = np.full((wanted, ticks), -np.inf)
        times[:capacity] = self._times
        self._values, self._times = values, times
        self._cursor = np.concatenate([self._cursor, np.zeros(wanted - capacity, np.int64)])


def masked_median(values: npt.NDArray[np.float32]) -> Floats:
    """Median over the last axis of what is not NaN; NaN where nothing is."""
    counts = values.shape[-1] - np.isnan(values).sum(axis=-1)
    low = np.maximum(counts - 1, 0) // 2
    high = np.minimum(counts // 2, values.shape[-1] - 1)
    if counts.size and (counts == values.shape[-1]).all():
        middle_places = sorted({int(low.flat[0]), int(high.flat[0])})
        ordered = np.partition(values, middle_places, axis=-1)  # selecting is cheaper than sorting
    else:
        ordered = np.sort(values, axis=-1)  # NaN sorts to the end
    lower = np.take_along_axis(ordered, low[..., None], axis=-1)[..., 0]
    upper = np.take_along_axis(ordered, high[..., None], axis=-1)[..., 0]
    middle: Floats = ((lower + upper) / 2).astype(np.float32)
    return middle


def masked_mean(values: npt.NDArray[np.float32]) -> Floats:
    """Mean over the last axis of what is not NaN; NaN where nothing is."""
    total = np.add.reduce(values, axis=-1, dtype=np.float32)
    mean = (total / values.shape[-1]).astype(np.float64)
    gaps = np.isnan(total)  # one NaN makes its sum one: only these are worked on again
    if gaps.any():
        some = values[gaps].astype(np.float64)
        counts = (~np.isnan(some)).sum(axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean[gaps] = np.nansum(some, axis=-1) / counts
    result: Floats = mean
    return result


def robust_z(
    values: npt.NDArray[np.float32], groups: npt.NDArray[np.int64], floor_ratio: float = 0.01
) -> Floats:
    """How far each device is from its peers: (x - median) / (1.4826 MAD + floor of the median).

    Args:
        values: [..., device]; NaN is null and neither counts nor gets a score.
        groups: (device,) peers share a number, below 0 means no peers.
        floor_ratio: share of the median added below, so that identical peers do not make noise
            infinite (detection study, section 0).

    Returns:
        The scores, of the shape of ``values``; NaN without a value or a group.
    """
    matrix = np.asarray(values, np.float32)
    scores = np.full(matrix.shape, np.nan, np.float32)
    for members in _padded_groups(groups):
        there = members >= 0
        peers = matrix[..., np.maximum(members, 0)]
        peers[..., ~there] = np.nan
        middle = masked_median(peers)[..., None]
        away = peers - middle
        spread = masked_median(np.abs(away))[..., None]
        scale = MAD_TO_SIGMA * spread + floor_ratio * np.abs(middle)
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(scale > 0, away / scale, np.where(away == 0, 0.0, np.sign(away) * np.inf))
        z[np.isnan(peers)] = np.nan
        scores[..., members[there]] = z[..., there]
    return scores


def _padded_groups(groups: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """Matrices [group, member] of positions, -1 as padding; groups of like size share a matrix."""
    order = np.argsort(groups, kind="stable")
    order = order[groups[order] >= 0]
    if not len(order):
        return []
    starts = np.flatnonzero(np.r_[True, np.diff(groups[order]) != 0])
    sizes = np.diff(np.r_[starts, len(order)])
    bucket = np.ceil(np.log2(sizes)).astype(np.int64)
    padded = []
    for size_class in np.unique(bucket):
        chosen = np.flatnonzero(bucket == size_class)
        width = int(sizes[chosen].max())
        offsets = np.arange(width)
        inside = offsets < sizes[chosen][:, None]
        at = np.minimum(starts[chosen][:, None] + offsets, len(order) - 1)
        padded.append(np.where(inside, order[at], -1))
    return padded
