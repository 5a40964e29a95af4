"""Words of the pages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fleetops.api.models import FleetHost, NodeStatus
from fleetops_dashboards.charts import states
from fleetops_dashboards.palette import STATE_COLORS
from fleetops_dashboards.words import clock, count, duration, freshness_badge, plain, sign
from fleetops_schemas.catalog import load_catalog


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (59, "59 s"), (60, "1 min"), (3600 * 5, "5 h"), (86400 * 3, "3 d")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_time_of_another_day_names_the_day() -> None:
    assert clock(datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC)) == "2026-03-01 12:30"
    assert len(clock(datetime.now(UTC))) == len("12:30:05")


def test_text_from_outside_is_shown_as_it_is() -> None:
    hostile = "[click](http://x) **bold** :red[x] `code` <b> $x$"
    shown = plain(hostile)
    assert shown.replace("\\", "") == hostile
    for mark in "[]()*`<$":
        assert shown.count(f"\\{mark}") == hostile.count(mark)


def test_units_as_people_write_them() -> None:
    assert plain("gpu0 at 93.0 Cel") == "gpu0 at 93.0 °C"
    assert plain("pump1 453 {rev}/min, rated") == "pump1 453 rpm, rated"
    assert (sign("Cel"), sign("1"), sign("W")) == ("°C", "", "W")
    assert (count(1, "host"), count(3, "host")) == ("1 host", "3 hosts")


def test_the_age_of_data_is_said_and_old_data_stand_out() -> None:
    fresh = FleetHost(name="node001", status=NodeStatus.IDLE, age_seconds=2, stale=False)
    assert freshness_badge(fresh) == ":gray-badge[data 2 s old]"
    old = fresh.model_copy(update={"age_seconds": 90, "stale": True})
    assert freshness_badge(old) == ":red-badge[data 2 min old]"
    none = fresh.model_copy(update={"age_seconds": None, "stale": True})
    assert freshness_badge(none) == ":red-badge[no recent data]"


@pytest.mark.parametrize(
    ("bits", "word"),
    [(0, "not slowed"), (1, "not slowed"), (0x4, "for power"), (0x44, "for heat"), (None, None)],
)
def test_throttling_in_words(bits: float | None, word: str | None) -> None:
    assert states.word("accelerator", states.THROTTLE, bits) == word


def test_every_state_of_the_catalog_has_a_word_and_a_colour() -> None:
    for declared in load_catalog().classes.values():
        for metric in declared.metrics:
            for value, name in metric.states.items():
                word = states.word(declared.name, metric.name, value)
                assert word == name.replace("_", " ")
                assert states.color(word) in STATE_COLORS.values()
    assert states.color("down") == states.color("faulty") == STATE_COLORS["critical"]
    assert states.color("ok") == STATE_COLORS["fine"]


def test_a_state_that_the_catalog_does_not_know_is_not_taken_for_a_good_one() -> None:
    assert states.word("accelerator", "health", 7) == "7"
    assert states.color("7") == STATE_COLORS["warning"]
