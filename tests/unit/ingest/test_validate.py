from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from fleetops.ingest.validate import check_times, mask_implausible
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.readings import Quality, Reading
from fleetops_schemas.telemetry import BatchBuilder, TelemetryError

CLASS = load_catalog()["accelerator"]
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def batch(values: Mapping[str, Sequence[float | None]], ts: datetime = NOW) -> pa.RecordBatch:
    builder = BatchBuilder(CLASS)
    rows = max(len(column) for column in values.values())
    for row in range(rows):
        readings = [
            Reading(
                "accelerator",
                f"node001/gpu{row}",
                metric,
                column[row],
                CLASS.metric(metric).unit,
                Quality.GOOD if column[row] is not None else Quality.SENTINEL,
            )
            for metric, column in values.items()
        ]
        builder.add(readings, ts=ts, host="node001", rack="r01")
    return builder.build()


def masked(values: Mapping[str, Sequence[float | None]]) -> pa.Table:
    return mask_implausible(pa.Table.from_batches([batch(values)]), CLASS)


def test_plausible_values_pass_untouched() -> None:
    table = pa.Table.from_batches([batch({"temperature_celsius": [61.5, 20.0]})])
    assert mask_implausible(table, CLASS) is table


@pytest.mark.parametrize("absurd", [-20.1, 150.1, 1e30, float("inf")])
def test_a_value_outside_the_range_becomes_null_with_its_reason(absurd: float) -> None:
    table = masked({"temperature_celsius": [61.5, absurd, 62.5], "power_watts": [1.0, 2.0, 3.0]})
    assert table.column("temperature_celsius").to_pylist() == [61.5, None, 62.5]
    assert table.column("power_watts").to_pylist() == [1.0, 2.0, 3.0]
    assert table.column("nulls").to_pylist() == ["", "temperature_celsius=out_of_range", ""]


@pytest.mark.parametrize("edge", [-20.0, 150.0])
def test_both_ends_of_the_range_belong_to_it(edge: float) -> None:
    assert masked({"temperature_celsius": [edge]}).column("temperature_celsius")[0].as_py() == edge


def test_nan_is_missing_not_out_of_range() -> None:
    table = masked({"temperature_celsius": [float("nan"), 61.5]})
    assert table.column("temperature_celsius").to_pylist() == [None, 61.5]
    assert table.column("nulls").to_pylist() == ["temperature_celsius=missing", ""]


def test_a_null_keeps_the_reason_it_came_with() -> None:
    table = masked({"temperature_celsius": [None, 500.0], "row_remap_failed": [7, 0]})
    assert table.column("nulls").to_pylist() == [
        "temperature_celsius=sentinel row_remap_failed=out_of_range",
        "temperature_celsius=out_of_range",
    ]
    assert table.column("row_remap_failed").to_pylist() == [None, 0]


def test_rows_from_the_future_and_from_before_the_retention_are_refused() -> None:
    good = {"temperature_celsius": [61.5]}
    check_times(batch(good, NOW + timedelta(minutes=9)), "accelerator", NOW)
    with pytest.raises(TelemetryError, match="future"):
        check_times(batch(good, NOW + timedelta(minutes=11)), "accelerator", NOW)
    check_times(batch(good, NOW - timedelta(days=29)), "accelerator", NOW)
    with pytest.raises(TelemetryError, match="retention"):
        check_times(batch(good, NOW - timedelta(days=31)), "accelerator", NOW)
