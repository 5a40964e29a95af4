"""What every served interface owes: the real collector reads the tables' own numbers from it.

    class TestDcgmInterface(InterfaceContract):
        interface_class = DcgmInterface
        gone = Strike("gone", 0)

The interface is served as the emulator serves it, and collectors are made of its ``collectors()``
as ``fleetops collect`` makes them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar, NamedTuple, TypeVar

import numpy as np
import pytest

from fleetops.core.clock import Clock, SystemClock
from fleetops.core.errors import TemporaryError
from fleetops.emulator.interfaces.base import ServedInterface
from fleetops.emulator.model.effects import Effects
from fleetops.emulator.model.fleet import Fleet, FleetOptions
from fleetops.emulator.serving import Serving
from fleetops.emulator.site import build_site
from fleetops_collectors.base import Collector, Scrape, Target
from fleetops_collectors.collector_config import parse_collectors
from fleetops_schemas.fleet_profiles import cluster_of

T = TypeVar("T")


class Cell(NamedTuple):
    """Where a reading stands in the tables."""

    device_class: str
    device: str
    metric: str


class Strike(NamedTuple):
    """A value that a channel of the model is set to, from the next tick on."""

    channel: str
    device: int
    value: float = 1.0


class Stand:
    """A fleet, one of its interfaces, and the collectors that read it."""

    def __init__(self, cluster: str, hosts: int) -> None:
        """The fleet in its steady state; nothing is served yet."""
        self.strikes: list[Strike] = []
        # whatever its hardware speaks is read here, also what a cluster's people leave unread
        profile = cluster_of(cluster).model_copy(update={"unwatched": ()})
        site = build_site(profile, hosts)
        self.fleet = Fleet(FleetOptions(site), self._disturb)
        self.interface: ServedInterface
        self.folder: Path
        """For its files."""
        self.scrapes: list[Scrape] = []
        """Of the last round."""
        self.silent: list[str] = []
        """Targets that did not answer in the last round."""
        self._serving: Serving
        self._readers: list[tuple[Collector, tuple[Target, ...]]] = []

    @asynccontextmanager
    async def served(
        self, kind: type[ServedInterface], folder: Path, clock: Clock, variant: str = ""
    ) -> AsyncIterator[Stand]:
        """Serves the interface and opens its collectors."""
        variants = {kind.interface: variant} if variant else {}
        self.folder = folder
        async with Serving(
            self.fleet, folder, clock, only={kind.interface}, variants=variants
        ) as self._serving:
            (self.interface,) = self._serving.interfaces
            assert type(self.interface) is kind
            for one in parse_collectors(self._serving.collectors()):
                collector = one.collector_class.create(one.config, clock)
                self._readers.append((collector, one.config.targets))
            try:
                yield self
            finally:
                for collector, _ in self._readers:
                    await collector.close()

    async def tick(self) -> None:
        """Moves the fleet on, and tells the interface."""
        self.fleet.tick()
        await self._serving.refresh()

    async def read(self) -> dict[Cell, float]:
        """One round of all targets: the good readings."""
        self.scrapes, self.silent = [], []
        for collector, targets in self._readers:
            await asyncio.gather(*(self._collect(collector, target) for target in targets))
        return {
            Cell(one.device_class, one.device, one.metric): float(one.value)
            for scrape in self.scrapes
            for one in scrape.readings
            if one.value is not None
        }

    def expected(self) -> dict[Cell, float]:
        """What the tables have of what the interface carries."""
        cells: dict[Cell, float] = {}
        for device_class, carried in self.interface.carries().items():
            table = self.fleet.tables[device_class]
            answering = self.interface.answering(device_class)
            for row in carried.rows[answering[carried.rows]]:
                device = table.roster.devices[row]
                for metric in carried.metrics:
                    value = table.value(device, metric)
                    if not np.isnan(value):
                        cells[Cell(device_class, device, metric)] = value
        return cells

    def check(self, found: dict[Cell, float], expected: dict[Cell, float]) -> None:
        """Asserts that what was found is what was expected, no more, and as exactly as promised."""
        lost, surplus = expected.keys() - found.keys(), found.keys() - expected.keys()
        assert not lost, f"{len(lost)} of {len(expected)} lost, such as {sorted(lost)[:8]}"
        assert not surplus, f"{len(surplus)} too many, such as {sorted(surplus)[:8]}"
        carried = self.interface.carries()
        off = {
            cell: (found[cell], value)
            for cell, value in expected.items()
            if abs(found[cell] - value)
            > carried[cell.device_class].tolerances.get(cell.metric, 0.0) + 1e-9 * abs(value)
        }
        assert not off, f"{len(off)} off, such as {dict(sorted(off.items())[:8])}"

    async def _collect(self, collector: Collector, target: Target) -> None:
        try:
            self.scrapes.append(await collector.collect(target))
        except TemporaryError:
            self.silent.append(target.name)

    def _disturb(self, _seconds: float, effects: Effects) -> None:
        for strike in self.strikes:
            effects.apply(strike.channel, np.array([strike.device]), strike.value, 1.0)


class InterfaceContract:
    """Inherited by the test class of each interface."""

    interface_class: ClassVar[type[ServedInterface]]
    gone: ClassVar[Strike]
    """What takes a device away that the interface carries."""
    cluster: ClassVar[str] = "llm_roce_32k"
    """Or a platform: one rack of it."""
    hosts: ClassVar[int] = 2
    variant: ClassVar[str] = ""
    """Which of its shapes the interface takes, if not its usual one."""
    rounds: ClassVar[int] = 1
    """How many a collector needs until it says all: those that tell rates need two."""

    @pytest.fixture
    def clock(self) -> Clock:
        return SystemClock()

    @pytest.fixture
    def use(self, tmp_path: Path, clock: Clock) -> Callable[[Callable[[Stand], Awaitable[T]]], T]:
        """Runs a coroutine function with the interface served."""

        def run(act: Callable[[Stand], Awaitable[T]]) -> T:
            async def session() -> T:
                made = Stand(self.cluster, self.hosts)
                kind, variant = self.interface_class, self.variant
                async with made.served(kind, tmp_path, clock, variant) as stand:
                    for _ in range(self.rounds - 1):
                        await stand.read()
                        await stand.tick()
                    return await act(stand)

            return asyncio.run(session())

        return run

    def test_every_reading_arrives_as_the_tables_have_it_and_no_other(
        self, use: Callable[..., None]
    ) -> None:
        async def act(stand: Stand) -> None:
            found = await stand.read()
            assert stand.silent == []
            assert [text for scrape in stand.scrapes for text in scrape.warnings] == []
            stand.check(found, stand.expected())

        use(act)

    def test_it_has_something_of_every_class_that_it_carries(
        self, use: Callable[..., None]
    ) -> None:
        async def act(stand: Stand) -> None:
            expected = stand.expected()
            assert stand.interface.carries()
            for device_class, carried in stand.interface.carries().items():
                devices = {one.device for one in expected if one.device_class == device_class}
                metrics = {one.metric for one in expected if one.device_class == device_class}
                assert (len(devices), len(metrics)) == carried.expected(
                    stand.fleet.tables[device_class]
                )
                assert devices
                assert set(carried.tolerances) <= set(carried.metrics)

        use(act)

    def test_the_values_of_the_next_tick_are_read(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            before = await stand.read()
            await stand.tick()
            after = await stand.read()
            stand.check(after, stand.expected())
            changed = sum(after[cell] != value for cell, value in before.items())
            assert changed > 0

        use(act)

    def test_a_device_that_is_gone_is_missing(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            before = await stand.read()
            stand.strikes.append(self.gone)
            await stand.tick()
            after, expected = await stand.read(), stand.expected()
            assert {cell.device for cell in expected} < {cell.device for cell in before}
            stand.check(after, expected)

        use(act)

    def test_a_device_that_comes_back_is_read_again(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            stand.strikes.append(self.gone)
            await stand.tick()
            await stand.read()
            stand.strikes.clear()
            await stand.tick()
            for _ in range(self.rounds - 1):
                await stand.read()
                await stand.tick()
            stand.check(await stand.read(), stand.expected())

        use(act)
