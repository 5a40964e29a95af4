"""The ``collect`` role: the collector runner in a thread of its own, as a service."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from typing import Self

from fleetops.core.clock import Clock
from fleetops.core.config import Config
from fleetops.core.errors import TemporaryError
from fleetops.core.inventory.load import load_inventory
from fleetops.core.publish import Publisher
from fleetops_collectors.collector_config import ConfiguredCollector, parse_collectors
from fleetops_collectors.runner.runner import CollectorRunner, RunnerSettings
from fleetops_schemas.identity import DeviceIdentity
from fleetops_schemas.topology import Topology

CLOSE_SECONDS = 30.0
"""Longest wait for the runner to say good-bye."""


class CollectService:
    """Runs the configured collectors. A :class:`fleetops.core.service.Service`."""

    name = "collect"

    def __init__(
        self,
        collectors: tuple[ConfiguredCollector, ...],
        *,
        publisher: Publisher,
        topology: Topology,
        clock: Clock,
        settings: RunnerSettings,
        expected: tuple[DeviceIdentity, ...] = (),
    ) -> None:
        """Starts with the first turn."""
        self._collectors = collectors
        self._publisher = publisher
        self._topology = topology
        self._expected = expected
        self._clock = clock
        self._settings = settings
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._failure: BaseException | None = None
        self._closed = False

    @classmethod
    def create(
        cls, config: Config, publisher: Publisher, clock: Clock, instance: str | None = None
    ) -> Self:
        """The role of a configuration.

        Args:
            config: Its ``collectors``, ``topology``, ``inventory``, ``state_dir`` and
                ``spool_max_bytes`` count.
            publisher: Where messages go; used by one thread of the service. Not closed by it.
            clock: Time.
            instance: Names the process in reports; ``HOST-PID`` by default.

        Raises:
            ConfigError: names the collector, the key and the remedy.
        """
        inventory = load_inventory(config)
        settings = RunnerSettings(
            state_dir=config.state_dir / "collect",
            instance=instance or f"{socket.gethostname()}-{os.getpid()}",
            spool_max_bytes=config.spool_max_bytes,
        )
        return cls(
            parse_collectors(config.collectors),
            publisher=publisher,
            topology=Topology(inventory.placements),
            expected=tuple(inventory.identities(clock.now())),
            clock=clock,
            settings=settings,
        )

    def turn(self) -> bool:
        """Starts the runner where it does not run; the work is its thread's.

        Raises:
            ConfigError: a collector refuses its configuration.
            TemporaryError: the runner ended by an error; the next turn starts it again.
        """
        if self._closed:
            return False
        if self._thread is None:
            self._start()
            return True
        if not self._thread.is_alive():
            failure, self._failure, self._thread = self._failure, None, None
            raise TemporaryError(f"the collectors stopped: {failure!r}") from failure
        return False

    def close(self) -> None:
        """Announces the stop, sends what waits, and ends; safe to call twice."""
        self._closed = True
        thread, loop, stop = self._thread, self._loop, self._stop
        if thread is None or loop is None or stop is None or not thread.is_alive():
            return
        loop.call_soon_threadsafe(stop.set)
        thread.join(CLOSE_SECONDS)

    def _start(self) -> None:
        runner = CollectorRunner(
            self._collectors,
            publisher=self._publisher,
            topology=self._topology,
            clock=self._clock,
            settings=self._settings,
            expected=self._expected,
        )
        started = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(runner, started), name="collect", daemon=True
        )
        self._thread.start()
        started.wait()

    def _run(self, runner: CollectorRunner, started: threading.Event) -> None:
        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            self._stop = asyncio.Event()
            started.set()
            await runner.run(self._stop)

        try:
            asyncio.run(main())
        except Exception as error:  # noqa: BLE001  handed to turn(), which raises it
            self._failure = error
        finally:
            started.set()
