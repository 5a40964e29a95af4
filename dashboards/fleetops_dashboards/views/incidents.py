"""Incidents: what happened, why it is thought so, and what was done."""

from __future__ import annotations

import streamlit as st

from fleetops.api.models import Fleet
from fleetops.core.errors import NotFoundError, TemporaryError
from fleetops_dashboards import data
from fleetops_dashboards.charts.evidence import evidence
from fleetops_dashboards.charts.panels import draw
from fleetops_dashboards.controls import approval
from fleetops_dashboards.links import (
    INCIDENT,
    SHOWN,
    link_to_incident,
    link_to_node,
    switch,
)
from fleetops_dashboards.palette import RESOLVED_ICON, SEVERITY_ICON, VERDICT_WORDS
from fleetops_dashboards.views.live import live
from fleetops_dashboards.words import action_line, clock, count, plain, severity_badge
from fleetops_schemas.records import Action, ActionState, Incident, IncidentStatus

SHOW = {"All": None, "Open": IncidentStatus.OPEN, "Resolved": IncidentStatus.RESOLVED}
LISTED = 40
HOSTS_SHOWN = 24


@live
def page() -> None:
    """Draws the page."""
    fleet = data.fleet()
    side, main = st.columns([2, 7], gap="medium")
    with side:
        shown = switch("Show", list(SHOW), SHOWN, "All")
        found = data.incidents(SHOW[shown])
    chosen = _chosen(found)
    with side:
        _list(found, chosen)
    with main:
        if chosen is not None:
            _incident(chosen, fleet)
        elif not st.query_params.get(INCIDENT):
            st.info("No incidents." if shown == "All" else f"No incidents: {shown.lower()}.")


def _chosen(found: tuple[Incident, ...]) -> Incident | None:
    """The incident that the address names, or the newest, which the address then names.

    So nobody who reads one is moved to another that has just opened.
    """
    wanted = st.query_params.get(INCIDENT)
    if not wanted:
        if found:
            st.query_params[INCIDENT] = found[0].id
        return found[0] if found else None
    try:
        return data.incident(wanted)
    except NotFoundError as error:
        st.error(plain(str(error)))
        return None


def _list(found: tuple[Incident, ...], chosen: Incident | None) -> None:
    with st.container(key="list-incidents", height=720, border=False):
        for incident in found[:LISTED]:
            is_open = incident.status is IncidentStatus.OPEN
            dot = SEVERITY_ICON[incident.severity] if is_open else RESOLVED_ICON
            title = plain(incident.title)
            if chosen is not None and incident.id == chosen.id:
                title = f"**{title}**"
            link_to_incident(incident.id, f"{dot} {title} · {clock(incident.opened_at)}")
    if len(found) > LISTED:
        st.caption(f"and {count(len(found) - LISTED, 'older one')}: `fleetops incident list`")


def _incident(incident: Incident, fleet: Fleet) -> None:
    actions = data.actions(incident.id)
    _head(incident)
    left, right = st.columns([7, 4], gap="medium")
    with left:
        _why(incident)
        _evidence(incident, fleet, actions)
    with right:
        _done(incident, actions)
        _hosts(incident)
        _timeline(incident)


def _head(incident: Incident) -> None:
    since = f"opened {clock(incident.opened_at)} UTC"
    if incident.resolved_at is not None:
        since += f", resolved {clock(incident.resolved_at)} UTC"
    state = "Open" if incident.status is IncidentStatus.OPEN else "Resolved"
    job = f" · job {plain(incident.job)}" if incident.job else ""
    st.markdown(
        f"## {plain(incident.title)}\n{severity_badge(incident.severity)} **{state}**, {since} · "
        f"it is **{VERDICT_WORDS[incident.verdict]}**{job}"
    )


def _why(incident: Incident) -> None:
    """The explanation: what to do first, then the reasoning, each line on its own."""
    lead, *labelled = incident.explanation.split("\n")
    lines = [line.partition(": ") for line in labelled]
    for label, _, text in lines:
        if label == "To do":
            st.info(f"**To do:** {plain(text)}")
    st.markdown(plain(lead))
    for label, _, text in lines:
        if label == "Ruled out":
            st.markdown(f"- **Ruled out:** {plain(text)}")
        elif label not in {"To do", "Seen"}:
            st.markdown(plain(f"{label}: {text}" if text else label))


def _evidence(incident: Incident, fleet: Fleet, actions: tuple[Action, ...]) -> None:
    st.subheader("Evidence", anchor=False)
    try:
        found = evidence(incident, fleet, actions)
    except TemporaryError as error:
        st.warning(f"**The measurements cannot be read right now.** {plain(str(error))}")
        return
    seen = {finding.summary for finding in incident.findings}
    if found.panels:
        draw(found.panels, found.rows, key=incident.id, wide=True)
        st.caption(
            "Red: accused. Grey: compared with. Dashed amber: the limit or the peers' median. "
            "Times are UTC."
        )
    st.markdown("\n".join(f"- {plain(text)}" for text in found.captions or sorted(seen)[:8]))


def _done(incident: Incident, actions: tuple[Action, ...]) -> None:
    st.subheader("What was done", anchor=False)
    if not actions:
        st.markdown("Nothing so far.")
    for action in actions:
        st.markdown(f"{action_line(action)}  \n:small[{plain(action.decision)}]")
        if action.state is ActionState.PENDING_APPROVAL:
            approval(action)


def _hosts(incident: Incident) -> None:
    others = [host for host in incident.affected_hosts if host not in incident.suspect_hosts]
    until = incident.resolved_at
    st.subheader("Hosts", anchor=False)
    if not incident.suspect_hosts:
        st.markdown("None is blamed: nothing is drained for this without a person's word.")
    for words, names in (("Blamed", incident.suspect_hosts), ("Affected", others)):
        if not names:
            continue
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.markdown(f"{words}:")
            for name in names[:HOSTS_SHOWN]:
                link_to_node(name, until)
            if len(names) > HOSTS_SHOWN:
                st.markdown(f"and {len(names) - HOSTS_SHOWN} more")


def _timeline(incident: Incident) -> None:
    st.subheader("Timeline", anchor=False)
    lines = [f":small[`{clock(one.time)}` {plain(one.text)}]" for one in incident.timeline]
    st.markdown("  \n".join(lines))
