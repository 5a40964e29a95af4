"""Compressed time: the tables' own numbers, as the batches that consumers read."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from fleetops.bus.base import Message
from fleetops.bus.factory import open_bus
from fleetops.core.clock import ManualClock
from fleetops.core.config import BusConfig
from fleetops.emulator import compressed
from fleetops.emulator.compressed import COLLECTOR, CompressedRun
from fleetops.emulator.model.fleet import EPOCH, Fleet
from fleetops.emulator.model.tables import Table
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.telemetry import TelemetryHeader, arrow_schema, decode_batch
from fleetops_schemas.topics import all_topics, telemetry_topic
from tests.unit.emulator.emulated import Strike, emulated

TICK = 60.0
HOSTS = 6
CLUSTERS = ("demo", "llm_roce_32k", "unified_2025", "jbog_2018")


def fleet(name: str = "demo", *strikes: Strike) -> Fleet:
    return emulated(name, tick_seconds=TICK, hosts=HOSTS, strikes=strikes, warm_up_seconds=300.0)


def compare(table: Table, batches: list[pa.RecordBatch]) -> None:
    """Asserts that the batches hold the table's present rows in order, and nothing else."""
    whole = pa.Table.from_batches(batches, schema=arrow_schema(table.roster.device_class))
    rows = np.flatnonzero(table.present)
    roster = table.roster
    for name, values in (
        ("device", roster.devices),
        ("host", roster.hosts),
        ("rack", roster.racks),
        *table.labels.items(),
    ):
        assert whole.column(name).to_pylist() == [values[row] for row in rows], name
    for metric in load_catalog()[roster.device_class].metrics:
        told = whole.column(metric.name)
        if metric.name not in table.columns:
            assert told.null_count == len(rows), metric.name
            continue
        expected = table[metric.name][rows]
        found = told.to_numpy().astype(np.float64)
        assert found == pytest.approx(expected, rel=1e-6, nan_ok=True), metric.name
        assert told.null_count == int(np.isnan(expected).sum()), "no reading is null, not zero"


@pytest.mark.parametrize("name", CLUSTERS)
def test_batches_are_the_tables(name: str) -> None:
    run = CompressedRun(fleet(name))
    for tick in range(1, 4):
        by_class = defaultdict(list)
        for slab, batch in run.batches(1):
            batch.validate(full=True)
            by_class[slab.device_class].append(batch)
            assert set(batch.column("ts").to_pylist()) == {EPOCH + timedelta(seconds=tick * TICK)}
        assert by_class.keys() == run.fleet.tables.keys()
        for device_class, batches in by_class.items():
            compare(run.fleet.tables[device_class], batches)


def test_whoever_does_not_answer_has_no_row() -> None:
    run = CompressedRun(fleet("demo", Strike("gone", [3], 1.0), Strike("down", [5], 1.0)))
    rows = {slab.device_class: batch.column("device").to_pylist() for slab, batch in run.batches(1)}
    missing = {"node001/gpu3", *(f"node006/gpu{number}" for number in range(8))}
    assert set(run.fleet.site.accelerators) - set(rows["accelerator"]) == missing
    assert "node001/gpu4" in rows["accelerator"]
    compare_all = {name: len(devices) for name, devices in rows.items()}
    assert compare_all == {
        name: int(table.present.sum()) for name, table in run.fleet.tables.items()
    }


def test_a_class_where_nobody_answers_has_no_batch() -> None:
    run = CompressedRun(fleet("demo", Strike("down", range(HOSTS), 1.0)))
    assert "accelerator" not in {slab.device_class for slab, _ in run.batches(1)}


def test_long_classes_come_in_several_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressed, "ROWS_PER_BATCH", 20)
    run = CompressedRun(fleet("demo", Strike("gone", [25], 1.0)))
    found = [(slab, batch) for slab, batch in run.batches(1) if slab.device_class == "accelerator"]
    assert [batch.num_rows for _, batch in found] == [20, 19, 8]
    compare(run.fleet.tables["accelerator"], [batch for _, batch in found])
    assert [slab.key for slab, _ in found] == ["r01"] * 3


def test_what_is_sent_onto_the_bus_is_telemetry(tmp_path: Path) -> None:
    run, reference = CompressedRun(fleet()), fleet()
    clock = ManualClock()
    with open_bus(BusConfig(path=tmp_path / "bus.sqlite"), clock) as bus:
        bus.ensure_topics(all_topics())
        with bus.producer() as producer:
            rows = run.publish(3, producer)
            producer.flush(10.0)
        topics = {telemetry_topic(name).name: name for name in run.fleet.tables}
        with bus.consumer("test", topics) as consumer:
            messages: list[Message] = []
            while batch := consumer.poll(0.2, 1000):
                messages += batch
    received = [(message, *decode_batch(message.value, message.headers)) for message in messages]
    assert sum(batch.num_rows for _, _, batch in received) == rows > 0
    headers: list[TelemetryHeader] = [header for _, header, _ in received]
    assert {header.collector for header in headers} == {COLLECTOR}
    assert sorted(header.sequence for header in headers) == list(range(len(headers)))
    by_tick = defaultdict(list)
    for message, header, one in received:
        assert topics[message.topic] == header.device_class
        assert message.key == one.column("rack")[0].as_py()
        by_tick[one.column("ts")[0].as_py(), header.device_class].append(one)
    for _ in range(3):
        tables = reference.tick()
        for device_class, table in tables.items():
            compare(table, by_tick.pop((reference.time, device_class)))
    assert not by_tick


def test_a_second_call_goes_on_where_the_first_ended() -> None:
    run, reference = CompressedRun(fleet()), fleet()
    for count in (2, 3):
        moments = [batch.column("ts")[0].as_py() for _, batch in run.batches(count)]
        assert len(set(moments)) == count
    for _ in range(5):
        reference.tick()
    assert run.fleet.ticks == 5
    assert np.array_equal(
        run.fleet.tables["host"]["power_watts"],
        reference.tables["host"]["power_watts"],
        equal_nan=True,
    )
