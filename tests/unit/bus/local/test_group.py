"""Sharing partitions out among the members of a group."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetops.bus.base import Consumer
from fleetops.bus.local import LocalBus
from fleetops.bus.local.consumer import SYNC_SECONDS
from fleetops.bus.local.group import STUCK_SECONDS, assign
from fleetops.bus.local.log import Partition
from fleetops.core.clock import ManualClock
from fleetops.core.config import BusConfig
from fleetops.core.errors import BusUnavailableError
from fleetops_schemas.topics import Topic

TOPIC = Topic("test", 4, "key", "bytes")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def bus(tmp_path: Path, clock: ManualClock) -> Iterator[LocalBus]:
    with LocalBus(BusConfig(path=tmp_path / "bus.sqlite"), clock) as bus:
        bus.ensure_topics([TOPIC])
        yield bus


def send(bus: LocalBus, count: int = 40) -> None:
    with bus.producer() as producer:
        for number in range(count):
            producer.send(TOPIC.name, f"key{number}", str(number).encode())
        producer.flush(5)


def poll(member: Consumer, clock: ManualClock) -> dict[int, int]:
    """Messages a partition, after the member has looked who else is there."""
    clock.advance(2 * SYNC_SECONDS)
    found: dict[int, int] = {}
    while messages := member.poll(0.0):
        for message in messages:
            found[message.partition] = found.get(message.partition, 0) + 1
    return found


@given(
    members=st.dictionaries(
        st.integers(1, 50), st.frozensets(st.sampled_from("ab"), min_size=1), max_size=6
    ),
    partitions=st.sets(st.tuples(st.integers(1, 40), st.sampled_from("ab")), max_size=20),
)
def test_every_partition_has_one_owner_that_wants_it_and_shares_are_even(
    members: dict[int, frozenset[str]], partitions: set[tuple[int, str]]
) -> None:
    there = {id_: Partition(id_, topic, 0) for id_, topic in partitions}
    owners = assign(members, there.values())
    for id_, partition in there.items():
        willing = [member for member, topics in members.items() if partition.topic in topics]
        assert (owners.get(id_) in willing) if willing else id_ not in owners
    if len(set(members.values())) == 1 and next(iter(members.values())) == frozenset("ab"):
        shares = [list(owners.values()).count(member) for member in members]
        assert max(shares) - min(shares) <= 1


def test_a_partition_changes_hands_only_when_its_messages_are_committed(
    bus: LocalBus, clock: ManualClock
) -> None:
    with bus.consumer("g", [TOPIC.name]) as first:
        send(bus)
        assert set(poll(first, clock)) == {0, 1, 2, 3}
        with bus.consumer("g", [TOPIC.name]) as second:
            assert poll(second, clock) == {}
            assert poll(first, clock) == {}, "busy: it keeps them"
            first.commit()
            poll(first, clock)
            assert poll(second, clock) == {}, "given up, and nothing comes twice"
            send(bus)
            assert len(poll(first, clock)) == len(poll(second, clock)) == 2
            second.commit()
            first.commit()
        send(bus)
        assert set(poll(first, clock)) == {0, 1, 2, 3}, "who leaves leaves at once"


def test_a_member_that_is_stuck_is_put_out_and_told(bus: LocalBus, clock: ManualClock) -> None:
    with bus.consumer("g", [TOPIC.name]) as stuck, bus.consumer("g", [TOPIC.name]) as other:
        send(bus)
        assert len(poll(stuck, clock)) == 2
        clock.advance(STUCK_SECONDS + 1)
        assert poll(other, clock) == {0: 10, 1: 10, 2: 10, 3: 10}
        other.commit()
        with pytest.raises(BusUnavailableError, match="another member took over"):
            stuck.commit()
        send(bus)
        assert len(poll(other, clock)) == 4
        other.commit()
        poll(stuck, clock)
        poll(other, clock)
        send(bus)
        assert len(poll(stuck, clock)) == 2, "it is a member again"


def test_groups_do_not_see_each_other(bus: LocalBus, clock: ManualClock) -> None:
    with bus.consumer("g1", [TOPIC.name]) as first, bus.consumer("g2", [TOPIC.name]) as second:
        send(bus)
        assert poll(first, clock) == poll(second, clock)


def test_what_was_committed_before_a_failed_commit_is_not_lost(
    bus: LocalBus, clock: ManualClock
) -> None:
    with bus.consumer("g", [TOPIC.name]) as member:
        send(bus)
        poll(member, clock)
        member.commit()
        member.commit()
        assert member.lag() == 0
    with bus.consumer("g", [TOPIC.name]) as member:
        assert poll(member, clock) == {}
