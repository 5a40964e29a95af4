"""One-minute roll-ups, computed while the rows pass through.

Measured: the same roll-up as a materialized view costs 26 times the insert, in numpy once
(architecture.md, Numbers). A minute is written once it is over and its grace has passed. Minutes
that were not seen whole (a restart, late rows) are computed again from the raw rows by the store.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetops_schemas.catalog import DeviceClass
from fleetops_schemas.clickhouse_ddl import ROLLUP_AGGREGATES, SAMPLES_COLUMN

Floats = npt.NDArray[np.float64]
MINUTE_MS = 60_000
MAX_OPEN_MINUTES = 4
"""An open minute keeps its rows: 150 MB for 100,000 accelerators every 10 s."""


class Rollup:
    """The open minutes of one device class."""

    def __init__(self, device_class: DeviceClass, grace_ms: int = 10_000) -> None:
        """Rolls up that class; a minute stays open ``grace_ms`` after its end."""
        self._class = device_class
        self._grace_ms = grace_ms
        self._minutes: dict[int, list[pa.Table]] = {}
        self._touched: dict[int, int] = {}
        self._closed_until = 0
        self.dirty: set[int] = set()
        """Minutes to compute again from the raw rows, as milliseconds of their start."""

    def add(self, table: pa.Table, now_ms: int) -> None:
        """Adds rows. Rows of a minute that is already written make it dirty."""
        if table.num_rows == 0:
            return
        minutes = table.column("ts").cast(pa.int64()).to_numpy() // MINUTE_MS * MINUTE_MS
        for minute in np.unique(minutes).tolist():
            if minute < self._closed_until:
                self.dirty.add(minute)
                continue
            rows = minutes == minute
            part = table if rows.all() else table.filter(pa.array(rows))
            self._minutes.setdefault(minute, []).append(part)
            self._touched[minute] = now_ms

    def close(self, now_ms: int) -> pa.Table | None:
        """The rows of every minute that is over, or None. They are forgotten: write them.

        While a backlog is worked off, rows of old minutes still come in, partition by partition: a
        minute stays open until none came for the grace, but never more than a few of them.
        """
        due = {
            minute
            for minute, touched in self._touched.items()
            if max(minute + MINUTE_MS, touched) + self._grace_ms <= now_ms
        }
        excess = max(0, len(self._minutes) - MAX_OPEN_MINUTES)
        due.update(sorted(self._minutes)[:excess])
        if not due:
            return None
        self._closed_until = max(self._closed_until, max(due) + MINUTE_MS)
        closed = []
        for minute in sorted(due):
            del self._touched[minute]
            closed.append(aggregate(self._class, minute, self._minutes.pop(minute)))
        return pa.concat_tables(closed)


def aggregate(device_class: DeviceClass, minute: int, tables: list[pa.Table]) -> pa.Table:
    """One row a device from all rows of a minute (milliseconds of its start).

    Metric by metric over a grid [n-th row of the device, device]: reductions along its first axis
    run over contiguous memory, whatever the order in which the rows came.
    """
    table = pa.concat_tables(tables).unify_dictionaries().combine_chunks()
    grid = _Grid(table)
    columns: dict[str, Any] = {
        "ts": pa.array(np.full(grid.devices, minute), pa.timestamp("ms", tz="UTC"))
    }
    for name in ("device", "host", "rack", *device_class.labels):
        columns[name] = table.column(name).take(grid.first_rows)
    columns[SAMPLES_COLUMN] = pa.array(grid.samples, pa.uint32())
    for metric in device_class.metrics:
        values = grid.fill(table.column(metric.name))
        exact = pa.type_for_alias(metric.type.value)
        for name in ROLLUP_AGGREGATES[metric.kind]:
            whole_mean = name == "mean" and metric.type.is_integer
            kind = pa.float64() if whole_mean else exact
            columns[f"{metric.name}_{name}"] = _nullable(_REDUCTIONS[name](values), kind)
    return pa.table(columns)


class _Grid:
    """Where each row of a table stands: [n-th row of its device in time order, device]."""

    def __init__(self, table: pa.Table) -> None:
        codes = table.column("device").combine_chunks().indices.to_numpy()
        ts = table.column("ts").cast(pa.int64()).to_numpy()
        _, first, device = np.unique(codes, return_index=True, return_inverse=True)
        order = np.lexsort((ts, device))
        self.first_rows = pa.array(first)
        self.samples = np.bincount(device)
        self.devices = len(first)
        starts = np.cumsum(self.samples) - self.samples
        occurrence = np.arange(len(order)) - np.repeat(starts, self.samples)
        self._place = np.empty(len(order), np.int64)
        self._place[order] = occurrence * self.devices + device[order]
        self._shape = (int(self.samples.max()), self.devices)

    def fill(self, column: pa.ChunkedArray) -> Floats:
        """A column on the grid, NaN for null. Counters above 2^53 lose their last bits here."""
        grid = np.full(self._shape, np.nan)
        grid.reshape(-1)[self._place] = column.to_numpy()
        return grid


def _mean(grid: Floats) -> Floats:
    present = ~np.isnan(grid)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Floats = np.where(present, grid, 0.0).sum(axis=0) / present.sum(axis=0)
    return mean


def _last(grid: Floats) -> Floats:
    """The newest value that is there."""
    last: Floats = grid[-1].copy()
    for row in grid[-2::-1]:
        np.copyto(last, row, where=np.isnan(last))
    return last


_REDUCTIONS: dict[str, Callable[[Floats], Floats]] = {
    "min": np.fmin.reduce,
    "mean": _mean,
    "max": np.fmax.reduce,
    "last": _last,
}


def _nullable(values: Floats, kind: pa.DataType) -> pa.Array:
    absent = np.isnan(values)
    if pa.types.is_floating(kind):
        return pa.array(values, mask=absent).cast(kind)
    whole = np.where(absent, 0.0, values)
    return pa.array(whole.astype(kind.to_pandas_dtype()), mask=absent)
