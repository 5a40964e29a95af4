"""One process, many sockets: a port for each management controller, one for everything else."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator, Mapping

import uvicorn
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send
from typing_extensions import override

from fleetops.emulator.emulation import Emulation
from fleetops.emulator.fleet import TICK_SECONDS
from fleetops.emulator.servers import control, prometheus, scheduler
from fleetops.emulator.servers.redfish import RedfishService

LOOPBACK = "127.0.0.1"
BACKLOG = 128
KEEP_ALIVE_SECONDS = 60
SHUTDOWN_SECONDS = 1


def listen(port: int = 0) -> socket.socket:
    """A listening socket on the loopback address; port 0 takes any free one."""
    # the protocol is named since asyncio sets TCP_NODELAY only on sockets that say they are TCP
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((LOOPBACK, port))
    listener.listen(BACKLOG)
    return listener


def port_of(listener: socket.socket) -> int:
    """The port that a socket listens on."""
    port: int = listener.getsockname()[1]
    return port


class Application:
    """ASGI: Redfish by port, the rest by path."""

    def __init__(
        self,
        emulation: Emulation,
        redfish: RedfishService,
        *,
        with_scheduler: bool = True,
        scheduler_token: str | None = None,
    ) -> None:
        """The rest is text endpoints, control and, if wanted, the scheduler."""
        self._redfish = redfish
        routes = [*prometheus.routes(emulation.fleet), *control.routes(emulation)]
        if with_scheduler:
            routes += scheduler.routes(emulation.fleet.scheduler, scheduler_token)
        self._rest = Starlette(routes=routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if self._redfish.serves(scope["server"][1]):
            await self._redfish(scope, receive, send)
        else:
            await self._rest(scope, receive, send)


class _Server(uvicorn.Server):
    """Leaves signals to the caller, who also has standard input to watch."""

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    application: Application,
    emulation: Emulation,
    listeners: Mapping[int, socket.socket],
    stop: asyncio.Event,
) -> None:
    """Serves and keeps fleet time until ``stop`` is set. ``listeners`` are by port."""
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=list(listeners.values())))
    stopping = asyncio.create_task(stop.wait())
    while not stop.is_set() and not serving.done():
        emulation.catch_up()
        await asyncio.wait(
            {stopping, serving}, timeout=TICK_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
    server.should_exit = True
    stopping.cancel()
    await serving
