"""Incidents: list and detail."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter

from fleetops.api.auth import Viewer
from fleetops.api.models import Page
from fleetops.api.paging import paginate, time_key
from fleetops.api.parts import PartsOf
from fleetops.api.problem import responses
from fleetops.api.routes.parameters import DEFAULT_LIMIT, Cursor, Limit, Name
from fleetops.api.state import hosts_of
from fleetops.core.errors import NotFoundError
from fleetops_schemas.records import Incident, IncidentStatus, Severity

router = APIRouter(prefix="/incidents", tags=["incidents"])


@router.get("", summary="Incidents, the newest first")
def list_incidents(
    _: Viewer,
    parts: PartsOf,
    status: IncidentStatus | None = None,
    severity: Severity | None = None,
    node: Name = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Incident]:
    """Incidents by opening time; ``severity`` is the least one wanted."""
    chosen = (
        incident
        for incident in parts.snapshot.incidents.values()
        if (status is None or incident.status is status)
        and (severity is None or incident.severity.rank >= severity.rank)
        and (node is None or node in hosts_of(incident))
    )
    items, following = paginate(
        chosen, lambda i: (time_key(i.opened_at), i.id), cursor, limit, newest_first=True
    )
    return Page(items=items, next_cursor=following)


@router.get(
    "/{incident_id:path}", summary="One incident", responses=responses(HTTPStatus.NOT_FOUND)
)
def get_incident(incident_id: str, _: Viewer, parts: PartsOf) -> Incident:
    """One incident with its findings, evidence and timeline."""
    incident = parts.snapshot.incidents.get(incident_id)
    if incident is None:
        raise NotFoundError(f"no incident {incident_id!r}; `fleetops incident list` names them")
    return incident
