"""Recorded payloads, read by the very decoders of the collectors. ``-`` is standard input."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from fleetops.core.clock import SystemClock
from fleetops.core.errors import InputError
from fleetops.detect.trace import TraceSteps, read_trace
from fleetops_collectors.base import Target
from fleetops_collectors.kernel_log import KernelFinding, bounded_lines, decode_kernel_log
from fleetops_collectors.prometheus import DecodedText, decode_prometheus
from fleetops_collectors.redfish import (
    RedfishCollector,
    RedfishConfig,
    Service,
    decode_resources,
    read_directory,
    read_document,
)
from fleetops_schemas.readings import Reading
from fleetops_schemas.records import Event

MAX_BYTES = 256 * 1024 * 1024
STDIN = "-"
LIVE_ROUNDS = 20
"""A live service is read in rounds until its structure is known; a large one takes a few."""


class Recorded(NamedTuple):
    """What a Redfish capture or service gave."""

    readings: list[Reading]
    events: list[Event]
    warnings: list[str]


def read_kernel_log(
    name: str, host: str | None, boot_time: datetime | None = None
) -> Iterator[KernelFinding]:
    """The lines of a kernel log that mean something.

    Raises:
        InputError: the file cannot be read.
    """
    with _open(name) as file:
        yield from decode_kernel_log(bounded_lines(file), host=host, boot_time=boot_time)


def read_prometheus(name: str, host: str | None) -> DecodedText:
    """The readings in a file of Prometheus text.

    Raises:
        InputError: the file cannot be read, is too large, or holds no sample at all.
    """
    decoded = decode_prometheus(_read(name), host=host)
    if not decoded.samples:
        raise InputError(f"{name}: no Prometheus sample in it; is it the text of /metrics?")
    return decoded


def read_redfish(
    name: str, host: str | None, username: str | None = None, password_file: Path | None = None
) -> Recorded:
    """The readings and events of a capture (folder, file or standard input) or a live service.

    Raises:
        InputError: there is nothing of Redfish.
        TemporaryError: a live service does not answer.
    """
    now = datetime.now(UTC)
    if name.startswith(("http://", "https://")):
        return asyncio.run(_read_live(name, host, username, password_file))
    warnings: list[str] = []
    if name == STDIN:
        tree = read_document(_read(name), "standard input")
    else:
        tree, warnings = read_directory(Path(name))
    decoded = decode_resources(tree, Service(host=host), now)
    return Recorded(decoded.readings, decoded.events, [*warnings, *decoded.warnings()])


def read_job_trace(name: str) -> TraceSteps:
    """A recorded training job by step and worker.

    Raises:
        InputError: it is no such trace; names the file and what is missing.
    """
    with naming(name):
        try:
            if name != STDIN:
                return read_trace(Path(name))
            return read_trace(pq.read_table(io.BytesIO(_read(name))))
        except pa.ArrowException as error:
            raise InputError(f"no Parquet file: {error}") from error


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Within, what is wrong with the recording ``name`` is told with its name."""
    place = "standard input" if name == STDIN else name
    try:
        yield
    except InputError as error:
        if str(error).startswith(place):
            raise
        raise InputError(f"{place}: {error}") from error


@contextmanager
def recording_path(name: str) -> Iterator[Path]:
    """The path of a recording; standard input is written to a file that goes with the context.

    Raises:
        InputError: there is nothing at that path, or standard input is closed or too large.
    """
    if name != STDIN:
        path = Path(name)
        if not path.exists():
            raise InputError(f"{name}: there is no such file or folder")
        yield path
        return
    with TemporaryDirectory(prefix="fleetops-") as folder:
        path = Path(folder) / "stdin"
        path.write_bytes(_read(name))
        try:
            yield path
        except InputError as error:
            raise InputError(str(error).replace(str(path), "standard input")) from error


def read_meta(path: Path | None) -> dict[str, Any] | None:
    """A trace's ``meta-*.yaml``.

    Raises:
        InputError: it cannot be read or is no mapping.
    """
    if path is None:
        return None
    try:
        meta = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        why = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise InputError(f"{path}: cannot read it: {why}") from error
    if not isinstance(meta, dict):
        raise InputError(f"{path}: must be a mapping such as 'pp_size: 4'")
    return meta


async def _read_live(
    url: str, host: str | None, username: str | None, password_file: Path | None
) -> Recorded:
    config = RedfishConfig(
        name="offline",
        username=username,
        password_file=str(password_file) if password_file else None,
        log_lookback_seconds=86_400,
    )
    collector = RedfishCollector.create(config, SystemClock())
    target = Target(name=url, url=url, host=host)
    found = Recorded([], [], [])
    try:
        for _ in range(LIVE_ROUNDS):
            scrape = await collector.collect(target)
            found = Recorded(scrape.readings, scrape.events, scrape.warnings)
            if found.readings or found.events:
                break
        return found
    finally:
        await collector.close()


def _open(name: str) -> AbstractContextManager[BinaryIO]:
    if name == STDIN:
        if sys.stdin is None:
            raise InputError("standard input is closed; name a file")
        return nullcontext(sys.stdin.buffer)
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise InputError(f"{name}: cannot read it: {error.strerror}") from error


def _read(name: str) -> bytes:
    with _open(name) as file:
        try:
            data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise InputError(f"{name}: cannot read it: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise InputError(f"{name}: larger than {MAX_BYTES} bytes; cut it into parts")
    return data
