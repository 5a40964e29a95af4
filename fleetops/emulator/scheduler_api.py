"""The scheduler's HTTP API: read nodes and jobs, drain and undrain.

``GET /scheduler/ping``, ``/scheduler/nodes``, ``/scheduler/jobs``;
``POST /scheduler/nodes/NODE/drain`` with ``{"reason": ..., "by": ...}``, ``.../undrain``.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fleetops.core.errors import InputError, NotFoundError, RefusedError
from fleetops.emulator.scheduler import EmulatedScheduler
from fleetops_schemas.records import Job, NodeState

Handler = Callable[[Request], Awaitable[Response]]
MAX_BODY_BYTES = 64 * 1024


class DrainRequest(BaseModel):
    """Body of a drain."""

    model_config = ConfigDict(extra="ignore")

    reason: str = Field(default="", max_length=4096)
    by: str = Field(default="", max_length=256)


def scheduler_routes(scheduler: EmulatedScheduler, token: str | None = None) -> list[Route]:
    """The API; every call needs the bearer token where one is given."""

    def guarded(handler: Handler) -> Handler:
        async def guard(request: Request) -> Response:
            given = request.headers.get("authorization", "")
            if token and not hmac.compare_digest(given.encode(), f"Bearer {token}".encode()):
                return _problem(401, "a bearer token is needed")
            try:
                return await handler(request)
            except NotFoundError as error:
                return _problem(404, str(error))
            except RefusedError as error:
                return _problem(409, str(error))
            except (InputError, ValidationError) as error:
                return _problem(400, str(error))

        return guard

    async def ping(_request: Request) -> Response:
        return JSONResponse({"status": "up"})

    async def nodes(_request: Request) -> Response:
        return _listing("nodes", scheduler.nodes())

    async def jobs(_request: Request) -> Response:
        return _listing("jobs", scheduler.jobs())

    async def drain(request: Request) -> Response:
        body = DrainRequest.model_validate_json(await _body(request))
        scheduler.drain(request.path_params["node"], body.reason, body.by)
        return Response(status_code=204)

    async def undrain(request: Request) -> Response:
        await _body(request)
        scheduler.undrain(request.path_params["node"])
        return Response(status_code=204)

    return [
        Route("/scheduler/ping", guarded(ping)),
        Route("/scheduler/nodes", guarded(nodes)),
        Route("/scheduler/jobs", guarded(jobs)),
        Route("/scheduler/nodes/{node}/drain", guarded(drain), methods=["POST"]),
        Route("/scheduler/nodes/{node}/undrain", guarded(undrain), methods=["POST"]),
    ]


async def _body(request: Request) -> bytes:
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > MAX_BODY_BYTES:
            raise InputError(f"the body is larger than {MAX_BODY_BYTES} bytes")
    return bytes(received) or b"{}"


def _listing(name: str, records: list[NodeState] | list[Job]) -> Response:
    rows = [record.model_dump(mode="json") for record in records]
    return Response(orjson.dumps({name: rows}), media_type="application/json")


def _problem(status: int, detail: str) -> Response:
    return JSONResponse({"status": status, "detail": detail}, status_code=status)
