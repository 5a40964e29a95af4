"""One collector process over thousands of hosts: its CPU time, its memory, its punctuality."""

from __future__ import annotations

import asyncio
import resource
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import BaseModel, ConfigDict

from fleetops.bus.base import Bus
from fleetops.bus.factory import open_bus
from fleetops.core import metrics
from fleetops.core.clock import SystemClock
from fleetops.core.config import BusConfig
from fleetops.evaluate.bench_reads import targets
from fleetops.evaluate.bench_targets import ACCELERATORS, FIELDS
from fleetops_collectors.collector_config import parse_collectors
from fleetops_collectors.runner.runner import CollectorRunner, RunnerSettings
from fleetops_schemas.topics import all_topics, telemetry_topic
from fleetops_schemas.topology import HostPlacement, Topology

HOSTS_PER_RACK = 32
COLLECTOR = "bench"
DEVICE_CLASS = "accelerator"
CATCH_UP_SECONDS = 60.0
PUBLISHED = "telegraf: 10,000 metrics/s on 2 cores, statsd to Kafka (influxdata/telegraf#2825)"


class FleetResult(BaseModel):
    """What one process needed for a fleet."""

    model_config = ConfigDict(frozen=True)

    hosts: int
    accelerators: int
    samples_per_round: int
    interval_seconds: float
    rounds: int
    late_rounds: int
    failed: int
    samples_per_second: float
    cpu_cores: float
    """CPU seconds a second, the local bus included."""
    peak_memory_bytes: int
    bytes_per_sample: float
    """Of the messages on the bus."""
    published: str = PUBLISHED


def bench_fleet(hosts: int = 3000, interval_seconds: float = 30.0, rounds: int = 2) -> FleetResult:
    """Scrapes so many emulated exporters over HTTP, onto the local bus."""
    names = [f"node{n:05}" for n in range(hosts)]
    racks = [f"r{n // HOSTS_PER_RACK:03}" for n in range(hosts)]
    with targets() as ports, TemporaryDirectory(prefix="fleetops-bench-") as folder:
        entry = {
            "kind": "prometheus",
            "name": COLLECTOR,
            "interval_seconds": interval_seconds,
            "deadline_seconds": 10.0,
            "concurrency": 256,
            "targets": [
                {"name": name, "host": name, "rack": rack,
                 "url": f"http://127.0.0.1:{ports['http']}/{name}"}
                for name, rack in zip(names, racks, strict=True)
            ],
        }  # fmt: skip
        with open_bus(BusConfig(path=Path(folder) / "bus.sqlite"), SystemClock()) as bus:
            bus.ensure_topics(all_topics())
            producer = bus.producer()
            runner = CollectorRunner(
                parse_collectors([entry]),
                publisher=producer,
                topology=Topology(
                    HostPlacement(host=name, rack=rack)
                    for name, rack in zip(names, racks, strict=True)
                ),
                clock=SystemClock(),
                settings=RunnerSettings(Path(folder) / "collect", "bench"),
            )
            # a target's first round falls anywhere in the first interval
            seconds = interval_seconds * rounds + 2.0
            before, cpu, began = _rounds(), time.process_time(), time.perf_counter()
            asyncio.run(_run_for(runner, seconds))
            wall, spent = time.perf_counter() - began, time.process_time() - cpu
            producer.close()
            size = _telemetry_bytes(bus)
    done, late, failed = (now - then for now, then in zip(_rounds(), before, strict=True))
    samples = ACCELERATORS * len(FIELDS)
    return FleetResult(
        hosts=hosts,
        accelerators=hosts * ACCELERATORS,
        samples_per_round=samples,
        interval_seconds=interval_seconds,
        rounds=int(done),
        late_rounds=int(late),
        failed=int(failed),
        samples_per_second=done * samples / wall,
        cpu_cores=spent / wall,
        peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        bytes_per_sample=size / max(done * samples, 1),
    )


def _telemetry_bytes(bus: Bus) -> int:
    with bus.reader([telemetry_topic(DEVICE_CLASS).name]) as reader:
        return sum(len(message.value) for message in reader.catch_up(CATCH_UP_SECONDS))


async def _run_for(runner: CollectorRunner, seconds: float) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, stop.set)
    await runner.run(stop)


def _rounds() -> tuple[float, float, float]:
    """(done, late, failed) so far."""
    counts = {
        outcome: metrics.REGISTRY.get_sample_value(
            "fleetops_collect_rounds_total", {"collector": COLLECTOR, "outcome": outcome}
        )
        or 0.0
        for outcome in ("ok", "partial", "late", "failed", "timeout")
    }
    return (
        counts["ok"] + counts["partial"],
        counts["late"],
        counts["failed"] + counts["timeout"],
    )
