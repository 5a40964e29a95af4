"""What the local log forgets, and what it never does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetops.bus.local import LocalBus
from fleetops.core.clock import ManualClock
from fleetops.core.config import BusConfig
from fleetops.core.errors import BusUnavailableError
from fleetops_schemas.topics import DAY_SECONDS, Topic

SHORT = Topic("short", 2, "key", "bytes", retention_seconds=60)
LASTING = Topic("lasting", 2, "key", "bytes", retention_seconds=None)
COMPACTED = Topic("compacted", 2, "key", "bytes", compacted=True)
MEGABYTE = 1024**2


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def bus(tmp_path: Path, clock: ManualClock) -> Iterator[LocalBus]:
    config = BusConfig(path=tmp_path / "bus.sqlite", max_bytes=4 * MEGABYTE, deadline_seconds=0.5)
    with LocalBus(config, clock) as bus:
        bus.ensure_topics([SHORT, LASTING, COMPACTED])
        yield bus


def send(bus: LocalBus, topic: Topic, *pairs: tuple[str, bytes]) -> None:
    with bus.producer() as producer:
        for key, value in pairs:
            producer.send(topic.name, key, value)
        producer.flush(5)


def values(bus: LocalBus, topic: Topic) -> list[bytes]:
    with bus.reader([topic.name]) as reader:
        return [message.value for message in reader.catch_up(5)]


def test_the_old_goes_and_offsets_are_not_used_again(bus: LocalBus, clock: ManualClock) -> None:
    send(bus, SHORT, ("key", b"old"), ("key", b"older"))
    send(bus, LASTING, ("key", b"kept"))
    clock.advance(50)
    send(bus, SHORT, ("key", b"young"))
    clock.advance(20)
    assert bus.maintain() == 2
    assert (values(bus, SHORT), values(bus, LASTING)) == ([b"young"], [b"kept"])
    clock.advance(1_000)
    bus.maintain()
    send(bus, SHORT, ("key", b"next"))
    with bus.reader([SHORT.name]) as reader:
        assert [message.offset for message in reader.catch_up(5)] == [3]


def test_compaction_keeps_the_latest_of_each_key_for_ever(
    bus: LocalBus, clock: ManualClock
) -> None:
    send(bus, COMPACTED, *((f"key{n % 3}", str(n).encode()) for n in range(12)))
    clock.advance(30 * DAY_SECONDS)
    assert bus.maintain() == 9
    assert sorted(values(bus, COMPACTED)) == [b"10", b"11", b"9"]


def test_a_deletion_stays_for_a_day_for_readers_that_lag(bus: LocalBus, clock: ManualClock) -> None:
    send(bus, COMPACTED, ("gone", b"1"), ("gone", b""), ("there", b"2"))
    assert bus.maintain() == 1
    assert sorted(values(bus, COMPACTED)) == [b"", b"2"]
    clock.advance(DAY_SECONDS + 1)
    send(bus, COMPACTED, ("there", b"3"), ("gone2", b"4"))
    bus.maintain()
    bus.maintain()
    assert b"" not in values(bus, COMPACTED)


def test_a_reader_passes_over_the_gaps(bus: LocalBus) -> None:
    with bus.reader([COMPACTED.name]) as reader, bus.consumer("gaps", [COMPACTED.name]) as member:
        send(bus, COMPACTED, *(("key", str(n).encode()) for n in range(10)))
        bus.maintain()
        assert [message.value for message in reader.catch_up(5)] == [b"9"]
        assert [message.value for message in member.poll(1)] == [b"9"]
        assert member.lag() == 0


def test_a_full_log_holds_the_producer_until_a_group_has_processed(bus: LocalBus) -> None:
    block = bytes(MEGABYTE // 2)
    with bus.producer() as producer, bus.consumer("slow", [SHORT.name]) as consumer:
        for number in range(12):
            producer.send(SHORT.name, "key", bytes([number]) + block)
        with pytest.raises(BusUnavailableError, match=r"is full .* bus.max_bytes"):
            producer.flush(0.5)
        found = consumer.poll(1)
        assert [message.value[0] for message in found] == list(range(len(found)))
        assert 0 < len(found) < 12, "nothing that a group has yet to process was removed"
        consumer.commit()
        producer.flush(5)
        while len(found) < 12:
            found += consumer.poll(1)
        assert [message.value[0] for message in found] == list(range(12))


def test_a_full_log_still_takes_the_ledger(bus: LocalBus) -> None:
    with bus.producer() as producer, bus.fenced_producer("ledger") as ledger:
        for _ in range(12):
            producer.send(LASTING.name, "key", bytes(MEGABYTE // 2))
        time.sleep(0.2)
        ledger.append(COMPACTED.name, "a1", b"drained")
        assert values(bus, COMPACTED) == [b"drained"]
