"""Producers of the local log: group commit in a thread, and the fenced one for the ledger."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

from typing_extensions import override

from fleetops.bus.base import EPOCH_HEADER
from fleetops.bus.closing import Closing
from fleetops.bus.local.log import (
    Log,
    LogFullError,
    Outgoing,
    encode_headers,
    milliseconds,
    partition_of,
)
from fleetops.bus.local.retention import Retention
from fleetops.core.clock import Clock
from fleetops.core.config import BusConfig
from fleetops.core.errors import BusUnavailableError, FencedError
from fleetops.core.logging import get_logger

MAINTAIN_SECONDS = 30.0
"""How often a producer applies retention and compaction."""
RETRY_SECONDS = 0.1
BUFFER_BYTES = 64 * 1024**2
"""Bound of what a producer holds unacknowledged, besides the number of messages."""
COMMIT_BYTES = 16 * 1024**2
"""One transaction holds about this much, so that other writers get their turn."""


class _Directory:
    """Where messages of a topic go; asked of the log once a topic."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._partitions: dict[str, list[int]] = {}

    def partition(self, topic: str, key: str) -> int:
        """The partition id for a key.

        Raises:
            NotFoundError: there is no such topic.
        """
        if topic not in self._partitions:
            self._partitions[topic] = [part.id for part in self._log.partitions([topic])]
        return partition_of(key, self._partitions[topic])


class LocalProducer(Closing):
    """Queues messages; a thread writes what has gathered in one transaction after another."""

    def __init__(self, open_log: Callable[[], Log], clock: Clock, config: BusConfig) -> None:
        self._clock = clock
        self._deadline_seconds = config.deadline_seconds
        self._max_messages = config.buffer_messages
        self._lookup = open_log()
        self._directory = _Directory(self._lookup)
        self._log = open_log()
        self._retention = Retention(self._log)
        self._queue: deque[Outgoing] = deque()
        self._held_messages = 0
        self._held_bytes = 0
        self._failure = ""
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._write, name="bus-producer", daemon=True)
        self._thread.start()

    def send(
        self, topic: str, key: str, value: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        """Queues one message; waits for room."""
        partition = self._directory.partition(topic, key)
        now_ms = milliseconds(self._clock.now())
        message = Outgoing(partition, now_ms, key, encode_headers(headers), value)
        with self._changed:
            if self._closing.is_set():
                raise BusUnavailableError("the producer is closed")
            if not self._changed.wait_for(lambda: self._fits(value), self._deadline_seconds):
                raise BusUnavailableError(
                    f"{topic}: no room in the buffer ({self._held_messages} messages) within "
                    f"{self._deadline_seconds:g} s; not taken. {self._failure}".rstrip()
                )
            self._queue.append(message)
            self._held_messages += 1
            self._held_bytes += len(value)
            self._changed.notify_all()

    def flush(self, timeout_seconds: float) -> None:
        """Waits until everything queued is in the log."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._held_messages, timeout_seconds):
                raise BusUnavailableError(
                    f"{self._held_messages} messages not written within {timeout_seconds:g} s. "
                    f"{self._failure}".rstrip()
                )

    @override
    def close(self) -> None:
        """Writes what is queued within the deadline, then ends."""
        if self._closing.is_set():
            return
        try:
            self.flush(self._deadline_seconds)
        except BusUnavailableError as error:
            get_logger("bus").error("closing a producer with messages not written", why=str(error))
            self._abandoned.set()
        with self._changed:
            self._closing.set()
            self._changed.notify_all()
        self._thread.join()
        self._lookup.close()
        self._log.close()

    def _fits(self, value: bytes) -> bool:
        empty = not self._held_messages
        return empty or (
            self._held_messages < self._max_messages
            and self._held_bytes + len(value) <= BUFFER_BYTES
        )

    def _write(self) -> None:
        maintained_at = time.monotonic()
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._queue or self._closing.is_set(), MAINTAIN_SECONDS
                )
                if self._closing.is_set():
                    return
                batch = self._take()
            if batch:
                self._commit(batch)
            if time.monotonic() - maintained_at >= MAINTAIN_SECONDS:
                self._maintain()
                maintained_at = time.monotonic()

    def _take(self) -> list[Outgoing]:
        batch: list[Outgoing] = []
        size = 0
        while self._queue and size < COMMIT_BYTES:
            batch.append(self._queue.popleft())
            size += len(batch[-1].value)
        return batch

    def _commit(self, batch: list[Outgoing]) -> None:
        """Writes a batch, however long it takes; whoever waits for it has a deadline."""
        while not self._abandoned.is_set():
            try:
                self._log.append(batch)
                break
            except BusUnavailableError as error:
                with self._changed:
                    self._failure = str(error)
                if isinstance(error, LogFullError):
                    self._maintain()
                    self._reclaim()
                self._abandoned.wait(RETRY_SECONDS)
        with self._changed:
            self._failure = ""
            self._held_messages -= len(batch)
            self._held_bytes -= sum(len(message.value) for message in batch)
            self._changed.notify_all()

    def _maintain(self) -> None:
        try:
            self._retention.maintain(milliseconds(self._clock.now()))
        except BusUnavailableError as error:
            get_logger("bus").warning("retention put off", why=str(error))

    def _reclaim(self) -> None:
        try:
            removed = self._retention.reclaim()
        except BusUnavailableError as error:
            get_logger("bus").warning("cannot make room", why=str(error))
        else:
            get_logger("bus").warning("the log is full", removed_processed_messages=removed)


class LocalFencedProducer(Closing):
    """The ledger's writer: its epoch is compared in the transaction that writes."""

    def __init__(self, log: Log, clock: Clock, name: str) -> None:
        self._log = log
        self._clock = clock
        self._name = name
        self._directory = _Directory(log)
        with log.transaction():
            self._epoch = log.number(
                "INSERT INTO fence VALUES (?, 1) "
                "ON CONFLICT DO UPDATE SET epoch = epoch + 1 RETURNING epoch",
                name,
            )

    @property
    def epoch(self) -> int:
        """Grows with every opening."""
        return self._epoch

    def append(self, topic: str, key: str, value: bytes) -> None:
        """Writes one record, if this is still the latest holder."""
        message = Outgoing(
            self._directory.partition(topic, key),
            milliseconds(self._clock.now()),
            key,
            encode_headers({EPOCH_HEADER: str(self._epoch)}),
            value,
        )
        with self._log.transaction():
            latest = self._log.number("SELECT epoch FROM fence WHERE name = ?", self._name)
            if latest != self._epoch:
                raise FencedError(
                    f"{self._name}: epoch {self._epoch} was fenced by epoch {latest}; "
                    "another instance writes now, stop this one"
                )
            # The ledger is small and must go on: it may pass the file's limit.
            self._log.insert([message])

    @override
    def close(self) -> None:
        """Closes the connection; the epoch stays taken."""
        self._log.close()
