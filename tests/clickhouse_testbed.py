"""A real ClickHouse engine behind its native protocol, for tests: ``deploy/testbed/clickhouse``."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from fleetops.core.config import StoreConfig
from tests.support import ROOT, unavailable

FRONT = ROOT / "deploy" / "testbed" / "clickhouse" / "native_front.py"
START_SECONDS = 60.0


class ClickHouseTestbed:
    """One engine on a port of its own; its data outlive a kill."""

    def __init__(self, folder: Path, password: str = "") -> None:
        """Not started yet."""
        self.port = _free_port()
        self._folder = folder
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Starts the engine and waits until it listens."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "front.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(FRONT), str(self._folder / "data"), "--port", str(self.port)],
                stdout=log,
                stderr=log,
                env={**os.environ, "CLICKHOUSE_PASSWORD": self._password},
            )
        end = time.monotonic() + START_SECONDS
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > end:
                self.kill()
                unavailable("clickhouse", (self._folder / "front.log").read_text()[-500:])
            time.sleep(0.05)
        return self

    def kill(self) -> None:
        """Ends it at once, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def config(self, **changes: object) -> StoreConfig:
        """How to reach it, in a database of one's own."""
        values: dict[str, object] = {
            "kind": "clickhouse",
            "port": self.port,
            "database": f"test_{uuid.uuid4().hex[:12]}",
        }
        return StoreConfig.model_validate(values | changes)

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False


@pytest.fixture(scope="module")
def clickhouse_testbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseTestbed]:
    """One engine for the whole run."""
    pytest.importorskip("clickhouse_driver")
    testbed = ClickHouseTestbed(tmp_path_factory.mktemp("clickhouse")).start()
    yield testbed
    testbed.kill()


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
