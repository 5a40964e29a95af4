"""The one thing a producer of records needs of the bus, so that collectors need not know it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Publisher(Protocol):
    """Where messages go."""

    def send(
        self, topic: str, key: str, value: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        """Queues one message; a full buffer makes it wait.

        Raises:
            BusUnavailableError: no room came free in time; the message was not taken.
        """
        ...

    def flush(self, timeout_seconds: float) -> None:
        """Waits until everything queued is acknowledged.

        Raises:
            BusUnavailableError: something was not acknowledged in time, or was refused.
        """
        ...
