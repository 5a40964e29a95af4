"""Checks that an emulated fleet arrives whole: over its own protocols, into the store, by count.

For each platform or cluster and each interface: the fleet takes a tick, the real collectors read
every target once, the real ingester writes, and the store is asked. Rows, devices, metrics and
values have to be those of the emulator's tables.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pydantic import BaseModel, ConfigDict
from typing_extensions import override

from fleetops.bus.base import Producer
from fleetops.bus.factory import open_bus
from fleetops.core.clock import SystemClock
from fleetops.core.config import BusConfig, IngestConfig, StoreConfig
from fleetops.core.errors import FleetOpsError
from fleetops.emulator.interfaces.base import Carried, ServedInterface
from fleetops.emulator.model.fleet import Fleet, FleetOptions
from fleetops.emulator.scheduler import scheduler_of
from fleetops.emulator.serving import Serving
from fleetops.emulator.site import build_site
from fleetops.ingest.service import IngestService
from fleetops.store.base import Store
from fleetops.store.factory import open_store
from fleetops_collectors.base import Collector, Target
from fleetops_collectors.collector_config import parse_collectors
from fleetops_collectors.runner.batcher import Batcher
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.fleet_profiles import cluster_of
from fleetops_schemas.topics import all_topics
from fleetops_schemas.topology import Topology

ROUNDS = 2
WARM_UP_ROUNDS = 1
"""Not counted: what a collector tells as a rate needs two readings."""
SINGLE_PRECISION = 1e-6
"""Relative: most columns of the store are 32 bits wide."""
DAY, HALF_HOUR = timedelta(days=1), timedelta(minutes=30)
"""Each profile has half an hour of its own, by which its rows are told from others'."""
TICK_SECONDS = 10.0
HOSTS = 8
BETWEEN_TICKS_SECONDS = 7200.0
FLUSH_SECONDS = 30.0
TARGETS_AT_ONCE = 32
ROUND_SECONDS = 60.0
"""Deadline of one target's round."""


class CheckRow(BaseModel):
    """One class of devices over one interface of one platform or cluster."""

    model_config = ConfigDict(frozen=True)

    platform: str
    """Or cluster."""
    hosts: int
    """Of its topology, laid out at full size."""
    hosts_emulated: int
    workloads: tuple[str, ...]
    """Of the jobs that ran."""
    interface: str
    device_class: str
    devices: int
    """That have something to say over this interface."""
    metrics: int
    metrics_stored: int
    rows_expected: int
    rows_stored: int
    values: int
    """Compared with the emulator's own."""
    values_off: int
    """Further from it than the protocol rounds."""
    problem: str = ""

    @property
    def agrees(self) -> bool:
        """Whether all that was expected was stored, and nothing was off."""
        return (
            not self.problem
            and self.rows_expected == self.rows_stored
            and self.metrics == self.metrics_stored
            and self.values_off == 0
            and self.rows_expected > 0
        )


@dataclass(frozen=True, slots=True)
class _Expected:
    """What a class ought to bring in one round: readings by device and metric."""

    time: datetime
    readings: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class _Round:
    """What one tick ought to bring, by class."""

    time: datetime
    classes: Mapping[str, _Expected]


class FleetClock(SystemClock):
    """Fleet time as the time of day; each tick is hours after the last one.

    So every round is a full one: what a collector asks once an hour, it asks again.
    """

    def __init__(self, fleet: Fleet) -> None:
        """Shows the fleet's last tick."""
        self._fleet = fleet

    @override
    def now(self) -> datetime:
        return self._fleet.time

    @override
    def monotonic(self) -> float:
        return super().monotonic() + self._fleet.ticks * BETWEEN_TICKS_SECONDS


def check_emulation(
    names: Sequence[str], hosts: int = HOSTS, rounds: int = ROUNDS
) -> Iterator[CheckRow]:
    """Checks platforms and clusters by name, in order.

    Args:
        names: of profiles.
        hosts: to emulate of each, at most.
        rounds: of every interface.

    Raises:
        ProfileError: there is no such profile.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="fleetops-check-")))
        store = stack.enter_context(open_store(StoreConfig(path=folder / "store"), SystemClock()))
        store.migrate()
        # yesterday: the store forgets what is older than its tables keep
        began = SystemClock().now().replace(hour=0, minute=0, second=0, microsecond=0) - DAY
        for position, name in enumerate(names):
            at = began + position * HALF_HOUR
            yield from _Check(name, at, hosts, rounds, folder, store).run()


class _Check:
    def __init__(
        self, name: str, began: datetime, hosts: int, rounds: int, folder: Path, store: Store
    ) -> None:
        site = build_site(cluster_of(name), hosts)
        self._name, self._rounds = name, rounds
        self._folder, self._store = folder / name, store
        self._fleet = Fleet(FleetOptions(site, tick_seconds=TICK_SECONDS, began=began))
        self._clock = FleetClock(self._fleet)

    def run(self) -> list[CheckRow]:
        """Every interface, one after the other, each in minutes of its own."""
        self._folder.mkdir()
        return asyncio.run(self._run())

    async def _run(self) -> list[CheckRow]:
        rows: list[CheckRow] = []
        scheduler = scheduler_of(self._fleet, self._clock)
        async with Serving(self._fleet, self._folder, self._clock, scheduler=scheduler) as serving:
            for served in serving.interfaces:
                rows += await self._interface(served)
        return rows

    async def _interface(self, served: ServedInterface) -> list[CheckRow]:
        path = self._folder / f"{served.interface}.sqlite"
        with open_bus(BusConfig(path=path), self._clock) as bus, bus.producer() as producer:
            bus.ensure_topics(all_topics())
            ingest = IngestService(bus, self._store, IngestConfig(), self._clock)
            try:
                done, problem = await self._collect(served, producer)
                while await asyncio.to_thread(ingest.turn):
                    pass
            finally:
                ingest.close()
        return [
            self._compare(
                served.interface.value,
                device_class,
                carried,
                [one.classes[device_class] for one in done],
                problem,
            )
            for device_class, carried in served.carries().items()
        ]

    async def _collect(
        self, served: ServedInterface, producer: Producer
    ) -> tuple[list[_Round], str]:
        """Takes the rounds; the first error that a collector raised or warned of."""
        parsed = parse_collectors(served.collectors())
        topology = Topology(self._fleet.site.standing)
        opened = [
            (
                one.collector_class.create(one.config, self._clock),
                one.config,
                Batcher(one.config.name, one.config.targets, topology, self._clock, 0.0),
            )
            for one in parsed
        ]
        done, problem = [], ""
        try:
            for number in range(WARM_UP_ROUNDS + self._rounds):
                self._fleet.tick()
                await served.refresh()
                await asyncio.sleep(served.settle_seconds)
                if number >= WARM_UP_ROUNDS:
                    done.append(_expect(served, self._fleet.time))
                for collector, config, batcher in opened:
                    said = await self._round(collector, config.targets, batcher, producer)
                    problem = problem or said
        finally:
            for collector, _, _ in opened:
                await collector.close()
        producer.flush(FLUSH_SECONDS)
        return done, problem

    async def _round(
        self, collector: Collector, targets: Iterable[Target], batcher: Batcher, producer: Producer
    ) -> str:
        limit = asyncio.Semaphore(TARGETS_AT_ONCE)
        problem = ""

        async def read(target: Target) -> None:
            nonlocal problem
            async with limit:
                try:
                    scrape = await asyncio.wait_for(collector.collect(target), ROUND_SECONDS)
                except (FleetOpsError, TimeoutError) as error:
                    problem = problem or str(error) or "no answer in time"
                    return
            for message in batcher.add(scrape):
                producer.send(message.topic, message.key, message.value, message.headers)

        await asyncio.gather(*(read(target) for target in targets))
        for message in batcher.flush():
            producer.send(message.topic, message.key, message.value, message.headers)
        return problem

    def _compare(
        self,
        interface: str,
        device_class: str,
        carried: Carried,
        done: Sequence[_Expected],
        problem: str,
    ) -> CheckRow:
        stored = self._stored(device_class, done[0].time, done[-1].time)
        counts = _Counts()
        for expected in done:
            counts.add(expected, stored.get(expected.time, {}), carried)
        site = self._fleet.site
        return CheckRow(
            platform=self._name,
            hosts=len(site.placements),
            hosts_emulated=len(site.hosts),
            workloads=tuple(job.workload.name for job in self._fleet.state.jobs.jobs),
            interface=interface,
            device_class=device_class,
            devices=max(len(one.readings) for one in done),
            metrics=len(counts.metrics),
            metrics_stored=len(counts.metrics_stored),
            rows_expected=sum(len(one.readings) for one in done),
            rows_stored=sum(map(len, stored.values())),
            values=counts.values,
            values_off=counts.off,
            problem=problem,
        )

    def _stored(
        self, device_class: str, first: datetime, last: datetime
    ) -> dict[datetime, dict[str, dict[str, float]]]:
        """By time and device: the readings that the store holds."""
        # the class is one of the catalogue's
        sql = f"SELECT * FROM {device_class} FINAL WHERE ts BETWEEN {{first:DateTime64(3, 'UTC')}} "  # noqa: S608
        found: dict[datetime, dict[str, dict[str, float]]] = {}
        metrics = {metric.name for metric in load_catalog()[device_class].metrics}
        for row in self._store.query(
            sql + "AND {last:DateTime64(3, 'UTC')}", {"first": first, "last": last}
        ).to_pylist():
            readings = {
                name: float(value)
                for name, value in row.items()
                if name in metrics and value is not None
            }
            found.setdefault(row["ts"], {})[row["device"]] = readings
        return found


@dataclass(slots=True)
class _Counts:
    """How stored readings compare with expected ones."""

    values: int = 0
    off: int = 0
    metrics: set[str] = field(default_factory=set)
    metrics_stored: set[str] = field(default_factory=set)

    def add(
        self, expected: _Expected, stored: Mapping[str, Mapping[str, float]], carried: Carried
    ) -> None:
        """Counts one round: a reading that is lost, one too many, and one that differs is off."""
        for device in expected.readings.keys() | stored.keys():
            wanted, got = expected.readings.get(device, {}), stored.get(device, {})
            self.metrics |= wanted.keys()
            self.metrics_stored |= got.keys()
            for metric in wanted.keys() | got.keys():
                self.values += 1
                self.off += not _near(wanted.get(metric), got.get(metric), carried, metric)


def _near(wanted: float | None, got: float | None, carried: Carried, metric: str) -> bool:
    if wanted is None or got is None:
        return False
    tolerance = carried.tolerances.get(metric, 0.0) + SINGLE_PRECISION * abs(wanted)
    return abs(got - wanted) <= tolerance


def _expect(served: ServedInterface, time: datetime) -> _Round:
    """What the tables have of what the interface carries, now."""
    classes = {}
    for device_class, carried in served.carries().items():
        table, answering = served.table(device_class), served.answering(device_class)
        columns = {name: table[name] for name in carried.metrics if name in table.columns}
        readings: dict[str, dict[str, float]] = {}
        for row in carried.rows[answering[carried.rows]]:
            given = {
                name: float(column[row])
                for name, column in columns.items()
                if not np.isnan(column[row])
            }
            if given:
                readings[table.roster.devices[row]] = given
        classes[device_class] = _Expected(time, readings)
    return _Round(time, classes)
