"""Synthetic accelerator telemetry, DCGM-shaped, for benchmarks. Seeded; not measurements.

Of each row's metrics: temperatures and power as noisy floats, ratios that walk at random, clocks
that mostly stand, energy and traffic counters that grow, error counters that almost never do.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetops_schemas.catalog import Metric, MetricKind, load_catalog
from fleetops_schemas.telemetry import NULLS_COLUMN, arrow_schema

DEVICES_PER_RACK = 512
ACCELERATORS_PER_HOST = 8
DEVICE_CLASS = "accelerator"
Floats = npt.NDArray[np.float64]


class SyntheticFleet:
    """Accelerators whose metrics move like DCGM's."""

    def __init__(self, devices: int, seed: int = 0) -> None:
        """A fleet of so many accelerators."""
        self._random = np.random.default_rng(seed)
        self._metrics = load_catalog()[DEVICE_CLASS].metrics
        self._schema = arrow_schema(DEVICE_CLASS)
        self._names = [
            f"node{at // ACCELERATORS_PER_HOST:05d}/gpu{at % ACCELERATORS_PER_HOST}"
            for at in range(devices)
        ]
        self._values = {metric.name: self._first(metric, devices) for metric in self._metrics}

    @property
    def metrics(self) -> int:
        """Metrics a row: samples of one device and tick."""
        return len(self._metrics)

    def batches(
        self, start: datetime, ticks: int, seconds: float = 10.0
    ) -> Iterator[pa.RecordBatch]:
        """One record batch a rack a tick, in time order."""
        for tick in range(ticks):
            self._step()
            ts = start + timedelta(seconds=tick * seconds)
            for first in range(0, len(self._names), DEVICES_PER_RACK):
                yield self._batch(ts, slice(first, first + DEVICES_PER_RACK))

    def _batch(self, ts: datetime, rows: slice) -> pa.RecordBatch:
        names = self._names[rows]
        text = self._schema.field("device").type
        columns: list[pa.Array] = [
            pa.array([ts] * len(names), self._schema.field("ts").type),
            pa.array(names).dictionary_encode().cast(text),
            pa.array([name.split("/")[0] for name in names]).dictionary_encode().cast(text),
            pa.array([f"r{rows.start // DEVICES_PER_RACK:04d}"] * len(names))
            .dictionary_encode()
            .cast(text),
        ]
        for metric in self._metrics:
            kind = self._schema.field(metric.name).type
            columns.append(pa.array(self._values[metric.name][rows].astype(kind.to_pandas_dtype())))
        columns.append(pa.array([""] * len(names)).dictionary_encode().cast(text))
        assert self._schema.names[-1] == NULLS_COLUMN  # noqa: S101
        return pa.record_batch(columns, schema=self._schema)

    def _first(self, metric: Metric, devices: int) -> Floats:
        random, name = self._random, metric.name
        if "temperature" in name:
            return random.normal(62.0, 3.0, devices)
        if name.endswith("_watts"):
            return random.normal(640.0, 20.0, devices)
        if name.endswith("_ratio"):
            return random.uniform(0.3, 0.95, devices)
        if name.endswith("_megahertz"):
            return random.choice([1755.0, 1980.0], devices)
        high = 7e10 if name.endswith(("_joules", "_bytes", "_bytes_per_second")) else 2.0
        return np.floor(random.uniform(0, high, devices))

    def _step(self) -> None:
        random = self._random
        for metric in self._metrics:
            values = self._values[metric.name]
            if "temperature" in metric.name:
                values += random.normal(0, 0.3, len(values))
            elif metric.name.endswith("_watts"):
                values[:] = np.round(values + random.normal(0, 2.0, len(values)), 3)
            elif metric.name.endswith("_ratio"):
                values[:] = np.round(
                    np.clip(values + random.normal(0, 0.02, len(values)), 0.0, 1.0), 6
                )
            elif metric.name.endswith("_bytes_per_second"):
                values[:] = np.floor(values * random.uniform(0.95, 1.05, len(values)))
            elif metric.name == "energy_joules":
                values += np.floor(random.uniform(5_000, 7_000, len(values)))
            elif metric.kind is MetricKind.COUNTER:
                values += random.random(len(values)) < 1e-4  # noqa: PLR2004
