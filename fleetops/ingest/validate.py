"""Validation by mask: whole columns against the catalog's plausible ranges, never a value alone."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from fleetops.core import metrics
from fleetops_schemas.catalog import DeviceClass, Metric, load_catalog
from fleetops_schemas.readings import Quality
from fleetops_schemas.telemetry import NULLS_COLUMN, TelemetryError

FUTURE = timedelta(minutes=10)
"""A row from further ahead comes from a wrong clock; it would poison every "latest" query."""


def check_times(batch: pa.RecordBatch, device_class: str, now: datetime) -> None:
    """Checks that every row's time is between the class's retention and now.

    Raises:
        TelemetryError: a row is from the future, or older than what is kept.
    """
    if batch.num_rows == 0:
        return
    span = pc.min_max(batch.column("ts")).as_py()
    oldest = now - timedelta(days=load_catalog()[device_class].raw_ttl_days)
    if span["max"] > now + FUTURE:
        raise TelemetryError(
            f"a row is of {span['max']:%Y-%m-%dT%H:%M:%SZ}, in the future: mend the sender's clock"
        )
    if span["min"] < oldest:
        raise TelemetryError(
            f"a row is of {span['min']:%Y-%m-%dT%H:%M:%SZ}, older than the retention"
        )


def mask_implausible(table: pa.Table, device_class: DeviceClass) -> pa.Table:
    """The table with every value outside its metric's range, and every NaN, made null.

    Each is counted and named in the row's ``nulls``.
    """
    for metric in device_class.metrics:
        column = table.column(metric.name)
        if _is_clean(column, metric):
            continue
        values = column.to_numpy()
        with np.errstate(invalid="ignore"):
            absurd = (values < metric.range[0]) | (values > metric.range[1])
        missing = (
            np.isnan(values) & column.is_valid().to_numpy()
            if values.dtype.kind == "f"
            else np.zeros(len(values), dtype=bool)
        )
        table = _null(table, metric.name, missing, Quality.MISSING)
        table = _null(table, metric.name, absurd, Quality.OUT_OF_RANGE)
        metrics.INGEST_MASKED.labels(device_class.name, metric.name).inc(
            int(absurd.sum() + missing.sum())
        )
    return table


def _is_clean(column: pa.ChunkedArray, metric: Metric) -> bool:
    """Two passes in C++ over the column: enough to know that nothing needs a mask."""
    if column.null_count == len(column):
        return True
    span = pc.min_max(column)
    low, high = span["min"].as_py(), span["max"].as_py()
    if low is None or not (metric.range[0] <= low and high <= metric.range[1]):
        return False
    if metric.type.is_integer:
        return True
    total = pc.sum(column).as_py()
    return bool(total == total)  # noqa: PLR0124 - NaN is the one value unequal to itself


def _null(table: pa.Table, name: str, mask: np.ndarray, quality: Quality) -> pa.Table:
    if not mask.any():
        return table
    at = table.schema.get_field_index(name)
    field = table.schema.field(at)
    nulled = pc.if_else(pa.array(mask), pa.scalar(None, field.type), table.column(name))
    table = table.set_column(at, field, nulled)
    at = table.schema.get_field_index(NULLS_COLUMN)
    field = table.schema.field(at)
    nulls = table.column(NULLS_COLUMN).cast(pa.string()).to_pylist()
    for row in np.flatnonzero(mask):
        nulls[row] = f"{nulls[row]} {name}={quality}".strip()
    return table.set_column(at, field, pa.array(nulls).dictionary_encode().cast(field.type))
