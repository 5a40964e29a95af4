"""Nodes: list, detail, series, history; and the fleet as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from fleetops.api import fleet
from fleetops.api.auth import Viewer
from fleetops.api.history import history_of
from fleetops.api.models import (
    DeviceName,
    Fleet,
    HistoryEntry,
    Node,
    NodeDetail,
    NodeStatus,
    Page,
    Series,
)
from fleetops.api.paging import paginate
from fleetops.api.parts import Parts, PartsOf
from fleetops.api.problem import responses
from fleetops.api.routes.parameters import DEFAULT_LIMIT, Cursor, Limit, Name
from fleetops.api.telemetry import MAX_METRICS, MAX_POINTS, SeriesRequest, Warmth
from fleetops.core.errors import StoreUnavailableError
from fleetops.store.queries import Window

router = APIRouter(tags=["nodes"])
WINDOW = timedelta(minutes=15)
"""What a chart shows when nobody says otherwise."""

DeviceClassName = Annotated[
    str, Query(alias="class", max_length=64, description="Device class of the catalog.")
]
Metrics = Annotated[
    list[Annotated[str, Query(max_length=64)]],
    Query(max_length=MAX_METRICS, description="Metrics of the class; all when none is named."),
]
Start = Annotated[AwareDatetime | None, Query(alias="from", description="15 minutes before `to`.")]
End = Annotated[AwareDatetime | None, Query(alias="to", description="Now, when not given.")]
Points = Annotated[int, Query(ge=2, le=MAX_POINTS, description="Most points a series.")]
Extremes = Annotated[bool, Query(description="A gauge's lowest and highest beside its mean.")]
Device = Annotated[DeviceName | None, Query(max_length=253)]


@router.get("/fleet", summary="Everything the fleet page shows")
def get_fleet(_: Viewer, parts: PartsOf) -> Fleet:
    """Racks, hosts with state, severity, temperature and data age, shared parents, counts."""
    warnings: tuple[str, ...] = ()
    warmth: Mapping[str, Warmth] = {}
    try:
        warmth = parts.telemetry.warmth()
    except StoreUnavailableError as error:
        warnings = (f"no telemetry: {error}",)
    return fleet.fleet(parts.snapshot, warmth, parts.clock.now(), warnings)


@router.get("/nodes", summary="Nodes, by name")
def list_nodes(
    _: Viewer,
    parts: PartsOf,
    state: NodeStatus | None = None,
    rack: Name = None,
    job: Name = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Node]:
    """Nodes of the inventory and of the scheduler, filtered."""
    snapshot = parts.snapshot
    nodes = (
        fleet.node(snapshot, name, parts.config.operate.reason_prefix) for name in snapshot.names
    )
    chosen = (
        node
        for node in nodes
        if (state is None or node.status is state)
        and (rack is None or node.rack == rack)
        and (job is None or job in node.jobs)
    )
    items, following = paginate(chosen, lambda node: (node.name,), cursor, limit)
    return Page(items=items, next_cursor=following)


@router.get("/nodes/{name}", summary="One node", responses=responses(HTTPStatus.NOT_FOUND))
def get_node(name: str, _: Viewer, parts: PartsOf) -> NodeDetail:
    """One node with its incidents, actions, jobs, parents and collectors."""
    return fleet.node_detail(parts.snapshot, name, parts.config.operate.reason_prefix)


@router.get(
    "/nodes/{name}/series",
    summary="Telemetry of a node's devices",
    responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE),
)
def get_node_series(  # noqa: PLR0913, PLR0917 - one parameter a bound
    name: str,
    _: Viewer,
    parts: PartsOf,
    device_class: DeviceClassName,
    device: Device = None,
    metrics: Annotated[Metrics, Query()] = [],  # noqa: B006 - FastAPI copies it
    start: Start = None,
    end: End = None,
    points: Points = 300,
    extremes: Extremes = False,
) -> Series:
    """The devices of one class that stand in the node, as columns over one time axis."""
    _known(parts, name)
    window = _window(parts, start, end, points)
    request = SeriesRequest(device_class, tuple(metrics), window, name, device, extremes)
    return parts.telemetry.series(request)


@router.get(
    "/series",
    summary="Telemetry of one device",
    responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE),
)
def get_series(  # noqa: PLR0913, PLR0917 - one parameter a bound
    _: Viewer,
    parts: PartsOf,
    device_class: DeviceClassName,
    device: Annotated[DeviceName, Query(max_length=253)],
    metrics: Annotated[Metrics, Query()] = [],  # noqa: B006 - FastAPI copies it
    start: Start = None,
    end: End = None,
    points: Points = 300,
    extremes: Extremes = False,
) -> Series:
    """Any device, also those that stand beside hosts (``cdu1``, ``r01/shelf1``)."""
    window = _window(parts, start, end, points)
    request = SeriesRequest(device_class, tuple(metrics), window, None, device, extremes)
    return parts.telemetry.series(request)


@router.get(
    "/nodes/{name}/history",
    summary="What happened to a node, newest first",
    responses=responses(HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE),
)
def get_history(
    name: str, _: Viewer, parts: PartsOf, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Page[HistoryEntry]:
    """Events and findings of the store, incidents and actions of the bus, in one list."""
    _known(parts, name)
    return history_of(parts.snapshot, parts.telemetry, name, cursor, limit)


def _known(parts: Parts, name: str) -> None:
    fleet.node(parts.snapshot, name, parts.config.operate.reason_prefix)


def _window(
    parts: Parts, start: AwareDatetime | None, end: AwareDatetime | None, points: int
) -> Window:
    end = end or parts.clock.now()
    return Window(start or end - WINDOW, end, points)
