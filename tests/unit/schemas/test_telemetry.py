"""Telemetry on the wire: what goes in comes out, and what is none is refused."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetops_schemas.catalog import SCHEMA_VERSION, load_catalog
from fleetops_schemas.readings import Quality, Reading
from fleetops_schemas.telemetry import (
    BatchBuilder,
    TelemetryError,
    TelemetryHeader,
    arrow_schema,
    conform,
    decode_batch,
    encode_batch,
)

TIME = datetime(2026, 11, 21, 10, 0, 0, 123456, UTC)
HEADER = TelemetryHeader(device_class="accelerator", collector="prometheus", sequence=7)
TEMPERATURE, POWER, ECC = "temperature_celsius", "power_watts", "ecc_correctable_total"


def reading(
    metric: str, value: float | None, quality: Quality = Quality.GOOD, device: str = "node001/gpu0"
) -> Reading:
    unit = load_catalog()["accelerator"].metric(metric).unit
    return Reading("accelerator", device, metric, value, unit, quality)


def batch(*readings: Reading, ts: datetime = TIME) -> pa.RecordBatch:
    builder = BatchBuilder(load_catalog()["accelerator"])
    builder.add(readings, ts=ts, host="node001", rack="r01")
    return builder.build()


def test_a_row_is_a_device_and_a_time() -> None:
    builder = BatchBuilder(load_catalog()["accelerator"])
    for ts in (TIME, TIME + timedelta(seconds=10)):
        for device in ("node001/gpu0", "node001/gpu1"):
            builder.add(
                [reading(TEMPERATURE, 61.5, device=device), reading(ECC, 2.0, device=device)],
                ts=ts.astimezone(timezone(timedelta(hours=9))),
                host="node001",
                rack="r01",
            )
    assert len(builder) == 4
    built = builder.build()
    assert built.schema.equals(arrow_schema("accelerator"))
    assert built.num_rows == 4
    first = built.to_pylist()[0]
    assert first["ts"] == TIME.replace(microsecond=123000)
    assert (first["device"], first["host"], first["rack"]) == ("node001/gpu0", "node001", "r01")
    assert (first[TEMPERATURE], first[ECC], first[POWER]) == (61.5, 2, None)
    assert first["nulls"] == ""
    assert len(builder) == 0
    assert builder.build().num_rows == 0


def test_what_is_not_good_is_null_with_its_reason() -> None:
    [row] = batch(
        reading(TEMPERATURE, None, Quality.SENTINEL), reading(POWER, None, Quality.STALE)
    ).to_pylist()
    assert row[TEMPERATURE] is None
    assert row["nulls"] == f"{TEMPERATURE}=sentinel {POWER}=stale"


def test_the_later_reading_of_a_metric_wins() -> None:
    [row] = batch(
        reading(TEMPERATURE, None, Quality.MISSING), reading(TEMPERATURE, 60.0)
    ).to_pylist()
    assert (row[TEMPERATURE], row["nulls"]) == (60.0, "")


def test_labels_are_columns() -> None:
    builder = BatchBuilder(load_catalog()["training_rank"])
    step = Reading("training_rank", "node001/job81/rank0", "rank", 0, "1", Quality.GOOD)
    builder.add([step], ts=TIME, host="node001", rack="r01", labels={"job": "81"})
    assert builder.build().to_pylist()[0]["job"] == "81"


@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(width=32, allow_nan=False)),
            st.one_of(st.none(), st.integers(0, 2**64 - 1)),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_encoding_loses_nothing(values: list[tuple[float | None, int | None]]) -> None:
    builder = BatchBuilder(load_catalog()["accelerator"])
    for number, (temperature, ecc) in enumerate(values):
        device = f"node001/gpu{number}"
        rows = [
            reading(name, value, Quality.GOOD if value is not None else Quality.MISSING, device)
            for name, value in ((TEMPERATURE, temperature), (ECC, ecc))
        ]
        builder.add(rows, ts=TIME, host="node001", rack="r01")
    built = builder.build()
    header, decoded = decode_batch(encode_batch(built), HEADER.to_headers())
    assert header == HEADER
    assert decoded.equals(built)
    assert decoded.column(ECC).to_pylist() == [ecc for _, ecc in values]


def test_an_older_writer_lacks_columns_and_a_newer_one_has_more() -> None:
    built = batch(reading(TEMPERATURE, 60.0), reading(POWER, 500.0))
    table = pa.Table.from_batches([built])
    older = table.drop_columns([POWER, "nulls"]).combine_chunks().to_batches()[0]
    conformed = conform(older, arrow_schema("accelerator"))
    assert conformed.schema.equals(arrow_schema("accelerator"))
    assert conformed.to_pylist()[0] | {POWER: 500.0} == built.to_pylist()[0]
    newer = table.append_column("unheard_of", pa.array([1])).combine_chunks().to_batches()[0]
    _, decoded = decode_batch(encode_batch(newer), HEADER.to_headers())
    assert decoded.equals(built)


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({}, "bad telemetry headers"),
        ({"device_class": "toaster"}, "no device class 'toaster'"),
        ({"schema_version": str(SCHEMA_VERSION + 1)}, "this build reads"),
        ({"sequence": "-1"}, "bad telemetry headers"),
    ],
)
def test_bad_headers(headers: dict[str, str], message: str) -> None:
    value = encode_batch(batch(reading(TEMPERATURE, 60.0)))
    with pytest.raises(TelemetryError, match=message):
        decode_batch(value, HEADER.to_headers() | headers if headers else {})


@pytest.mark.parametrize("value", [b"", b"{}", b"\xff" * 100, b"ARROW1\0\0"])
def test_what_is_no_arrow(value: bytes) -> None:
    with pytest.raises(TelemetryError, match="not an Arrow IPC stream"):
        decode_batch(value, HEADER.to_headers())


def test_a_truncated_message() -> None:
    value = encode_batch(batch(reading(TEMPERATURE, 60.0)))
    for length in range(0, len(value) - 8, 97):
        with pytest.raises(TelemetryError):
            decode_batch(value[:length], HEADER.to_headers())


def test_a_message_that_is_too_large() -> None:
    with pytest.raises(TelemetryError, match="the limit is"):
        decode_batch(b"\0" * (8 * 1024 * 1024 + 1), HEADER.to_headers())


def test_columns_of_another_type_and_missing_keys() -> None:
    table = pa.Table.from_batches([batch(reading(TEMPERATURE, 60.0))])
    position = table.column_names.index(TEMPERATURE)
    other = table.set_column(position, TEMPERATURE, pa.array(["60"])).to_batches()[0]
    with pytest.raises(TelemetryError, match=f"'{TEMPERATURE}' is string, not float"):
        decode_batch(encode_batch(other), HEADER.to_headers())
    keyless = table.drop_columns(["device"]).to_batches()[0]
    with pytest.raises(TelemetryError, match="'device' is missing"):
        decode_batch(encode_batch(keyless), HEADER.to_headers())


def broken(value: pa.RecordBatch, column: str, array: pa.Array) -> pa.RecordBatch:
    arrays = [array if name == column else value.column(name) for name in value.schema.names]
    return pa.RecordBatch.from_arrays(arrays, schema=value.schema)


def test_an_index_outside_its_dictionary_is_refused_and_ends_no_process() -> None:
    built = batch(reading(TEMPERATURE, 60.0))
    outside = pa.DictionaryArray.from_arrays(
        pa.array([7], pa.int32()), pa.array(["node001/gpu0"]), safe=False
    )
    value = encode_batch(broken(built, "device", outside))
    with pytest.raises(TelemetryError, match=r"not an Arrow IPC stream.*out of bounds"):
        decode_batch(value, HEADER.to_headers())


def test_a_row_without_time_or_device_is_refused() -> None:
    built = batch(reading(TEMPERATURE, 60.0))
    for name in ("ts", "device"):
        nothing = pa.nulls(1, built.schema.field(name).type)
        value = encode_batch(broken(built, name, nothing))
        with pytest.raises(TelemetryError, match=f"'{name}' has nulls"):
            decode_batch(value, HEADER.to_headers())


def test_a_second_batch_is_refused_not_dropped() -> None:
    built = batch(reading(TEMPERATURE, 60.0))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, built.schema) as writer:
        writer.write_batch(built)
        writer.write_batch(built)
    with pytest.raises(TelemetryError, match="more than one record batch"):
        decode_batch(sink.getvalue().to_pybytes(), HEADER.to_headers())


def test_any_damage_is_refused_or_harmless() -> None:
    value = encode_batch(batch(reading(TEMPERATURE, 60.0), reading(POWER, 500.0)))
    chance = random.Random(7)  # noqa: S311  where to damage it
    refused = 0
    for _ in range(300):
        damaged = bytearray(value)
        for _ in range(chance.choice([1, 2, 8])):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            _, decoded = decode_batch(bytes(damaged), HEADER.to_headers())
        except TelemetryError:
            refused += 1
        else:
            assert len(decoded.to_pylist()) == decoded.num_rows
    assert refused > 0
