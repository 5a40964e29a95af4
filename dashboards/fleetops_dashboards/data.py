"""What the pages show, fetched through the API client and cached for all viewers together."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import streamlit as st

from fleetops.api.client import Client
from fleetops.api.models import Fleet, HistoryEntry, NodeDetail, Receipt, Series
from fleetops.core.config import load_config
from fleetops_schemas.records import Action, ActionKind, Incident, IncidentStatus

REFRESH_SECONDS = 2
REFRESH = f"{REFRESH_SECONDS}s"
LIST_LIMIT = 200
SERIES_POINTS = 240


@st.cache_resource
def client() -> Client:
    """The one client of this process."""
    path = os.environ.get("FLEETOPS_CONFIG")
    return Client(load_config(Path(path) if path else None).client)


@st.cache_data(ttl=REFRESH_SECONDS, max_entries=2, show_spinner=False)
def fleet() -> Fleet:
    """The fleet map and its counts."""
    return client().fleet()


@st.cache_data(ttl=REFRESH_SECONDS, max_entries=4, show_spinner=False)
def incidents(status: IncidentStatus | None) -> list[Incident]:
    """Incidents, newest first."""
    return list(client().incidents(status=status, limit=LIST_LIMIT).items)


@st.cache_data(ttl=REFRESH_SECONDS, max_entries=2, show_spinner=False)
def actions() -> list[Action]:
    """Actions, newest first."""
    return list(client().actions(limit=LIST_LIMIT).items)


@st.cache_data(ttl=REFRESH_SECONDS, max_entries=64, show_spinner=False)
def node(name: str) -> NodeDetail:
    """One node."""
    return client().node(name)


@st.cache_data(ttl=REFRESH_SECONDS, max_entries=64, show_spinner=False)
def history(name: str) -> list[HistoryEntry]:
    """What happened to a node, newest first."""
    return list(client().history(name, limit=LIST_LIMIT).items)


@st.cache_data(ttl=REFRESH_SECONDS, max_entries=256, show_spinner=False)
def series(node: str, device_class: str, metrics: tuple[str, ...], minutes: float) -> Series:
    """Time series of all devices of one class on a node."""
    end = datetime.now(UTC)
    return client().node_series(
        node,
        device_class=device_class,
        metrics=metrics,
        start=end - timedelta(minutes=minutes),
        end=end,
        points=SERIES_POINTS,
    )


def preview_drain(name: str, reason: str) -> Receipt:
    """What a drain would do, without doing it."""
    return client().request_action(ActionKind.DRAIN, [name], reason, dry_run=True)


def ask(kind: ActionKind, name: str, reason: str) -> Receipt:
    """Asks for a drain or an undrain."""
    return client().request_action(kind, [name], reason)


def forget() -> None:
    """After a change: the next look is a fresh one."""
    st.cache_data.clear()
