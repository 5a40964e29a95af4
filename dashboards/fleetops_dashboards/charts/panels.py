"""Panels one under the other on one time axis, as a single Vega-Lite view.

Everything that changes from look to look is in the data; the specification stays, so that the
browser swaps rows in place instead of drawing anew. Times are UTC, as in the logs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from fleetops.api.models import DeviceSeries
from fleetops_dashboards.data import Window
from fleetops_dashboards.palette import MARK_COLORS, REFERENCE

AXIS_PIXELS = 46
"""Room for the value axis; the style sheet leaves as much beside the chart."""
GAP_FACTOR = 3.5
"""A pause longer than so many usual intervals is a gap and breaks the line."""
COLUMNS = ["panel", "line", "hue", "time", "until", "value"]
_EDGE, _MARK = "edge", "mark"
Spec = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: lines of a gauge, or bars over the time that a state held."""

    key: str
    title: str
    hues: tuple[tuple[str, str], ...]
    """Name and colour of each group of lines."""
    bars: bool = False
    zero: bool = False
    """Whether the value axis starts at zero."""
    height: int = 72
    legend: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened, as a line down through every panel."""

    time: datetime
    kind: str
    """``incident`` or ``action``."""
    text: str


def draw(panels: Sequence[Panel], rows: pd.DataFrame, *, key: str) -> None:
    """Draws the panels. ``key`` tells this chart from others of the page."""
    with st.container(key=f"panels-{key}"):
        st.vega_lite_chart(rows, specification(panels), width="stretch", key=f"chart-{key}")


def line_rows(panel: str, hue: str, line: str, one: DeviceSeries, metric: str) -> pd.DataFrame:
    """Rows of one line. What was not measured is null, and a pause becomes one."""
    times = pd.DatetimeIndex(one.times).tz_convert("UTC").as_unit("ms")
    values = pd.Series(one.values[metric], index=times, dtype="float64")
    pauses = times.to_series().diff()
    usual = pauses.median()
    if pd.notna(usual):
        late = times[(pauses > GAP_FACTOR * usual).to_numpy()]
        breaks = pd.Series(float("nan"), index=late - timedelta(milliseconds=1))
        values = pd.concat([values, breaks]).sort_index()
    return pd.DataFrame(
        {
            "panel": panel, "line": line, "hue": hue,
            "time": values.index, "until": pd.NaT, "value": values.to_numpy(),
        }
    )  # fmt: skip


def bar_rows(
    panel: str, line: str, times: Sequence[datetime], words: Sequence[str | None], step: float
) -> pd.DataFrame:
    """Rows of the times at which a state held that has a word; ``hue`` is the word."""
    length = timedelta(seconds=step)
    rows = [
        (panel, line, word, time, time + length, None)
        for time, word in zip(times, words, strict=True)
        if word is not None
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def reference_rows(panel: str, value: float) -> pd.DataFrame:
    """The row of what a panel's lines are compared with: a level across it."""
    return pd.DataFrame([(f"{panel}/reference", "", "", pd.NaT, pd.NaT, value)], columns=COLUMNS)


def table(parts: Iterable[pd.DataFrame], window: Window, marks: Sequence[Mark]) -> pd.DataFrame:
    """All rows of a chart, with the ends of its time axis and its marks."""
    edges = [(_EDGE, "", "", moment, pd.NaT, None) for moment in (window.start, window.end)]
    inside = [mark for mark in marks if window.start <= mark.time <= window.end]
    lines = [(_MARK, mark.text, mark.kind, mark.time, pd.NaT, None) for mark in inside]
    extra = pd.DataFrame([*edges, *lines], columns=COLUMNS)
    frames = [_typed(part) for part in (extra, *parts) if len(part)]
    result = pd.concat(frames, ignore_index=True)
    return result.astype({"panel": "category", "line": "category", "hue": "category"})


def _typed(part: pd.DataFrame) -> pd.DataFrame:
    moment = pd.DatetimeTZDtype("ms", "UTC")
    return part.astype({"time": moment, "until": moment, "value": "float64"})


def specification(panels: Sequence[Panel]) -> Spec:
    """The Vega-Lite specification, a function of the panels alone."""
    last = len(panels) - 1
    return {
        "vconcat": [
            _panel(panel, place, top=place == 0, bottom=place == last)
            for place, panel in enumerate(panels)
        ],
        "spacing": 10,
        "resolve": {"scale": {"x": "shared", "color": "independent"}},
        "padding": {"left": 0, "right": 8, "top": 0, "bottom": 4},
        "config": {
            "title": {"fontSize": 12, "fontWeight": 600, "offset": 4, "anchor": "start"},
            "axis": {"labelFontSize": 11, "tickCount": 3},
            "legend": {"orient": "top", "title": None, "offset": 2, "symbolType": "stroke"},
            "view": {"stroke": "#8c9aa8", "strokeOpacity": 0.35},
        },
    }


def _panel(panel: Panel, place: int, *, top: bool, bottom: bool) -> Spec:
    time = _time_axis(top=top, bottom=bottom)
    layers = [
        *(_labels(time) if top else ()),
        {**_only(_EDGE), "mark": {"type": "rule", "opacity": 0}, "encoding": {"x": time}},
        _marks(time),
        *(_bars(panel, time) if panel.bars else _lines(panel, time, place)),
    ]
    return {
        "title": {"text": panel.title, "anchor": "start"},
        "height": panel.height,
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


def _value_axis(panel: Panel) -> Spec:
    return {
        "field": "value",
        "type": "quantitative",
        "title": None,
        "scale": {"zero": panel.zero, "nice": True},
        "axis": {"minExtent": AXIS_PIXELS, "maxExtent": AXIS_PIXELS, "format": "~g"},
    }


def _hue(panel: Panel) -> Spec:
    names = [name for name, _ in panel.hues]
    legend = {"values": names} if panel.legend else None
    scale = {"domain": names, "range": [color for _, color in panel.hues]}
    return {"field": "hue", "type": "nominal", "scale": scale, "legend": legend}


def _lines(panel: Panel, time: Spec, place: int) -> list[Spec]:
    value = _value_axis(panel)
    return [
        {
            **_only(panel.key),
            "mark": {
                "type": "line",
                "strokeWidth": 1.5,
                "clip": True,
                "invalid": "break-paths-show-domains",
            },
            "encoding": {"x": time, "y": value, "detail": {"field": "line"}, "color": _hue(panel)},
        },
        {
            **_only(f"{panel.key}/reference"),
            "mark": {"type": "rule", "strokeDash": [5, 4], "strokeWidth": 1.5, "color": REFERENCE},
            "encoding": {"y": value},
        },
    ]


def _bars(panel: Panel, time: Spec) -> list[Spec]:
    return [
        {
            **_only(panel.key),
            "mark": {"type": "rect", "clip": True, "tooltip": True},
            "encoding": {
                "x": time,
                "x2": {"field": "until"},
                "y": {
                    "field": "line",
                    "type": "nominal",
                    "title": None,
                    "axis": {
                        "minExtent": AXIS_PIXELS,
                        "maxExtent": AXIS_PIXELS,
                        "labelLimit": AXIS_PIXELS,
                    },
                },
                "color": _hue(panel),
            },
        }
    ]


def _marks(time: Spec) -> Spec:
    kinds = list(MARK_COLORS)
    return {
        **_only(_MARK),
        "mark": {"type": "rule", "strokeWidth": 1.5, "strokeDash": [2, 2]},
        "encoding": {
            "x": time,
            "color": {
                "field": "hue",
                "type": "nominal",
                "legend": None,
                "scale": {"domain": kinds, "range": [MARK_COLORS[kind] for kind in kinds]},
            },
            "tooltip": [{"field": "line", "title": "what"}],
        },
    }


def _labels(time: Spec) -> list[Spec]:
    """The marks' words, once, at the top; each kind on a line of its own."""
    return [
        {
            "transform": [{"filter": {"field": "hue", "equal": kind}}],
            "mark": {"type": "text", "align": "left", "dx": 4, "fontSize": 10, "color": color},
            "encoding": {"x": time, "y": {"value": 7 + 12 * row}, "text": {"field": "line"}},
        }
        for row, (kind, color) in enumerate(MARK_COLORS.items())
    ]


def _only(panel: str) -> Spec:
    return {"transform": [{"filter": {"field": "panel", "equal": panel}}]}
