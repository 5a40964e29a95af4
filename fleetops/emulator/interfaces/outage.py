"""Hosts that do not answer in band: their paths on the shared HTTP server say so."""

from __future__ import annotations

import re

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from fleetops.emulator.delivery import hosts_in_band
from fleetops.emulator.model.fleet import Fleet

PATH_OF_HOST = re.compile(r"/nodes/(?P<host>[^/]+)/")
UNAVAILABLE = 503


class Outage:
    """Middleware: 503 for ``/nodes/HOST/...`` while the exporter is down or the round lost."""

    def __init__(self, app: ASGIApp, fleet: Fleet) -> None:
        """Passes everything else on to ``app``."""
        self._app = app
        self._fleet = fleet
        self._index = {host: index for index, host in enumerate(fleet.site.hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and self._is_silent(scope["path"]):
            answer = PlainTextResponse("emulated outage\n", status_code=UNAVAILABLE)
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_silent(self, path: str) -> bool:
        found = PATH_OF_HOST.match(path)
        host = self._index.get(found["host"]) if found else None
        return host is not None and not hosts_in_band(self._fleet)[host]
