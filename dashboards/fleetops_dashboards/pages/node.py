"""One node: every signal on one time axis, what happened, and the drain button."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from fleetops.api.models import HistoryType, NodeDetail, NodeStatus
from fleetops.core.errors import FleetOpsError
from fleetops_dashboards import data
from fleetops_dashboards.charts.node_signals import Signals, all_signals, key_signals
from fleetops_dashboards.charts.panels import Mark, draw, table
from fleetops_dashboards.controls import confirm
from fleetops_dashboards.links import NODE, SPAN, UNTIL, choose, link_to_incident, switch
from fleetops_dashboards.pages.status import out_of_reach
from fleetops_dashboards.palette import SEVERITY_DOT, STATUS_BADGE
from fleetops_dashboards.words import action_badge, clock, plain
from fleetops_schemas.records import ActionKind

SPANS = {"2 min": 2.0, "5 min": 5.0, "15 min": 15.0, "1 h": 60.0, "6 h": 360.0, "24 h": 1440.0}
SIGNALS = {"Key signals": key_signals, "All signals": all_signals}
OUT = (NodeStatus.DRAINED, NodeStatus.DRAINING)
ACTIONS_SHOWN = 5
HISTORY_SHOWN = 40


def page() -> None:
    """Draws the page; it redraws itself."""
    _live()


@st.fragment(run_every=data.REFRESH)
def _live() -> None:
    try:
        names = [host.name for rack in data.fleet().racks for host in rack.hosts]
        picker, spans, which, button = st.columns(
            [3, 5, 3, 2], vertical_alignment="bottom", gap="small"
        )
        with picker:
            name = choose("Node", names, NODE, placeholder="Pick a node")
        if name is None:
            _nobody()
            return
        with spans:
            span = switch("Time", list(SPANS), SPAN, "5 min")
        with which:
            chosen = switch("Signals", list(SIGNALS), "signals", "Key signals")
        detail = data.node(name)
        with button:
            _button(detail)
        _head(detail)
        _body(detail, data.Window.up_to(SPANS[span], _until()), chosen)
    except FleetOpsError as error:
        out_of_reach(error)


def _nobody() -> None:
    wanted = st.query_params.get(NODE)
    if wanted:
        st.error(f"There is no node {plain(wanted)} in the inventory.")
    else:
        st.info("Pick a node above, or click one on the page Fleet.")


def _until() -> datetime | None:
    """The end of the time shown where the address names one; None means now."""
    try:
        until = datetime.fromisoformat(st.query_params.get(UNTIL, ""))
    except ValueError:
        return None
    return until if until.tzinfo is not None else None


def _button(detail: NodeDetail) -> None:
    node = detail.node
    if node.status in OUT and node.drained_by_fleetops:
        if st.button("Undrain…", width="stretch"):
            confirm(ActionKind.UNDRAIN, node.name)
    elif st.button("Drain…", type="primary", width="stretch", disabled=node.status in OUT):
        confirm(ActionKind.DRAIN, node.name)


def _head(detail: NodeDetail) -> None:
    node = detail.node
    words, color = STATUS_BADGE[node.status]
    facts = [f"job {job}" for job in node.jobs] or ["no job"]
    if node.placement:
        facts.append(f"rack {node.rack}, position {node.placement.rack_position}")
        facts += [
            f"{parent.kind.replace('_', ' ')} {parent.device}"
            for parent in detail.parents
            if parent.device != node.rack
        ]
    st.markdown(f"## {plain(node.name)} :{color}-badge[{words}]\n{plain(' · '.join(facts))}")
    if node.reason and node.status in OUT:
        owner = "FleetOps drained it" if node.drained_by_fleetops else "Somebody else drained it"
        st.warning(f"**{owner}:** {plain(node.reason)}")
    with st.container(key="list-incidents"):
        for one in node.incidents:
            role = "blames this node" if one.suspect else "affects this node, does not blame it"
            link_to_incident(
                one.id, f"{SEVERITY_DOT[one.severity]} **{plain(one.title)}** · {role}"
            )
    for collector in detail.collectors:
        for target in collector.targets:
            if not target.up:
                st.warning(
                    f"Collector {plain(collector.collector)} cannot read this node: "
                    f"{plain(target.error) or 'no answer'}"
                )


def _body(detail: NodeDetail, window: data.Window, chosen: str) -> None:
    left, right = st.columns([7, 3], gap="medium")
    with left:
        _signals(SIGNALS[chosen](detail, window), window, _marks(detail), chosen)
    with right:
        _actions(detail)
        _history(detail.node.name)


def _signals(found: Signals, window: data.Window, marks: list[Mark], chosen: str) -> None:
    until = st.query_params.get(UNTIL)
    if until:
        st.info(f"Up to {clock(window.end)} UTC, not up to now.")
        if st.button("Show up to now"):
            st.query_params.pop(UNTIL, None)
            st.rerun()
    if found.panels:
        key = chosen.split(maxsplit=1)[0].lower()
        draw(found.panels, table(found.rows, window, marks), key=key)
        st.caption("Times are UTC. Vertical lines: incidents (red) and actions (blue).")
    else:
        st.info("Nothing was measured on this node in that time.")
    if found.quiet:
        st.caption(f"Quiet in that time: {plain(', '.join(found.quiet))}.")
    for error in found.errors:
        st.caption(plain(error))
    if found.constant:
        st.dataframe(
            {
                name: [row[place] for row in found.constant]
                for place, name in enumerate(("device", "did not change", "value"))
            },
            hide_index=True,
            height=260,
        )


def _marks(detail: NodeDetail) -> list[Mark]:
    marks = []
    for incident in detail.incidents:
        marks.append(Mark(incident.opened_at, "incident", "incident"))
        if incident.resolved_at is not None:
            marks.append(Mark(incident.resolved_at, "incident", "resolved"))
    marks += [
        Mark(action.updated_at, "action", f"{action.kind} {action.state.replace('_', ' ')}")
        for action in detail.actions
    ]
    return marks


def _actions(detail: NodeDetail) -> None:
    st.subheader("Actions", anchor=False)
    if not detail.actions:
        st.markdown("None.")
    for action in detail.actions[:ACTIONS_SHOWN]:
        st.markdown(
            f"{action_badge(action.state)} **{action.kind}** by {plain(action.requested_by)} "
            f"at {clock(action.updated_at)}  \n"
            f":small[{plain(action.reason)}. {plain(action.decision)}]"
        )


def _history(name: str) -> None:
    st.subheader("History", anchor=False)
    entries = data.history(name)
    if not entries:
        st.markdown("Nothing has happened to it.")
        return
    lines = []
    for entry in entries[:HISTORY_SHOWN]:
        strong = entry.type in {HistoryType.INCIDENT, HistoryType.ACTION}
        text = f"**{plain(entry.text)}**" if strong else plain(entry.text)
        lines.append(f"`{clock(entry.time)}` {text} :gray[{entry.type}, {entry.state}]")
    with st.container(height=560, border=False):
        st.markdown("  \n".join(f":small[{line}]" for line in lines))
