"""One node: every signal on one time axis, what happened, and the drain button."""

from __future__ import annotations

import altair as alt
import streamlit as st

from fleetops.api.models import NodeDetail, NodeStatus
from fleetops.core.errors import FleetOpsError, NotFoundError
from fleetops_dashboards import data
from fleetops_dashboards.charts.palette import STATUS_WORDS
from fleetops_dashboards.charts.time_series import panel
from fleetops_dashboards.links import (
    NODE_PARAMETER,
    action_badge,
    clock,
    escape,
    severity_badge,
)
from fleetops_schemas.records import ActionKind

PANELS = (
    ("accelerator", "temperature_celsius", "Accelerator temperature"),
    ("accelerator", "power_watts", "Accelerator power"),
    ("accelerator", "sm_clock_megahertz", "Compute clock"),
    ("accelerator", "throttle_reasons", "Throttle reasons (bits)"),
    ("host", "coolant_flow_litres_per_minute", "Coolant flow through the tray"),
    ("host", "coolant_supply_temperature_celsius", "Coolant supply"),
    ("host", "coolant_return_temperature_celsius", "Coolant return"),
    ("host", "power_watts", "Host power"),
    ("host", "inlet_temperature_celsius", "Air inlet"),
    ("training_rank", "compute_seconds", "Compute time of a step, each rank"),
    ("training_rank", "communication_seconds", "Communication and waiting, each rank"),
    ("coolant_unit", "leak_state", "Leak detectors"),
)
SPANS = {"2 min": 2.0, "5 min": 5.0, "15 min": 15.0, "1 h": 60.0, "6 h": 360.0}
OUT = (NodeStatus.DRAINED, NodeStatus.DRAINING)


def page() -> None:
    """Draws the page; the live part redraws itself."""
    name = st.query_params.get(NODE_PARAMETER)
    try:
        names = [host.name for rack in data.fleet().racks for host in rack.hosts]
    except FleetOpsError as error:
        st.error(f"The API does not answer: {error}")
        return
    if not names:
        st.info("The inventory is empty: no collector has announced a host yet.")
        return
    index = names.index(name) if name in names else 0
    picked = st.selectbox("Node", names, index=index)
    st.query_params[NODE_PARAMETER] = picked
    span = st.segmented_control("Time", list(SPANS), default="5 min", label_visibility="collapsed")
    _live(picked, SPANS[span or "5 min"])


@st.fragment(run_every=data.REFRESH)
def _live(name: str, minutes: float) -> None:
    try:
        detail = data.node(name)
    except NotFoundError as error:
        st.error(str(error))
        return
    except FleetOpsError as error:
        st.error(f"The API does not answer: {error}")
        return
    _head(detail)
    left, right = st.columns([5, 2], gap="large")
    with left:
        _signals(name, minutes)
    with right:
        _actions(detail)
        _history(name)


def _head(detail: NodeDetail) -> None:
    node = detail.node
    title, button = st.columns([5, 1], vertical_alignment="bottom")
    title.header(node.name, anchor=False)
    with button:
        if node.status in OUT and node.drained_by_fleetops:
            if st.button("Undrain", width="stretch"):
                _confirm(ActionKind.UNDRAIN, node.name)
        elif st.button("Drain", type="primary", width="stretch", disabled=node.status in OUT):
            _confirm(ActionKind.DRAIN, node.name)
    place = ""
    if node.placement:
        fed = [parent.device for parent in detail.parents]
        place = (
            f"Rack {node.rack}, position {node.placement.rack_position}; hangs on {', '.join(fed)}."
        )
    jobs = f"Jobs: {', '.join(node.jobs)}." if node.jobs else "No job."
    st.markdown(f"**{STATUS_WORDS[node.status]}**. {escape(jobs)} {escape(place)}")
    if node.reason and node.status in OUT:
        owner = "FleetOps drained it" if node.drained_by_fleetops else "Somebody else drained it"
        st.warning(f"{owner}: {escape(node.reason)}")
    for reference in node.incidents:
        blamed = "blames this node" if reference.suspect else "affects this node"
        st.markdown(f"{severity_badge(reference.severity)} {escape(reference.title)} ({blamed})")


def _signals(name: str, minutes: float) -> None:
    """Every signal under the other, all on one time axis."""
    drawn: list[alt.Chart] = []
    wanted: dict[str, list[str]] = {}
    for device_class, metric, _ in PANELS:
        wanted.setdefault(device_class, []).append(metric)
    found = {}
    for device_class, metrics in wanted.items():
        try:
            found[device_class] = data.series(name, device_class, tuple(metrics), minutes)
        except FleetOpsError as error:
            st.caption(f"{device_class}: {error}")
    if not found:
        return
    spans = [(series.start, series.end) for series in found.values()]
    span = (min(start for start, _ in spans), max(end for _, end in spans))
    present = [entry for entry in PANELS if entry[0] in found]
    for device_class, metric, title in present:
        chart = panel(found[device_class], metric, title, span, axis=True)
        if chart is not None:
            drawn.append(chart)
    if not drawn:
        st.info("Nothing was measured on this node in that time.")
        return
    for chart in drawn:
        st.altair_chart(chart, width="stretch")


def _actions(detail: NodeDetail) -> None:
    st.subheader("Actions", anchor=False)
    if not detail.actions:
        st.markdown("None.")
    for action in detail.actions[:6]:
        st.markdown(
            f"{action_badge(action.state)} **{action.kind}** by {escape(action.requested_by)} "
            f"at {clock(action.updated_at)}"
        )
        st.caption(f"{escape(action.reason)}. {escape(action.decision)}")


def _history(name: str) -> None:
    st.subheader("History", anchor=False)
    try:
        entries = data.history(name)
    except FleetOpsError as error:
        st.caption(str(error))
        return
    for entry in entries[:30]:
        st.markdown(f"`{clock(entry.time)}` **{entry.type}** {escape(entry.text)}")


@st.dialog("Are you sure?")
def _confirm(kind: ActionKind, name: str) -> None:
    words = (
        "Draining keeps new work off the node. Work that runs goes on until it ends."
        if kind is ActionKind.DRAIN
        else "Work may be placed on the node again."
    )
    st.markdown(f"**{kind.capitalize()} {escape(name)}.** {words}")
    reason = st.text_input("Reason", placeholder="what you saw, or a ticket", max_chars=200)
    if kind is ActionKind.DRAIN and reason.strip():
        try:
            receipt = data.preview_drain(name, reason)
        except FleetOpsError as error:
            st.error(str(error))
            return
        for outlook in receipt.nodes:
            st.caption(f"{outlook.node}: {outlook.verdict}; {escape(outlook.reason)}")
    if st.button(f"{kind.capitalize()} {name}", type="primary", disabled=not reason.strip()):
        try:
            data.ask(kind, name, reason)
        except FleetOpsError as error:
            st.error(str(error))
            return
        data.forget()
        st.rerun()
