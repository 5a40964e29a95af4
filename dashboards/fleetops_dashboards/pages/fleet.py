"""The fleet: what is out, what is hot, how old the data are."""

from __future__ import annotations

import streamlit as st

from fleetops.api.models import Fleet, NodeStatus
from fleetops.core.errors import FleetOpsError
from fleetops_dashboards import data
from fleetops_dashboards.charts.rack_map import rack_map
from fleetops_dashboards.links import NODE_PARAMETER, go_to_incident, go_to_node, severity_badge
from fleetops_schemas.records import IncidentStatus, Severity


def page() -> None:
    """Draws the page; the live part redraws itself."""
    st.title("Fleet", anchor=False)
    _live()


@st.fragment(run_every=data.REFRESH)
def _live() -> None:
    try:
        fleet = data.fleet()
    except FleetOpsError as error:
        st.error(f"The API does not answer: {error}")
        return
    _counts(fleet)
    _stale_banner(fleet)
    clicked = rack_map(fleet, key="fleet-map")
    if clicked:
        go_to_node(clicked)
    st.caption(
        "Colour: hottest accelerator, 30 to 95 °C. Hatched: out of service. Thick frame: blamed by "
        "an open incident; thin frame: affected by one. Grey: no recent data. Click a host."
    )
    _open_incidents()
    _choose(fleet)


def _counts(fleet: Fleet) -> None:
    counts = fleet.counts
    out = sum(
        counts.by_status.get(status, 0)
        for status in (NodeStatus.DRAINED, NodeStatus.DRAINING, NodeStatus.DOWN)
    )
    critical = counts.incidents_open.get(Severity.CRITICAL, 0)
    tiles = st.columns(6)
    tiles[0].metric("Hosts", counts.hosts, border=True)
    tiles[1].metric("Out of service", out, border=True)
    tiles[2].metric("Open incidents", sum(counts.incidents_open.values()), border=True)
    tiles[3].metric("of them critical", critical, border=True)
    tiles[4].metric("Wait for approval", counts.actions_pending_approval, border=True)
    tiles[5].metric("Oldest data", _oldest(fleet), border=True)


def _oldest(fleet: Fleet) -> str:
    ages = [host.age_seconds for rack in fleet.racks for host in rack.hosts]
    known = [age for age in ages if age is not None]
    return f"{max(known):.0f} s" if known else "none"


def _stale_banner(fleet: Fleet) -> None:
    if fleet.counts.stale:
        st.warning(
            f"{fleet.counts.stale} of {fleet.counts.hosts} hosts have sent nothing for "
            f"{fleet.stale_after_seconds:.0f} s. What is grey is unknown, not healthy."
        )
    silent = fleet.counts.collectors - fleet.counts.collectors_up
    if silent:
        st.warning(f"{silent} of {fleet.counts.collectors} collectors are silent.")


def _open_incidents() -> None:
    found = data.incidents(IncidentStatus.OPEN)
    st.subheader("Open incidents", anchor=False)
    if not found:
        st.markdown("None.")
    for incident in found[:8]:
        left, right = st.columns([6, 1], vertical_alignment="center")
        left.markdown(f"{severity_badge(incident.severity)} {incident.title}")
        if right.button("Open", key=f"open-{incident.id}"):
            go_to_incident(incident.id)


def _choose(fleet: Fleet) -> None:
    """For the keyboard, and for fleets whose cells are too small to hit."""
    names = [host.name for rack in fleet.racks for host in rack.hosts]
    chosen = st.selectbox(
        "Open a node", names, index=None, placeholder="node name", key=f"{NODE_PARAMETER}-choice"
    )
    if chosen:
        go_to_node(chosen)
