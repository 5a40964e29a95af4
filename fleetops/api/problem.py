"""Every error as a problem document (RFC 9457), and back again in the client."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from fleetops.api.models import FieldProblem, Problem
from fleetops.core import errors, metrics
from fleetops.core.logging import get_logger

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5


class UnauthenticatedError(errors.RefusedError):
    """Nobody, or nobody known, asks."""


class ForbiddenError(errors.RefusedError):
    """The asker's role is too low."""


# The first that matches counts, so the narrower come first.
STATUSES: tuple[tuple[type[errors.FleetOpsError], HTTPStatus, str], ...] = (
    (UnauthenticatedError, HTTPStatus.UNAUTHORIZED, "unauthenticated"),
    (ForbiddenError, HTTPStatus.FORBIDDEN, "forbidden"),
    (errors.InputError, HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-input"),
    (errors.NotFoundError, HTTPStatus.NOT_FOUND, "not-found"),
    (errors.RefusedError, HTTPStatus.CONFLICT, "refused"),
    (errors.TemporaryError, HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"),
)
EVERYWHERE = (
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.INTERNAL_SERVER_ERROR,
)
"""What any route may answer."""


def install(app: FastAPI) -> None:
    """Makes every error of the app a problem document."""

    @app.exception_handler(errors.FleetOpsError)
    def _ours(request: Request, error: errors.FleetOpsError) -> JSONResponse:
        for kind, status, slug in STATUSES:
            if isinstance(error, kind):
                return respond(request, status, slug, str(error))
        return _unknown(request, error)

    @app.exception_handler(RequestValidationError)
    def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        fields = [
            FieldProblem(
                field=".".join(str(part) for part in problem["loc"]), detail=problem["msg"]
            )
            for problem in error.errors()
        ]
        detail = "; ".join(f"{field.field}: {field.detail}" for field in fields)
        return respond(request, HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-input", detail, fields)

    @app.exception_handler(HTTPException)
    def _http(request: Request, error: HTTPException) -> JSONResponse:
        status = HTTPStatus(error.status_code)
        slug = status.phrase.lower().replace(" ", "-")
        return respond(request, status, slug, f"{request.method} {request.url.path}")

    @app.exception_handler(Exception)
    def _unknown(request: Request, error: Exception) -> JSONResponse:
        metrics.ERRORS.labels("api", type(error).__name__, "request").inc()
        get_logger("api").error("request failed", path=request.url.path, exc_info=error)
        return respond(
            request, HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "see the API's log for the cause"
        )


def respond(
    request: Request,
    status: HTTPStatus,
    slug: str,
    detail: str,
    fields: Sequence[FieldProblem] = (),
) -> JSONResponse:
    """The problem document as a response."""
    problem = Problem(
        type=f"urn:fleetops:problem:{slug}",
        title=status.phrase,
        status=status,
        detail=detail,
        instance=request.url.path,
        errors=tuple(fields),
    )
    headers: dict[str, str] = {}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="fleetops"'
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return JSONResponse(
        problem.model_dump(mode="json"), status, headers=headers, media_type=MEDIA_TYPE
    )


def responses(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """What a route declares in OpenAPI for its errors."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        int(status): {"description": status.phrase, "content": {MEDIA_TYPE: schema}}
        for status in statuses
    }
