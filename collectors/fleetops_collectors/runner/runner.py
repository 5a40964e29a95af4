"""The collector runner: every collector and every target of a process, and the way to the bus."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

from fleetops.core import metrics
from fleetops.core.clock import Clock
from fleetops.core.logging import get_logger
from fleetops.core.publish import Publisher
from fleetops_collectors.base import Resuming
from fleetops_collectors.collector_config import ConfiguredCollector
from fleetops_collectors.runner.batcher import Batcher
from fleetops_collectors.runner.cursors import Cursors
from fleetops_collectors.runner.outbox import Outbox
from fleetops_collectors.runner.outgoing import Lane, Outgoing
from fleetops_collectors.runner.spool import Spool
from fleetops_collectors.runner.supervisor import Attempt, Delivery, Supervisor
from fleetops_schemas.identity import DeviceIdentity
from fleetops_schemas.topics import IDENTITIES, INVENTORY
from fleetops_schemas.topology import Topology

QUEUE_DELIVERIES = 2000
"""Deliveries that wait for the bus in memory; a full queue makes the readers wait."""
DELIVERIES_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class RunnerSettings:
    """What does not come with a collector."""

    state_dir: Path
    """Spool and cursors; one process a folder."""
    instance: str
    """The process, in reports: collectors that fall silent together share their cause."""
    spool_max_bytes: int = 256 * 1024**2
    batch_seconds: float = 1.0
    """Longest a row waits for the rest of its rack."""
    tick_seconds: float = 0.2


class CollectorRunner:
    """Runs collectors in one asyncio loop. The bus is used by one thread beside it."""

    def __init__(
        self,
        configs: Sequence[ConfiguredCollector],
        *,
        publisher: Publisher,
        topology: Topology,
        clock: Clock,
        settings: RunnerSettings,
        expected: Iterable[DeviceIdentity] = (),
    ) -> None:
        """Makes the collectors and opens the spool; reads nothing yet.

        ``expected`` is what a site's files say of its parts; it is published beside the topology.

        Raises:
            ConfigError: a collector refuses its configuration.
            OSError: the state folder cannot be used.
        """
        self._settings = settings
        self._clock = clock
        self._topology = topology
        self._expected = tuple(expected)
        rng = Random()  # noqa: S311  spreads load; guards nothing
        self._cursors = Cursors(settings.state_dir / "cursors")
        self._supervisors = [self._supervise(entry, rng) for entry in configs]
        spool = Spool(settings.state_dir / "spool", settings.spool_max_bytes)
        self._outbox = Outbox(publisher, spool, clock, settings.instance)
        self._queue: asyncio.Queue[Delivery] = asyncio.Queue(QUEUE_DELIVERIES)
        self._bus_thread = ThreadPoolExecutor(1, thread_name_prefix="collect-bus")

    async def run(self, stop: asyncio.Event) -> None:
        """Reads every target at its time until ``stop`` is set, then says so and sends the rest.

        Raises:
            OSError: the state folder failed.
        """
        tasks = [asyncio.create_task(self._publish_for_ever(), name="publish")]
        tasks.append(asyncio.create_task(self._tick_for_ever(), name="tick"))
        tasks += [
            asyncio.create_task(supervisor.watch(target, self._queue.put), name=target.name)
            for supervisor in self._supervisors
            for target in supervisor.config.targets
        ]
        waiting = asyncio.create_task(stop.wait())
        try:
            await self._queue.put(
                Delivery([*inventory(self._topology), *map(_identity, self._expected)])
            )
            done, _ = await asyncio.wait([waiting, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (waiting, *tasks):
                task.cancel()
            await asyncio.gather(waiting, *tasks, return_exceptions=True)
            await self._finish()

    async def run_once(self) -> list[Attempt]:
        """Reads every target once and sends what they gave."""
        pairs = [
            (supervisor, target)
            for supervisor in self._supervisors
            for target in supervisor.config.targets
        ]
        try:
            attempts = await asyncio.gather(
                *(supervisor.attempt(target) for supervisor, target in pairs)
            )
            read = zip(pairs, attempts, strict=True)
            await self._deliver([supervisor.delivery(attempt) for (supervisor, _), attempt in read])
        finally:
            await self._finish()
        return list(attempts)

    async def update_topology(self, topology: Topology) -> None:
        """Takes a changed topology and publishes the placements that differ."""
        changed = Topology(
            placement for placement in topology if self._topology.get(placement.host) != placement
        )
        for placement in changed:
            self._topology.put(placement)
        await self._queue.put(Delivery(inventory(changed)))

    def _supervise(self, entry: ConfiguredCollector, rng: Random) -> Supervisor:
        collector = entry.collector_class.create(entry.config, self._clock)
        if isinstance(collector, Resuming):
            collector.resume(self._cursors.of(entry.config.name))
        batcher = Batcher(
            entry.config.name,
            entry.config.targets,
            self._topology,
            self._clock,
            self._settings.batch_seconds,
        )
        return Supervisor(collector, entry.config, batcher, self._clock, rng)

    async def _tick_for_ever(self) -> None:
        """Sends rows that waited long enough and heartbeats, and keeps the spool draining."""
        while True:
            messages = [
                message
                for supervisor in self._supervisors
                for message in (*supervisor.batcher.due(), *self._reports(supervisor))
            ]
            if messages or self._outbox.spooled_messages:
                await self._queue.put(Delivery(messages))
            await asyncio.sleep(self._settings.tick_seconds)

    async def _publish_for_ever(self) -> None:
        while True:
            deliveries = [await self._queue.get()]
            while len(deliveries) < DELIVERIES_AT_ONCE and not self._queue.empty():
                deliveries.append(self._queue.get_nowait())
            # shielded: a stop must not lose track of what the bus thread is doing
            await asyncio.shield(self._deliver(deliveries))

    async def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._bus_thread, self._deliver_now, deliveries)

    def _deliver_now(self, deliveries: Sequence[Delivery]) -> None:
        self._outbox.deliver([message for delivery in deliveries for message in delivery.messages])
        cursors = {key: at for delivery in deliveries for key, at in delivery.cursors.items()}
        if not cursors:
            return
        try:
            self._cursors.save(cursors)
        except OSError as error:  # the next save may work; until then a restart reads twice
            metrics.ERRORS.labels("collect", type(error).__name__, "cursors").inc()
            get_logger("collect").error("cursors not saved", error=str(error))

    async def _finish(self) -> None:
        """Sends what waits, announces the stop, and logs the collectors out whatever happens."""
        try:
            await self._say_good_bye()
        finally:
            await self._close_collectors()
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._bus_thread, self._outbox.close)
            self._bus_thread.shutdown()

    async def _say_good_bye(self) -> None:
        last = [self._queue.get_nowait() for _ in range(self._queue.qsize())]
        for supervisor in self._supervisors:
            last.append(Delivery(supervisor.batcher.flush()))
        await self._deliver(last)
        await self._deliver(
            [Delivery(self._reports(each, stopping=True)) for each in self._supervisors]
        )

    async def _close_collectors(self) -> None:
        """Logs all of them out; one that fails keeps none of the others logged in."""
        outcomes = await asyncio.gather(
            *(supervisor.collector.close() for supervisor in self._supervisors),
            return_exceptions=True,
        )
        for supervisor, outcome in zip(self._supervisors, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                get_logger("collect").error(
                    "collector not closed", collector=supervisor.config.name, error=repr(outcome)
                )

    def _reports(self, supervisor: Supervisor, *, stopping: bool = False) -> list[Outgoing]:
        if not stopping and not supervisor.report_due():
            return []
        return [
            supervisor.report(
                self._settings.instance,
                spooled=self._outbox.spooled_messages,
                dropped=self._outbox.dropped_messages,
                stopping=stopping,
            )
        ]


def inventory(topology: Topology) -> list[Outgoing]:
    """Every placement as a message of ``fleetops.inventory``."""
    return [
        Outgoing(INVENTORY.name, placement.host, placement.model_dump_json().encode(), Lane.EVENTS)
        for placement in topology
    ]


def _identity(one: DeviceIdentity) -> Outgoing:
    return Outgoing.of(IDENTITIES, one.key, one, Lane.EVENTS)
