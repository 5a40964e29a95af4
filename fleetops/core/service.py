"""Long-running parts: one loop each, stopped by an event, alive by proof."""

from __future__ import annotations

import threading
from typing import Protocol

from fleetops.core import metrics
from fleetops.core.clock import Clock
from fleetops.core.errors import ConfigError, PermanentError
from fleetops.core.logging import get_logger


class Service(Protocol):
    """One role's loop, cut into turns so that tests can take them one by one."""

    name: str

    def turn(self) -> bool:
        """Does what is due; whether there was something to do.

        Raises:
            PermanentError: it will not work later either (fenced, say); the service ends.
        """
        ...

    def close(self) -> None:
        """Releases everything; safe to call twice."""
        ...


FATAL = (PermanentError, ConfigError)
"""What will not work later either: fenced, refused by the engine, everything poison."""
RETRY_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0)


def run(service: Service, stop: threading.Event, clock: Clock, idle_seconds: float = 0.05) -> None:
    """Turns the service until ``stop`` is set.

    This is the one boundary where any error is caught: it is counted, logged, and the loop goes
    on after a back-off. A fatal one ends the service and is raised.
    """
    log = get_logger(service.name)
    failures = 0
    last_turn = clock.monotonic()
    try:
        while not stop.is_set():
            try:
                busy = service.turn()
                failures = 0
            except FATAL:
                raise
            except Exception as error:
                metrics.ERRORS.labels(service.name, type(error).__name__, "loop").inc()
                log.exception("turn failed; going on", error=str(error))
                clock.wait(stop, RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)])
                failures += 1
                continue
            now = clock.monotonic()
            metrics.LOOP_AGE_SECONDS.labels(service.name).set(now - last_turn)
            last_turn = now
            if not busy:
                clock.wait(stop, idle_seconds)
    finally:
        service.close()
