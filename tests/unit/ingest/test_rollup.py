from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetops.ingest.rollup import MINUTE_MS, Rollup
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.readings import Quality, Reading
from fleetops_schemas.telemetry import BatchBuilder

CLASS = load_catalog()["accelerator"]
START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)


def table(rows: list[tuple[str, float, float | None]]) -> pa.Table:
    """Rows of (device, seconds after START, temperature)."""
    builder = BatchBuilder(CLASS)
    for device, seconds, value in rows:
        quality = Quality.GOOD if value is not None else Quality.MISSING
        reading = Reading("accelerator", device, "temperature_celsius", value, "Cel", quality)
        builder.add([reading], ts=START + timedelta(seconds=seconds), host="node001", rack="r01")
    return pa.Table.from_batches([builder.build()])


def closed(rollup: Rollup, after_minutes: float = 10) -> dict[tuple[str, int], dict[str, object]]:
    result = rollup.close(START_MS + int(after_minutes * MINUTE_MS))
    if result is None:
        return {}
    rows = result.to_pylist()
    return {(row["device"], int(row["ts"].timestamp() * 1000)): row for row in rows}


def test_one_minute() -> None:
    rollup = Rollup(CLASS)
    rollup.add(table([("node001/gpu0", 0, 60.0), ("node001/gpu0", 10, 70.0)]), START_MS)
    rollup.add(table([("node001/gpu0", 20, None), ("node001/gpu0", 15, 62.0)]), START_MS)
    row = closed(rollup)["node001/gpu0", START_MS]
    assert row["samples"] == 4
    assert row["temperature_celsius_min"] == 60.0
    assert row["temperature_celsius_max"] == 70.0
    assert row["temperature_celsius_mean"] == 64.0
    assert row["temperature_celsius_last"] == 62.0, "the newest value that is there"
    assert row["power_watts_mean"] is None, "never measured stays null"
    assert row["host"] == "node001"
    assert row["rack"] == "r01"


def test_a_minute_is_written_once_its_grace_is_over() -> None:
    rollup = Rollup(CLASS, grace_ms=10_000)
    rollup.add(table([("node001/gpu0", 30, 60.0)]), START_MS)
    assert rollup.close(START_MS + MINUTE_MS + 9_999) is None
    assert rollup.close(START_MS + MINUTE_MS + 10_000) is not None
    assert rollup.close(START_MS + 10 * MINUTE_MS) is None, "and only once"


def test_a_minute_stays_open_while_a_backlog_still_brings_rows() -> None:
    rollup = Rollup(CLASS, grace_ms=10_000)
    hour_later = START_MS + 60 * MINUTE_MS
    rollup.add(table([("node001/gpu0", 0, 60.0)]), hour_later)
    assert rollup.close(hour_later + 9_999) is None
    rollup.add(table([("node001/gpu1", 0, 70.0)]), hour_later + 9_999)
    assert rollup.close(hour_later + 19_998) is None
    assert rollup.close(hour_later + 19_999) is not None
    assert not rollup.dirty


def test_a_long_backlog_holds_only_a_few_minutes_open() -> None:
    rollup = Rollup(CLASS)
    hour_later = START_MS + 60 * MINUTE_MS
    for minute in range(6):
        rollup.add(table([("node001/gpu0", 60 * minute, 60.0)]), hour_later)
    result = rollup.close(hour_later)
    assert result is not None
    assert result.num_rows == 2


def test_late_rows_make_their_minute_dirty() -> None:
    rollup = Rollup(CLASS)
    rollup.add(table([("node001/gpu0", 65, 60.0)]), START_MS)
    closed(rollup)
    rollup.add(table([("node001/gpu0", 70, 99.0)]), START_MS)
    assert rollup.dirty == {START_MS + MINUTE_MS}
    assert rollup.close(START_MS + 20 * MINUTE_MS) is None


def test_devices_that_come_later_leave_the_others_alone() -> None:
    rollup = Rollup(CLASS)
    rollup.add(table([("node001/gpu0", 0, 60.0)]), START_MS)
    rollup.add(table([("node001/gpu1", 5, 80.0), ("node001/gpu0", 5, 61.0)]), START_MS)
    rows = closed(rollup)
    assert rows["node001/gpu0", START_MS]["temperature_celsius_max"] == 61.0
    assert rows["node001/gpu1", START_MS]["temperature_celsius_min"] == 80.0
    assert rows["node001/gpu1", START_MS]["samples"] == 1


values = st.one_of(st.none(), st.floats(0, 120, width=32))
rows = st.lists(
    st.tuples(st.sampled_from(["a/gpu0", "a/gpu1", "b/gpu0"]), st.integers(0, 179), values),
    min_size=1,
    max_size=60,
    unique_by=lambda row: (row[0], row[1]),
)


@settings(max_examples=60, deadline=None)
@given(rows=rows, cuts=st.integers(1, 5))
def test_any_order_and_any_batching_give_the_same_as_all_at_once(
    rows: list[tuple[str, float, float | None]], cuts: int
) -> None:
    rollup = Rollup(CLASS)
    for part in np.array_split(np.arange(len(rows)), cuts):
        if len(part):
            rollup.add(table([rows[at] for at in part]), START_MS)
    found = closed(rollup)
    wanted: dict[tuple[str, int], list[tuple[float, float | None]]] = {}
    for device, seconds, value in rows:
        minute = START_MS + int(seconds) // 60 * MINUTE_MS
        wanted.setdefault((device, minute), []).append((seconds, value))
    assert found.keys() == wanted.keys()
    for key, samples in wanted.items():
        there = [value for _, value in sorted(samples) if value is not None]
        row = found[key]
        assert row["samples"] == len(samples)
        assert row["temperature_celsius_min"] == (min(there) if there else None)
        assert row["temperature_celsius_max"] == (max(there) if there else None)
        assert row["temperature_celsius_last"] == (there[-1] if there else None)
