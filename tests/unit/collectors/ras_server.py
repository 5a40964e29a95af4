"""A TCP server that speaks the text protocol of NCCL's RAS service (``src/ras/client_support.cc``).

Emulated: there is no NCCL here. It keeps to the commands and replies of NCCL 2.29, or of 2.24 that
knows no formats; what it answers to STATUS is the test's.
"""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from typing_extensions import override

HEALTHY_TEXT = """\
NCCL version 2.24.3 compiled with CUDA 12.6
CUDA runtime version 12060, driver version 12060

Job summary
===========

  Nodes  Processes         GPUs  Processes     GPUs
(total)   per node  per process    (total)  (total)
      1          2            1          2        2

Communicators... (0.00s)
=============

Group     Comms     Nodes     Ranks     Ranks     Ranks    Status  Errors
    #  in group  per comm  per node  per comm  in group
    0         1         1         2         2         2   RUNNING      OK

Errors
======

Warnings
========

"""


@dataclass
class RasService:
    """What the service answers, and what it was asked."""

    status: Callable[[], str]
    """The answer in JSON, or in text where it knows no JSON."""
    knows_formats: bool = True
    greeting: str = "SERVER PROTOCOL 2\n"
    cut_after: int | None = None
    """Characters of the answer after which the connection is closed."""
    hang: bool = False
    commands: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def reply(self, command: str) -> tuple[str, bool]:
        """The reply, and whether the connection ends with it."""
        self.commands.append(command)
        word = command.lower()
        if word.startswith("client protocol "):
            return self.greeting, False
        if word.startswith("timeout "):
            return "OK\n", False
        if word.startswith("set format ") and self.knows_formats:
            return "OK\n", False
        if word in {"status", "verbose status"}:
            if self.hang:
                self.ended.wait(30)
            return self.status()[: self.cut_after], True
        return f"ERROR: Unknown command {command}\n", False


@contextmanager
def serving_ras(service: RasService) -> Iterator[str]:
    """The service at an address like ``ras://127.0.0.1:PORT`` while the context lasts."""

    class Handler(socketserver.StreamRequestHandler):
        @override
        def handle(self) -> None:
            for line in self.rfile:
                reply, last = service.reply(line.decode().strip())
                self.wfile.write(reply.encode())
                if last:
                    return

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"ras://127.0.0.1:{server.server_address[1]}"
        finally:
            service.ended.set()
            server.shutdown()
            thread.join()
