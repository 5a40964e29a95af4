"""Transitions of links between rounds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fleetops_collectors.links import LinkWatch
from fleetops_schemas.readings import Quality, Reading
from fleetops_schemas.records import Event, Severity

NOW = datetime(2026, 11, 21, tzinfo=UTC)
UP, DOWN, DISABLED = 1, 0, 4


def port(state: int | None, downs: int | None, device: str = "n1/mlx5_0") -> list[Reading]:
    def one(metric: str, value: int | None) -> Reading:
        quality = Quality.MISSING if value is None else Quality.GOOD
        return Reading("fabric_port", device, metric, value, "1", quality)

    return [one("link_state", state), one("link_downed_total", downs)]


def rounds(*states: tuple[int | None, int | None]) -> list[Event]:
    watch = LinkWatch("infiniband")
    events = []
    for at, (state, downs) in enumerate(states):
        now = NOW + timedelta(seconds=10 * at)
        events = watch.observe("n1", port(state, downs), "n1", now)
    return events


def test_a_link_that_went_down() -> None:
    [event] = rounds((UP, 3), (DOWN, 4))
    assert event.kind == "link_down"
    assert event.severity is Severity.WARNING
    assert event.device == "n1/mlx5_0"
    assert event.text == "link went down since the last round"
    assert event.attributes == {"occurrences": 1}


def test_a_link_that_went_down_and_came_back_between_rounds() -> None:
    [event] = rounds((UP, 3), (UP, 5))
    assert (event.kind, event.attributes) == ("link_down", {"occurrences": 2})
    assert event.text == "link went down 2 times since the last round and is up again"


def test_a_storm_is_one_event_with_a_count() -> None:
    [event] = rounds((UP, 3), (UP, 203))
    assert (event.kind, event.attributes) == ("link_flapping", {"occurrences": 200})


@pytest.mark.parametrize(
    "states",
    [
        [(DOWN, 9)],
        [(UP, 3), (UP, 3)],
        [(DOWN, 3), (DOWN, 3)],
        [(DOWN, 3), (UP, 3)],
        [(UP, 200), (UP, 0)],
        [(UP, 3), (UP, None)],
        [(UP, None), (UP, 3)],
        [(UP, 3), (DISABLED, 4)],
        [(UP, 3), (None, None)],
        [(None, None), (DOWN, 3)],
    ],
    ids=[
        *("first_round", "still_up", "still_down", "came_up", "counter_reset"),
        *("count_lost", "count_found", "disabled", "unreadable", "unknown_before"),
    ],
)
def test_what_is_no_transition(states: list[tuple[int | None, int | None]]) -> None:
    assert rounds(*states) == []


def test_it_remembers_only_the_ports_of_the_last_round_of_each_target() -> None:
    watch = LinkWatch("infiniband")
    for at in range(1000):
        watch.observe("n1", port(UP, 0, f"n1/mlx5_{at}"), "n1", NOW)
    assert sum(map(len, watch._links.values())) == 1


def test_two_transitions_have_two_ids() -> None:
    first = rounds((UP, 3), (DOWN, 4))
    second = rounds((UP, 3), (UP, 3), (DOWN, 4))
    assert first[0].id != second[0].id
