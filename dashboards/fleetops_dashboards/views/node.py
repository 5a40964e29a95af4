"""One node: every signal on one time axis, what happened, and the drain button."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby

import streamlit as st

from fleetops.api.models import (
    FleetHost,
    HistoryEntry,
    HistoryType,
    Node,
    NodeDetail,
    NodeStatus,
)
from fleetops.core.errors import TemporaryError
from fleetops_dashboards import data
from fleetops_dashboards.charts.node_signals import all_signals, key_signals
from fleetops_dashboards.charts.panels import Mark, draw, table
from fleetops_dashboards.controls import ask, confirmation
from fleetops_dashboards.links import NODE, SPAN, UNTIL, choose, link_to_incident, switch
from fleetops_dashboards.palette import SEVERITY_ICON, STATUS_BADGE
from fleetops_dashboards.views.live import live
from fleetops_dashboards.words import action_badge, clock, freshness_badge, plain
from fleetops_schemas.records import ActionKind

SPANS = {"2 min": 2.0, "5 min": 5.0, "15 min": 15.0, "1 h": 60.0, "6 h": 360.0, "24 h": 1440.0}
SIGNALS = {"Key signals": key_signals, "All signals": all_signals}
OUT = (NodeStatus.DRAINED, NodeStatus.DRAINING)
ACTIONS_SHOWN = 5
HISTORY_SHOWN = 80


@live
def page() -> None:
    """Draws the page."""
    hosts = {host.name: host for rack in data.fleet().racks for host in rack.hosts}
    picker, spans, which, button = st.columns(
        [3, 5, 3, 2], vertical_alignment="bottom", gap="small"
    )
    with picker:
        name = choose("Node", list(hosts), NODE, placeholder="Pick a node")
    if name is None:
        _nobody()
        return
    with spans:
        span = switch("Time", list(SPANS), SPAN, "5 min")
    with which:
        chosen = switch("Signals", list(SIGNALS), "signals", "Key signals")
    detail = data.node(name)
    with button:
        _button(detail.node)
    confirmation(detail.node)
    _head(detail, hosts[name])
    left, right = st.columns([7, 3], gap="medium")
    with left:
        _signals(detail, SPANS[span], chosen)
    with right:
        _actions(detail)
        _history(name)


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


def _button(node: Node) -> None:
    out = node.status in OUT
    if out and node.drained_by_fleetops:
        ask("Undrain…", ActionKind.UNDRAIN, node.name)
        return
    help_ = "It is drained, and not by FleetOps: whoever did it lifts it." if out else None
    ask("Drain…", ActionKind.DRAIN, node.name, primary=True, disabled=out, help_=help_)


def _head(detail: NodeDetail, host: FleetHost) -> None:
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
    st.markdown(
        f"## {plain(node.name)} :{color}-badge[{words}] {freshness_badge(host)}\n"
        f"{plain(' · '.join(facts))}"
    )
    if node.reason and node.status in OUT:
        owner = "FleetOps drained it" if node.drained_by_fleetops else "Somebody else drained it"
        st.warning(f"**{owner}:** {plain(node.reason)}")
    unread = [
        f"{collector.collector} ({target.error or 'no answer'})"
        for collector in detail.collectors
        for target in collector.targets
        if not target.up
    ]
    if unread:
        st.warning(f"**Not read right now by** {plain(', '.join(unread))}")
    with st.container(key="list-incidents"):
        for one in node.incidents:
            role = "blames this node" if one.suspect else "affects this node, does not blame it"
            link_to_incident(
                one.id, f"{SEVERITY_ICON[one.severity]} **{plain(one.title)}** · {role}"
            )


def _signals(detail: NodeDetail, minutes: float, chosen: str) -> None:
    until = _until()
    window = data.Window.up_to(minutes, until)
    if until is not None:
        st.info(f"Up to {clock(window.end)} UTC, not up to now.", icon=":material/history:")
        if st.button("Show up to now"):
            st.query_params.pop(UNTIL, None)
            st.rerun()
    found = SIGNALS[chosen](detail, window)
    for error in found.errors:
        st.warning(f"**Not everything can be read right now.** {plain(error)}")
    if found.panels:
        rows = table(found.rows, window, _marks(detail))
        draw(found.panels, rows, key=chosen.replace(" ", "-").lower())
        st.caption("Times are UTC. Vertical lines: incidents (red) and actions (blue, dashed).")
    elif not found.errors:
        st.info("Nothing was measured on this node in that time.")
    if found.quiet:
        st.caption(f"Measured, and nothing happened: {plain(', '.join(found.quiet))}.")
    if found.constant:
        st.caption("Did not change in that time:")
        columns = zip(*found.constant, strict=True)
        st.dataframe(
            dict(zip(("device", "metric", "value", "last measured, UTC"), columns, strict=True)),
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
    try:
        entries = data.history(name)
    except TemporaryError as error:
        st.warning(f"**It cannot be read right now.** {plain(str(error))}")
        return
    if not entries:
        st.markdown("Nothing has happened to it.")
        return
    with st.container(height=560, border=False):
        st.markdown("  \n".join(f":small[{line}]" for line in _lines(entries[:HISTORY_SHOWN])))


def _lines(entries: Sequence[HistoryEntry]) -> Iterator[str]:
    """One line for each thing; the same thing on several devices at a time is one line."""
    alike = groupby(entries, lambda one: (one.type, one.kind, one.state, clock(one.time)))
    for (type_, _, state, time), group in alike:
        first, *others = group
        strong = type_ in {HistoryType.INCIDENT, HistoryType.ACTION}
        text = f"**{plain(first.text)}**" if strong else plain(first.text)
        more = f" (and {len(others)} more like it)" if others else ""
        yield f"`{time}` {text}{more} :gray[{type_}, {state or 'seen'}]"
