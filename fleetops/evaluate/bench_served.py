"""What it costs to emulate a fleet over its protocols: one process, collected by another."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import BaseModel, ConfigDict

from fleetops.bus.factory import open_bus
from fleetops.core.clock import SystemClock
from fleetops.core.config import load_config
from fleetops.evaluate.emulated_fleet import EmulatedFleet
from fleetops_schemas.records import CollectorReport
from fleetops_schemas.telemetry import decode_batch
from fleetops_schemas.topics import COLLECTORS, telemetry_topics

CATCH_UP_SECONDS = 120.0
SETTLE_ROUNDS = 2
"""Not measured: the first rounds walk through every controller."""


class ServedResult(BaseModel):
    """One emulating process under the collectors that its fleet needs."""

    model_config = ConfigDict(frozen=True)

    cluster: str
    hosts: int
    interfaces: int
    targets: int
    tick_seconds: float
    measured_seconds: float
    rows: int
    """That arrived on the bus in the measured time."""
    rows_per_second: float
    cpu_cores: float
    """Of the emulating process, with what it started itself."""
    memory_bytes: int
    collector_cores: float
    failed_targets: int
    """Down in the collectors' last reports."""


def bench_served(
    cluster: str, hosts: int = 500, tick_seconds: float = 10.0, seconds: float = 60.0
) -> ServedResult:
    """Emulates ``hosts`` of a cluster and collects them at the tick's cadence."""
    with TemporaryDirectory(prefix="fleetops-bench-") as folder:
        state = Path(folder) / "fleet"
        arguments = ["--cluster", cluster, "--scale", str(hosts)]
        arguments += ["--tick-seconds", str(tick_seconds)]
        with EmulatedFleet(state, arguments) as fleet:
            endpoints = fleet.start()
            collecting = _collect(state / "fleetops.yaml")
            try:
                time.sleep(SETTLE_ROUNDS * tick_seconds)
                began, before = time.time(), _cpu(fleet.pid)
                collector_before = _cpu(collecting.pid)
                time.sleep(seconds)
                spent = _cpu(fleet.pid) - before
                collector_spent = _cpu(collecting.pid) - collector_before
                measured, memory = time.time() - began, _memory(fleet.pid)
            finally:
                collecting.terminate()
                collecting.wait(30)
        rows, failed = _arrived(state / "fleetops.yaml", began, began + measured)
    return ServedResult(
        cluster=cluster,
        hosts=len(endpoints.topology),
        interfaces=len(endpoints.collectors),
        targets=sum(len(one["targets"]) for one in endpoints.collectors),
        tick_seconds=tick_seconds,
        measured_seconds=measured,
        rows=rows,
        rows_per_second=rows / measured,
        cpu_cores=spent / measured,
        memory_bytes=memory,
        collector_cores=collector_spent / measured,
        failed_targets=failed,
    )


def _collect(configuration: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [
            *(sys.executable, "-m", "fleetops.cli.main", "--config", str(configuration)),
            *("run", "collect"),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _arrived(configuration: Path, first: float, last: float) -> tuple[int, int]:
    """(rows between two moments, targets that are down) as the bus has them."""
    config, rows = load_config(configuration), 0
    down: dict[str, int] = {}
    with open_bus(config.bus, SystemClock()) as bus:
        with bus.reader([topic.name for topic in telemetry_topics()]) as reader:
            for message in reader.catch_up(CATCH_UP_SECONDS):
                if first <= message.time.timestamp() <= last:
                    rows += decode_batch(message.value, message.headers)[1].num_rows
        with bus.reader([COLLECTORS.name]) as reader:
            for message in reader.catch_up(CATCH_UP_SECONDS):
                report = CollectorReport.decode(message.value)
                if not report.stopping:
                    down[report.collector] = sum(not one.up for one in report.targets)
    return rows, sum(down.values())


def _cpu(pid: int) -> float:
    """CPU seconds of a process and of its children that still run."""
    own = _times(pid)
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(_cpu(int(child)) for child in children)


def _times(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> int:
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return resident * os.sysconf("SC_PAGE_SIZE")
