"""The roles of one process: opened together, each with its loop in a thread, stopped together."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from fleetops.bus.factory import open_bus
from fleetops.cli.roles import ROLES, STORE_ROLES, Parts, build_service
from fleetops.core import service
from fleetops.core.clock import Clock, SystemClock
from fleetops.core.config import Config
from fleetops.core.errors import ConfigError, FleetOpsError
from fleetops.core.logging import get_logger
from fleetops_schemas.topics import all_topics

STOP_SECONDS = 15.0


class Line:
    """Some roles in this process. Use as a context manager."""

    def __init__(
        self,
        config: Config,
        roles: Collection[str],
        *,
        config_path: Path | None = None,
        collectors: Collection[str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Opens nothing yet. ``collectors`` names the collectors to run here, None for all.

        Raises:
            ConfigError: a role does not exist.
        """
        unknown = sorted(set(roles) - set(ROLES))
        if unknown:
            raise ConfigError(f"no role {unknown[0]!r}; there are: {', '.join(ROLES)}")
        self.config = config
        self.failure: BaseException | None = None
        self._config_path = config_path
        self._roles = [role for role in ROLES if role in roles]
        self._collectors = collectors
        self._clock = clock or SystemClock()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._dashboard: subprocess.Popen[bytes] | None = None
        self._open = ExitStack()
        self.api_port: int | None = None

    def start(self, say: Callable[[str], None] = lambda _: None) -> None:
        """Opens bus and store, brings the schema up to date, starts every role.

        ``say`` is told of each step.

        Raises:
            FleetOpsError: something could not be opened; nothing is left running.
        """
        try:
            parts = self._open_parts(say)
            for role in self._roles:
                if role == "dashboard":
                    continue
                say(f"starting {role}")
                built = build_service(role, parts)
                self.api_port = getattr(built, "port", None) or self.api_port
                thread = threading.Thread(
                    target=self._run, args=(built,), name=f"fleetops-{role}", daemon=True
                )
                self._threads.append(thread)
                thread.start()
            if "dashboard" in self._roles:
                say("starting dashboard")
                self._dashboard = self._start_dashboard()
        except BaseException:
            self.close()
            raise

    def wait(self, timeout_seconds: float | None = None) -> bool:
        """Waits until something stops the line; whether something did."""
        return self._stop.wait(timeout_seconds)

    def stop(self) -> None:
        """Asks every role to end. Safe in a signal handler."""
        self._stop.set()

    def close(self) -> None:
        """Ends every role and releases everything; safe to call twice."""
        self.stop()
        if self._dashboard is not None:
            self._dashboard.terminate()
            try:
                self._dashboard.wait(5)
            except subprocess.TimeoutExpired:
                self._dashboard.kill()
            self._dashboard = None
        for thread in self._threads:
            thread.join(STOP_SECONDS)
        self._threads = []
        self._open.close()

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open_parts(self, say: Callable[[str], None]) -> Parts:
        self.config.state_dir.mkdir(parents=True, exist_ok=True)
        say(f"opening the bus ({self.config.bus.kind})")
        bus = self._open.enter_context(open_bus(self.config.bus, self._clock))
        bus.ensure_topics(all_topics())
        parts = Parts(self.config, bus, self._clock, instance(), collectors=self._collectors)
        if not STORE_ROLES.intersection(self._roles):
            return parts
        from fleetops.store.factory import open_store  # noqa: PLC0415  not on a collector host

        say(f"opening the store ({self.config.store.kind})")
        store = self._open.enter_context(open_store(self.config.store, self._clock))
        applied = store.migrate()
        if applied:
            say(f"schema: {len(applied)} migrations applied")
        return replace(parts, store=store)

    def _run(self, built: service.Service) -> None:
        try:
            service.run(built, self._stop, self._clock)
        except FleetOpsError as error:
            get_logger(built.name).error("ended", error=str(error))
            self.failure = error
        except BaseException as error:
            self.failure = error
            raise
        finally:
            self._stop.set()

    def _start_dashboard(self) -> subprocess.Popen[bytes]:
        """Streamlit runs as its own process: chDB's data folder must not be forked into it."""
        section = self.config.dashboard
        environ = dict(os.environ)
        if self._config_path is not None:
            environ["FLEETOPS_CONFIG"] = str(self._config_path.resolve())
        if self.api_port:
            environ["FLEETOPS_CLIENT__URL"] = f"http://{self.config.api.host}:{self.api_port}"
        app = files("fleetops_dashboards") / "app.py"
        return subprocess.Popen(  # noqa: S603 - our own interpreter and file
            [
                sys.executable, "-m", "streamlit", "run", str(app),
                "--server.address", section.host,
                "--server.port", str(section.port),
                "--server.headless", "true",
                "--server.fileWatcherType", "none",
                "--browser.gatherUsageStats", "false",
                "--client.toolbarMode", "minimal",
                "--logger.level", "warning",
            ],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # its banner; what goes wrong is said on stderr
        )  # fmt: skip


def instance() -> str:
    """This process, as collectors' reports name it."""
    return f"{socket.gethostname()}:{os.getpid()}"
