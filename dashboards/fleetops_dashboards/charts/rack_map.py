"""The fleet as a map: racks side by side, hosts from the bottom up, coloured by temperature.

One canvas: 100,000 cells draw in a quarter of a second, and clicks come back, which Plotly's heat
map does not give in Streamlit (streamlit#8760).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import streamlit as st

from fleetops.api.models import Fleet, NodeStatus
from fleetops_dashboards.charts.palette import COLDEST_CELSIUS, HOTTEST_CELSIUS

_HERE = files("fleetops_dashboards") / "charts"
_OUT = {NodeStatus.DRAINED, NodeStatus.DRAINING, NodeStatus.DOWN}


@st.cache_resource
def _component() -> Callable[..., Any]:
    return st.components.v2.component(
        "fleetops.rack_map",
        html='<canvas id="map" role="img" aria-label="Fleet map"></canvas><div id="tip"></div>',
        css=(_HERE / "rack_map.css").read_text("utf-8"),
        js=(_HERE / "rack_map.js").read_text("utf-8"),
    )


def rack_map(fleet: Fleet, *, key: str) -> str | None:
    """Draws the map; the name of the host that was clicked, or None."""
    result = _component()(key=key, data=map_data(fleet), on_host_change=lambda: None)
    clicked = getattr(result, "host", None)
    return clicked if isinstance(clicked, str) else None


def map_data(fleet: Fleet) -> dict[str, Any]:
    """What the canvas draws: per rack, the hosts as columns."""
    return {
        "low": COLDEST_CELSIUS,
        "high": HOTTEST_CELSIUS,
        "racks": [
            {
                "name": rack.name,
                "hosts": [host.name for host in rack.hosts],
                "celsius": [
                    None if host.stale or host.hottest_celsius is None
                    else round(host.hottest_celsius, 1)
                    for host in rack.hosts
                ],
                "status": [str(host.status) for host in rack.hosts],
                "out": [host.status in _OUT for host in rack.hosts],
                "suspect": [host.suspect for host in rack.hosts],
                "severity": [str(host.severity or "") for host in rack.hosts],
                "stale": [host.stale for host in rack.hosts],
            }
            for rack in fleet.racks
        ],
    }  # fmt: skip
