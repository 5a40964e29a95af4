"""Producers of the local log: group commit in a thread, and the fenced one for the ledger."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping

from typing_extensions import override

from fleetops.bus.base import EPOCH_HEADER
from fleetops.bus.local.log import (
    Log,
    LogFullError,
    Outgoing,
    encode_headers,
    milliseconds,
    partition_of,
)
from fleetops.bus.local.retention import Retention
from fleetops.bus.room import Room, check_size
from fleetops.core.clock import Clock
from fleetops.core.closing import Closing
from fleetops.core.config import BusConfig
from fleetops.core.errors import BusUnavailableError, FencedError, TemporaryError
from fleetops.core.logging import get_logger

MAINTAIN_SECONDS = 30.0
"""How often a producer applies retention and compaction."""
RETRY_SECONDS = 0.1
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
        self._lookup = open_log()
        self._directory = _Directory(self._lookup)
        self._log = open_log()
        self._retention = Retention(self._log)
        self._room = Room(config.buffer_messages)
        self._queue: queue.SimpleQueue[Outgoing | None] = queue.SimpleQueue()
        self._failure = ""
        self._closed = False
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._write, name="bus-producer", daemon=True)
        self._thread.start()

    def send(
        self, topic: str, key: str, value: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        """Queues one message; waits for room."""
        check_size(topic, value)
        partition = self._directory.partition(topic, key)
        now_ms = milliseconds(self._clock.now())
        message = Outgoing(partition, now_ms, key, encode_headers(headers), value)
        if self._closed or not self._room.take(len(value), self._deadline_seconds):
            why = "the producer is closed" if self._closed else self._failure or "no room in time"
            raise BusUnavailableError(f"{topic}: message not taken: {why}")
        self._queue.put(message)

    def flush(self, timeout_seconds: float) -> None:
        """Waits until everything queued is in the log."""
        if not self._room.wait_empty(timeout_seconds):
            raise BusUnavailableError(
                f"{self._room.messages} messages not written within {timeout_seconds:g} s. "
                f"{self._failure}".rstrip()
            )

    @override
    def close(self) -> None:
        """Writes what is queued within the deadline, then ends."""
        if self._closed:
            return
        self._closed = True
        try:
            self.flush(self._deadline_seconds)
        except BusUnavailableError as error:
            get_logger("bus").error("closed a producer with messages not written", why=str(error))
            self._abandoned.set()
        self._queue.put(None)
        self._thread.join()
        self._lookup.close()
        self._log.close()

    def _write(self) -> None:
        maintained_at = time.monotonic()
        going_on = True
        while going_on:
            batch, going_on = self._gather()
            if batch:
                self._commit(batch)
            if time.monotonic() - maintained_at >= MAINTAIN_SECONDS:
                self._maintain()
                maintained_at = time.monotonic()

    def _gather(self) -> tuple[list[Outgoing], bool]:
        """Waits for a message and takes what else is queued; False once the queue has ended."""
        batch: list[Outgoing] = []
        size = 0
        try:
            while size < COMMIT_BYTES:
                message = self._queue.get(block=not batch, timeout=MAINTAIN_SECONDS)
                if message is None:
                    return batch, False
                batch.append(message)
                size += len(message.value)
        except queue.Empty:
            pass
        return batch, True

    def _commit(self, batch: list[Outgoing]) -> None:
        """Writes a batch, however long it takes; whoever waits for it has a deadline."""
        waiting = [batch]
        while waiting and not self._abandoned.is_set():
            try:
                self._log.append(waiting[-1])
            except LogFullError as error:
                self._failure = str(error)
                if not self._make_room():
                    # A part of it may fit where all of it does not.
                    waiting += _halves(waiting.pop())
                    self._abandoned.wait(RETRY_SECONDS)
            except TemporaryError as error:
                self._failure = str(error)
                self._abandoned.wait(RETRY_SECONDS)
            else:
                self._failure = ""
                self._give_back(waiting.pop())
        for abandoned in waiting:
            self._give_back(abandoned)

    def _give_back(self, messages: list[Outgoing]) -> None:
        self._room.give_back(len(messages), sum(len(message.value) for message in messages))

    def _maintain(self) -> None:
        try:
            self._retention.maintain(milliseconds(self._clock.now()))
        except TemporaryError as error:
            get_logger("bus").warning("retention put off", why=str(error))

    def _make_room(self) -> bool:
        """Whether something could go from a full log."""
        try:
            removed = self._retention.maintain(milliseconds(self._clock.now()))
            removed += self._retention.reclaim()
        except TemporaryError as error:
            get_logger("bus").warning("cannot make room in the log", why=str(error))
            return False
        if removed:
            get_logger("bus").warning("the log was full", removed_messages=removed)
        return removed > 0


def _halves(messages: list[Outgoing]) -> list[list[Outgoing]]:
    """A batch in two, the first to be written last in the list; a single message stays."""
    middle = len(messages) // 2
    return [part for part in (messages[middle:], messages[:middle]) if part]


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
        check_size(topic, value)
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
