"""What the fleet's sensors say at one tick: a table a device class, one row a device.

Servers show tables, never the model's state; a compressed run makes its record batches of the very
same tables. Values have the resolution of their sensor, and NaN where a device has no such sensor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fleetops.emulator.model.effects import Floats
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.telemetry import BASE_COLUMNS, arrow_schema

Rows = NDArray[np.intp]
RESOLUTIONS: Mapping[str, float] = {
    "celsius": 0.25,
    "watts": 0.5,
    "volts": 1.0 / 64.0,
    "amperes": 1.0 / 64.0,
    "ratio": 1.0 / 1024.0,
    "minute": 1.0 / 16.0,
    "kilopascals": 0.125,
    "rpm": 1.0,
    "milliamperes": 1.0 / 512.0,
    "seconds": 1e-6,
}
"""By the last word of a metric's name: what its sensor can tell apart.

Powers of two where a register has a binary point, so that no protocol rounds a second time.
"""
DECIBELS_OF = "_milliwatts"
"""Light is told in hundredths of a decibel, which is what OpenConfig can say."""
DECADE_STEPS = 1000.0
"""Hundredths of a decibel in a factor of ten."""
LEAST_LIGHT = 1e-9
OWN_RESOLUTIONS: Mapping[str, float] = {
    "accelerator.temperature_celsius": 1.0,
    "accelerator.memory_temperature_celsius": 1.0,
    "accelerator.utilization_ratio": 0.01,
    "accelerator.memory_copy_utilization_ratio": 0.01,
}
"""Whole degrees and percent: what drivers tell of accelerators."""


@dataclass(frozen=True)
class Roster:
    """The devices of a class, for good: row number is index."""

    device_class: str
    devices: tuple[str, ...]
    hosts: tuple[str, ...]
    """By row; "" for what stands beside hosts."""
    racks: tuple[str, ...]

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Row by device."""
        return {device: row for row, device in enumerate(self.devices)}

    def texts(self, rows: slice) -> Mapping[str, pa.Array]:
        """The text columns of a run of rows, with a dictionary of their own."""
        kind = arrow_schema(self.device_class).field("device").type
        return {
            name: pa.array(values[rows], pa.string()).dictionary_encode().cast(kind)
            for name, values in zip(
                BASE_COLUMNS[1:], (self.devices, self.hosts, self.racks), strict=True
            )
        }


@dataclass
class Table:
    """One class at one tick."""

    roster: Roster
    columns: dict[str, Floats] = field(default_factory=dict)
    """By metric, one value a row."""
    present: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))
    """Whether the device answers at all."""
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    alarms: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    """By :class:`~fleetops.emulator.registers.Alarm`, one value a row: what devices find in
    themselves and tell in flags. No column."""

    def __getitem__(self, metric: str) -> Floats:
        """A column."""
        return self.columns[metric]

    def value(self, device: str, metric: str) -> float:
        """One reading; NaN where there is none.

        Raises:
            KeyError: there is no such device.
        """
        row = self.roster.index[device]
        if metric not in self.columns or not self.present[row]:
            return float("nan")
        return float(self.columns[metric][row])

    def put(self, metric: str, values: Floats) -> None:
        """Sets a column, at its sensor's resolution."""
        self.columns[metric] = quantised(self.roster.device_class, metric, values)

    def lay(self, metric: str, rows: Rows | slice, values: Floats) -> None:
        """Sets some rows of a column; the others stay as they are, or are NaN."""
        column = self.columns.get(metric)
        column = np.full(len(self.roster.devices), np.nan) if column is None else column.copy()
        column[rows] = values
        self.put(metric, column)

    def hide(self, metrics: Iterable[str], rows: Rows | slice) -> None:
        """Takes readings away that a device does not have."""
        for metric in metrics:
            if metric in self.columns:
                column = self.columns[metric].copy()
                column[rows] = np.nan
                self.columns[metric] = column

    def metrics_of(self, row: int) -> tuple[str, ...]:
        """Metrics that a device has a reading of."""
        return tuple(name for name, column in self.columns.items() if not np.isnan(column[row]))

    def arrays(self) -> Mapping[str, pa.Array]:
        """Every metric's column as the store's type, all rows; null where there is no reading."""
        schema = arrow_schema(self.roster.device_class)
        return {
            name: _array(values, schema.field(name).type) for name, values in self.columns.items()
        }


def _array(values: Floats, kind: pa.DataType) -> pa.Array:
    missing = np.isnan(values)
    if not missing.any():
        return pa.array(values.astype(kind.to_pandas_dtype()))
    return pa.array(np.where(missing, 0.0, values).astype(kind.to_pandas_dtype()), mask=missing)


def quantised(device_class: str, metric: str, values: Floats) -> Floats:
    """Values at the resolution of the metric's sensor."""
    if metric.endswith(DECIBELS_OF):
        decades = np.log10(np.maximum(values, LEAST_LIGHT))
        lit: Floats = 10.0 ** (np.rint(decades * DECADE_STEPS) / DECADE_STEPS)
        return lit
    step = resolution(device_class, metric)
    return np.rint(values / step) * step if step else values


@cache
def resolution(device_class: str, metric: str) -> float:
    """What the metric's sensor can tell apart, in the metric's unit; 0 where there is no limit."""
    declared = load_catalog()[device_class].metric(metric)
    if declared.type.is_integer:
        return 1.0
    own = OWN_RESOLUTIONS.get(f"{device_class}.{metric}")
    return RESOLUTIONS.get(metric.rsplit("_", 1)[-1], 0.0) if own is None else own
