"""Management controllers and exporters that misbehave, on real sockets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from typing_extensions import override

Behaviour = Callable[[BaseHTTPRequestHandler], None]
DRIP_SECONDS = 0.2


@contextmanager
def serving(behave: Behaviour) -> Iterator[str]:
    """The address of a server that answers every GET so."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        stopped = over

        def do_GET(self) -> None:
            try:
                behave(self)
            except OSError:
                self.close_connection = True  # the client hung up, as it should

        @override
        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def saying(body: bytes, status: int = 200) -> Behaviour:
    """Answers the same to everything."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return behave


def cut_off(handler: BaseHTTPRequestHandler) -> None:
    """Promises more than it sends."""
    handler.send_response(200)
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(b'{"RedfishVersion": "1.1')
    handler.close_connection = True


def endless(handler: BaseHTTPRequestHandler) -> None:
    """Sends without end."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b" " * 65536)


def dripping(handler: BaseHTTPRequestHandler) -> None:
    """Sends a byte now and then, so that no time-out of a single read ever strikes."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    stopped: threading.Event = handler.stopped  # type: ignore[attr-defined]
    while not stopped.wait(DRIP_SECONDS):
        handler.wfile.write(b" ")
        handler.wfile.flush()
