from __future__ import annotations

import threading

import pytest

from fleetops.core.clock import ManualClock
from fleetops.core.errors import FencedError, TemporaryError
from fleetops.core.metrics import REGISTRY
from fleetops.core.service import run


class Turns:
    """A service whose turns are scripted."""

    name = "scripted"

    def __init__(self, stop: threading.Event, script: list[BaseException | None]) -> None:
        self._stop = stop
        self._script = script
        self.turns = 0
        self.closed = 0

    def turn(self) -> bool:
        self.turns += 1
        if not self._script:
            self._stop.set()
            return False
        step = self._script.pop(0)
        if step is not None:
            raise step
        return True

    def close(self) -> None:
        self.closed += 1


def errors(kind: str) -> float:
    labels = {"part": "scripted", "error_type": kind, "stage": "loop"}
    return REGISTRY.get_sample_value("fleetops_errors_total", labels) or 0.0


def test_an_error_is_counted_waited_out_and_survived() -> None:
    stop, clock = threading.Event(), ManualClock()
    service = Turns(stop, [None, TemporaryError("away"), TemporaryError("away"), None])
    before = errors("TemporaryError")
    run(service, stop, clock)
    assert errors("TemporaryError") == before + 2
    assert service.turns == 5
    assert service.closed == 1
    assert clock.monotonic() >= 0.5 + 1.0, "the back-off grows"


def test_what_will_not_work_later_ends_the_service() -> None:
    stop = threading.Event()
    service = Turns(stop, [None, FencedError("another one acts")])
    with pytest.raises(FencedError):
        run(service, stop, ManualClock())
    assert service.closed == 1
