"""What a person may ask for: drain, undrain, approve, deny, reset. Always with a reason."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4, uuid5

import streamlit as st

from fleetops.api.models import MAX_REASON, Node, Receipt
from fleetops.core.errors import FleetOpsError
from fleetops_dashboards import data
from fleetops_dashboards.palette import OUTLOOK_BADGE
from fleetops_dashboards.words import count, plain
from fleetops_schemas.records import Action, ActionKind

_EFFECT = {
    ActionKind.DRAIN: "The node takes no new work. Work that runs on it goes on until it ends.",
    ActionKind.UNDRAIN: "The scheduler may place work on the node again.",
}
_HINT = "what you saw, or a ticket"


def confirm(kind: ActionKind, node: Node) -> None:
    """Opens the dialog that asks for an act: what it does, why, what the policy would say."""
    st.dialog(f"{kind.capitalize()} {node.name}?")(_confirm)(kind, node, uuid4())


def _confirm(kind: ActionKind, node: Node, opened: UUID) -> None:
    """Each opening is one request for each reason, however often its button is pressed."""
    name, jobs = node.name, ", ".join(node.jobs)
    st.markdown(f"{_EFFECT[kind]} {f'Job {plain(jobs)} runs on it.' if jobs else ''}")
    reason = st.text_input(
        "Reason", placeholder=_HINT, max_chars=MAX_REASON, key=f"reason-{kind}-{name}"
    ).strip()
    if reason:
        _preview(kind, name, reason)
    else:
        st.caption("Write a reason and press Enter; it goes to the scheduler and the history.")
    if st.button(f"{kind.capitalize()} {name}", type="primary", disabled=not reason):
        key = uuid5(opened, reason).hex
        _carry_out(lambda: data.ask(kind, name, reason, key), f"Asked for: {kind} {name}")


@st.dialog("Let automation act again?")
def confirm_reset(why: str) -> None:
    """Asks for the reason of resetting the circuit breaker."""
    st.markdown(f"The circuit breaker stopped it: {plain(why)}")
    reason = st.text_input("Reason", placeholder=_HINT, max_chars=MAX_REASON).strip()
    if st.button("Reset the breaker", type="primary", disabled=not reason):
        _carry_out(lambda: data.reset_breaker(reason), "Asked for: reset of the breaker")


def approval(action: Action) -> None:
    """Approve or deny, in place. Where the nodes change, it is another form, to be read anew."""
    with st.form(f"approval-{action.id}-{'-'.join(action.nodes)}"):
        st.markdown(
            f"**{action.kind.capitalize()} {count(len(action.nodes), 'node')}?** "
            f"{plain(', '.join(action.nodes))}"
        )
        reason = st.text_input("Reason", placeholder=_HINT, max_chars=MAX_REASON).strip()
        yes, no = st.columns(2)
        approve = yes.form_submit_button("Approve", type="primary", width="stretch")
        deny = no.form_submit_button("Deny", width="stretch")
    if not (approve or deny):
        return
    if not reason:
        st.error("Write a reason; it is kept with the decision.")
        return
    word = "approval" if approve else "denial"
    _carry_out(
        lambda: data.decide(action, reason, approve=approve), f"Sent: {word} of {action.target}"
    )


def _preview(kind: ActionKind, name: str, reason: str) -> None:
    try:
        receipt = data.preview(kind, name, reason)
    except FleetOpsError as error:
        st.error(plain(str(error)))
        return
    for outlook in receipt.nodes:
        words, color = OUTLOOK_BADGE[outlook.verdict]
        st.markdown(
            f"As things stand it :{color}-badge[{words}]: {plain(outlook.reason) or 'no objection'}"
        )


def _carry_out(request: Callable[[], Receipt], done: str) -> None:
    try:
        request()
    except FleetOpsError as error:
        st.error(plain(str(error)))
        return
    data.forget()
    st.toast(done)
    st.rerun()
