"""The emulated fleet as a process of its own: what it knows to be true stays out of reach."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import orjson
from pydantic import BaseModel, ConfigDict

from fleetops.core.errors import FleetOpsError
from fleetops_schemas.topology import HostPlacement

START_SECONDS = 60.0


class Endpoints(BaseModel):
    """Where the emulated hardware answers, as the emulator wrote it down."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    control_url: str
    scheduler_url: str | None
    """None where a real scheduler holds the nodes."""
    topology: tuple[HostPlacement, ...]
    collectors: tuple[dict[str, Any], ...]
    jobs: tuple[dict[str, Any], ...] = ()


class EmulatedFleet:
    """Starts the emulator and ends it. Use as a context manager."""

    def __init__(self, state_dir: Path, arguments: list[str]) -> None:
        """Keeps its files in ``state_dir``; ``arguments`` go to ``python -m fleetops.emulator``."""
        self._state_dir = state_dir
        self._arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Endpoints:
        """Starts it; where it answers.

        Raises:
            FleetOpsError: it did not get ready, with what it said.
        """
        self._state_dir.mkdir(parents=True, exist_ok=True)
        ready = self._state_dir / "endpoints.json"
        ready.unlink(missing_ok=True)
        log = self._state_dir / "emulator.log"
        with log.open("wb") as sink:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [
                    *(sys.executable, "-m", "fleetops.emulator"),
                    *("--state-dir", str(self._state_dir)),
                    *self._arguments,
                ],
                stdin=subprocess.PIPE,
                stdout=sink,
                stderr=sink,
                # Ctrl-C is for us: it goes on until the collectors have logged out
                process_group=0,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if ready.exists():
                return Endpoints.model_validate(orjson.loads(ready.read_bytes()))
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        said = log.read_text("utf-8", errors="replace")[-2000:]
        self.close()
        raise FleetOpsError(f"the emulator did not get ready: {said.strip() or 'it said nothing'}")

    @property
    def pid(self) -> int:
        """Of the process.

        Raises:
            FleetOpsError: it does not run.
        """
        if self._process is None:
            raise FleetOpsError("the emulator does not run")
        return self._process.pid

    def begin(self, endpoints: Endpoints) -> None:
        """Starts the scenario's clock."""
        httpx.post(f"{endpoints.control_url}/control/start", timeout=10.0).raise_for_status()

    def truth(self, endpoints: Endpoints) -> dict[str, Any]:
        """What is really so; for whoever judges, never for what is judged."""
        answer = httpx.get(f"{endpoints.control_url}/control/truth", timeout=10.0)
        content: dict[str, Any] = answer.raise_for_status().json()
        return content

    def close(self) -> None:
        """Ends it; safe to call twice."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> EmulatedFleet:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
