"""Runs a command with a deadline of our own and a bound on what it may print."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fleetops.core.errors import InputError

MAX_OUTPUT_BYTES = 256 * 1024**2
"""About 100,000 nodes of Slurm's JSON (2.4 kB each, measured on 24.11)."""
CHUNK_BYTES = 1 << 16


class Finished(NamedTuple):
    """What became of a command."""

    code: int
    output: bytes
    errors: str


def run_command(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    timeout_seconds: float,
    max_bytes: int = MAX_OUTPUT_BYTES,
) -> Finished:
    """Runs the command without a shell; ends its whole process group when time is up.

    Raises:
        TimeoutError: it did not end in time.
        InputError: it printed more than ``max_bytes``.
        OSError: it could not be started.
    """
    # The arguments are a list, each checked by the adapter; no shell reads them.
    process = subprocess.Popen(  # noqa: S603
        list(arguments),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environment),
        start_new_session=True,
    )
    try:
        with process:
            output, errors = _read(process, time.monotonic() + timeout_seconds, max_bytes)
            return Finished(process.returncode, output, errors.decode("utf-8", "replace").strip())
    finally:
        _end_group(process)


def _read(process: subprocess.Popen[bytes], deadline: float, max_bytes: int) -> tuple[bytes, bytes]:
    parts: dict[int, list[bytes]] = {}
    total = 0
    try:
        with selectors.DefaultSelector() as selector:
            for stream in (process.stdout, process.stderr):
                assert stream is not None  # noqa: S101  (both are pipes)
                parts[stream.fileno()] = []
                selector.register(stream, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select(_left(deadline)):
                    chunk = os.read(key.fd, CHUNK_BYTES)
                    parts[key.fd].append(chunk)
                    total += len(chunk)
                    if not chunk:
                        selector.unregister(key.fileobj)
                if total > max_bytes:
                    raise InputError(f"{process.args!r} printed more than {max_bytes} bytes")
        process.wait(_left(deadline))
    except subprocess.TimeoutExpired as error:
        _end_group(process)
        raise TimeoutError(str(error)) from error
    except (TimeoutError, InputError):
        _end_group(process)
        raise
    output, errors = (b"".join(chunks) for chunks in parts.values())
    return output, errors


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _end_group(process: subprocess.Popen[bytes]) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
