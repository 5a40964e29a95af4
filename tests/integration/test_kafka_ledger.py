"""The fenced producer when the broker falls silent: what it says is what may be relied on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from kafka import KafkaProducer

from fleetops.bus.base import Bus
from fleetops.bus.factory import open_bus
from fleetops.core.clock import SystemClock
from fleetops.core.errors import AmbiguousWriteError, BusUnavailableError
from fleetops_schemas.topics import Topic
from tests.contract.bus_messages import PATIENCE_SECONDS, new_topic
from tests.kafka_testbed import (
    KafkaBroker,
    kafka_broker,
)

__all__ = ["kafka_broker"]

pytestmark = pytest.mark.kafka
DEADLINE_SECONDS = 3.0


@pytest.fixture
def bus(kafka_broker: KafkaBroker) -> Iterator[Bus]:
    with open_bus(kafka_broker.config(DEADLINE_SECONDS), SystemClock()) as bus:
        yield bus


@pytest.fixture
def topic(bus: Bus) -> Topic:
    topic = new_topic(partitions=1, compacted=True)
    bus.ensure_topics([topic])
    return topic


def values(bus: Bus, topic: Topic) -> list[bytes]:
    with bus.reader([topic.name]) as reader:
        return [message.value for message in reader.catch_up(PATIENCE_SECONDS)]


def test_silence_before_the_commit_is_certainly_not_written(
    bus: Bus, topic: Topic, kafka_broker: KafkaBroker
) -> None:
    with bus.fenced_producer(topic.name) as ledger:
        ledger.append(topic.name, "key", b"first")
        with kafka_broker.paused():
            started = time.monotonic()
            with pytest.raises(BusUnavailableError):
                ledger.append(topic.name, "key", b"not written")
            assert time.monotonic() - started < DEADLINE_SECONDS + 1
        with pytest.raises(BusUnavailableError, match="spent"):
            ledger.append(topic.name, "key", b"not tried")
    with bus.fenced_producer(topic.name) as ledger:
        ledger.append(topic.name, "key", b"second")
    assert values(bus, topic) == [b"first", b"second"]


def test_silence_at_the_commit_is_ambiguous_until_the_next_holder(
    bus: Bus, topic: Topic, kafka_broker: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = KafkaProducer.commit_transaction
    with ExitStack() as until_later:

        def commit_into_silence(producer: KafkaProducer) -> None:
            until_later.enter_context(kafka_broker.paused())
            commit(producer)

        with bus.fenced_producer(topic.name) as ledger:
            ledger.append(topic.name, "key", b"first")
            monkeypatch.setattr(KafkaProducer, "commit_transaction", commit_into_silence)
            started = time.monotonic()
            with pytest.raises(AmbiguousWriteError):
                ledger.append(topic.name, "key", b"perhaps")
            assert time.monotonic() - started < DEADLINE_SECONDS + 1
            monkeypatch.undo()
            with pytest.raises(BusUnavailableError, match="spent"):
                ledger.append(topic.name, "key", b"not tried")
    with bus.fenced_producer(topic.name) as ledger:
        settled = values(bus, topic)
        assert settled in ([b"first"], [b"first", b"perhaps"])
        time.sleep(1.0)
        assert values(bus, topic) == settled, "what the next holder read stays true"
        ledger.append(topic.name, "key", b"second")
    assert values(bus, topic) == [*settled, b"second"]


def test_a_dead_broker_is_bounded_everywhere(
    bus: Bus, topic: Topic, kafka_broker: KafkaBroker
) -> None:
    ledger = bus.fenced_producer(topic.name)
    consumer = bus.consumer("bounded", [topic.name])
    consumer.poll(2.0)
    kafka_broker.kill()
    try:
        started = time.monotonic()
        # it may have been on its way when the broker died: then nobody can say that it is not there
        with pytest.raises((BusUnavailableError, AmbiguousWriteError)):
            ledger.append(topic.name, "key", b"value")
        assert time.monotonic() - started < DEADLINE_SECONDS + 3
        for call in (
            lambda: bus.fenced_producer(topic.name),
            bus.producer,
            lambda: bus.reader([topic.name]),
            bus.topics,
            lambda: bus.ensure_topics([new_topic()]),
        ):
            started = time.monotonic()
            with pytest.raises(BusUnavailableError):
                call()
            assert time.monotonic() - started < DEADLINE_SECONDS + 3
        assert consumer.poll(0.5) == []
        started = time.monotonic()
        ledger.close()
        consumer.close()
        assert time.monotonic() - started < DEADLINE_SECONDS + 3
    finally:
        kafka_broker.restart()
    assert values(bus, topic) == []
