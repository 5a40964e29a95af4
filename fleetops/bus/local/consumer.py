"""Consumers of the local log: members of a group, and readers outside any."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from typing_extensions import override

from fleetops.bus.base import Message
from fleetops.bus.local.group import Membership
from fleetops.bus.local.log import FETCH_BYTES, Log, LogBusyError, Partition, milliseconds
from fleetops.core.clock import Clock
from fleetops.core.closing import Closing
from fleetops.core.errors import BusUnavailableError

LOOK_SECONDS = 0.01
"""How often the file is looked at while nothing is there."""
SYNC_SECONDS = 0.5
"""How often a member looks for members that came or went."""
READ_MESSAGES = 1_000


class _Cursor:
    """Positions in partitions, read in turn so that none starves."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._version = -1
        self._turn = 0
        self.positions: dict[Partition, int] = {}
        self.touched: set[Partition] = set()

    def fetch(self, limit: int) -> list[Message]:
        """What is there, up to the limit and a bound of bytes; asks cheaply when nothing is."""
        version = self._log.version()
        if version == self._version:
            return []
        ends = self._log.ends()
        moved: dict[Partition, int] = {}
        messages: list[Message] = []
        size = 0
        for partition in self._in_turn():
            if len(messages) >= limit or size >= FETCH_BYTES:
                break
            if self.positions[partition] < ends[partition.id]:
                more, moved[partition] = self._log.read(
                    partition, self.positions[partition], limit - len(messages)
                )
                messages += more
                size += sum(len(message.value) for message in more)
        self.positions.update(moved)
        self.touched.update(moved)
        if not messages:
            self._version = version
        return messages

    def look_again(self) -> None:
        """Forgets that there was nothing: the positions have changed, though not the file."""
        self._version = -1

    def lag(self) -> int:
        """Messages between the positions and the ends."""
        ends = self._log.ends()
        return sum(ends[part.id] - position for part, position in self.positions.items())

    def _in_turn(self) -> list[Partition]:
        partitions = list(self.positions)
        self._turn += 1
        start = self._turn % len(partitions) if partitions else 0
        return partitions[start:] + partitions[:start]


def _wait_for(
    fetch: Callable[[], list[Message]], clock: Clock, timeout_seconds: float
) -> list[Message]:
    never = threading.Event()
    deadline = clock.monotonic() + timeout_seconds
    while True:
        try:
            messages = fetch()
        except LogBusyError:
            messages = []
        left = deadline - clock.monotonic()
        if messages or left <= 0:
            return messages
        clock.wait(never, min(LOOK_SECONDS, left))


class LocalConsumer(Closing):
    """A member of a consumer group."""

    def __init__(self, log: Log, clock: Clock, group: str, topics: Iterable[str]) -> None:
        self._log = log
        self._clock = clock
        self._cursor = _Cursor(log)
        self._member = Membership(log, group, topics, milliseconds(clock.now()))
        self._synced_at: float | None = None

    def poll(self, timeout_seconds: float, max_messages: int = 500) -> list[Message]:
        """The next messages of the member's partitions."""
        return _wait_for(lambda: self._fetch(max_messages), self._clock, timeout_seconds)

    def commit(self) -> None:
        """Marks everything polled so far as processed."""
        positions = self._cursor.positions
        polled = self._cursor.touched
        if not polled:
            return
        lost = self._member.commit({part.id: positions.get(part, 0) for part in polled})
        gone = [part for part in polled if part.id in lost]
        self._cursor.touched = set()
        if gone:
            self._synced_at = None
            for partition in gone:
                positions.pop(partition, None)
            names = ", ".join(f"{part.topic}/{part.number}" for part in gone)
            raise BusUnavailableError(f"{names}: not committed, another member took over")

    def lag(self) -> int:
        """Messages of the member's partitions that were not yet polled."""
        self._sync_when_due()
        return self._cursor.lag()

    @override
    def close(self) -> None:
        """Leaves the group; what was not committed comes again."""
        self._member.close()
        self._log.close()

    def _fetch(self, limit: int) -> list[Message]:
        self._sync_when_due()
        return self._cursor.fetch(limit)

    def _sync_when_due(self) -> None:
        now = self._clock.monotonic()
        if self._synced_at is not None and now - self._synced_at < SYNC_SECONDS:
            return
        mine = self._member.sync(
            milliseconds(self._clock.now()), frozenset(part.id for part in self._cursor.touched)
        )
        self._synced_at = now
        before = self._cursor.positions
        self._cursor.positions = {
            partition: max(before.get(partition, 0), committed)
            for partition, committed in mine.items()
        }
        if self._cursor.positions != before:
            self._cursor.look_again()


class LocalReader(Closing):
    """Reads topics from their beginning."""

    def __init__(self, log: Log, clock: Clock, topics: Iterable[str]) -> None:
        self._log = log
        self._clock = clock
        self._cursor = _Cursor(log)
        self._cursor.positions = dict.fromkeys(log.partitions(topics), 0)

    def poll(self, timeout_seconds: float, max_messages: int = READ_MESSAGES) -> list[Message]:
        """The next messages."""
        return _wait_for(lambda: self._cursor.fetch(max_messages), self._clock, timeout_seconds)

    def catch_up(self, timeout_seconds: float) -> list[Message]:
        """Everything from here to the present end."""
        ends = self._log.ends()
        deadline = self._clock.monotonic() + timeout_seconds
        moved: dict[Partition, int] = {}
        messages: list[Message] = []
        for partition, position in self._cursor.positions.items():
            moved[partition] = position
            while moved[partition] < ends[partition.id]:
                if self._clock.monotonic() > deadline:
                    raise BusUnavailableError(
                        f"{partition.topic}: end not reached within {timeout_seconds:g} s"
                    )
                more, moved[partition] = self._log.read(partition, moved[partition], READ_MESSAGES)
                messages += more
        self._cursor.positions = moved
        return messages

    @override
    def close(self) -> None:
        """Closes the connection."""
        self._log.close()
