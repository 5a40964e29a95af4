"""A fleet's interfaces, opened together: one HTTP server for all text, and each one's own."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from starlette.applications import Starlette
from starlette.routing import BaseRoute

from fleetops.core.clock import Clock
from fleetops.emulator.http_server import HttpServer, listen, port_of
from fleetops.emulator.interfaces.base import LOOPBACK, ServedInterface, Surroundings
from fleetops.emulator.interfaces.registry import build_interfaces
from fleetops.emulator.log_lines import LogLine
from fleetops.emulator.model.fleet import Fleet
from fleetops.emulator.scheduler import EmulatedScheduler
from fleetops_schemas.platforms import Interface


class Serving:
    """Serves a fleet on loopback while it is entered. Whoever enters it moves the fleet on."""

    def __init__(  # noqa: PLR0913  one parameter a choice
        self,
        fleet: Fleet,
        state_dir: Path,
        clock: Clock,
        *,
        only: Collection[Interface] | None = None,
        routes: Sequence[BaseRoute] = (),
        port: int = 0,
        variants: Mapping[Interface, str] | None = None,
        scheduler: EmulatedScheduler | None = None,
    ) -> None:
        """Binds the HTTP port; nothing answers yet.

        Args:
            fleet: what is shown.
            state_dir: for files that interfaces write.
            clock: stamps what the interfaces say.
            only: interfaces to serve; all that the site speaks without it.
            routes: further paths on the HTTP server.
            port: of the HTTP server; 0 takes any free one.
            variants: shapes of interfaces that have several: rackmon ``tcp`` or ``rtu``, facility
                ``pub`` or ``older``.
            scheduler: whose nodes and jobs are shown, where the cluster's scheduler is.
        """
        self._listener = listen(port)
        self.base_url = f"http://{LOOPBACK}:{port_of(self._listener)}"
        surroundings = Surroundings(
            fleet, state_dir, self.base_url, clock, variants or {}, scheduler
        )
        self.interfaces: list[ServedInterface] = build_interfaces(surroundings, only)
        shared = [route for served in self.interfaces for route in served.routes()]
        app = Starlette(routes=[*shared, *routes])
        self._server = HttpServer(app, [self._listener])
        self._open = contextlib.AsyncExitStack()

    def collectors(self) -> list[dict[str, Any]]:
        """Ready-made entries for the ``collectors`` of a configuration."""
        return [entry for served in self.interfaces for entry in served.collectors()]

    async def refresh(self) -> None:
        """The fleet has moved on by a tick."""
        for served in self.interfaces:
            await served.refresh()

    def tell(self, line: LogLine) -> None:
        """Something writes a line into a log; for the ``on_line`` of a schedule of faults."""
        for served in self.interfaces:
            served.tell(line)

    async def __aenter__(self) -> Self:
        try:
            await self._server.start()
            self._open.push_async_callback(self._server.stop)
            for served in self.interfaces:
                self._open.push_async_callback(served.close)
                await served.start()
            await self.refresh()
        except BaseException:
            await self._open.aclose()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._open.aclose()
