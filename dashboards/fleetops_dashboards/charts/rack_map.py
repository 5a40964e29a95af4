"""The fleet as a map: rows of racks, hosts from the bottom up, coloured by temperature.

One canvas: 100,000 cells draw in a quarter of a second, and clicks come back, which Plotly's heat
map does not give in Streamlit (streamlit#8760).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import streamlit as st

from fleetops.api.models import Fleet, FleetHost, NodeStatus
from fleetops_dashboards.palette import COLDEST_CELSIUS, HOTTEST_CELSIUS
from fleetops_schemas.records import Severity

_HERE = files("fleetops_dashboards") / "charts"
STATUS_LETTER = {
    NodeStatus.IDLE: "i",
    NodeStatus.BUSY: "b",
    NodeStatus.DRAINING: "g",
    NodeStatus.DRAINED: "d",
    NodeStatus.DOWN: "x",
    NodeStatus.UNKNOWN: "u",
}
SEVERITY_LETTER = {None: "-", Severity.INFO: "i", Severity.WARNING: "w", Severity.CRITICAL: "c"}


@st.cache_resource(show_spinner=False)
def _component() -> Callable[..., Any]:
    return st.components.v2.component(
        "fleetops.rack_map",
        html=(_HERE / "rack_map.html").read_text("utf-8"),
        css=(_HERE / "rack_map.css").read_text("utf-8"),
        js=(_HERE / "rack_map.js").read_text("utf-8"),
    )


def rack_map(fleet: Fleet, *, key: str) -> str | None:
    """Draws the map; the name of the host that was clicked, or None."""
    result = _component()(key=key, data=map_data(fleet), on_host_change=lambda: None)
    clicked = getattr(result, "host", None)
    return clicked if isinstance(clicked, str) else None


def map_data(fleet: Fleet) -> dict[str, Any]:
    """What the canvas draws. One letter a host and state: 12,500 hosts are some 200 kB."""
    return {
        "low": COLDEST_CELSIUS,
        "high": HOTTEST_CELSIUS,
        "racks": [
            {
                "name": rack.name,
                "row": rack.row,
                "hosts": " ".join(host.name for host in rack.hosts),
                "celsius": [_celsius(host) for host in rack.hosts],
                "stale": "".join("1" if host.stale else "0" for host in rack.hosts),
                "status": "".join(STATUS_LETTER[host.status] for host in rack.hosts),
                "severity": "".join(_severity(host) for host in rack.hosts),
            }
            for rack in fleet.racks
        ],
    }


def _celsius(host: FleetHost) -> float | None:
    """None where nothing recent is known: an old temperature is not shown as a present one."""
    if host.stale or host.hottest_celsius is None:
        return None
    return round(host.hottest_celsius, 1)


def _severity(host: FleetHost) -> str:
    """Upper case where an open incident blames the host, lower where it only affects it."""
    letter = SEVERITY_LETTER[host.severity]
    return letter.upper() if host.suspect else letter
