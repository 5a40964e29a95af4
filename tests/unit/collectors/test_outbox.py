"""The way out: nothing is lost while the bus is away, and order holds when it is back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetops.core.clock import ManualClock
from fleetops_collectors.runner.outbox import RETRY_SECONDS, Outbox
from fleetops_collectors.runner.outgoing import Lane, Outgoing
from fleetops_collectors.runner.spool import Spool
from tests.unit.collectors.collect_support import SwitchedPublisher


class Line:
    def __init__(self, folder: Path, max_bytes: int = 1_000_000) -> None:
        self.clock = ManualClock()
        self.bus = SwitchedPublisher()
        self.outbox = Outbox(self.bus, Spool(folder, max_bytes), self.clock, "test")

    def deliver(self, *numbers: int, lane: Lane = Lane.TELEMETRY) -> None:
        self.outbox.deliver([Outgoing("t", str(number), b"x" * 100, lane) for number in numbers])

    def keys(self) -> list[str]:
        return self.bus.keys("t")


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    made = Line(tmp_path)
    yield made
    made.outbox.close()


def test_while_the_bus_is_there_nothing_touches_the_disk(line: Line) -> None:
    line.deliver(1, 2, 3)
    assert line.keys() == ["1", "2", "3"]
    assert line.outbox.spooled_messages == 0


def test_what_came_while_it_was_away_leaves_first(line: Line) -> None:
    line.bus.away = True
    line.deliver(1, 2)
    line.deliver(3)
    assert line.outbox.spooled_messages == 3
    line.bus.away = False
    line.clock.advance(RETRY_SECONDS)
    line.deliver(4)
    assert line.keys() == ["1", "2", "3", "4"]
    assert line.outbox.spooled_messages == 0
    line.deliver(5)
    assert line.keys()[-1] == "5"


def test_a_bus_that_is_away_is_not_asked_at_every_delivery(line: Line) -> None:
    line.bus.away = True
    line.deliver(1)
    line.bus.away = False
    line.deliver(2)
    assert line.keys() == []
    line.clock.advance(RETRY_SECONDS)
    line.outbox.deliver([])
    assert line.keys() == ["1", "2"]


def test_heartbeats_speak_of_now_or_not_at_all(line: Line) -> None:
    line.bus.away = True
    line.deliver(1, lane=Lane.VOLATILE)
    line.deliver(2)
    line.bus.away = False
    line.clock.advance(RETRY_SECONDS)
    line.deliver(3, lane=Lane.VOLATILE)
    assert line.keys() == ["2", "3"]
    assert line.outbox.dropped_messages == 0


def test_the_next_process_delivers_what_this_one_could_not(tmp_path: Path) -> None:
    first = Line(tmp_path)
    first.bus.away = True
    first.deliver(1, 2)
    first.outbox.close()
    second = Line(tmp_path)
    second.deliver(3)
    assert second.keys() == ["1", "2", "3"]
    second.outbox.close()


def test_what_no_bus_would_take_is_counted_and_the_rest_goes_on(line: Line) -> None:
    line.bus.max_bytes = 50
    line.outbox.deliver(
        [Outgoing("t", "big", b"x" * 100, Lane.EVENTS), Outgoing("t", "small", b"x", Lane.EVENTS)]
    )
    assert line.keys() == ["small"]
    assert line.outbox.dropped_messages == 1


def test_a_spent_budget_is_counted(tmp_path: Path) -> None:
    line = Line(tmp_path, max_bytes=2_000)
    line.bus.away = True
    for number in range(100):
        line.deliver(number)
    waiting, dropped = line.outbox.spooled_messages, line.outbox.dropped_messages
    assert waiting + dropped == 100
    assert 0 < waiting < 20
    line.bus.away = False
    line.clock.advance(RETRY_SECONDS)
    line.outbox.deliver([])
    assert line.keys() == [str(number) for number in range(dropped, 100)]
    line.outbox.close()


def test_a_spool_that_cannot_be_written_is_counted(tmp_path: Path) -> None:
    line = Line(tmp_path)
    line.bus.away = True
    (tmp_path / "telemetry").rmdir()
    line.deliver(1, 2)
    assert line.outbox.dropped_messages == 2
    line.outbox.close()
