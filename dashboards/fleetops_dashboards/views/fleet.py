"""The fleet: what is wrong, what is out, what is hot, how old the data are."""

from __future__ import annotations

from collections.abc import Iterator

import streamlit as st

from fleetops.api.models import Fleet, NodeStatus
from fleetops_dashboards import data
from fleetops_dashboards.charts.rack_map import rack_map
from fleetops_dashboards.controls import BREAKER, ask, confirm_reset
from fleetops_dashboards.links import choose, go_to_node, link_to_incident
from fleetops_dashboards.palette import SEVERITY_ICON
from fleetops_dashboards.views.live import live
from fleetops_dashboards.words import action_line, ago, clock, count, duration, plain
from fleetops_schemas.records import Incident, IncidentStatus, Severity

OPEN_NODE = "open"
LISTED = 8
WIDE_FLEET = 600
"""From so many hosts on the map takes the whole width."""


@live
def page() -> None:
    """Draws the page."""
    fleet = data.fleet()
    incidents = data.incidents(IncidentStatus.OPEN)
    _banners(fleet)
    _counts(fleet)
    if fleet.counts.hosts == 0:
        st.info("The inventory is empty: no collector has announced a host yet.")
        return
    if fleet.counts.hosts >= WIDE_FLEET:
        _incidents(fleet, incidents)
        _map(fleet)
        _actions()
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _map(fleet)
    with right:
        _incidents(fleet, incidents)
        _actions()


def _banners(fleet: Fleet) -> None:
    if fleet.breaker is not None:
        text, button = st.columns([6, 1], vertical_alignment="center")
        text.error(f"**Automation is stopped by the circuit breaker.** {plain(fleet.breaker)}")
        with button:
            ask("Reset…", BREAKER, BREAKER)
        confirm_reset(fleet.breaker)
    if fleet.counts.stale:
        st.warning(
            f"**{fleet.counts.stale} of {count(fleet.counts.hosts, 'host')} sent nothing for "
            f"{duration(fleet.stale_after_seconds)}.** What is grey is unknown, not healthy."
        )
    silent = fleet.counts.collectors - fleet.counts.collectors_up
    if silent:
        st.warning(f"**{silent} of {count(fleet.counts.collectors, 'collector')} silent.**")
    for warning in fleet.warnings:
        st.warning(plain(warning))


def _counts(fleet: Fleet) -> None:
    counts = fleet.counts
    state = counts.by_status
    out = {
        status: state.get(status, 0)
        for status in (NodeStatus.DRAINING, NodeStatus.DRAINED, NodeStatus.DOWN)
    }
    open_by = [
        f"{counts.incidents_open[severity]} {severity}"
        for severity in reversed(Severity)
        if counts.incidents_open.get(severity)
    ]
    fresh = counts.hosts - counts.stale
    tiles: tuple[tuple[str, str, str], ...] = (
        ("Open incidents", f"{sum(counts.incidents_open.values())}", ", ".join(open_by) or "none"),
        ("Waiting for approval", f"{counts.actions_pending_approval}", "actions"),
        (
            "Out of service",
            f"{sum(out.values())}",
            ", ".join(f"{n} {s}" for s, n in out.items() if n) or "none",
        ),
        (
            "Busy",
            f"{state.get(NodeStatus.BUSY, 0):,}",
            f"{state.get(NodeStatus.IDLE, 0):,} idle, of {count(counts.hosts, 'host')}",
        ),
        ("Oldest data", _oldest(fleet), f"{fresh:,} of {counts.hosts:,} hosts fresh"),
        ("Collectors", f"{counts.collectors_up}", f"of {counts.collectors} report"),
    )
    for column, (label, value, detail) in zip(
        st.columns(len(tiles), gap="small"), tiles, strict=True
    ):
        column.metric(label, value, detail, delta_color="off", delta_arrow="off", border=True)


def _oldest(fleet: Fleet) -> str:
    """Of the hosts that are not stale: those have their own banner."""
    ages = [
        host.age_seconds
        for rack in fleet.racks
        for host in rack.hosts
        if host.age_seconds is not None and not host.stale
    ]
    return duration(max(ages)) if ages else "none"


def _map(fleet: Fleet) -> None:
    title, picker = st.columns([3, 2], vertical_alignment="center")
    title.subheader(f"Hosts, {clock(fleet.generated_at)} UTC", anchor=False)
    with picker:
        chosen = choose("Open a node", list(_names(fleet)), OPEN_NODE, placeholder="Open a node")
    clicked = rack_map(fleet, key="fleet-map")
    if clicked or chosen:
        go_to_node(clicked or chosen or "")


def _incidents(fleet: Fleet, incidents: tuple[Incident, ...]) -> None:
    st.subheader("Open incidents", anchor=False)
    if not incidents:
        st.markdown("None.")
        return
    worst_first = sorted(incidents, key=lambda one: one.opened_at, reverse=True)
    worst_first.sort(key=lambda one: one.severity.rank, reverse=True)
    with st.container(key="list-open"):
        for incident in worst_first[:LISTED]:
            age = ago(incident.opened_at, fleet.generated_at)
            link_to_incident(
                incident.id,
                f"{SEVERITY_ICON[incident.severity]} **{plain(incident.title)}** · {age}",
            )
    if len(worst_first) > LISTED:
        st.caption(f"and {len(worst_first) - LISTED} more, on the page Incidents")


def _actions() -> None:
    st.subheader("Latest actions", anchor=False)
    latest = data.latest_actions()
    if not latest:
        st.markdown("None.")
    for action in latest:
        st.markdown(f"{action_line(action)} :small[by {plain(action.requested_by)}]")


def _names(fleet: Fleet) -> Iterator[str]:
    return (host.name for rack in fleet.racks for host in rack.hosts)
