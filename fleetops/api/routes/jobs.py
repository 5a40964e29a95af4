"""Jobs as the scheduler sees them."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter

from fleetops.api.auth import Viewer
from fleetops.api.models import Page
from fleetops.api.paging import paginate
from fleetops.api.parts import PartsOf
from fleetops.api.problem import responses
from fleetops.api.routes.parameters import DEFAULT_LIMIT, Cursor, Limit, Name
from fleetops.core.errors import NotFoundError
from fleetops_schemas.records import Job

router = APIRouter(prefix="/jobs", tags=["jobs"])


@router.get("", summary="Jobs, by id")
def list_jobs(
    _: Viewer,
    parts: PartsOf,
    node: Name = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Job]:
    """Jobs that hold or wait for nodes."""
    chosen = (job for job in parts.snapshot.jobs.values() if node is None or node in job.nodes)
    items, following = paginate(chosen, lambda job: (job.id,), cursor, limit)
    return Page(items=items, next_cursor=following)


@router.get("/{job_id}", summary="One job", responses=responses(HTTPStatus.NOT_FOUND))
def get_job(job_id: str, _: Viewer, parts: PartsOf) -> Job:
    """One job with its nodes."""
    job = parts.snapshot.jobs.get(job_id)
    if job is None:
        raise NotFoundError(f"no job {job_id!r} on the scheduler")
    return job
