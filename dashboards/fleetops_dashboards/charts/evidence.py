"""The measurements behind an incident, drawn with what they were compared with."""

from __future__ import annotations

import altair as alt
import pandas as pd
import streamlit as st

from fleetops.core.errors import FleetOpsError
from fleetops_dashboards import data
from fleetops_dashboards.charts.time_series import frame
from fleetops_dashboards.links import escape
from fleetops_schemas.records import Evidence, Incident
from fleetops_schemas.topology import host_of

MAX_CHARTS = 4
MINUTES = 5.0
OTHERS = "#b9c3cb"
ACCUSED = "#c8102e"


def evidence_charts(incident: Incident) -> None:
    """Draws the first few different measurements that the findings name."""
    seen: set[tuple[str, str]] = set()
    for finding in incident.findings:
        for evidence in finding.evidence:
            if evidence.metric is None or evidence.device is None or evidence.device_class is None:
                continue
            key = (evidence.device_class, evidence.metric)
            if key in seen or len(seen) >= MAX_CHARTS:
                continue
            seen.add(key)
            _chart(evidence)
    if not seen:
        st.caption("No measurement to draw: the evidence is in the text.")


def _chart(evidence: Evidence) -> None:
    assert evidence.device and evidence.device_class and evidence.metric  # noqa: S101, PT018
    try:
        series = data.series(
            host_of(evidence.device), evidence.device_class, (evidence.metric,), MINUTES
        )
    except FleetOpsError as error:
        st.caption(f"{evidence.metric}: {error}")
        return
    values = frame(series, evidence.metric)
    st.markdown(escape(evidence.text))
    if values.empty:
        st.caption("No samples of it in the last minutes.")
        return
    accused = values["device"] == evidence.device
    values["which"] = accused.map({True: evidence.device, False: "others on this host"})
    base = alt.Chart(values).encode(
        x=alt.X("time:T", title=None, axis=alt.Axis(format="%H:%M:%S", tickCount=6)),
        y=alt.Y("value:Q", title=series.units.get(evidence.metric), scale=alt.Scale(zero=False)),
        detail="device:N",
        tooltip=["time:T", "device:N", alt.Tooltip("value:Q", format=".4g")],
    )
    others = base.transform_filter(alt.datum.device != evidence.device).mark_line(
        color=OTHERS, strokeWidth=1
    )
    own = base.transform_filter(alt.datum.device == evidence.device).mark_line(
        color=ACCUSED, strokeWidth=2
    )
    layers: list[alt.Chart] = [others, own]
    if evidence.reference is not None:
        rule = alt.Chart(pd.DataFrame({"reference": [evidence.reference]}))
        layers.append(rule.mark_rule(strokeDash=[5, 4], color="#10212f").encode(y="reference:Q"))
    st.altair_chart(alt.layer(*layers).properties(height=170), width="stretch")
