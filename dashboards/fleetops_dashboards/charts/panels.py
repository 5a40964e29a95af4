"""Panels one under the other on one time axis, as a single Vega-Lite view.

Everything that changes from look to look is in the data; the specification stays, so that the
browser swaps rows in place instead of drawing anew. Times are UTC, as in the logs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import pandas as pd
import streamlit as st

from fleetops_dashboards.data import Window
from fleetops_dashboards.palette import MARK_COLORS, REFERENCE

AXIS_PIXELS = 52
"""Room for the value axis; the style sheet leaves as much beside the chart."""
WIDE_AXIS_PIXELS = 96
LINE_PIXELS = 72
BAR_PIXELS = 13
GAP_FACTOR = 3.5
"""A pause longer than so many usual intervals is a gap: nothing is known in it."""
_EDGE, _MARK = "edge", "mark"
_TYPES = {
    "panel": "category", "line": "category", "hue": "category",
    "time": "datetime64[ms, UTC]", "until": "datetime64[ms, UTC]", "value": "float64",
}  # fmt: skip
Spec = dict[str, Any]
_UNSEEN: Spec = {"type": "point", "filled": True, "color": "transparent"}
T = TypeVar("T")


class Row(NamedTuple):
    """One row of a chart's table: a point, a bar, a level, a mark, or an end of the time axis."""

    panel: str
    line: str = ""
    hue: str = ""
    time: datetime | None = None
    until: datetime | None = None
    """End of a bar."""
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: lines of a gauge, or bars over the time that a state held."""

    key: str
    title: str
    hues: tuple[tuple[str, str], ...]
    """Name and colour of each group of lines."""
    bars: int = 0
    """How many rows of bars; none in a panel of lines."""
    zero: bool = False
    """Whether the value axis starts at zero."""
    legend: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened, as a line down through every panel."""

    time: datetime
    kind: str
    """``incident`` or ``action``."""
    text: str


def draw(panels: Sequence[Panel], rows: pd.DataFrame, *, key: str, wide: bool = False) -> None:
    """Draws the panels. ``key`` tells this chart from others of the page.

    ``wide`` leaves room for long names beside the bars.
    """
    room = "wide" if wide else "narrow"
    axis = WIDE_AXIS_PIXELS if wide else AXIS_PIXELS
    with st.container(key=f"panels-{room}-{key}"):
        st.vega_lite_chart(rows, specification(panels, axis), width="stretch", key=f"chart-{key}")


def line_rows(
    panel: str, hue: str, line: str, times: Sequence[datetime], values: Sequence[float | None]
) -> list[Row]:
    """Rows of one line, which a gap breaks."""
    rows = []
    for time, value, pause, gap in _stretches(times, values):
        rows.append(Row(panel, line, hue, time, value=value))
        if gap:
            rows.append(Row(panel, line, hue, time + pause))
    return rows


def bar_rows(
    panel: str, line: str, times: Sequence[datetime], words: Sequence[str | None]
) -> list[Row]:
    """One row for each stretch of time in which a state had the same word, its ``hue``."""
    rows: list[Row] = []
    for time, word, pause, _ in _stretches(times, words):
        until = time + pause
        if rows and rows[-1].hue == word and rows[-1].until == time:
            rows[-1] = rows[-1]._replace(until=until)
        else:
            rows.append(Row(panel, line, word, time, until))
    return rows


def _stretches(
    times: Sequence[datetime], values: Sequence[T | None]
) -> list[tuple[datetime, T, timedelta, bool]]:
    """Each measurement, for how long it stands, and whether a gap follows.

    It stands until the next one, but not over a gap. A class whose metrics come from several
    sources has rows in which only some are measured, so the usual interval is each metric's own.
    """
    known = [(time, one) for time, one in zip(times, values, strict=True) if one is not None]
    pauses = [later - earlier for (earlier, _), (later, _) in pairwise(known)]
    usual = sorted(pauses)[len(pauses) // 2] if pauses else timedelta(seconds=1)
    return [
        (time, one, min(pause, usual) if gap else pause, gap)
        for (time, one), pause in zip(known, [*pauses, usual], strict=False)
        for gap in (pause > GAP_FACTOR * usual,)
    ]


def reference_row(panel: str, value: float) -> Row:
    """What a panel's lines are compared with: a level across it."""
    return Row(f"{panel}/reference", value=value)


def table(rows: Iterable[Row], window: Window, marks: Sequence[Mark]) -> pd.DataFrame:
    """All rows of a chart, with the ends of its time axis and its marks."""
    edges = [Row(_EDGE, time=moment) for moment in (window.start, window.end)]
    lines = [
        Row(_MARK, mark.text, mark.kind, mark.time)
        for mark in marks
        if window.start <= mark.time <= window.end
    ]
    columns = zip(*(*edges, *lines, *rows), strict=True)
    return pd.DataFrame(
        {
            name: pd.Series(column, dtype=_TYPES[name])
            for name, column in zip(Row._fields, columns, strict=True)
        }
    )


def specification(panels: Sequence[Panel], axis_pixels: int = AXIS_PIXELS) -> Spec:
    """The Vega-Lite specification, a function of the panels alone."""
    last = len(panels) - 1
    axis = {"minExtent": axis_pixels, "maxExtent": axis_pixels, "labelLimit": axis_pixels - 6}
    return {
        "vconcat": [
            _panel(panel, axis, top=place == 0, bottom=place == last)
            for place, panel in enumerate(panels)
        ],
        "spacing": 10,
        "resolve": {"scale": {"x": "shared", "color": "independent"}},
        "padding": {"left": 0, "right": 8, "top": 0, "bottom": 4},
        "config": {
            "title": {"fontSize": 12, "fontWeight": 600, "offset": 4, "frame": "group"},
            "axis": {"labelFontSize": 11, "tickCount": 3},
            "legend": {
                "orient": "top", "title": None, "offset": 0, "padding": 0, "columnPadding": 12,
                "labelFontSize": 11, "symbolSize": 90, "symbolStrokeWidth": 3,
            },
            "view": {"stroke": "#8c9aa8", "strokeOpacity": 0.35},
        },
    }  # fmt: skip


def _panel(panel: Panel, axis: Spec, *, top: bool, bottom: bool) -> Spec:
    time = _time_axis(top=top, bottom=bottom)
    layers = [
        {**_only(_EDGE), "mark": _UNSEEN, "encoding": {"x": time}},
        *(_bars(panel, time, axis) if panel.bars else _lines(panel, time, axis)),
        *_marks(time),
        *(_labels(time) if top else ()),
    ]
    return {
        "title": {"text": panel.title, "anchor": "start"},
        "height": max(panel.bars * BAR_PIXELS, 2 * BAR_PIXELS) if panel.bars else LINE_PIXELS,
        "layer": layers,
        "resolve": {"scale": {"color": "independent"}},
    }


def _time_axis(*, top: bool, bottom: bool) -> Spec:
    shown = top or bottom
    return {
        "field": "time",
        "type": "temporal",
        "title": None,
        "scale": {"type": "utc"},
        "axis": {
            "format": "%H:%M:%S",
            "orient": "top" if top and not bottom else "bottom",
            "labels": shown,
            "ticks": shown,
            "domain": False,
            "tickCount": 8,
            "labelFlush": True,
        },
    }


def _lines(panel: Panel, time: Spec, axis: Spec) -> list[Spec]:
    number = "abs(datum.value) < 10000 ? format(datum.value, '.4~g') : format(datum.value, '.4~s')"
    value = {
        "field": "value",
        "type": "quantitative",
        "title": None,
        "scale": {"zero": panel.zero, "nice": True},
        "axis": {**axis, "labelExpr": number},
    }
    encoding = {"x": time, "y": value, "detail": {"field": "line"}, "color": _hue(panel, "stroke")}
    tooltip = [
        {"field": "line", "title": "what"},
        {"field": "value", "title": "value", "format": ".5~g"},
        _moment("time", "UTC"),
    ]
    return [
        {
            **_only(panel.key),
            "mark": {
                "type": "line",
                "strokeWidth": 1.5,
                "clip": True,
                "invalid": "break-paths-show-domains",
            },
            "encoding": encoding,
        },
        {  # a line answers the pointer with its first point only, so points lie over it, unseen
            **_only(panel.key),
            "mark": {**_UNSEEN, "size": 80, "clip": True},
            "encoding": {"x": time, "y": value, "tooltip": tooltip},
        },
        {
            **_only(f"{panel.key}/reference"),
            "mark": {"type": "rule", "strokeDash": [5, 4], "strokeWidth": 1.5, "color": REFERENCE},
            "encoding": {"y": value},
        },
    ]


def _bars(panel: Panel, time: Spec, axis: Spec) -> list[Spec]:
    line = {
        "field": "line",
        "type": "nominal",
        "title": None,
        "scale": {"paddingInner": 0.2, "paddingOuter": 0.1},
        "axis": {**axis, "labelFontSize": 10, "labelOverlap": False},
    }
    tooltip = [
        {"field": "line", "title": "what"},
        {"field": "hue", "title": "state"},
        _moment("time", "from, UTC"),
        _moment("until", "to, UTC"),
    ]
    return [
        {
            **_only(panel.key),
            "mark": {"type": "rect", "clip": True},
            "encoding": {
                "x": time,
                "x2": {"field": "until"},
                "y": line,
                "color": _hue(panel, "square"),
                "tooltip": tooltip,
            },
        }
    ]


def _hue(panel: Panel, symbol: str) -> Spec:
    names = [name for name, _ in panel.hues]
    legend = {"values": names, "symbolType": symbol} if panel.legend else None
    scale = {"domain": names, "range": [color for _, color in panel.hues]}
    return {"field": "hue", "type": "nominal", "scale": scale, "legend": legend}


def _moment(field: str, title: str) -> Spec:
    shown = {"type": "temporal", "format": "%H:%M:%S", "formatType": "utc"}
    return {"field": field, "title": title, **shown}


def _marks(time: Spec) -> list[Spec]:
    """Lines down the panel; those of actions are dashed, so that both show where they meet."""
    dashes = {"incident": [1, 0], "action": [4, 4]}
    return [
        {
            "transform": [{"filter": f"datum.panel == '{_MARK}' && datum.hue == '{kind}'"}],
            "mark": {
                "type": "rule",
                "strokeWidth": 1.5,
                "strokeDash": dashes[kind],
                "color": color,
            },
            "encoding": {"x": time, "tooltip": [{"field": "line", "title": "what"}]},
        }
        for kind, color in MARK_COLORS.items()
    ]


def _labels(time: Spec) -> list[Spec]:
    """The marks' words, once, at the top; each kind on a line of its own.

    They stand to the left of their line: what happens now is at the right edge.
    """
    return [
        {
            "transform": [{"filter": f"datum.panel == '{_MARK}' && datum.hue == '{kind}'"}],
            "mark": {"type": "text", "align": "right", "dx": -4, "fontSize": 10, "color": color},
            "encoding": {"x": time, "y": {"value": 7 + 12 * row}, "text": {"field": "line"}},
        }
        for row, (kind, color) in enumerate(MARK_COLORS.items())
    ]


def _only(panel: str) -> Spec:
    return {"transform": [{"filter": {"field": "panel", "equal": panel}}]}
