"""Time, injected: everything that waits or stamps takes a :class:`Clock`."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Wall time, monotonic time, and waiting."""

    def now(self) -> datetime:
        """The current time, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for deadlines."""
        ...

    def wait(self, event: threading.Event, timeout_seconds: float) -> bool:
        """Waits for the event at most so long; whether it is set."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The current time, aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go back, for deadlines."""
        return time.monotonic()

    def wait(self, event: threading.Event, timeout_seconds: float) -> bool:
        """Waits for the event at most so long; whether it is set."""
        return event.wait(timeout_seconds)


class ManualClock:
    """A clock that stands until it is moved: for tests and for replays faster than time."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        """Starts at ``start`` (aware)."""
        self._now = start
        self._elapsed = 0.0

    def now(self) -> datetime:
        """The time it was last moved to."""
        return self._now

    def monotonic(self) -> float:
        """Seconds it was moved since it was made."""
        return self._elapsed

    def wait(self, event: threading.Event, timeout_seconds: float) -> bool:
        """Moves on by the timeout at once, unless the event is set."""
        if not event.is_set():
            self.advance(timeout_seconds)
        return event.is_set()

    def advance(self, seconds: float) -> None:
        """Moves the clock on."""
        self._now += timedelta(seconds=seconds)
        self._elapsed += seconds
