"""A real HTTP server for tests: a handler function a request, on a free port of the loopback."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import override


@dataclass(frozen=True)
class Request:
    """What a client asked."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What the server answers. ``pieces`` are sent with a pause before each."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    declared_length: int | None = None
    """Content-Length where it is to be wrong."""
    pieces: tuple[bytes, ...] = ()
    pause_seconds: float = 0.0
    stream: Callable[[Callable[[bytes], None], threading.Event], None] | None = None
    """Writes a body without end, until it returns or the event is set."""


Answering = Callable[[Request], Reply]


@contextmanager
def serving(answer: Answering) -> Iterator[str]:
    """Serves until the end of the block; gives the base URL."""
    stop = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            if stop.is_set():  # the server is gone; this connection only outlived it
                self.close_connection = True
                return
            reply = answer(Request(self.command, self.path, dict(self.headers.items()), body))
            if reply.stream is not None:
                self._stream(reply, reply.stream)
                return
            pieces = reply.pieces or (reply.body,)
            declared = reply.declared_length
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header(
                "Content-Length", str(sum(map(len, pieces)) if declared is None else declared)
            )
            self.end_headers()
            try:
                for piece in pieces:
                    if reply.pause_seconds and stop.wait(reply.pause_seconds):
                        return
                    self.wfile.write(piece)
                    self.wfile.flush()
            except ConnectionError:
                return
            finally:
                self.close_connection |= declared is not None

        def _stream(self, reply: Reply, write_all: Callable[..., None]) -> None:
            self.close_connection = True
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.end_headers()

            def write(piece: bytes) -> None:
                self.wfile.write(piece)
                self.wfile.flush()

            with suppress(ConnectionError):
                write_all(write, stop)

        do_GET = do_POST = do_DELETE = _answer

        @override
        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        @override
        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a client that went away in the middle is what is tested

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            stop.set()
            server.shutdown()
            thread.join()


def unused_url() -> str:
    """An address on which nothing listens."""
    with serving(lambda _: Reply()) as url:
        return url
