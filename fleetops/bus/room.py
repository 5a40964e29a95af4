"""The bound of what a producer holds unacknowledged: the same for every bus."""

from __future__ import annotations

import threading

from fleetops.core.errors import InputError
from fleetops_schemas.telemetry import MAX_MESSAGE_BYTES

BUFFER_BYTES = 64 * 1024**2
"""Bound in bytes, besides the configured number of messages."""


def check_size(topic: str, value: bytes) -> None:
    """Refuses a message that no bus would carry.

    Raises:
        InputError: it is larger than the limit; sending it again will not help.
    """
    if len(value) > MAX_MESSAGE_BYTES:
        raise InputError(
            f"{topic}: message of {len(value)} bytes; the limit is {MAX_MESSAGE_BYTES}, split it"
        )


class Room:
    """Counts messages and bytes in flight; waits for room and for the end. Thread-safe."""

    def __init__(self, max_messages: int, max_bytes: int = BUFFER_BYTES) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._messages = 0
        self._bytes = 0
        self._changed = threading.Condition()

    @property
    def messages(self) -> int:
        """How many are in flight."""
        return self._messages

    def take(self, size_bytes: int, timeout_seconds: float) -> bool:
        """Takes room for a message, waiting for it; False where none came free in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._fits(size_bytes), timeout_seconds):
                return False
            self._messages += 1
            self._bytes += size_bytes
            return True

    def give_back(self, messages: int, size_bytes: int) -> None:
        """Gives back the room of messages that are done with."""
        with self._changed:
            self._messages -= messages
            self._bytes -= size_bytes
            self._changed.notify_all()

    def wait_empty(self, timeout_seconds: float) -> bool:
        """Waits until nothing is in flight; whether it is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._messages, timeout_seconds)

    def _fits(self, size_bytes: int) -> bool:
        # One message always fits into an empty buffer.
        return not self._messages or (
            self._messages < self._max_messages and self._bytes + size_bytes <= self._max_bytes
        )
