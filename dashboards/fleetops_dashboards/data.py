"""What the pages show, fetched through the API client and shared by all viewers.

The models are frozen, so one object serves every session: ``cache_resource`` copies nothing.
Every cache is bounded in time and in entries.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import streamlit as st

from fleetops.api.client import Client
from fleetops.api.models import Fleet, HistoryEntry, NodeDetail, Receipt, Series
from fleetops.core.config import load_config
from fleetops_schemas.records import Action, ActionKind, Incident, IncidentStatus

REFRESH_SECONDS = 2
LIST_LIMIT = 200
LATEST = 6
SERIES_POINTS = 180
SERIES_TTL_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Window:
    """The time a chart shows. Snapped, so that viewers and panels ask for the same."""

    start: datetime
    end: datetime

    @classmethod
    def up_to(cls, minutes: float, end: datetime | None = None) -> Window:
        """That many minutes up to ``end``, now by default."""
        snap = 2 * REFRESH_SECONDS
        stamp = (end or datetime.now(UTC)).timestamp()
        last = datetime.fromtimestamp(stamp - stamp % snap, UTC)
        return cls(last - timedelta(minutes=minutes), last)


@st.cache_resource(show_spinner=False)
def client() -> Client:
    """The one client of this process."""
    path = os.environ.get("FLEETOPS_CONFIG")
    return Client(load_config(Path(path) if path else None).client)


@st.cache_resource(ttl=REFRESH_SECONDS, max_entries=1, show_spinner=False)
def fleet() -> Fleet:
    """The fleet map and its counts."""
    return client().fleet()


@st.cache_resource(ttl=REFRESH_SECONDS, max_entries=4, show_spinner=False)
def incidents(status: IncidentStatus | None) -> tuple[Incident, ...]:
    """Incidents, newest first."""
    return client().incidents(status=status, limit=LIST_LIMIT).items


@st.cache_resource(ttl=REFRESH_SECONDS, max_entries=32, show_spinner=False)
def incident(identity: str) -> Incident:
    """One incident, however old."""
    return client().incident(identity)


@st.cache_resource(ttl=REFRESH_SECONDS, max_entries=32, show_spinner=False)
def actions(incident_id: str) -> tuple[Action, ...]:
    """Actions of one incident, newest first."""
    return client().actions(incident=incident_id, limit=LIST_LIMIT).items


@st.cache_resource(ttl=REFRESH_SECONDS, max_entries=1, show_spinner=False)
def latest_actions() -> tuple[Action, ...]:
    """The latest actions, newest first."""
    return client().actions(limit=LATEST).items


@st.cache_resource(ttl=REFRESH_SECONDS, max_entries=32, show_spinner=False)
def node(name: str) -> NodeDetail:
    """One node."""
    return client().node(name)


@st.cache_resource(ttl=REFRESH_SECONDS, max_entries=32, show_spinner=False)
def history(name: str) -> tuple[HistoryEntry, ...]:
    """What happened to a node, newest first."""
    return client().history(name, limit=LIST_LIMIT).items


@st.cache_resource(ttl=SERIES_TTL_SECONDS, max_entries=64, show_spinner=False)
def node_series(
    name: str,
    device_class: str,
    metrics: tuple[str, ...],
    window: Window,
    *,
    extremes: bool = False,
) -> Series:
    """All devices of one class in a node; every measured metric where none is named."""
    return client().node_series(
        name,
        device_class,
        metrics=metrics,
        start=window.start,
        end=window.end,
        points=SERIES_POINTS,
        extremes=extremes,
    )


@st.cache_resource(ttl=SERIES_TTL_SECONDS, max_entries=64, show_spinner=False)
def device_series(
    device: str, device_class: str, metrics: tuple[str, ...], window: Window
) -> Series:
    """One device, also of those beside hosts."""
    return client().series(
        device,
        device_class,
        metrics=metrics,
        start=window.start,
        end=window.end,
        points=SERIES_POINTS,
    )


@st.cache_resource(ttl=REFRESH_SECONDS, max_entries=32, show_spinner=False)
def preview(kind: ActionKind, name: str) -> Receipt:
    """What a request would do, without doing it."""
    return client().request_action(kind, [name], "what would be done?", dry_run=True)


def ask(kind: ActionKind, name: str, reason: str, key: str) -> Receipt:
    """Asks for a drain or an undrain; again with the same key it is the same request."""
    return client().request_action(kind, [name], reason, key=key)


def decide(action: Action, reason: str, *, approve: bool) -> Receipt:
    """Approves a waiting action for the nodes that it names now, or denies it."""
    if approve:
        return client().approve(action.id, reason, nodes=action.nodes)
    return client().deny(action.id, reason)


def reset_breaker(reason: str) -> Receipt:
    """Lets automation act again."""
    return client().reset_breaker(reason)


def forget() -> None:
    """After a change: the next look is a fresh one."""
    for cached in (fleet, incidents, incident, actions, latest_actions, node, history, preview):
        cached.clear()
