"""A real Kafka broker for tests: started once a module, stopped with it.

Import the fixture ``kafka_broker`` into a test module (and name it in ``__all__``) to use it.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fleetops.core.config import BusConfig
from tests.support import ROOT, unavailable

_SCRIPTS = ROOT / "deploy" / "testbed" / "kafka"
_START_SECONDS = 240
"""The first start fetches the broker's jars."""


class KafkaBroker:
    """One broker with its data in a folder."""

    def __init__(self, folder: Path, port: int, tls: bool = False) -> None:
        self.folder = folder
        self._port = port
        self._environ = {**os.environ, "TLS": "1" if tls else "0"}

    @property
    def bootstrap(self) -> str:
        """Its address for clients without TLS."""
        return f"127.0.0.1:{self._port}"

    def config(self, deadline_seconds: float = 10.0) -> BusConfig:
        """The bus on this broker."""
        return BusConfig(
            kind="kafka", bootstrap_servers=(self.bootstrap,), deadline_seconds=deadline_seconds
        )

    def client_settings(self) -> dict[str, str]:
        """What ``client.env`` says: addresses, CA file, user and password."""
        lines = (self.folder / "client.env").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def start(self) -> None:
        """Starts it and waits until it answers; its data of before are there again."""
        subprocess.run(
            [_SCRIPTS / "start.sh", self.folder, str(self._port)],
            check=True,
            env=self._environ,
            capture_output=True,
            timeout=_START_SECONDS,
        )

    def kill(self) -> None:
        """Ends it as a crash would (SIGKILL)."""
        self._signal(signal.SIGKILL)
        while self._is_running():
            time.sleep(0.05)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Makes it answer nothing for a while, its connections open (SIGSTOP, SIGCONT)."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)

    def restart(self) -> None:
        """Starts it again after :meth:`kill`."""
        self.start()

    def stop(self) -> None:
        """Stops it cleanly."""
        subprocess.run([_SCRIPTS / "stop.sh", self.folder], check=True, capture_output=True)

    def _signal(self, number: signal.Signals) -> None:
        os.kill(int((self.folder / "broker.pid").read_text()), number)

    def _is_running(self) -> bool:
        pid = (self.folder / "broker.pid").read_text().strip()
        try:
            # Killed and not yet collected by its parent is ended, too.
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except FileNotFoundError:
            return False


def free_ports() -> int:
    """A port with two free ones after it, as the broker wants."""
    while True:
        with socket.create_server(("127.0.0.1", 0)) as first:
            port: int = first.getsockname()[1]
            try:
                for offset in (1, 2):
                    socket.create_server(("127.0.0.1", port + offset)).close()
            except OSError:
                continue
        return port


def start_broker(folder: Path, tls: bool = False) -> KafkaBroker:
    """A started broker; skips the test where it cannot be had."""
    for program in ("java", "mvn"):
        if shutil.which(program) is None:
            unavailable("kafka", f"{program} is missing")
    broker = KafkaBroker(folder, free_ports(), tls)
    try:
        broker.start()
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        unavailable("kafka", (error.stderr or b"").decode().strip() or str(error))
    return broker


@pytest.fixture(scope="module")
def kafka_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    """The session's broker."""
    broker = start_broker(tmp_path_factory.mktemp("kafka"))
    yield broker
    broker.stop()


@pytest.fixture
def _collected_sockets() -> Iterator[None]:
    yield
    gc.collect()


MAY_LEAK_SOCKETS = (
    pytest.mark.usefixtures("_collected_sockets"),
    pytest.mark.filterwarnings("ignore:unclosed <(ssl.SSLSocket|socket.socket):ResourceWarning"),
)
"""For tests in which connecting fails: kafka-python leaves those sockets to the collector.

They are collected at the end of the test, so that no other one meets them. Import
``_collected_sockets`` beside it.
"""
