"""One-minute roll-ups, computed while the rows pass through.

Measured: the same roll-up as a materialized view costs 26 times the insert, in numpy once
(architecture.md, Numbers). A minute is written once it is over and its grace has passed. Minutes
that were not seen whole (a restart, late rows) are computed again from the raw rows by the store.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetops_schemas.catalog import DeviceClass, MetricKind

Floats = npt.NDArray[np.float64]
MINUTE_MS = 60_000
AGGREGATES = {
    MetricKind.GAUGE: ("min", "mean", "max", "last"),
    MetricKind.COUNTER: ("last",),
    MetricKind.STATE: ("max", "last"),
}
"""Which aggregates of a metric are kept, by its kind. The DDL generator follows the same table."""


@dataclass(slots=True)
class _Minute:
    """Running aggregates of one minute, arrays of shape [devices, metrics]."""

    low: Floats
    high: Floats
    total: Floats
    count: npt.NDArray[np.int64]
    last: Floats
    last_ts: npt.NDArray[np.int64]
    samples: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @classmethod
    def empty(cls, devices: int, metrics: int) -> _Minute:
        shape = (devices, metrics)
        return cls(
            low=np.full(shape, np.nan),
            high=np.full(shape, np.nan),
            total=np.zeros(shape),
            count=np.zeros(shape, np.int64),
            last=np.full(shape, np.nan),
            last_ts=np.full(shape, np.iinfo(np.int64).min),
            samples=np.zeros(devices, np.int64),
        )

    def grow(self, devices: int) -> None:
        fresh = _Minute.empty(devices - len(self.samples), self.low.shape[1])
        for name in self.__slots__:
            setattr(self, name, np.concatenate([getattr(self, name), getattr(fresh, name)]))


class Rollup:
    """The open minutes of one device class."""

    def __init__(self, device_class: DeviceClass, grace_ms: int = 10_000) -> None:
        """Rolls up that class; a minute stays open ``grace_ms`` after its end."""
        self._class = device_class
        self._grace_ms = grace_ms
        self._devices: dict[str, int] = {}
        self._texts: list[tuple[str, ...]] = []
        self._minutes: dict[int, _Minute] = {}
        self._closed_until = 0
        self.dirty: set[int] = set()
        """Minutes to compute again from the raw rows, as milliseconds of their start."""

    def add(self, table: pa.Table) -> None:
        """Adds rows. Rows of a minute that is already written make it dirty."""
        if table.num_rows == 0:
            return
        ts = table.column("ts").cast(pa.int64()).to_numpy()
        device = self._index(table)
        values = _matrix(table, self._class)
        minutes = ts // MINUTE_MS * MINUTE_MS
        for minute in np.unique(minutes):
            if minute < self._closed_until:
                self.dirty.add(int(minute))
                continue
            rows = minutes == minute
            self._merge(int(minute), device[rows], ts[rows], values[rows])

    def close(self, now_ms: int) -> pa.Table | None:
        """The rows of every minute that is over, or None. They are forgotten: write them."""
        due = sorted(m for m in self._minutes if m + MINUTE_MS + self._grace_ms <= now_ms)
        if not due:
            return None
        tables = [self._table(minute, self._minutes.pop(minute)) for minute in due]
        self._closed_until = max(self._closed_until, due[-1] + MINUTE_MS)
        return pa.concat_tables(tables)

    def _index(self, table: pa.Table) -> npt.NDArray[np.int64]:
        """Row numbers of the devices, new ones added. Work per distinct device, not per row."""
        column = table.column("device").combine_chunks()
        names = column.dictionary.to_pylist()
        codes = column.indices.to_numpy()
        used, first = np.unique(codes, return_index=True)
        positions = np.zeros(len(names), np.int64)
        texts = [table.column(name) for name in ("host", "rack", *self._class.labels)]
        for code, row in zip(used.tolist(), first.tolist(), strict=True):
            name = names[code]
            at = self._devices.get(name)
            if at is None:
                at = self._devices[name] = len(self._texts)
                self._texts.append((name, *(text[row].as_py() for text in texts)))
            positions[code] = at
        result: npt.NDArray[np.int64] = positions[codes]
        return result

    def _merge(
        self,
        minute: int,
        device: npt.NDArray[np.int64],
        ts: npt.NDArray[np.int64],
        values: Floats,
    ) -> None:
        state = self._minutes.get(minute)
        if state is None:
            state = self._minutes[minute] = _Minute.empty(len(self._texts), values.shape[1])
        elif len(state.samples) < len(self._texts):
            state.grow(len(self._texts))
        order = np.lexsort((ts, device))
        device, ts, values = device[order], ts[order], values[order]
        starts = np.flatnonzero(np.r_[True, device[1:] != device[:-1]])
        at = device[starts]
        present = ~np.isnan(values)
        state.low[at] = np.fmin(state.low[at], np.fmin.reduceat(values, starts))
        state.high[at] = np.fmax(state.high[at], np.fmax.reduceat(values, starts))
        state.total[at] += np.add.reduceat(np.where(present, values, 0.0), starts)
        state.count[at] += np.add.reduceat(present.astype(np.int64), starts)
        state.samples[at] += np.diff(np.r_[starts, len(device)])
        self._merge_last(state, at, starts, ts, values, present)

    @staticmethod
    def _merge_last(
        state: _Minute,
        at: npt.NDArray[np.int64],
        starts: npt.NDArray[np.int64],
        ts: npt.NDArray[np.int64],
        values: Floats,
        present: npt.NDArray[np.bool_],
    ) -> None:
        """The newest value that is there: rows are in time order, so the highest row wins."""
        rows = np.where(present, np.arange(len(values))[:, None], -1)
        newest = np.maximum.reduceat(rows, starts)
        there = newest >= 0
        moment = np.where(there, ts[newest], np.iinfo(np.int64).min)
        value = np.take_along_axis(values, np.maximum(newest, 0), axis=0)
        wins = there & (moment >= state.last_ts[at])
        state.last[at] = np.where(wins, value, state.last[at])
        state.last_ts[at] = np.where(wins, moment, state.last_ts[at])

    def _table(self, minute: int, state: _Minute) -> pa.Table:
        rows = np.flatnonzero(state.samples)
        columns: dict[str, Any] = {
            "ts": pa.array(np.full(len(rows), minute), pa.timestamp("ms", tz="UTC"))
        }
        for position, name in enumerate(("device", "host", "rack", *self._class.labels)):
            columns[name] = pa.array([self._texts[row][position] for row in rows], pa.string())
        columns["samples"] = pa.array(state.samples[rows], pa.uint32())
        counts = state.count[rows]
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = state.total[rows] / counts
        source = {"min": state.low[rows], "mean": mean, "max": state.high[rows]}
        source["last"] = state.last[rows]
        for position, metric in enumerate(self._class.metrics):
            exact = pa.type_for_alias(metric.type.value)
            for aggregate in AGGREGATES[metric.kind]:
                values = source[aggregate][:, position]
                kind = pa.float64() if aggregate == "mean" else exact
                columns[f"{metric.name}_{aggregate}"] = _nullable(values, kind)
        return pa.table(columns)


def _matrix(table: pa.Table, device_class: DeviceClass) -> Floats:
    """Metrics as float64, NaN for null: [rows, metrics].

    Counters above 2^53 lose their last bits here, in the roll-up only.
    """
    matrix = np.empty((table.num_rows, len(device_class.metrics)))
    for position, metric in enumerate(device_class.metrics):
        matrix[:, position] = table.column(metric.name).to_numpy()
    return matrix


def _nullable(values: Floats, kind: pa.DataType) -> pa.Array:
    absent = np.isnan(values)
    if pa.types.is_floating(kind):
        return pa.array(values, mask=absent).cast(kind)
    whole = np.where(absent, 0.0, values)
    return pa.array(whole.astype(kind.to_pandas_dtype()), mask=absent)
