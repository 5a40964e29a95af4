"""A broker that is killed and comes back while messages flow: nothing lost, nothing twice."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest
from typing_extensions import override

from fleetops.bus.base import Bus
from fleetops.bus.factory import open_bus
from fleetops.core.clock import SystemClock
from fleetops.core.errors import BusUnavailableError
from fleetops_schemas.topics import Topic
from tests.contract.bus_messages import PATIENCE_SECONDS, new_topic
from tests.kafka_testbed import (
    KafkaBroker,
    kafka_broker,
)

__all__ = ["kafka_broker"]

pytestmark = pytest.mark.kafka
BATCH = 50
KILLS = 2


class Source(threading.Thread):
    """Sends numbered messages; what a flush confirmed is acknowledged, the rest is sent again."""

    def __init__(self, bus: Bus, topic: Topic) -> None:
        super().__init__(name="source")
        self.acknowledged = 0
        self.failed_flushes = 0
        self.stop = threading.Event()
        self._bus = bus
        self._topic = topic.name

    @override
    def run(self) -> None:
        with self._bus.producer() as producer:
            while not self.stop.is_set():
                try:
                    for number in range(self.acknowledged, self.acknowledged + BATCH):
                        producer.send(self._topic, f"key{number % 16}", str(number).encode())
                    producer.flush(2.0)
                except BusUnavailableError:
                    self.failed_flushes += 1
                    continue
                self.acknowledged += BATCH


class Sink(threading.Thread):
    """Writes into a table whose key is the message's own, and commits after that."""

    def __init__(self, bus: Bus, topic: Topic, path: Path) -> None:
        super().__init__(name="sink")
        self.seen: set[int] = set()
        self.stop = threading.Event()
        self._bus = bus
        self._topic = topic.name
        self._path = path

    @override
    def run(self) -> None:
        with (
            closing(sqlite3.connect(self._path, isolation_level=None)) as table,
            self._bus.consumer("sink", [self._topic]) as consumer,
        ):
            table.execute("CREATE TABLE sample (number INTEGER PRIMARY KEY, offset INTEGER)")
            while not self.stop.is_set():
                messages = consumer.poll(0.5)
                table.executemany(
                    "INSERT OR REPLACE INTO sample VALUES (?, ?)",
                    [(int(message.value), message.offset) for message in messages],
                )
                self.seen |= {int(message.value) for message in messages}
                with suppress(BusUnavailableError):  # they come again, into the same rows
                    consumer.commit()


def test_a_killed_broker_loses_nothing_that_was_acknowledged(
    kafka_broker: KafkaBroker, tmp_path: Path
) -> None:
    topic = new_topic()
    with open_bus(kafka_broker.config(deadline_seconds=5.0), SystemClock()) as bus:
        bus.ensure_topics([topic])
        source, sink = Source(bus, topic), Sink(bus, topic, tmp_path / "sink.sqlite")
        source.start()
        sink.start()
        marks = []
        for _ in range(KILLS):
            marks.append(_wait_for_more(source))
            kafka_broker.kill()
            time.sleep(3.0)  # longer than a flush waits: some are not confirmed
            kafka_broker.restart()
        marks.append(_wait_for_more(source))
        source.stop.set()
        source.join(PATIENCE_SECONDS)
        everything = set(range(source.acknowledged))
        deadline = time.monotonic() + 2 * PATIENCE_SECONDS
        while not everything <= sink.seen and time.monotonic() < deadline:
            time.sleep(0.1)
        sink.stop.set()
        sink.join(PATIENCE_SECONDS)
    assert not source.is_alive()
    assert not sink.is_alive()
    assert marks == sorted(set(marks)), "it went on after every kill"
    with closing(sqlite3.connect(tmp_path / "sink.sqlite")) as table:
        numbers = [number for (number,) in table.execute("SELECT number FROM sample ORDER BY 1")]
    assert everything <= set(numbers)
    assert len(numbers) == len(set(numbers)) <= source.acknowledged + BATCH
    assert source.failed_flushes >= 1, "the outage was long enough to be noticed"


def _wait_for_more(source: Source) -> int:
    start = source.acknowledged
    deadline = time.monotonic() + PATIENCE_SECONDS
    while source.acknowledged < start + 10 * BATCH and time.monotonic() < deadline:
        time.sleep(0.05)
    return source.acknowledged
