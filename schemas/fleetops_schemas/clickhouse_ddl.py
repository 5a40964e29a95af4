"""ClickHouse tables generated from the catalog: one raw and one one-minute table a device class.

The layout was measured (docs/store.md): wide and typed, one part a day, sorted by hour, device and
time, so that both a fleet's last minutes and one device's day are short reads. The sort key is the
natural key of a row, so the same rows again are merged away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from typing_extensions import override

from fleetops_schemas.catalog import DeviceClass, Metric, MetricKind, MetricType
from fleetops_schemas.telemetry import BASE_COLUMNS, NULLS_COLUMN

ROLLUP_AGGREGATES: Mapping[MetricKind, tuple[str, ...]] = {
    MetricKind.GAUGE: ("min", "mean", "max", "last"),
    MetricKind.COUNTER: ("last",),
    MetricKind.STATE: ("max", "last"),
}
"""What a minute keeps of a metric: of ``power_watts`` for one ``power_watts_min`` and so on."""
SAMPLES_COLUMN = "samples"
"""Rows of the minute."""

_TYPES = {
    MetricType.UINT8: "UInt8",
    MetricType.UINT16: "UInt16",
    MetricType.UINT32: "UInt32",
    MetricType.UINT64: "UInt64",
    MetricType.INT32: "Int32",
    MetricType.INT64: "Int64",
    MetricType.FLOAT32: "Float32",
    MetricType.FLOAT64: "Float64",
}
_PLAIN = "ZSTD(1)"
_COUNTER = "Delta, ZSTD(1)"
_TIME = "DoubleDelta, ZSTD(1)"


class Column(NamedTuple):
    """A column of a table: its name, its ClickHouse type, and how it is compressed."""

    name: str
    type: str
    codec: str

    @override
    def __str__(self) -> str:
        return f"`{self.name}` {self.type} CODEC({self.codec})"


def rollup_table(device_class: str) -> str:
    """Name of a class's one-minute table."""
    return f"{device_class}_1m"


def telemetry_columns(device_class: DeviceClass) -> tuple[Column, ...]:
    """The columns of a class's raw table, in the order of its Arrow schema."""
    metrics = [
        Column(metric.name, f"Nullable({_TYPES[metric.type]})", _codec(metric, "last"))
        for metric in device_class.metrics
    ]
    return (*_key_columns(device_class), *metrics, _text(NULLS_COLUMN))


def rollup_columns(device_class: DeviceClass) -> tuple[Column, ...]:
    """The columns of a class's one-minute table; ``ts`` is the start of the minute."""
    aggregates = [
        Column(
            f"{metric.name}_{aggregate}",
            f"Nullable({_aggregate_type(metric, aggregate)})",
            _codec(metric, aggregate),
        )
        for metric in device_class.metrics
        for aggregate in ROLLUP_AGGREGATES[metric.kind]
    ]
    return (*_key_columns(device_class), Column(SAMPLES_COLUMN, "UInt32", _PLAIN), *aggregates)


def create_telemetry_table(device_class: DeviceClass) -> str:
    """The statement that creates a class's raw table."""
    columns = telemetry_columns(device_class)
    return _create(device_class.name, columns, ttl(device_class.raw_ttl_days))


def create_rollup_table(device_class: DeviceClass) -> str:
    """The statement that creates a class's one-minute table."""
    columns = rollup_columns(device_class)
    return _create(rollup_table(device_class.name), columns, ttl(device_class.rollup_ttl_days))


def add_columns(table: str, columns: Iterable[Column]) -> str:
    """The statement that gives an existing table the columns that the catalog gained."""
    added = ",\n".join(f"    ADD COLUMN IF NOT EXISTS {column}" for column in columns)
    return f"ALTER TABLE `{table}`\n{added}"


def change_ttl(table: str, days: int) -> str:
    """The statement that changes how long an existing table keeps its rows."""
    return f"ALTER TABLE `{table}` MODIFY TTL {ttl(days)}"


def ttl(days: int) -> str:
    """The TTL expression; a DateTime64 must be a DateTime there."""
    return f"toDateTime(ts) + INTERVAL {days} DAY"


def checksum(statement: str) -> str:
    """SHA-256 of a statement's text, for the ledger."""
    return hashlib.sha256(statement.encode()).hexdigest()


def _create(table: str, columns: Iterable[Column], expiry: str) -> str:
    listed = ",\n".join(f"    {column}" for column in columns)
    return (
        f"CREATE TABLE IF NOT EXISTS `{table}`\n(\n{listed}\n)\n"
        "ENGINE = ReplacingMergeTree\n"
        "PARTITION BY toDate(ts)\n"
        "ORDER BY (toStartOfHour(ts), device, ts)\n"
        f"TTL {expiry}\n"
        "SETTINGS ttl_only_drop_parts = 1"
    )


def _key_columns(device_class: DeviceClass) -> tuple[Column, ...]:
    """``ts``, ``device``, ``host``, ``rack`` and the class's labels."""
    texts = (*BASE_COLUMNS[1:], *device_class.labels)
    return (Column("ts", "DateTime64(3, 'UTC')", _TIME), *(_text(name) for name in texts))


def _text(name: str) -> Column:
    return Column(name, "LowCardinality(String)", _PLAIN)


def _aggregate_type(metric: Metric, aggregate: str) -> str:
    """The metric's own type; a mean of whole numbers is a Float64."""
    if aggregate == "mean" and metric.type.is_integer:
        return "Float64"
    return _TYPES[metric.type]


def _codec(metric: Metric, aggregate: str) -> str:
    """Counters by difference. A mean, minimum or maximum is kept of other kinds only."""
    return _COUNTER if metric.kind is MetricKind.COUNTER and aggregate == "last" else _PLAIN
