"""What the emulator can do: topology of a whole cluster, and node-days in compressed time."""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pydantic import BaseModel, ConfigDict

from fleetops.bus.factory import open_bus
from fleetops.core.clock import SystemClock
from fleetops.core.config import BusConfig
from fleetops.core.publish import Publisher
from fleetops.emulator.compressed import CompressedRun
from fleetops.emulator.model.fleet import Fleet, FleetOptions
from fleetops.emulator.site import build_site
from fleetops_schemas.fleet_profiles import cluster_of
from fleetops_schemas.topics import all_topics

CLUSTER = "llm_roce_32k"
CADENCE_SECONDS = 60.0
MINUTES_PER_DAY = 1440.0
FLUSH_SECONDS = 60.0


class EmulatorResult(BaseModel):
    """One fleet of a cluster in compressed time; CPU time of this process."""

    model_config = ConfigDict(frozen=True)

    cluster: str
    hosts: int
    accelerators_of_cluster: int
    topology_seconds: float
    """To lay out the whole cluster: every host, port, link, rack, shelf and loop."""
    ticks: int
    rows: int
    samples: int
    node_days_per_minute: float
    """As record batches handed to a consumer in this process."""
    node_days_per_minute_on_bus: float
    """Encoded, compressed and written to the local bus."""
    bytes_per_sample: float
    peak_memory_bytes: int


class _Counting:
    """A publisher that adds up what goes through it."""

    def __init__(self, onward: Publisher) -> None:
        self._onward = onward
        self.bytes = 0

    def send(
        self, topic: str, key: str, value: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        """Counts and hands on."""
        self.bytes += len(value)
        self._onward.send(topic, key, value, headers)

    def flush(self, timeout_seconds: float) -> None:
        """Hands on."""
        self._onward.flush(timeout_seconds)


def bench_emulator(hosts: int = 500, ticks: int = 60, cluster: str = CLUSTER) -> EmulatorResult:
    """Runs ``hosts`` of a cluster for ``ticks`` minutes, first as batches, then onto a bus."""
    profile = cluster_of(cluster)
    began = time.perf_counter()
    whole = build_site(profile)
    topology_seconds = time.perf_counter() - began
    accelerators = len(whole.accelerators)
    del whole
    run = CompressedRun(Fleet(FleetOptions(build_site(profile, hosts), 1, CADENCE_SECONDS)))
    spent, rows, samples = _consume(run, ticks)
    on_bus, size = _publish(run, ticks)
    node_days = len(run.fleet.site.hosts) * ticks / MINUTES_PER_DAY
    return EmulatorResult(
        cluster=cluster,
        hosts=len(run.fleet.site.hosts),
        accelerators_of_cluster=accelerators,
        topology_seconds=topology_seconds,
        ticks=ticks,
        rows=rows,
        samples=samples,
        node_days_per_minute=node_days / spent * 60.0,
        node_days_per_minute_on_bus=node_days / on_bus * 60.0,
        bytes_per_sample=size / max(samples, 1),
        peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )


def _consume(run: CompressedRun, ticks: int) -> tuple[float, int, int]:
    """(CPU seconds, rows, samples): a sample is a value of a metric that its device tells."""
    rows = 0
    began = time.process_time()
    for _, batch in run.batches(ticks):
        rows += batch.num_rows
    spent = time.process_time() - began
    told = sum(
        int(np.count_nonzero(~np.isnan(column)))
        for table in run.fleet.tables.values()
        for column in table.columns.values()
    )
    return spent, rows, told * ticks


def _publish(run: CompressedRun, ticks: int) -> tuple[float, int]:
    """(CPU seconds, bytes) of the same onto a bus of its own."""
    with (
        TemporaryDirectory(prefix="fleetops-bench-") as folder,
        open_bus(BusConfig(path=Path(folder) / "bus.sqlite"), SystemClock()) as bus,
        bus.producer() as producer,
    ):
        bus.ensure_topics(all_topics())
        counting = _Counting(producer)
        began = time.process_time()
        run.publish(ticks, counting)
        counting.flush(FLUSH_SECONDS)
        return time.process_time() - began, counting.bytes
