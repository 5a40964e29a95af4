"""Benchmark: samples a second a core from bus to queryable, against the obvious design.

Ours: Arrow messages of 512 accelerators from the local bus, decoded, validated by mask, inserted
into the embedded store and rolled up, by the very service that runs in production. Counted is the
CPU time of the whole process, chDB's threads and merges included, from the first poll until every
row has been counted by a query.

The baseline is what one writes first: one JSON message a sample, one pydantic model a sample, rows
into one long table. Both run here, in this process, one after the other, on the same values.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from fleetops.bus.base import Producer
from fleetops.bus.factory import open_bus
from fleetops.core.clock import ManualClock, SystemClock
from fleetops.core.config import BusConfig, IngestConfig, StoreConfig
from fleetops.core.errors import FleetOpsError
from fleetops.evaluate.synthetic import DEVICE_CLASS, DEVICES_PER_RACK, SyntheticFleet
from fleetops.ingest.service import IngestService
from fleetops.store.base import Store, rollup_table
from fleetops.store.factory import open_store
from fleetops_schemas.telemetry import TelemetryHeader, encode_batch
from fleetops_schemas.topics import all_topics, telemetry_topic

TICK_SECONDS = 10.0
LIMIT_SECONDS = 600.0
FLUSH_SECONDS = 120.0
LONG_TABLE = "bench_samples"


class IngestResult(BaseModel):
    """What was measured. ``*_per_core`` divides by CPU time, not by wall time."""

    model_config = ConfigDict(frozen=True)

    samples: int
    rows: int
    messages: int
    rows_per_message: int
    samples_per_second_per_core: float
    wall_seconds: float
    cpu_seconds: float
    wire_bytes_per_sample: float
    disk_bytes_per_sample: float
    rollup_rows: int
    baseline_samples: int
    baseline_samples_per_second_per_core: float
    baseline_wire_bytes_per_sample: float
    baseline_disk_bytes_per_sample: float
    ratio_to_baseline: float


@dataclass(slots=True)
class _Meter:
    cpu: float = 0.0
    wall: float = 0.0


@contextmanager
def _measured() -> Iterator[_Meter]:
    meter = _Meter()
    cpu, wall = time.process_time(), time.perf_counter()
    yield meter
    meter.cpu, meter.wall = time.process_time() - cpu, time.perf_counter() - wall


def bench_ingest(
    devices: int = 32_768, ticks: int = 15, baseline_devices: int = 512
) -> IngestResult:
    """Runs both and compares. Defaults: 24 million samples ours, 25,000 of the baseline."""
    with TemporaryDirectory(prefix="fleetops-bench-") as folder:
        ours = _ours(Path(folder), devices, ticks)
    with TemporaryDirectory(prefix="fleetops-bench-") as folder:
        base = _baseline(Path(folder), baseline_devices)
    rate = ours["samples"] / ours["cpu"]
    base_rate = base["samples"] / base["cpu"]
    return IngestResult(
        samples=int(ours["samples"]),
        rows=int(ours["rows"]),
        messages=int(ours["messages"]),
        rows_per_message=DEVICES_PER_RACK,
        samples_per_second_per_core=rate,
        wall_seconds=ours["wall"],
        cpu_seconds=ours["cpu"],
        wire_bytes_per_sample=ours["wire"] / ours["samples"],
        disk_bytes_per_sample=ours["disk"] / ours["samples"],
        rollup_rows=int(ours["rollups"]),
        baseline_samples=int(base["samples"]),
        baseline_samples_per_second_per_core=base_rate,
        baseline_wire_bytes_per_sample=base["wire"] / base["samples"],
        baseline_disk_bytes_per_sample=base["disk"] / base["samples"],
        ratio_to_baseline=rate / base_rate,
    )


def _ours(folder: Path, devices: int, ticks: int) -> dict[str, float]:
    """As in production: a tick arrives, is consumed, the next arrives; the clock goes with them."""
    start = datetime.now(UTC).replace(second=0, microsecond=0)
    clock = ManualClock(start)
    fleet = SyntheticFleet(devices)
    rows = devices * ticks
    wire = messages = 0
    with (
        open_bus(BusConfig(path=folder / "bus.sqlite"), clock) as bus,
        open_store(StoreConfig(path=folder / "store"), clock) as store,
        bus.producer() as producer,
    ):
        bus.ensure_topics(all_topics())
        store.migrate()
        service = IngestService(bus, store, IngestConfig(), clock)
        batches = fleet.batches(start, ticks, TICK_SECONDS)
        cpu = wall = 0.0
        for _ in range(ticks):
            for rack, batch in enumerate(islice(batches, -(-devices // DEVICES_PER_RACK))):
                wire += _send(producer, rack, messages, encode_batch(batch))
                messages += 1
            producer.flush(FLUSH_SECONDS)
            clock.advance(TICK_SECONDS)
            with _measured() as meter:
                while service.turn():
                    pass
            cpu, wall = cpu + meter.cpu, wall + meter.wall
        clock.advance(120.0)
        with _measured() as meter:
            _drain(service, store, rows)
        cpu, wall = cpu + meter.cpu, wall + meter.wall
        service.close()
        return {
            "samples": rows * fleet.metrics,
            "rows": rows,
            "messages": messages,
            "cpu": cpu,
            "wall": wall,
            "wire": wire,
            "disk": _disk_bytes(store, DEVICE_CLASS),
            "rollups": _count(store, rollup_table(DEVICE_CLASS)),
        }


def _send(producer: Producer, rack: int, sequence: int, value: bytes) -> int:
    header = TelemetryHeader(device_class=DEVICE_CLASS, collector="bench", sequence=sequence)
    topic = telemetry_topic(DEVICE_CLASS).name
    producer.send(topic, f"r{rack:04d}", value, header.to_headers())
    return len(value)


def _drain(service: IngestService, store: Store, rows: int) -> None:
    """Turns the service until every row answers a query."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        while service.turn():
            pass
        if _count(store, DEVICE_CLASS) >= rows:
            return
    raise FleetOpsError(f"not all rows became queryable within {LIMIT_SECONDS:.0f} s")


def _count(store: Store, table: str) -> int:
    # the table names are constants of this module
    result = store.query(f"SELECT count() AS rows FROM {table}")  # noqa: S608
    return int(result.column("rows")[0].as_py())


def _disk_bytes(store: Store, table: str) -> int:
    result = store.query(
        "SELECT sum(bytes_on_disk) AS bytes FROM system.parts "
        "WHERE active AND table = {table:String}",
        {"table": table},
    )
    return int(result.column("bytes")[0].as_py())


class _Sample(BaseModel):
    """One sample as the baseline sends it."""

    ts: datetime
    device: str
    host: str
    rack: str
    metric: str
    value: float


def _baseline(folder: Path, devices: int) -> dict[str, float]:
    clock = SystemClock()
    fleet = SyntheticFleet(devices)
    topic = telemetry_topic(DEVICE_CLASS).name
    names = list(next(fleet.batches(datetime.now(UTC), 1)).schema.names)
    metrics = names[4:-1]
    wire = samples = 0
    with (
        open_bus(BusConfig(path=folder / "bus.sqlite"), clock) as bus,
        open_store(StoreConfig(path=folder / "store"), clock) as store,
    ):
        bus.ensure_topics(all_topics())
        store.migrate()
        store.query(
            f"CREATE TABLE {LONG_TABLE} (ts DateTime64(3, 'UTC'), "
            "device LowCardinality(String), host LowCardinality(String), "
            "rack LowCardinality(String), metric LowCardinality(String), value Float64) "
            "ENGINE = MergeTree ORDER BY (metric, device, ts)"
        )
        with bus.producer() as producer:
            for batch in fleet.batches(datetime.now(UTC), 1):
                for row in batch.to_pylist():
                    for metric in metrics:
                        value = json.dumps(
                            {
                                "ts": row["ts"].isoformat(),
                                "device": row["device"],
                                "host": row["host"],
                                "rack": row["rack"],
                                "metric": metric,
                                "value": row[metric],
                            }
                        ).encode()
                        producer.send(topic, row["rack"], value)
                        wire += len(value)
                        samples += 1
            producer.flush(FLUSH_SECONDS)
        with _measured() as meter, bus.consumer("baseline", [topic]) as consumer:
            read = 0
            while read < samples:
                messages = consumer.poll(timeout_seconds=1.0, max_messages=25_000)
                rows = [_Sample.model_validate_json(message.value) for message in messages]
                if rows:
                    store.insert(LONG_TABLE, pa.Table.from_pylist([r.model_dump() for r in rows]))
                    consumer.commit()
                read += len(rows)
            if _count(store, LONG_TABLE) != samples:
                raise FleetOpsError("the baseline lost rows")
        disk = _disk_bytes(store, LONG_TABLE)
    return {"samples": samples, "cpu": meter.cpu, "wall": meter.wall, "wire": wire, "disk": disk}
