"""What every bus must do. Each implementation inherits :class:`BusContract`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from fleetops.bus.base import Bus, Consumer
from fleetops.bus.dead_letter import (
    dead_letter,
    get_dead_letter,
    list_dead_letters,
    replay_dead_letters,
)
from fleetops.bus.factory import open_bus
from fleetops.bus.view import View
from fleetops.core import metrics
from fleetops.core.clock import SystemClock
from fleetops.core.config import BusConfig
from fleetops.core.errors import (
    BusUnavailableError,
    InputError,
    NotFoundError,
)
from fleetops_schemas.records import Record
from fleetops_schemas.telemetry import MAX_MESSAGE_BYTES
from fleetops_schemas.topics import DEAD_LETTER, Topic
from tests.contract.bus_ledger_contract import LedgerContract
from tests.contract.bus_messages import PATIENCE_SECONDS, new_topic, numbered, receive, send
from tests.support import ROOT

Stall = Callable[[], AbstractContextManager[None]]


class Pump(Record):
    """A record for views."""

    name: str
    rpm: int


class BusContract(LedgerContract, ABC):
    """The suite."""

    @pytest.fixture
    @abstractmethod
    def config(self) -> BusConfig:
        """The configuration of a bus that is there."""

    @pytest.fixture
    @abstractmethod
    def stall(self) -> Stall:
        """A context in which the bus of ``config`` takes no writes, and does not say no either."""

    @pytest.fixture
    def bus(self, config: BusConfig) -> Iterator[Bus]:
        with open_bus(config, SystemClock()) as bus:
            bus.ensure_topics([DEAD_LETTER])
            yield bus

    @pytest.fixture
    def topic(self, bus: Bus) -> Topic:
        topic = new_topic()
        bus.ensure_topics([topic])
        return topic

    # Topics

    def test_topics_are_created_once(self, bus: Bus) -> None:
        topic = new_topic(partitions=3)
        bus.ensure_topics([topic])
        bus.ensure_topics([topic])
        assert bus.topics().count(topic.name) == 1

    def test_an_unknown_topic_is_named(self, bus: Bus) -> None:
        with bus.producer() as producer, pytest.raises(NotFoundError, match=r"no topic 'nowhere'"):
            producer.send("nowhere", "key", b"value")
        with pytest.raises(NotFoundError, match="nowhere"):
            bus.consumer("group", ["nowhere"])
        with pytest.raises(NotFoundError, match="nowhere"):
            bus.reader(["nowhere"])

    # Messages

    def test_order_holds_within_a_key(self, bus: Bus, topic: Topic) -> None:
        send(bus, topic, *numbered(400))
        with bus.consumer("order", [topic.name]) as consumer:
            messages = receive(consumer, 400)
        by_key: defaultdict[str, list[int]] = defaultdict(list)
        for message in messages:
            by_key[message.key].append(int(message.value))
        assert by_key == {f"key{key}": list(range(key, 400, 8)) for key in range(8)}
        partitions = {key: {m.partition for m in messages if m.key == key} for key in by_key}
        assert all(len(found) == 1 for found in partitions.values())
        assert len({number for found in partitions.values() for number in found}) > 1

    def test_a_message_is_read_as_it_was_sent(self, bus: Bus, topic: Topic) -> None:
        headers = {"device_class": "accelerator", "note": "süß", "empty": ""}
        value = bytes(range(256))
        before = time.time()
        with bus.producer() as producer:
            producer.send(topic.name, "räck/7", value, headers)
            producer.send(topic.name, "", b"no headers, no key")
            producer.flush(PATIENCE_SECONDS)
        with bus.reader([topic.name]) as reader:
            found = {message.key: message for message in reader.catch_up(PATIENCE_SECONDS)}
        message = found["räck/7"]
        assert (message.value, message.headers, message.topic) == (value, headers, topic.name)
        assert before - 1 < message.time.timestamp() < time.time() + 1
        assert (found[""].value, found[""].headers) == (b"no headers, no key", {})

    def test_big_messages_pass_and_too_big_ones_are_refused(self, bus: Bus, topic: Topic) -> None:
        values = [os.urandom(4 * 1024**2) for _ in range(3)]
        send(bus, topic, *((f"key{n}", value) for n, value in enumerate(values)))
        with bus.consumer("big", [topic.name]) as consumer:
            assert {message.value for message in receive(consumer, 3)} == set(values)
        with bus.producer() as producer, pytest.raises(InputError, match="limit"):
            producer.send(topic.name, "key", bytes(MAX_MESSAGE_BYTES + 1))

    # Groups

    def test_a_new_group_starts_at_the_oldest_message(self, bus: Bus, topic: Topic) -> None:
        send(bus, topic, *numbered(20))
        for group in ("first", "second"):
            with bus.consumer(group, [topic.name]) as consumer:
                assert len(receive(consumer, 20)) == 20
                consumer.commit()

    def test_what_was_not_committed_comes_again(self, bus: Bus, topic: Topic) -> None:
        send(bus, topic, *numbered(10))
        with bus.consumer("again", [topic.name]) as consumer:
            first = receive(consumer, 10)
        with bus.consumer("again", [topic.name]) as consumer:
            assert {m.value for m in receive(consumer, 10)} == {m.value for m in first}
            consumer.commit()
            send(bus, topic, ("key", b"later"))
            assert [m.value for m in receive(consumer, 1)] == [b"later"]
        with bus.consumer("again", [topic.name]) as consumer:
            assert [m.value for m in receive(consumer, 1)] == [b"later"]

    def test_the_members_of_a_group_share(self, bus: Bus, topic: Topic) -> None:
        with (
            bus.consumer("shared", [topic.name]) as first,
            bus.consumer("shared", [topic.name]) as second,
        ):
            self._until_both_receive(bus, topic, first, second)
            send(bus, topic, *numbered(80, keys=32))
            places: dict[str, list[tuple[int, int]]] = {"first": [], "second": []}
            deadline = time.monotonic() + PATIENCE_SECONDS
            while sum(map(len, places.values())) < 80 and time.monotonic() < deadline:
                for name, member in (("first", first), ("second", second)):
                    messages = [m for m in member.poll(0.1) if m.value != b"warm"]
                    places[name] += [(m.partition, m.offset) for m in messages]
                    member.commit()
        everything = places["first"] + places["second"]
        assert len(everything) == len(set(everything)) == 80
        assert not {p for p, _ in places["first"]} & {p for p, _ in places["second"]}

    def _until_both_receive(
        self, bus: Bus, topic: Topic, first: Consumer, second: Consumer
    ) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        idle = {"first", "second"}
        while idle:
            assert time.monotonic() < deadline, f"{idle} received nothing"
            send(bus, topic, *((f"key{number}", b"warm") for number in range(32)))
            for name, member in (("first", first), ("second", second)):
                if member.poll(0.3):
                    idle.discard(name)
                member.commit()
        while first.poll(0.3) or second.poll(0.3):
            first.commit()
            second.commit()

    def test_a_killed_member_leaves_its_messages_to_others(
        self, bus: Bus, config: BusConfig, topic: Topic
    ) -> None:
        send(bus, topic, *numbered(40))
        command = [sys.executable, "-m", "tests.contract.bus_member"]
        arguments = [config.model_dump_json(exclude_none=True), "killed", topic.name]
        with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, cwd=ROOT) as member:
            assert member.stdout is not None
            seen = {int(member.stdout.readline()) for _ in range(40)}
            member.kill()
        assert seen == set(range(40))
        with bus.consumer("killed", [topic.name]) as consumer:
            assert {int(m.value) for m in receive(consumer, 40)} == seen

    def test_lag_counts_what_was_not_polled(self, bus: Bus, topic: Topic) -> None:
        with bus.consumer("lag", [topic.name]) as consumer:
            send(bus, topic, ("key", b"joined"))
            receive(consumer, 1)
            send(bus, topic, *numbered(30))
            assert consumer.lag() == 30
            polled = receive(consumer, 30)
            assert len(polled) == 30
            assert consumer.lag() == 0

    def test_a_poll_keeps_its_time_and_its_bound(self, bus: Bus, topic: Topic) -> None:
        with bus.consumer("bound", [topic.name]) as consumer:
            send(bus, topic, ("key", b"joined"))
            receive(consumer, 1)
            started = time.monotonic()
            assert consumer.poll(0.3) == []
            assert time.monotonic() - started < 3.0
            send(bus, topic, *numbered(30))
            assert 0 < len(consumer.poll(5.0, max_messages=7)) <= 7

    # Readers and views

    def test_a_reader_reads_everything_and_goes_on(self, bus: Bus, topic: Topic) -> None:
        with bus.reader([topic.name]) as reader:
            assert reader.catch_up(PATIENCE_SECONDS) == []
            send(bus, topic, *numbered(2_500))
            assert len(reader.catch_up(PATIENCE_SECONDS)) == 2_500
            send(bus, topic, ("key", b"next"))
            assert [m.value for m in receive(reader, 1)] == [b"next"]
            assert reader.poll(0.0) == []

    def test_a_view_holds_the_latest_record_of_each_key(self, bus: Bus) -> None:
        topic = new_topic(compacted=True)
        bus.ensure_topics([topic])
        pumps = [Pump(name=f"cdu{n % 3}", rpm=n) for n in range(30)]
        send(bus, topic, *((pump.name, pump.encode()) for pump in pumps))
        with View(bus, topic, Pump) as view:
            assert len(view.catch_up(PATIENCE_SECONDS)) == 3
            assert {pump.rpm for pump in view.values()} == {27, 28, 29}
            skipped = metrics.DISCARDED.labels("view", "unparsable")
            before = skipped._value.get()
            update = Pump(name="cdu1", rpm=100)
            send(bus, topic, ("cdu0", b""), ("cdu1", update.encode()), ("cdu2", b"{not json"))
            deadline = time.monotonic() + PATIENCE_SECONDS
            changed: list[Pump] = []
            while time.monotonic() < deadline and (
                "cdu0" in view or not changed or skipped._value.get() == before
            ):
                changed += view.refresh(0.2)
            assert changed == [update]
            assert (view.get("cdu0"), view.get("cdu1")) == (None, update)
            assert view.get("cdu2") == Pump(name="cdu2", rpm=29)
            assert len(view) == 2

    # Back-pressure

    def test_a_full_buffer_makes_the_producer_wait_and_drops_nothing(
        self, config: BusConfig, stall: Stall
    ) -> None:
        topic = new_topic(partitions=1)
        small = config.model_copy(update={"buffer_messages": 5, "deadline_seconds": 2.0})
        with open_bus(small, SystemClock()) as bus, bus.producer() as producer:
            bus.ensure_topics([topic])
            producer.send(topic.name, "key", b"before")
            producer.flush(PATIENCE_SECONDS)
            with stall():
                for number in range(5):
                    producer.send(topic.name, "key", str(number).encode())
                started = time.monotonic()
                with pytest.raises(BusUnavailableError, match="not taken"):
                    producer.send(topic.name, "key", b"refused")
                assert 1.5 < time.monotonic() - started < 5.0
                with pytest.raises(BusUnavailableError, match=r"within 0\.1 s"):
                    producer.flush(0.1)
            producer.send(topic.name, "key", b"after")
            producer.flush(PATIENCE_SECONDS)
            with bus.reader([topic.name]) as reader:
                values = [m.value for m in reader.catch_up(PATIENCE_SECONDS)]
        assert values == [b"before", b"0", b"1", b"2", b"3", b"4", b"after"]

    def test_closing_sends_what_is_queued(self, bus: Bus, topic: Topic) -> None:
        producer = bus.producer()
        for key, value in numbered(100):
            producer.send(topic.name, key, value)
        producer.close()
        producer.close()
        with pytest.raises(BusUnavailableError, match="closed"):
            producer.send(topic.name, "key", b"too late")
        with bus.reader([topic.name]) as reader:
            assert len(reader.catch_up(PATIENCE_SECONDS)) == 100

    # Dead letters

    def test_dead_letters_are_listed_shown_and_replayed(self, bus: Bus, topic: Topic) -> None:
        poison = b"\x00not arrow"
        with bus.producer() as producer, bus.consumer("ingest", [topic.name]) as consumer:
            producer.send(topic.name, "r07", poison, {"collector": "redfish"})
            producer.flush(PATIENCE_SECONDS)
            (message,) = receive(consumer, 1)
            dead_letter(producer, message, "undecodable", "no Arrow stream")
            producer.flush(PATIENCE_SECONDS)
            consumer.commit()

            (letter,) = list_dead_letters(bus, topic=topic.name)
            assert letter.reason == "undecodable: no Arrow stream"
            assert (letter.topic, letter.partition, letter.offset) == (
                *(topic.name, message.partition, message.offset),
            )
            assert letter.size_bytes == len(poison)
            assert b"not arrow" not in letter.encode()
            shown = get_dead_letter(bus, letter.id)
            assert (shown.value, shown.key, shown.headers) == (
                *(poison, "r07", {"collector": "redfish"}),
            )

            assert [sent.id for sent in replay_dead_letters(bus, [letter.id])] == [letter.id]
            (again,) = receive(consumer, 1)
            assert (again.key, again.value, again.headers) == (
                *("r07", poison, {"collector": "redfish"}),
            )

    def test_an_unknown_dead_letter_is_named(self, bus: Bus) -> None:
        with pytest.raises(NotFoundError, match="3-1700000"):
            get_dead_letter(bus, "3-1700000")
        with pytest.raises(NotFoundError, match="3-1700000"):
            replay_dead_letters(bus, ["3-1700000"])
