"""Time series on one shared time axis."""

from __future__ import annotations

from datetime import datetime

import altair as alt
import pandas as pd

from fleetops.api.models import Series
from fleetops_dashboards.charts.palette import SERIES_COLORS

PANEL_HEIGHT = 110


def frame(series: Series, metric: str) -> pd.DataFrame:
    """One metric of all devices, long: time, device, value."""
    parts = [
        pd.DataFrame({"time": one.times, "device": one.device, "value": one.values[metric]})
        for one in series.series
        if metric in one.values
    ]
    data = pd.concat(parts) if parts else pd.DataFrame(columns=["time", "device", "value"])
    return data.dropna(subset=["value"])


def panel(
    series: Series, metric: str, title: str, span: tuple[datetime, datetime], *, axis: bool
) -> alt.Chart | None:
    """One panel, or None where nothing was measured. ``axis`` draws the time axis below it."""
    data = frame(series, metric)
    if data.empty:
        return None
    unit = series.units.get(metric, "")
    heading = title if unit in ("", "1") else f"{title} ({unit})"
    return (
        alt.Chart(data, title=alt.TitleParams(heading, anchor="start", fontSize=13))
        .mark_line(strokeWidth=1.4, clip=True)
        .encode(
            x=alt.X(
                "time:T",
                title=None,
                scale=alt.Scale(domain=list(span)),
                axis=alt.Axis(format="%H:%M:%S", labels=axis, ticks=axis, tickCount=8),
            ),
            y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=4)),
            color=alt.Color("device:N", scale=alt.Scale(range=list(SERIES_COLORS)), legend=None),
            tooltip=["time:T", "device:N", alt.Tooltip("value:Q", format=".4g")],
        )
        .properties(height=PANEL_HEIGHT, width="container")
    )
