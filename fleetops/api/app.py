"""The application: routes, errors, bounds. It serves whatever :class:`Parts` it is given."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from fleetops.api import problem
from fleetops.api.bounds import BodyLimit
from fleetops.api.models import Problem
from fleetops.api.parts import Parts
from fleetops.api.routes import actions, devices, incidents, jobs, nodes, system

PREFIX = "/api/v1"
MAX_BODY_BYTES = 256 * 1024
DESCRIPTION = """\
State of the fleet, its incidents, and requests to act on nodes. Errors are problem documents
(RFC 9457), lists are paged by cursor, and a request to act is accepted first and carried out by
the operator service under its policy: look at `GET /api/v1/actions?intent=ID` for the outcome."""


def create_app(parts: Parts | None = None) -> FastAPI:
    """The application; without parts it only describes itself (OpenAPI)."""
    app = FastAPI(
        title="FleetOps",
        version=version("fleetops"),
        description=DESCRIPTION,
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # it would load scripts from elsewhere
        redoc_url=None,
    )
    app.state.parts = parts
    for module in (nodes, incidents, actions, jobs, devices, system):
        app.include_router(module.router, prefix=PREFIX)
    app.include_router(system.probes)
    app.add_middleware(BodyLimit, max_bytes=MAX_BODY_BYTES)
    problem.install(app)
    app.openapi = lambda: openapi(app)  # type: ignore[method-assign] # FastAPI's documented way
    return app


def openapi(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with every error as a problem document."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
        )
        schemas = document["components"]["schemas"]
        described = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= described.pop("$defs")
        schemas["Problem"] = described
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        shared = problem.responses(*problem.EVERYWHERE)
        for path in document["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
                operation["responses"] |= {str(code): body for code, body in shared.items()}
        app.openapi_schema = document
    return app.openapi_schema
