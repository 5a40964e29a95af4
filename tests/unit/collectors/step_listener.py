"""What a step reporter's tests share: a socket that listens, and the reporter of a rank."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from fleetops_collectors.training import StepReporter
from fleetops_collectors.training.steps import Step, parse_step

TIMES: dict[str, Any] = {
    "step_seconds": 1.25,
    "compute_seconds": 1.0,
    "communication_seconds": 0.2,
    "data_wait_seconds": 0.05,
}


class Listener:
    """A bound socket that keeps what comes until it is asked."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)

    def steps(self) -> list[Step]:
        found = []
        while True:
            try:
                found.append(parse_step(self.socket.recv(4096)))
            except BlockingIOError:
                return found

    def close(self) -> None:
        self.socket.close()
        self.path.unlink(missing_ok=True)


def rank3(path: Path, **options: Any) -> StepReporter:  # noqa: ANN401 - its keywords
    return StepReporter(rank=3, job="81", socket_path=str(path), environ={}, **options)
