"""A line of real processes for tests: an emulated fleet and one process a group of roles."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from fleetops.api.client import Client
from fleetops.bus.base import Bus
from fleetops.bus.factory import open_bus
from fleetops.core.clock import SystemClock
from fleetops.core.config import Config, load_config
from fleetops.evaluate.demo_config import write_demo_config
from fleetops.evaluate.emulated_fleet import EmulatedFleet, Endpoints

READY_SECONDS = 90.0


def wait_until(what: str, check: Callable[[], bool], seconds: float) -> None:
    """Waits until ``check`` holds; fails the test, saying ``what`` did not come, otherwise."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if check():
            return
        time.sleep(0.2)
    raise AssertionError(f"after {seconds:.0f} s: {what}")


@dataclass(slots=True)
class RoleProcess:
    """``fleetops run ROLES`` as a process that can be killed and started again."""

    config: Path
    roles: Sequence[str]
    log: Path
    starts: int = 0
    kills: int = 0
    process: subprocess.Popen[bytes] | None = None
    _log_begins: int = 0

    def start(self) -> None:
        with self.log.open("ab") as sink:
            self._log_begins = sink.tell()
            self.starts += 1
            command = [sys.executable, "-m", "fleetops.cli.main", "--config", str(self.config)]
            self.process = subprocess.Popen(
                [*command, "run", *self.roles],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
            )

    def said(self, text: str) -> bool:
        """Whether it logged ``text`` since it was last started."""
        with self.log.open("rb") as log:
            log.seek(self._log_begins)
            return text.encode() in log.read()

    def assert_runs(self) -> None:
        """Fails where the process ended by itself."""
        assert self.process is not None
        assert self.process.poll() is None, f"{self.roles} ended by itself; see {self.log}"

    def kill(self) -> None:
        """kill -9, no good-bye."""
        self.assert_runs()
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.kills += 1

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass(slots=True)
class TestLine:
    """Everything that runs."""

    __test__ = False
    folder: Path
    config_path: Path
    config: Config
    endpoints: Endpoints
    fleet: EmulatedFleet
    roles: dict[str, RoleProcess] = field(default_factory=dict)

    def client(self) -> Client:
        return Client(self.config.client)

    def bus(self) -> Bus:
        """The line's bus, opened once more. Use it as a context manager."""
        return open_bus(self.config.bus, SystemClock())

    def begin(self) -> None:
        """Starts the scenario's clock."""
        self.fleet.begin(self.endpoints)

    def role(self, name: str) -> RoleProcess:
        """The process that runs a role."""
        (process,) = (one for one in self.roles.values() if name in one.roles)
        return process

    @property
    def hosts(self) -> list[str]:
        """Names of the hosts, in the emulator's order."""
        return [placement.host for placement in self.endpoints.topology]

    def strike(self, kind: str, target: dict[str, Any], **parameters: object) -> None:
        """A fault by hand, now."""
        fault = {"kind": kind, "target": target, "parameters": parameters}
        url = f"{self.endpoints.control_url}/control/faults"
        httpx.post(url, json=fault, timeout=10).raise_for_status()

    def truth(self) -> dict[str, Any]:
        """What the emulator knows: for the judgement of the test alone."""
        answer = httpx.get(f"{self.endpoints.control_url}/control/truth", timeout=10)
        result: dict[str, Any] = answer.raise_for_status().json()
        return result

    def wait_for_data(self) -> None:
        """Until every host has been seen by the API."""

        def seen() -> bool:
            try:
                with self.client() as client:
                    counts = client.fleet().counts
                    jobs = bool(client.jobs().items) or not self.endpoints.jobs
                    return bool(counts.hosts and not counts.stale and jobs)
            except Exception:  # noqa: BLE001 - it is starting
                return False

        wait_until(f"not every host has been seen; logs in {self.folder}", seen, READY_SECONDS)


@contextmanager
def running_line(
    folder: Path,
    groups: Sequence[Sequence[str]],
    scenario: str | None = "cold_plate_clog",
    base: Path | None = None,
    arguments: Sequence[str] = (),
) -> Iterator[TestLine]:
    """A fleet and one process a group of roles, ready: every host has been seen."""
    folder.mkdir(parents=True, exist_ok=True)
    told = ["--scenario", scenario] if scenario else []
    fleet = EmulatedFleet(folder / "fleet", ["--waits", *told, *arguments])
    line: TestLine | None = None
    try:
        endpoints = fleet.start()
        # nobody listens on the discard port: deliveries fail and are retried, which is no concern
        path = write_demo_config(base, folder, endpoints, "http://127.0.0.1:9/none")
        line = TestLine(folder, path, load_config(path), endpoints, fleet)
        for group in groups:
            name = "-".join(group)
            line.roles[name] = RoleProcess(path, group, folder / f"{name}.log")
            line.roles[name].start()
        line.wait_for_data()
        yield line
    finally:
        for role in line.roles.values() if line else ():
            role.stop()
        fleet.close()


def run_cli(
    *arguments: str, config: Path | None = None, timeout: float = 120
) -> subprocess.CompletedProcess[str]:
    """The ``fleetops`` command as a user runs it."""
    command = [sys.executable, "-m", "fleetops.cli.main"]
    command += ["--config", str(config)] if config else []
    environ = {k: v for k, v in os.environ.items() if not k.startswith("FLEETOPS_CONFIG")}
    return subprocess.run(
        [*command, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environ,
        check=False,
    )


def json_lines(text: str) -> list[dict[str, Any]]:
    """The JSON documents of a text, one a line."""
    return [json.loads(line) for line in text.splitlines() if line.strip()]
