"""A small webhook receiver, so that a demonstration can show what a real one would get."""

from __future__ import annotations

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
from typing_extensions import override

from fleetops.alerts.signature import verify
from fleetops.core.errors import FleetOpsError

MAX_BODY_BYTES = 1024 * 1024


class WebhookReceiver:
    """Listens on a free loopback port, checks signatures, drops repeats, and tells ``heard``."""

    def __init__(self, secret: bytes, heard: Callable[[dict[str, object]], None]) -> None:
        """Listens at once."""
        receiver = self
        self._secret = secret
        self._heard = heard
        self._seen: set[str] = set()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                size = min(int(self.headers.get("Content-Length", 0)), MAX_BODY_BYTES)
                status = receiver.take(dict(self.headers), self.rfile.read(size))
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            @override
            def log_message(self, format: str, *args: object) -> None:
                """Silent: what was heard is told to ``heard``."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/fleetops"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, headers: dict[str, str], body: bytes) -> int:
        """One delivery; the HTTP status to answer."""
        try:
            verify(self._secret, headers, body)
        except FleetOpsError:
            return 401
        event = orjson.loads(body)
        if event["id"] not in self._seen:
            self._seen.add(event["id"])
            self._heard(event)
        return 204

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()
