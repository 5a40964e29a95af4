"""Consumers on Kafka: members of a group, and readers outside any. Committed records only."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError, RetriableError
from typing_extensions import override

from fleetops.bus.base import Message
from fleetops.bus.kafka.connection import ClientSettings, connect, errors, milliseconds
from fleetops.bus.kafka.producer import MAX_REQUEST_BYTES
from fleetops.core.clock import Clock
from fleetops.core.closing import Closing
from fleetops.core.config import BusConfig
from fleetops.core.errors import BusUnavailableError

FETCH_BYTES = 32 * 1024**2
SESSION_SECONDS = 10.0
"""A member that died is noticed after so long."""
HEARTBEAT_SECONDS = 1.0
"""Members learn of a rebalance this soon (3 s by default)."""
CATCH_UP_POLL_SECONDS = 0.2
CLOSE_MS = 1_000
READ_MESSAGES = 1_000


def _open(
    settings: ClientSettings, config: BusConfig, group: str | None, poll_messages: int
) -> KafkaConsumer:
    return connect(
        config.bootstrap_servers,
        lambda network: KafkaConsumer(
            **settings,
            kafka_client=network,
            group_id=group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            isolation_level="read_committed",
            allow_auto_create_topics=False,
            max_poll_records=poll_messages,
            fetch_max_bytes=FETCH_BYTES,
            max_partition_fetch_bytes=MAX_REQUEST_BYTES,
            session_timeout_ms=milliseconds(SESSION_SECONDS),
            heartbeat_interval_ms=milliseconds(HEARTBEAT_SECONDS),
            request_timeout_ms=milliseconds(config.deadline_seconds),
        ),
    )


def _message(record: ConsumerRecord) -> Message:
    return Message(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=(record.key or b"").decode(errors="backslashreplace"),
        value=record.value or b"",
        time=datetime.fromtimestamp(record.timestamp / 1000, UTC),
        headers={
            name: (value or b"").decode(errors="backslashreplace") for name, value in record.headers
        },
    )


def _poll(consumer: KafkaConsumer, timeout_seconds: float, max_messages: int) -> list[Message]:
    try:
        found = consumer.poll(timeout_ms=milliseconds(timeout_seconds), max_records=max_messages)
    except RetriableError:
        return []
    except KafkaError as error:
        raise BusUnavailableError(f"poll: {type(error).__name__}: {error}") from error
    return [_message(record) for records in found.values() for record in records]


class KafkaBusConsumer(Closing):
    """A member of a consumer group."""

    def __init__(
        self, settings: ClientSettings, config: BusConfig, group: str, topics: Iterable[str]
    ) -> None:
        self._group = group
        self._deadline_ms = milliseconds(config.deadline_seconds)
        self._consumer = _open(settings, config, group, 500)
        self._consumer.subscribe(sorted(topics))

    def poll(self, timeout_seconds: float, max_messages: int = 500) -> list[Message]:
        """The next messages of the member's partitions."""
        return _poll(self._consumer, timeout_seconds, max_messages)

    def commit(self) -> None:
        """Marks everything polled so far as processed."""
        with errors(f"group {self._group}: not committed, the messages will come again"):
            self._consumer.commit(timeout_ms=self._deadline_ms)

    def lag(self) -> int:
        """Messages of the member's partitions that were not yet polled."""
        with errors(f"group {self._group}: lag"):
            assigned = self._consumer.assignment()
            if not assigned:
                return 0
            ends = self._consumer.end_offsets(assigned, timeout_ms=self._deadline_ms)
            positions = {
                part: self._consumer.position(part, self._deadline_ms) for part in assigned
            }
        return sum(max(0, ends[part] - (positions[part] or 0)) for part in assigned)

    @override
    def close(self) -> None:
        """Leaves the group; what was not committed comes again."""
        self._consumer.close(autocommit=False, timeout_ms=CLOSE_MS)


class KafkaReader(Closing):
    """Reads topics from their beginning."""

    def __init__(
        self,
        settings: ClientSettings,
        config: BusConfig,
        clock: Clock,
        partitions: Iterable[tuple[str, int]],
    ) -> None:
        self._clock = clock
        self._deadline_ms = milliseconds(config.deadline_seconds)
        self._partitions = [TopicPartition(topic, number) for topic, number in partitions]
        self._left_over: list[Message] = []
        self._consumer = _open(settings, config, None, READ_MESSAGES)
        self._consumer.assign(self._partitions)
        self._consumer.seek_to_beginning(*self._partitions)

    def poll(self, timeout_seconds: float, max_messages: int = READ_MESSAGES) -> list[Message]:
        """The next messages."""
        if not self._left_over:
            return _poll(self._consumer, timeout_seconds, max_messages)
        messages = self._left_over[:max_messages]
        self._left_over = self._left_over[max_messages:]
        return messages

    def catch_up(self, timeout_seconds: float) -> list[Message]:
        """Everything from here to the present end."""
        deadline = self._clock.monotonic() + timeout_seconds
        with errors("catch up"):
            behind = self._behind(
                self._consumer.end_offsets(self._partitions, milliseconds(timeout_seconds))
            )
            while behind:
                if self._clock.monotonic() > deadline:
                    # What was read so far stays, and is given out by the next call.
                    raise BusUnavailableError(
                        f"{_names(behind)}: end not reached within {timeout_seconds:g} s"
                    )
                self._left_over += _poll(self._consumer, CATCH_UP_POLL_SECONDS, READ_MESSAGES)
                behind = self._behind(behind)
        messages, self._left_over = self._left_over, []
        return messages

    def _behind(self, ends: dict[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Those of the ends that are yet to be reached."""
        return {
            part: end
            for part, end in ends.items()
            if (self._consumer.position(part, self._deadline_ms) or 0) < end
        }

    @override
    def close(self) -> None:
        """Closes the connection."""
        self._consumer.close(autocommit=False, timeout_ms=CLOSE_MS)


def _names(partitions: Iterable[TopicPartition]) -> str:
    return ", ".join(f"{part.topic}/{part.partition}" for part in partitions)
