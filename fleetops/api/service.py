"""Role ``api``: the HTTP server in a thread of its own, and the view it answers from."""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
from collections.abc import Callable
from uuid import uuid4

import uvicorn

from fleetops.api.app import create_app
from fleetops.api.auth import Authenticator
from fleetops.api.intents import IntentDesk
from fleetops.api.parts import Parts
from fleetops.api.state import StateView
from fleetops.api.telemetry import Telemetry
from fleetops.bus.base import Bus
from fleetops.core.clock import Clock
from fleetops.core.config import ApiConfig, Config
from fleetops.core.errors import ConfigError, TemporaryError
from fleetops.core.logging import get_logger
from fleetops.store.base import Store

CATCH_UP_SECONDS = 30.0
GRACE_SECONDS = 5
"""How long open requests may go on after the stop."""
MAX_CONNECTIONS = 512
BACKLOG = 512


def _uuid() -> str:
    return str(uuid4())


class ApiService:
    """Serves the API. A turn refreshes the view; the first one starts the server."""

    name = "api"

    def __init__(
        self,
        bus: Bus,
        store: Store,
        config: Config,
        clock: Clock,
        new_id: Callable[[], str] = _uuid,
    ) -> None:
        """Opens the views; nothing is served before :meth:`start`.

        Raises:
            ConfigError: a token is wrong.
        """
        authenticator = Authenticator(config.api)
        self._log = get_logger(self.name)
        self._config = config.api
        self._state = StateView(bus, clock)
        self._intents = IntentDesk(bus, self._state, clock, new_id, config.bus.deadline_seconds)
        self._parts = Parts(
            config=config,
            clock=clock,
            authenticator=authenticator,
            state=self._state,
            telemetry=Telemetry(store, clock),
            intents=self._intents,
        )
        self._socket: socket.socket | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port it listens on; after :meth:`start`."""
        assert self._socket is not None, "not started"  # noqa: S101
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """Where it is reached; after :meth:`start`."""
        host = self._config.host
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    def start(self) -> None:
        """Catches up with the bus, then listens. Does nothing when it was started before.

        Raises:
            ConfigError: the address is in use, or not of this machine.
            BusUnavailableError: the view could not catch up in time.
        """
        if self._thread is not None:
            return
        self._state.catch_up(CATCH_UP_SECONDS)
        self._socket = _listen(self._config)
        self._server = uvicorn.Server(_server_config(create_app(self._parts)))
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="api-http"
        )
        self._thread.start()
        self._log.info("listening", url=self.url)
        if self._parts.authenticator.open_on_loopback and not _is_loopback(self._config.host):
            self._log.warning("no api.tokens: only this machine may read, nobody may write")

    def turn(self) -> bool:
        """Refreshes the view; whether it changed.

        Raises:
            TemporaryError: the server's thread ended by itself.
        """
        self.start()
        if self._thread is not None and not self._thread.is_alive():
            raise TemporaryError("the HTTP server ended by itself; see the log above")
        return self._state.refresh()

    def close(self) -> None:
        """Lets open requests end, then stops serving; safe to call twice."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(GRACE_SECONDS + 5)
        if self._socket is not None:
            self._socket.close()
        self._intents.close()
        self._state.close()


def _listen(config: ApiConfig) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((config.host, config.port))
        listener.listen(BACKLOG)  # from here on callers wait instead of being refused
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"api: cannot listen on {config.host} port {config.port}: {error.strerror or error}; "
            "change api.host or api.port (0 takes a free one)"
        ) from error
    return listener


def _server_config(app: object) -> uvicorn.Config:
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    return uvicorn.Config(
        app,  # type: ignore[arg-type] # uvicorn's own protocol types are narrower than Starlette's
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        proxy_headers=False,  # a header must not make a stranger local
        server_header=False,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
