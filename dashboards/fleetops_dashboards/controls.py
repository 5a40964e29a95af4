"""What a person may ask for: drain, undrain, approve, deny, reset. Always with a reason.

What is asked is kept in the session and drawn with the page, as forms. A dialog would be a part of
the page that runs by itself, and Streamlit forgets such a part when what it was opened from is
drawn again, which the live part of a page always is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
_ASKED = "asked"
BREAKER = "breaker"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A button that was pressed and waits for reason and confirmation."""

    what: str
    about: str
    opened: UUID
    """Makes one request of each opening and reason, however often it is confirmed."""


def ask(
    label: str,
    what: str,
    about: str,
    *,
    primary: bool = False,
    disabled: bool = False,
    help_: str | None = None,
) -> None:
    """The button that opens the confirmation of ``what`` (an action's kind) about a node."""
    st.button(
        label,
        type="primary" if primary else "secondary",
        width="stretch",
        on_click=lambda: st.session_state.update({_ASKED: _Asked(what, about, uuid4())}),
        disabled=disabled,
        help=help_,
    )


def confirmation(node: Node) -> None:
    """Where a drain or undrain of this node was asked for: what it does, and the last question."""
    for kind, effect in _EFFECT.items():
        asked = _asked(kind, node.name)
        if asked is None:
            continue
        jobs = f" Job {', '.join(node.jobs)} runs on it." if node.jobs else ""
        reason = _last_question(
            asked, f"{kind.capitalize()} {node.name}", f"{effect}{jobs}", _outlook(kind, node.name)
        )
        if reason:
            key = uuid5(asked.opened, reason).hex
            done = f"Asked for: {kind} {node.name}"
            _carry_out(lambda: data.ask(kind, node.name, reason, key), done)  # noqa: B023


def confirm_reset(why: str) -> None:
    """Where the reset of the circuit breaker was asked for: the last question."""
    asked = _asked(BREAKER, BREAKER)
    if asked is None:
        return
    reason = _last_question(asked, "Reset the breaker", f"It stopped automation: {why}")
    if reason:
        _carry_out(lambda: data.reset_breaker(reason), "Asked for: reset of the breaker")


def approval(action: Action) -> None:
    """Approve or deny, in place. Where the nodes change, it is another form, to be read anew."""
    with st.form(f"approval-{action.id}-{'-'.join(action.nodes)}", enter_to_submit=False):
        st.markdown(
            f"**{action.kind.capitalize()} {count(len(action.nodes), 'node')}?** "
            f"{plain(', '.join(action.nodes))}"
        )
        reason = _reason()
        yes, no = st.columns(2)
        approve = yes.form_submit_button("Approve", type="primary", width="stretch")
        deny = no.form_submit_button("Deny", width="stretch")
    if (approve or deny) and _is_given(reason):
        word = "approval" if approve else "denial"
        _carry_out(
            lambda: data.decide(action, reason, approve=approve),
            f"Sent: {word} of {action.target}",
        )


def _asked(what: str, about: str) -> _Asked | None:
    asked: _Asked | None = st.session_state.get(_ASKED)
    return asked if asked is not None and (asked.what, asked.about) == (what, about) else None


def _last_question(asked: _Asked, what: str, effect: str, outlook: str = "") -> str | None:
    """The form; the reason once it is confirmed with one."""
    with st.form(f"confirm-{asked.opened}", enter_to_submit=False):
        st.markdown(f"**{plain(what)}?** {plain(effect)}  \n{outlook}")
        reason = _reason()
        yes, no, _ = st.columns([2, 1, 3])
        confirmed = yes.form_submit_button(what, type="primary", width="stretch")
        cancelled = no.form_submit_button("Cancel", width="stretch")
    if cancelled:
        _close()
    return reason if confirmed and _is_given(reason) else None


def _reason() -> str:
    hint = "what you saw, or a ticket; it goes to the scheduler and the history"
    return st.text_input("Reason", placeholder=hint, max_chars=MAX_REASON).strip()


def _is_given(reason: str) -> bool:
    if not reason:
        _complain("Nothing was sent: write a reason; it is kept with the act.")
    return bool(reason)


def _outlook(kind: ActionKind, name: str) -> str:
    """What the policy would do, as Markdown."""
    try:
        receipt = data.preview(kind, name)
    except FleetOpsError as error:
        return f":red-badge[not known what would be done] {plain(str(error))}"
    lines = []
    for outlook in receipt.nodes:
        words, color = OUTLOOK_BADGE[outlook.verdict]
        reason = plain(outlook.reason) or "no objection"
        lines.append(f"As things stand it :{color}-badge[{words}] {reason}")
    return "  \n".join(lines)


def _carry_out(request: Callable[[], Receipt], done: str) -> None:
    try:
        request()
    except FleetOpsError as error:
        _complain(f"Not done: {plain(str(error))}")
        return
    data.forget()
    st.toast(plain(done), icon=":material/check:", duration="long")
    _close()


def _complain(text: str) -> None:
    """Stays until it is put away, whatever the page draws meanwhile."""
    st.toast(text, icon=":material/error:", duration="infinite")


def _close() -> None:
    st.session_state.pop(_ASKED, None)
    st.rerun()
