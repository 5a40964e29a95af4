"""The Kafka producer: idempotent, acknowledged by all replicas, bounded in memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from kafka import KafkaProducer
from kafka.errors import KafkaError
from typing_extensions import override

from fleetops.bus.kafka.connection import ClientSettings, connect, milliseconds
from fleetops.bus.kafka.internals import end
from fleetops.bus.room import Room, check_size
from fleetops.core.clock import Clock
from fleetops.core.closing import Closing
from fleetops.core.config import BusConfig
from fleetops.core.errors import BusUnavailableError, NotFoundError
from fleetops.core.logging import get_logger
from fleetops_schemas.telemetry import MAX_MESSAGE_BYTES

MAX_REQUEST_BYTES = MAX_MESSAGE_BYTES + 64 * 1024
"""A message of the largest size with its headers."""
DELIVERY_SECONDS = 120.0
"""How long a message is retried; whoever cannot wait so long has a deadline on ``flush``."""


def encode_headers(headers: Mapping[str, str] | None) -> list[tuple[str, bytes]]:
    """Headers as Kafka has them."""
    return [(name, text.encode()) for name, text in (headers or {}).items()]


def tombstone_or(value: bytes) -> bytes | None:
    """An empty value deletes its key, which Kafka calls null."""
    return value or None


class Topics:
    """Which topics exist: the library would wait for one that does not, a minute each time."""

    def __init__(self, list_topics: Callable[[], list[str]]) -> None:
        self._list_topics = list_topics
        self._known: set[str] = set()

    def check(self, topic: str) -> None:
        """Asks the broker only about topics that were not seen before.

        Raises:
            NotFoundError: there is no such topic.
        """
        if topic in self._known:
            return
        self._known = set(self._list_topics())
        if topic not in self._known:
            there = ", ".join(sorted(self._known)) or "none"
            raise NotFoundError(f"no topic {topic!r} on the bus; there are: {there}")


class KafkaBusProducer(Closing):
    """Sends in the background; a failed message is told at the next ``flush``."""

    def __init__(
        self, settings: ClientSettings, config: BusConfig, clock: Clock, topics: Topics
    ) -> None:
        self._clock = clock
        self._topics = topics
        self._deadline_seconds = config.deadline_seconds
        self._room = Room(config.buffer_messages)
        self._guard = threading.Lock()
        self._failures: list[str] = []
        self._closed = False
        self._producer = connect(
            config.bootstrap_servers,
            lambda network: KafkaProducer(
                **settings,
                kafka_client=network,
                acks="all",
                enable_idempotence=True,
                allow_auto_create_topics=False,
                delivery_timeout_ms=milliseconds(DELIVERY_SECONDS),
                request_timeout_ms=milliseconds(config.deadline_seconds),
                max_block_ms=milliseconds(config.deadline_seconds),
                max_request_size=MAX_REQUEST_BYTES,
                batch_size=256 * 1024,
                linger_ms=5,
            ),
        )

    def send(
        self, topic: str, key: str, value: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        """Queues one message; waits for room."""
        check_size(topic, value)
        self._topics.check(topic)
        size = len(value)
        if self._closed or not self._room.take(size, self._deadline_seconds):
            why = "the producer is closed" if self._closed else "no room in the buffer in time"
            raise BusUnavailableError(f"{topic}: message not taken: {why}")
        try:
            future = self._producer.send(
                topic,
                key=key.encode(),
                value=tombstone_or(value),
                headers=encode_headers(headers),
                timestamp_ms=milliseconds(self._clock.now().timestamp()),
            )
        except KafkaError as error:
            self._room.give_back(1, size)
            raise BusUnavailableError(f"{topic}: message not taken: {error}") from error
        future.add_callback(lambda _: self._room.give_back(1, size))
        future.add_errback(lambda error: self._failed(topic, size, error))

    def flush(self, timeout_seconds: float) -> None:
        """Waits until everything queued is acknowledged."""
        empty = self._room.wait_empty(timeout_seconds)
        with self._guard:
            failures, self._failures = self._failures, []
        if failures:
            raise BusUnavailableError(f"{len(failures)} messages refused: {failures[-1]}")
        if not empty:
            raise BusUnavailableError(
                f"{self._room.messages} messages not acknowledged within {timeout_seconds:g} s"
            )

    @override
    def close(self) -> None:
        """Sends what is queued within the deadline, then ends."""
        if self._closed:
            return
        self._closed = True
        try:
            self.flush(self._deadline_seconds)
        except BusUnavailableError as error:
            get_logger("bus").error("closed a producer with messages not sent", why=str(error))
        end(self._producer, timeout_seconds=1.0)

    def _failed(self, topic: str, size: int, error: BaseException) -> None:
        with self._guard:
            self._failures.append(f"{topic}: {type(error).__name__}: {error}")
        self._room.give_back(1, size)
