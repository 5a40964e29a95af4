"""Rows against columns. What the engine itself does with them is the contract suite's."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from fleetops.core.errors import StoreRejectedError
from fleetops.store.columns import TableColumn, arrow_type, conform, in_utc

TIME = datetime(2026, 11, 21, 10, 0, 0, 123456, UTC)
COLUMNS = {
    column.name: column
    for column in (
        TableColumn("ts", "DateTime64(3, 'UTC')", has_default=False),
        TableColumn("device", "LowCardinality(String)", has_default=False),
        TableColumn("watts", "Nullable(Float32)", has_default=False),
        TableColumn("errors", "Nullable(UInt8)", has_default=False),
        TableColumn("added", "DateTime", has_default=True),
    )
}


def rows(**changes: pa.Array) -> pa.Table:
    whole = {"ts": pa.array([TIME]), "device": pa.array(["a"])} | changes
    return pa.table(whole)


@pytest.mark.parametrize(
    ("clickhouse", "arrow"),
    [
        ("UInt64", pa.uint64()),
        ("Int8", pa.int8()),
        ("Float32", pa.float32()),
        ("Nullable(Float64)", pa.float64()),
        ("LowCardinality(Nullable(String))", pa.string()),
        ("DateTime64(3, 'UTC')", pa.timestamp("ms", "UTC")),
        ("DateTime64(6)", pa.timestamp("us", "UTC")),
        ("Nullable(DateTime64(9, 'UTC'))", pa.timestamp("ns", "UTC")),
        ("DateTime('UTC')", pa.timestamp("s", "UTC")),
        ("Array(LowCardinality(String))", pa.list_(pa.string())),
        ("Bool", pa.bool_()),
    ],
)
def test_types(clickhouse: str, arrow: pa.DataType) -> None:
    assert arrow_type(clickhouse) == arrow


def test_a_type_that_is_not_stored() -> None:
    with pytest.raises(StoreRejectedError, match=r"type Map\(String, String\) are not supported"):
        arrow_type("Map(String, String)")


def test_rows_take_the_columns_types() -> None:
    fitting = conform(
        "t",
        COLUMNS,
        rows(
            device=pa.array(["a"]).dictionary_encode(),
            watts=pa.array([1.5], pa.float64()),
            errors=pa.array([255], pa.int64()),
        ),
    )
    assert fitting.schema == pa.schema(
        {
            "ts": pa.timestamp("ms", "UTC"),
            "device": pa.string(),
            "watts": pa.float32(),
            "errors": pa.uint8(),
        }
    )
    assert fitting.to_pylist() == [
        {"ts": TIME.replace(microsecond=123000), "device": "a", "watts": 1.5, "errors": 255}
    ]


def test_many_small_batches_become_one() -> None:
    many = pa.concat_tables(
        [rows(device=pa.array([f"d{n}"]).dictionary_encode()) for n in range(5)]
    )
    fitting = conform("t", COLUMNS, many)
    assert fitting.column("device").num_chunks == 1
    assert fitting.column("device").to_pylist() == ["d0", "d1", "d2", "d3", "d4"]


def test_nan_becomes_null_and_nothing_else_does() -> None:
    watts = pa.array([float("nan"), None, 0.0, float("inf")], pa.float32())
    whole = pa.table({"ts": pa.array([TIME] * 4), "device": pa.array(["a"] * 4), "watts": watts})
    assert conform("t", COLUMNS, whole).column("watts").to_pylist() == [
        None,
        None,
        0.0,
        float("inf"),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"errors": pa.array([256])}, "t: column 'errors' is int64 and not uint8"),
        ({"errors": pa.array([0.5])}, "t: column 'errors' is double and not uint8"),
        ({"watts": pa.array(["hot"])}, "t: column 'watts' is string and not float"),
        ({"device": pa.array([None], pa.string())}, "t: 1 nulls in column 'device'"),
        ({"ts": pa.array([TIME.replace(tzinfo=None)])}, r"t: column 'ts' is timestamp\[us\]"),
        ({"ts": pa.array([5])}, "t: column 'ts' is int64"),
        ({"volts": pa.array([5])}, "t: there is no column 'volts'"),
    ],
)
def test_what_does_not_fit(change: dict[str, pa.Array], message: str) -> None:
    with pytest.raises(StoreRejectedError, match=message):
        conform("t", COLUMNS, rows(**change))


def test_a_key_that_is_missing() -> None:
    with pytest.raises(StoreRejectedError, match="t: column 'ts' is missing"):
        conform("t", COLUMNS, pa.table({"device": ["a"]}))


def test_results_are_in_utc() -> None:
    tokyo = pa.array([TIME], pa.timestamp("us", "Asia/Tokyo"))
    result = in_utc(pa.table({"t": tokyo, "many": pa.array([[TIME]]), "n": pa.array([1])}))
    assert result.schema.field("t").type == pa.timestamp("us", "UTC")
    assert result.to_pylist() == [{"t": TIME, "many": [TIME], "n": 1}]
