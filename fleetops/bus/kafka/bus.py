"""The Kafka bus: topics, and what is opened on it, each with a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import TypeVar

from kafka import KafkaAdminClient
from kafka.errors import RetriableError, TopicAlreadyExistsError
from typing_extensions import override

from fleetops.bus.kafka.connection import (
    client_settings,
    connect,
    errors,
    milliseconds,
    quiet_library,
    require_crc32c,
)
from fleetops.bus.kafka.consumer import KafkaBusConsumer, KafkaReader
from fleetops.bus.kafka.fenced import KafkaFencedProducer
from fleetops.bus.kafka.internals import finish_joins, hear_last_words
from fleetops.bus.kafka.producer import MAX_REQUEST_BYTES, KafkaBusProducer, Topics
from fleetops.core.clock import Clock
from fleetops.core.closing import Closing, Opened
from fleetops.core.config import BusConfig
from fleetops_schemas.topics import Topic

RETRY_SECONDS = 0.2
COMPACTION_LAG_SECONDS = 3_600
"""Superseded records are gone after about so long; Kafka's own default is never, or a week."""

T = TypeVar("T")


def topic_settings(topic: Topic, replication_factor: int) -> dict[str, object]:
    """A topic's settings, as Kafka names them."""
    keep = topic.retention_seconds
    configs = {
        "cleanup.policy": "compact" if topic.compacted else "delete",
        # Kafka ignores it where it compacts: the latest record of a key stays for ever.
        "retention.ms": "-1" if keep is None else str(keep * 1000),
        "max.message.bytes": str(MAX_REQUEST_BYTES),
        # acks=all waits for so many: one replica may be down, and none is trusted alone.
        "min.insync.replicas": str(max(1, replication_factor - 1)),
    }
    if topic.compacted:
        configs["max.compaction.lag.ms"] = str(COMPACTION_LAG_SECONDS * 1000)
    return {
        "num_partitions": topic.partitions,
        "replication_factor": replication_factor,
        "configs": configs,
    }


class KafkaBus(Closing):
    """The bus on a Kafka cluster."""

    def __init__(self, config: BusConfig, clock: Clock) -> None:
        require_crc32c()
        quiet_library()
        hear_last_words()
        finish_joins()
        self._config = config
        self._clock = clock
        self._settings = client_settings(config)
        self._lock = threading.Lock()
        self._closed = False
        self._opened = Opened()
        self._deadline_ms = milliseconds(config.deadline_seconds)
        self._admin = connect(
            config.bootstrap_servers,
            lambda network: KafkaAdminClient(
                **self._settings,
                kafka_client=network,
                request_timeout_ms=self._deadline_ms,
            ),
        )
        self._topics = Topics(self.topics)

    def ensure_topics(self, topics: Iterable[Topic]) -> None:
        """Creates the topics that are not there."""
        there = set(self.topics())
        wanted = {
            topic.name: topic_settings(topic, self._config.replication_factor)
            for topic in topics
            if topic.name not in there
        }
        for name, settings in wanted.items():
            self._ask(f"cannot create topic {name}", partial(self._create, name, settings))
        if wanted:
            names = list(wanted)
            self._ask(
                "topics are not ready",
                lambda: self._admin.wait_for_topics(names, timeout_ms=self._deadline_ms),
            )

    def topics(self) -> list[str]:
        """Names of the topics that exist."""
        names = self._ask("cannot list the topics", self._admin.list_topics)
        return sorted(name for name in names if not name.startswith("__"))

    def producer(self) -> KafkaBusProducer:
        """Opens a producer."""
        return self._opened.keep(
            KafkaBusProducer(self._settings, self._config, self._clock, self._topics)
        )

    def fenced_producer(self, name: str) -> KafkaFencedProducer:
        """Opens the fenced producer of that name, fencing earlier holders."""
        return self._opened.keep(
            KafkaFencedProducer(self._settings, self._config, self._clock, self._topics, name)
        )

    def consumer(self, group: str, topics: Iterable[str]) -> KafkaBusConsumer:
        """Joins a group; a new group starts at the oldest message."""
        names = list(topics)
        for name in names:
            self._topics.check(name)
        return self._opened.keep(KafkaBusConsumer(self._settings, self._config, group, names))

    def reader(self, topics: Iterable[str]) -> KafkaReader:
        """Opens a reader at the oldest message."""
        names = list(topics)
        for name in names:
            self._topics.check(name)
        partitions = self._partitions(names)
        return self._opened.keep(KafkaReader(self._settings, self._config, self._clock, partitions))

    @override
    def close(self) -> None:
        """Closes everything that was opened on the bus."""
        if self._closed:
            return
        self._closed = True
        self._opened.close_all()
        with self._lock:
            self._admin.close()

    def _create(self, name: str, settings: dict[str, object]) -> None:
        # Another process may have been first.
        with suppress(TopicAlreadyExistsError):
            self._admin.create_topics({name: settings}, timeout_ms=self._deadline_ms)

    def _partitions(self, topics: list[str]) -> list[tuple[str, int]]:
        described = self._ask(
            "cannot read the topics' partitions", lambda: self._admin.describe_topics(topics)
        )
        return [
            (topic["name"], partition["partition_index"])
            for topic in described
            for partition in topic["partitions"]
        ]

    def _ask(self, doing: str, call: Callable[[], T]) -> T:
        """Asks the broker, again and again within the deadline: the library tries once only.

        Raises:
            BusUnavailableError: no answer in time, or a refusal.
        """
        never = threading.Event()
        deadline = self._clock.monotonic() + self._config.deadline_seconds
        with self._lock, errors(doing):
            while True:
                try:
                    return call()
                except RetriableError:
                    if self._clock.monotonic() + RETRY_SECONDS > deadline:
                        raise
                self._clock.wait(never, RETRY_SECONDS)
