"""Incidents: what happened, why it is thought so, and what was done."""

from __future__ import annotations

import streamlit as st

from fleetops.core.errors import FleetOpsError
from fleetops_dashboards import data
from fleetops_dashboards.charts.evidence import evidence_charts
from fleetops_dashboards.charts.palette import VERDICT_WORDS
from fleetops_dashboards.links import (
    INCIDENT_PARAMETER,
    action_badge,
    clock,
    escape,
    go_to_node,
    severity_badge,
)
from fleetops_schemas.records import Action, ActionState, Incident, IncidentStatus


def page() -> None:
    """Draws the page; the live part redraws itself."""
    st.title("Incidents", anchor=False)
    shown = st.segmented_control(
        "Show", ["Open", "Resolved", "All"], default="All", label_visibility="collapsed"
    )
    status = {"Open": IncidentStatus.OPEN, "Resolved": IncidentStatus.RESOLVED}.get(shown or "")
    _live(status)


@st.fragment(run_every=data.REFRESH)
def _live(status: IncidentStatus | None) -> None:
    try:
        found = data.incidents(status)
        actions = data.actions()
    except FleetOpsError as error:
        st.error(f"The API does not answer: {error}")
        return
    if not found:
        st.info("No incidents.")
        return
    chosen = _choose(found)
    _head(chosen)
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader("Why", anchor=False)
        st.markdown(escape(chosen.explanation))
        evidence_charts(chosen)
    with right:
        _done(chosen, [action for action in actions if action.incident_id == chosen.id])
        _timeline(chosen)


def _choose(found: list[Incident]) -> Incident:
    ids = [incident.id for incident in found]
    titles = {incident.id: incident for incident in found}
    wanted = st.query_params.get(INCIDENT_PARAMETER)
    index = ids.index(wanted) if wanted in ids else 0

    def label(identity: str) -> str:
        incident = titles[identity]
        mark = "●" if incident.status is IncidentStatus.OPEN else "✓"
        return f"{mark}  {clock(incident.opened_at)}  {incident.title}"

    picked = st.selectbox("Incident", ids, index=index, format_func=label)
    st.query_params[INCIDENT_PARAMETER] = picked
    return titles[picked]


def _head(incident: Incident) -> None:
    state = "Open" if incident.status is IncidentStatus.OPEN else "Resolved"
    st.header(incident.title, anchor=False)
    st.markdown(
        f"{severity_badge(incident.severity)} **{state}** since {clock(incident.opened_at)} UTC. "
        f"Verdict: **{VERDICT_WORDS[incident.verdict]}**. "
        f"Cause: **{escape(incident.cause_device)}**, {escape(incident.kind.replace('_', ' '))}."
    )
    hosts = [
        ("Blamed", incident.suspect_hosts),
        (
            "Affected, not blamed",
            tuple(h for h in incident.affected_hosts if h not in incident.suspect_hosts),
        ),
    ]
    for words, names in hosts:
        if not names:
            continue
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.markdown(f"**{words}**")
            for name in names[:24]:
                if st.button(name, key=f"{incident.id}-{words}-{name}", type="tertiary"):
                    go_to_node(name)
            if len(names) > 24:  # noqa: PLR2004
                st.markdown(f"and {len(names) - 24} more")
    if not incident.suspect_hosts:
        st.info("No host is blamed: nothing is drained for this incident without a person's word.")


def _done(incident: Incident, actions: list[Action]) -> None:
    st.subheader("What was done", anchor=False)
    if not actions:
        st.markdown("Nothing so far.")
    for action in actions:
        what = f"{action.kind} {', '.join(action.nodes[:4])}"
        more = f" and {len(action.nodes) - 4} more" if len(action.nodes) > 4 else ""  # noqa: PLR2004
        st.markdown(f"{action_badge(action.state)} **{escape(what)}**{more}")
        st.caption(escape(action.decision))
        if action.state is ActionState.PENDING_APPROVAL:
            _approval(action)
    st.caption(f"Recommended: {incident.action.replace('_', ' ')}.")


def _approval(action: Action) -> None:
    with st.form(f"approval-{action.id}"):
        reason = st.text_input("Why", key=f"why-{action.id}")
        yes, no = st.columns(2)
        approve = yes.form_submit_button("Approve", type="primary", width="stretch")
        deny = no.form_submit_button("Deny", width="stretch")
    if not (approve or deny):
        return
    if not reason.strip():
        st.error("Write why; it is kept with the decision.")
        return
    try:
        if approve:
            data.client().approve(action.id, reason)
        else:
            data.client().deny(action.id, reason)
    except FleetOpsError as error:
        st.error(str(error))
        return
    data.forget()
    st.rerun()


def _timeline(incident: Incident) -> None:
    st.subheader("Timeline", anchor=False)
    for entry in incident.timeline:
        st.markdown(f"`{clock(entry.time)}`  {escape(entry.text)}")
