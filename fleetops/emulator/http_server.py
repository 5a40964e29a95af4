"""uvicorn in somebody else's event loop: one server, as many sockets as one likes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
from collections.abc import Iterator, Sequence

import uvicorn
from starlette.types import ASGIApp
from typing_extensions import override

from fleetops.core.errors import ConfigError
from fleetops.emulator.interfaces.base import LOOPBACK

BACKLOG = 128
KEEP_ALIVE_SECONDS = 60
SHUTDOWN_SECONDS = 1
STARTED_POLL_SECONDS = 0.005
FILES_PER_LISTENER = 5
"""The listener, and a poll and an event stream with both their ends, if they are read from here."""
OTHER_FILES = 256


class HttpServer:
    """uvicorn inside somebody else's event loop, over sockets that are bound already."""

    def __init__(self, application: ASGIApp, listeners: Sequence[socket.socket]) -> None:
        """``application`` answers on all of them; ``scope["server"]`` says on which."""
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
        self._server = _Server(config)
        self._listeners = list(listeners)
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when it answers."""
        self._serving = asyncio.create_task(self._server.serve(sockets=self._listeners))
        while not self._server.started and not self._serving.done():
            await asyncio.sleep(STARTED_POLL_SECONDS)
        if self._serving.done():
            self._serving.result()

    async def stop(self) -> None:
        """Ends it and its sockets."""
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving
        for listener in self._listeners:
            listener.close()


class _Server(uvicorn.Server):
    """Leaves signals to the caller."""

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(port: int = 0) -> socket.socket:
    """A listening socket on the loopback address; port 0 takes any free one."""
    # the protocol is named since asyncio sets TCP_NODELAY only on sockets that say they are TCP
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((LOOPBACK, port))
    listener.listen(BACKLOG)
    return listener


def listen_many(count: int) -> list[socket.socket]:
    """As many listening sockets, on free ports; the process may then open the files they need.

    Raises:
        ConfigError: the hard limit of open files is too low.
    """
    already = len(os.listdir("/dev/fd"))
    _allow_files(already + count * FILES_PER_LISTENER + OTHER_FILES)
    listeners: list[socket.socket] = []
    try:
        listeners += (listen() for _ in range(count))
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    return listeners


def _allow_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY in {soft, hard} or count <= hard:
        if soft != resource.RLIM_INFINITY and soft < count:
            resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
        return
    raise ConfigError(
        f"{count} open files are needed, and the hard limit is {hard}; raise it (ulimit -Hn), "
        "or emulate fewer hosts"
    )


def port_of(listener: socket.socket) -> int:
    """The port that a socket listens on."""
    port: int = listener.getsockname()[1]
    return port
