"""The emulator as a process, for tests to ask; and the same fleet again in this process."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, cast

import httpx
import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from fleetops.core.clock import SystemClock
from fleetops.core.plugin import load
from fleetops.emulator.addresses import FILE_NAME
from fleetops.emulator.compressed import CompressedRun
from fleetops.emulator.fault_schedule import FaultSchedule
from fleetops.emulator.interfaces.base import ServedInterface, Surroundings
from fleetops.emulator.interfaces.registry import build_interfaces
from fleetops.emulator.model.fleet import Fleet, FleetOptions
from fleetops.emulator.scenario import parse_fault
from fleetops.emulator.site import build_site
from fleetops_collectors.base import Collector, Scrape
from fleetops_schemas.fleet_profiles import cluster_of

START_SECONDS = 60.0
END_SECONDS = 20.0
SINGLE_PRECISION = 1e-6
"""Relative: most columns of telemetry are 32 bits wide."""


class Cell(NamedTuple):
    """Where a reading stands."""

    device_class: str
    device: str
    metric: str


@dataclass
class Emulator:
    process: subprocess.Popen[str]
    state_dir: Path
    endpoints: dict[str, Any]

    @property
    def url(self) -> str:
        return str(self.endpoints["control_url"])

    def collector(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(c for c in self.endpoints["collectors"] if c["name"] == name)
        return found

    def target(self, collector: str, name: str) -> str:
        targets = self.collector(collector)["targets"]
        return str(next(target["url"] for target in targets if target["name"] == name))

    def inject(self, **fault: object) -> httpx.Response:
        return httpx.post(f"{self.url}/control/faults", json=fault, trust_env=False)

    def truth(self) -> dict[str, Any]:
        answer: dict[str, Any] = httpx.get(f"{self.url}/control/truth", trust_env=False).json()
        return answer

    def end(self) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        code = self.process.wait(END_SECONDS)
        self.process.stdout.close()
        return code


def start(state_dir: Path, *arguments: str) -> Emulator:
    process = subprocess.Popen(
        [sys.executable, "-m", "fleetops.emulator", "--state-dir", str(state_dir), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("emulator ready"), line
    return Emulator(process, state_dir, json.loads((state_dir / FILE_NAME).read_bytes()))


@contextmanager
def running(state_dir: Path, *arguments: str) -> Iterator[Emulator]:
    """The process while it is needed; it has to end well."""
    emulator = start(state_dir, *arguments)
    try:
        yield emulator
    finally:
        code = emulator.end()
    assert code == 0


class Twin:
    """The fleet of a process once more: same site, seed, tick, beginning and faults."""

    def __init__(
        self, emulator: Emulator, folder: Path, hosts: int | None, faults: Sequence[str] = ()
    ) -> None:
        told = emulator.endpoints
        options = FleetOptions(
            build_site(cluster_of(told["cluster"]), hosts),
            seed=told["seed"],
            tick_seconds=told["tick_seconds"],
            began=datetime.fromisoformat(told["began"]),
        )
        schedule = FaultSchedule(options)
        for fault in faults:
            schedule.add(parse_fault(fault))
        self.fleet = Fleet(options, schedule.disturb)
        self.run = CompressedRun(self.fleet)
        schedule.on_line.append(self.run.hear)
        surroundings = Surroundings(self.fleet, folder, "http://127.0.0.1", SystemClock())
        self.interfaces: list[ServedInterface] = build_interfaces(surroundings)

    def tolerances(self) -> Mapping[tuple[str, str], float]:
        """By class and metric: how far a protocol rounds, the roughest where several carry it."""
        found: dict[tuple[str, str], float] = {}
        for served in self.interfaces:
            for device_class, carried in served.carries().items():
                for metric, tolerance in carried.tolerances.items():
                    key = device_class, metric
                    found[key] = max(found.get(key, 0.0), tolerance)
        return found

    def carried(self) -> dict[Cell, float]:
        """What the tables hold now of what some protocol carries."""
        cells: dict[Cell, float] = {}
        for served in self.interfaces:
            for device_class, carried in served.carries().items():
                table, answering = served.table(device_class), served.answering(device_class)
                rows = carried.rows[answering[carried.rows]]
                for metric in carried.metrics:
                    if metric not in table.columns:
                        continue
                    values = table[metric][rows]
                    for row, value in zip(rows, values, strict=True):
                        if not np.isnan(value):
                            device = table.roster.devices[row]
                            cells[Cell(device_class, device, metric)] = float(value)
        return cells


def scrapes(options: Mapping[str, Any], pause_seconds: float | None = None) -> list[Scrape]:
    """A round of all targets of a collector, with the options that the emulator wrote for it.

    With a pause: the round after it, of a collector that first has to subscribe.
    """
    # a first walk through 32 controllers at once may take long on a loaded machine
    fields = {**options, "deadline_seconds": 60.0}
    collector_class = cast(type[Collector], load("collectors", fields.pop("kind")))
    config = collector_class.config_model.model_validate(fields)
    collector = collector_class.create(config, SystemClock())

    async def collect() -> list[Scrape]:
        try:
            found = await asyncio.gather(*map(collector.collect, config.targets))
            if pause_seconds is not None:
                await asyncio.sleep(pause_seconds)
                found = await asyncio.gather(*map(collector.collect, config.targets))
            return list(found)
        finally:
            await collector.close()

    return asyncio.run(collect())


def samples(text: str, name: str) -> dict[str, float]:
    """Values of a metric by accelerator or rank."""
    return {
        sample.labels.get("gpu") or sample.labels["rank"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def get(url: str, headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.get(url, trust_env=False, headers=headers)
