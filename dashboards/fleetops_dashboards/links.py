"""Going from page to page, and the small marks that they share."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from fleetops_dashboards.charts.palette import ACTION_BADGE, SEVERITY_BADGE
from fleetops_schemas.records import ActionState, Severity

NODE_PARAMETER = "node"
INCIDENT_PARAMETER = "incident"


def go_to_node(name: str) -> None:
    """Opens a node's page."""
    st.switch_page(st.session_state["pages"]["node"], query_params={NODE_PARAMETER: name})


def go_to_incident(identity: str) -> None:
    """Opens an incident's page."""
    st.switch_page(
        st.session_state["pages"]["incidents"], query_params={INCIDENT_PARAMETER: identity}
    )


def severity_badge(severity: Severity) -> str:
    """A coloured word, as Markdown."""
    word, color = SEVERITY_BADGE[severity]
    return f":{color}-badge[{word}]"


def action_badge(state: ActionState) -> str:
    """A coloured word, as Markdown."""
    word, color = ACTION_BADGE[state]
    return f":{color}-badge[{word}]"


def clock(moment: datetime) -> str:
    """A time of today or a date, UTC."""
    moment = moment.astimezone(UTC)
    today = datetime.now(UTC).date()
    return f"{moment:%H:%M:%S}" if moment.date() == today else f"{moment:%Y-%m-%d %H:%M}"


def escape(text: str) -> str:
    """Text from outside as plain text in Markdown."""
    for mark in "\\`*_{}[]()<>#+-!|$:~":
        text = text.replace(mark, f"\\{mark}")
    return text
