"""A small real scheduler over HTTP for tests: keeps nodes, counts writes, and fails on demand."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from typing_extensions import override

from fleetops_schemas.records import Job, NodeState

Trouble = Literal["lose_answer", "refuse", "error", "slow"]


@dataclass
class Write:
    """One write that took effect."""

    verb: str
    node: str
    reason: str


class SchedulerServer:
    """Serves the emulated scheduler's API; a job holds some of the nodes for good."""

    def __init__(
        self, nodes: Sequence[str], job_nodes: Sequence[str] = (), token: str = ""
    ) -> None:
        self.writes: list[Write] = []
        self.troubles: list[Trouble] = []
        """One a write, taken from the front: what goes wrong with it."""
        self.token = token
        self.frozen = threading.Event()
        """While set, nothing is answered."""
        self.lock = threading.Lock()
        self._nodes = list(nodes)
        self._job_nodes = tuple(job_nodes)
        self._reasons: dict[str, tuple[str, str, datetime]] = {}
        self._server: _Server | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> SchedulerServer:
        handler = type("Handler", (_Handler,), {"scheduler": self})
        self._server = _Server(("127.0.0.1", self._port), handler)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Goes away; what was drained stays drained."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server.hang_up()
            self._server = None

    def drains_of(self, node: str) -> int:
        return sum(write.verb == "drain" and write.node == node for write in self.writes)

    def drained(self) -> dict[str, str]:
        return {node: reason for node, (reason, _, _) in sorted(self._reasons.items())}

    def drain(self, node: str, reason: str, by: str = "somebody") -> int:
        with self.lock:
            if node not in self._nodes:
                return 404
            if not reason:
                return 400
            self._reasons[node] = (reason, by, datetime.now(UTC))
            self.writes.append(Write("drain", node, reason))
            return 204

    def undrain(self, node: str) -> int:
        with self.lock:
            if node not in self._nodes:
                return 404
            if node not in self._reasons:
                return 409
            del self._reasons[node]
            self.writes.append(Write("undrain", node, ""))
            return 204

    def node_states(self) -> list[NodeState]:
        with self.lock:
            return [self._state(node) for node in self._nodes]

    def jobs(self) -> list[Job]:
        if not self._job_nodes:
            return []
        now = datetime.now(UTC)
        return [Job(id="81", state="RUNNING", nodes=self._job_nodes, observed_at=now)]

    def _state(self, node: str) -> NodeState:
        reason, by, at = self._reasons.get(node, ("", "", None))
        busy = node in self._job_nodes
        drain = ("DRAIN",) if reason else ()
        return NodeState(
            node=node,
            states=("ALLOCATED" if busy else "IDLE", *drain),
            drained=bool(reason),
            busy=busy,
            reason=reason,
            reason_by=by,
            reason_at=at,
            jobs=("81",) if busy else (),
            observed_at=datetime.now(UTC),
        )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._connections: set[socket.socket] = set()

    @override
    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    @override
    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Ends the connections that are open, as a killed process would."""
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    scheduler: SchedulerServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if not self._admitted():
            return
        match self.path:
            case "/scheduler/ping":
                self._answer(200, {})
            case "/scheduler/nodes":
                states = self.scheduler.node_states()
                self._answer(200, {"nodes": [s.model_dump(mode="json") for s in states]})
            case "/scheduler/jobs":
                jobs = self.scheduler.jobs()
                self._answer(200, {"jobs": [j.model_dump(mode="json") for j in jobs]})
            case _:
                self._answer(404, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        if not self._admitted():
            return None
        node, verb = self.path.removeprefix("/scheduler/nodes/").split("/")
        troubles = self.scheduler.troubles
        trouble = troubles.pop(0) if troubles else None
        if trouble == "refuse":
            return self._answer(403, {"detail": "no right to do that"})
        if trouble == "error":
            return self._answer(500, {"detail": "something broke"})
        if verb == "drain":
            code = self.scheduler.drain(node, body.get("reason", ""), body.get("by", ""))
        else:
            code = self.scheduler.undrain(node)
        if trouble == "slow":
            time.sleep(2.0)
        if trouble == "lose_answer":
            self.close_connection = True
            return None
        return self._answer(code, None if code == 204 else {"detail": f"code {code}"})

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Tests are quiet."""

    def _admitted(self) -> bool:
        while self.scheduler.frozen.is_set():
            time.sleep(0.02)
        token = self.scheduler.token
        if token and self.headers.get("Authorization") != f"Bearer {token}":
            self._answer(401, {"detail": "no token"})
            return False
        return True

    def _answer(self, code: int, body: dict[str, object] | None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
