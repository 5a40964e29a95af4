"""The bus as every part sees it. Two implementations: :mod:`~fleetops.bus.local` and ``kafka``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

from fleetops.core.closing import Closeable
from fleetops_schemas.topics import Topic

HEADER_REASON = "fleetops-reason"
HEADER_TOPIC = "fleetops-origin-topic"
HEADER_PARTITION = "fleetops-origin-partition"
HEADER_OFFSET = "fleetops-origin-offset"


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it was read."""

    topic: str
    partition: int
    offset: int
    key: str
    value: bytes
    time: datetime
    headers: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Producer(Closeable, Protocol):
    """Sends messages; at least once, in order within a key. A ``core.publish.Publisher``."""

    def send(
        self, topic: str, key: str, value: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        """Queues one message. A full buffer makes it wait: nothing is dropped silently.

        Raises:
            BusUnavailableError: no room came free in time; the message was not taken.
            NotFoundError: the topic does not exist.
        """
        ...

    def flush(self, timeout_seconds: float) -> None:
        """Waits until everything queued is acknowledged.

        Raises:
            BusUnavailableError: something was not acknowledged in time, or was refused.
        """
        ...


@runtime_checkable
class FencedProducer(Closeable, Protocol):
    """The ledger's writer. Opening one of a name fences every earlier one of that name."""

    @property
    def epoch(self) -> int:
        """Grows with every opening; the later holder has the higher one."""
        ...

    def append(self, topic: str, key: str, value: bytes) -> None:
        """Writes one record in one transaction, acknowledged on return. Adds the epoch header.

        Raises:
            FencedError: a later holder exists; this one must stop acting.
            AmbiguousWriteError: it may or may not be there: this producer is spent, open a new
                one and read before deciding.
            BusUnavailableError: it was certainly not written.
        """
        ...


@runtime_checkable
class Consumer(Closeable, Protocol):
    """A member of a consumer group. Each message goes to one member; order holds in a partition."""

    def poll(self, timeout_seconds: float, max_messages: int = 500) -> list[Message]:
        """The next messages, [] when none came in time or the bus is away for the moment."""
        ...

    def commit(self) -> None:
        """Marks everything polled so far as processed. Call after processing.

        Raises:
            BusUnavailableError: not committed; the messages will come again.
        """
        ...

    def lag(self) -> int:
        """Messages of the member's partitions that were not yet polled."""
        ...


@runtime_checkable
class Reader(Closeable, Protocol):
    """Reads topics from their beginning, outside any group, committed records only."""

    def poll(self, timeout_seconds: float, max_messages: int = 1000) -> list[Message]:
        """The next messages, [] when none came in time."""
        ...

    def catch_up(self, timeout_seconds: float) -> list[Message]:
        """Everything from here to what was the end when it was called.

        Raises:
            BusUnavailableError: the end was not reached in time.
        """
        ...


@runtime_checkable
class Bus(Closeable, Protocol):
    """A connection to the bus. Safe to share between threads; what it opens is not."""

    def ensure_topics(self, topics: Iterable[Topic]) -> None:
        """Creates the topics that are not there, with partitions, compaction and retention.

        Raises:
            BusUnavailableError: the bus did not answer.
        """
        ...

    def topics(self) -> list[str]:
        """Names of the topics that exist."""
        ...

    def producer(self) -> Producer:
        """Opens a producer."""
        ...

    def fenced_producer(self, name: str) -> FencedProducer:
        """Opens the fenced producer of that name, fencing earlier holders."""
        ...

    def consumer(self, group: str, topics: Iterable[str]) -> Consumer:
        """Joins a group; a new group starts at the oldest message."""
        ...

    def reader(self, topics: Iterable[str]) -> Reader:
        """Opens a reader at the oldest message."""
        ...


EPOCH_HEADER = "fleetops-epoch"
