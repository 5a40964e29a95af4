"""Collectors, and the health of FleetOps itself."""

from __future__ import annotations

from http import HTTPStatus
from importlib.metadata import version

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from fleetops.api.auth import Viewer
from fleetops.api.models import Health, Page, PartHealth
from fleetops.api.paging import paginate
from fleetops.api.parts import Parts, PartsOf
from fleetops.api.problem import respond, responses
from fleetops.api.routes.parameters import DEFAULT_LIMIT, Cursor, Limit
from fleetops.core import metrics
from fleetops.core.errors import FleetOpsError
from fleetops_schemas.records import CollectorReport

router = APIRouter(tags=["system"])
probes = APIRouter(tags=["probes"])
VIEW_LATE_SECONDS = 30.0
"""A view that was not refreshed for so long is behind."""


@router.get("/collectors", summary="Collectors' last heartbeats, by name")
def list_collectors(
    _: Viewer, parts: PartsOf, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
) -> Page[CollectorReport]:
    """Each collector with its targets, as of its last report."""
    reports = parts.snapshot.collectors.values()
    items, following = paginate(reports, lambda report: (report.collector,), cursor, limit)
    return Page(items=items, next_cursor=following)


@router.get("/health", summary="What the API sees of its dependencies")
def get_health(_: Viewer, parts: PartsOf) -> Health:
    """The bus by the age of the view, the store by a ping."""
    return health(parts)


@probes.get("/healthz", summary="Whether the process is alive")
def healthz(request: Request, parts: PartsOf) -> Response:
    """Touches neither bus nor store: a dependency's outage is no reason to restart this."""
    age = view_age_seconds(parts)
    if age is not None and age > VIEW_LATE_SECONDS:
        return respond(
            request,
            HTTPStatus.SERVICE_UNAVAILABLE,
            "unavailable",
            f"the view was not refreshed for {age:.0f} s: its loop stands; restart the process",
        )
    return JSONResponse({"status": "ok"})


@probes.get(
    "/readyz",
    summary="Whether requests can be answered",
    responses=responses(HTTPStatus.SERVICE_UNAVAILABLE),
)
def readyz(request: Request, parts: PartsOf) -> Response:
    """The view has caught up with the bus and the store answers."""
    found = health(parts)
    if found.ok:
        return JSONResponse({"status": "ready"})
    detail = "; ".join(f"{part.name}: {part.detail}" for part in found.parts if not part.ok)
    return respond(request, HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", detail)


@probes.get("/metrics", summary="FleetOps' own metrics, in Prometheus' text format")
def get_metrics(_: Viewer) -> Response:
    """The closed list of ``fleetops.core.metrics``."""
    return Response(generate_latest(metrics.REGISTRY), media_type=CONTENT_TYPE_LATEST)


def health(parts: Parts) -> Health:
    """Asks every dependency."""
    age = view_age_seconds(parts)
    if age is None:
        view = PartHealth(name="bus", ok=False, detail="the view has not caught up yet")
    else:
        late = age > VIEW_LATE_SECONDS
        view = PartHealth(name="bus", ok=not late, detail=f"view refreshed {age:.1f} s ago")
    try:
        parts.telemetry.ping()
        store = PartHealth(name="store", ok=True)
    except FleetOpsError as error:
        store = PartHealth(name="store", ok=False, detail=str(error))
    return Health(
        ok=view.ok and store.ok,
        version=version("fleetops"),
        generated_at=parts.clock.now(),
        view_age_seconds=age,
        parts=(view, store),
    )


def view_age_seconds(parts: Parts) -> float | None:
    """Since the view was last refreshed; None before it first caught up."""
    refreshed_at = parts.state.refreshed_at
    if refreshed_at is None:
        return None
    return max((parts.clock.now() - refreshed_at).total_seconds(), 0.0)
