"""Control of a running emulation. Loopback only; nothing that is judged may use it.

``POST /control/start``, ``POST /control/faults``, ``GET /control/truth``.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from fleetops.core.config import describe
from fleetops.core.errors import ConfigError
from fleetops.emulator.fault_schedule import Fault
from fleetops.emulator.realtime import Emulation

MAX_BODY_BYTES = 64 * 1024


def control_routes(emulation: Emulation) -> Sequence[BaseRoute]:
    """The control endpoints."""

    async def start(_request: Request) -> Response:
        return JSONResponse({"started": emulation.start()})

    async def truth(_request: Request) -> Response:
        return JSONResponse(emulation.truth())

    async def inject(request: Request) -> Response:
        body = await request.body()
        if len(body) > MAX_BODY_BYTES:
            return JSONResponse({"detail": "the body is too large"}, status_code=413)
        try:
            scheduled = emulation.inject(Fault.model_validate_json(body))
        except ValidationError as error:
            return JSONResponse({"detail": describe(error, "fault")}, status_code=400)
        except ConfigError as error:
            return JSONResponse({"detail": str(error)}, status_code=400)
        return JSONResponse({"id": scheduled.id}, status_code=201)

    return [
        Route("/control/start", start, methods=["POST"]),
        Route("/control/truth", truth),
        Route("/control/faults", inject, methods=["POST"]),
    ]
