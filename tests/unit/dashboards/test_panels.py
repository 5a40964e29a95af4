"""Rows of the charts: what was not measured is never drawn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fleetops_dashboards.charts.panels import (
    Mark,
    Panel,
    Row,
    bar_rows,
    line_rows,
    reference_row,
    specification,
    table,
)
from fleetops_dashboards.data import Window

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(*seconds: float) -> list[datetime]:
    return [START + timedelta(seconds=one) for one in seconds]


def values(rows: list[Row]) -> list[float | None]:
    return [row.value for row in rows]


def test_a_gap_breaks_the_line() -> None:
    rows = line_rows("p", "gpu0", "gpu0", at(0, 2, 4, 30, 32), [1, 2, 3, 4, 5])
    assert values(rows) == [1, 2, 3, None, 4, 5]
    assert [row.time for row in rows[3:4]] == at(6), "right after it was last known"


def test_rows_of_another_source_do_not_break_a_metric_of_its_own_interval() -> None:
    rows = line_rows("p", "gpu0", "gpu0", at(0, 1, 2, 3, 4, 5), [1, None, 2, None, 3, None])
    assert values(rows) == [1, 2, 3]


def test_nothing_measured_is_no_line() -> None:
    assert line_rows("p", "gpu0", "gpu0", at(0, 1), [None, None]) == []
    assert line_rows("p", "gpu0", "gpu0", [], []) == []


def test_bars_join_equal_states_and_end_where_nothing_is_known() -> None:
    rows = bar_rows("p", "gpu0", at(0, 2, 4, 6, 30), ["ok", "for heat", "for heat", "ok", "ok"])
    assert [(row.hue, row.time, row.until) for row in rows] == [
        ("ok", *at(0, 2)),
        ("for heat", *at(2, 6)),
        ("ok", *at(6, 8)),
        ("ok", *at(30, 32)),
    ]


def test_a_table_has_the_ends_of_its_axis_and_the_marks_inside_them() -> None:
    window = Window(START, START + timedelta(minutes=5))
    marks = [
        Mark(START + timedelta(minutes=1), "incident", "incident opened"),
        Mark(START - timedelta(minutes=1), "action", "drain done"),
    ]
    rows = [*line_rows("p", "gpu0", "gpu0", at(0), [61.5]), reference_row("p", 88)]
    found = table(rows, window, marks)
    assert list(found["panel"]) == ["edge", "edge", "mark", "p", "p/reference"]
    assert list(found["value"].dropna()) == [61.5, 88]
    assert list(found["time"][:2]) == [window.start, window.end]
    assert str(found["until"].dtype) == "datetime64[ms, UTC]", "also where there are no bars"


def test_the_specification_depends_on_the_panels_alone() -> None:
    lines = Panel("a", "Temperature (°C)", (("gpu0", "#111"), ("gpu1", "#222")), legend=True)
    bars = Panel("b", "Slowed", (("for heat", "#333"),), bars=8)
    found = specification([lines, bars])
    assert [panel["title"]["text"] for panel in found["vconcat"]] == ["Temperature (°C)", "Slowed"]
    assert (
        found["vconcat"][1]["height"]
        > specification([lines, Panel("b", "", (), bars=2)])["vconcat"][1]["height"]
    ), "a row a device"
    assert found == specification([lines, bars])


@pytest.mark.parametrize(("minutes", "seconds"), [(5, 300), (0.5, 30)])
def test_a_window_is_snapped_so_that_viewers_share_it(minutes: float, seconds: float) -> None:
    one = Window.up_to(minutes, START + timedelta(seconds=1))
    other = Window.up_to(minutes, START + timedelta(seconds=3))
    assert one == other
    assert (one.end - one.start).total_seconds() == seconds
