"""Asks a job's RAS service for its status, and sees which communicators stand still."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from fleetops.core.clock import Clock
from fleetops.core.errors import InputError, TemporaryError
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.training.config import RAS_PORT, TrainingConfig, TrainingTarget
from fleetops_collectors.training.happenings import as_event
from fleetops_collectors.training.nccl_ras import (
    Lag,
    RasStatus,
    decode_status,
    is_status,
    parse_status,
    stalled,
)
from fleetops_collectors.training.nccl_ras_text import is_status_text, parse_status_text

GREETING = "CLIENT PROTOCOL 2"
EXPECTED = "SERVER PROTOCOL "
_Key = tuple[object, ...]


class RasClient:
    """Sends STATUS and what prepares it, and nothing else: the service also takes writes."""

    def __init__(self, target: TrainingTarget, config: TrainingConfig, clock: Clock) -> None:
        """Connects to nothing yet; each query has a connection of its own, as the service wants."""
        parts = urlsplit(target.url)
        self._target = target
        self._config = config
        self._clock = clock
        self._host = parts.hostname or "localhost"
        self._port = parts.port or RAS_PORT
        self._text_only = config.ras_format == "text"
        self._since: dict[_Key, float] = {}
        """By lag, as it stands: when it was first seen so, on the monotonic clock."""

    async def read(self, now: datetime) -> Decoded:
        """What the service says, and what has not moved for ``stall_seconds``.

        Raises:
            TemporaryError: it does not answer; mostly, no job runs.
            InputError: it is no RAS service.
        """
        try:
            status = await self._ask()
        except (OSError, EOFError) as error:
            self._text_only = self._config.ras_format == "text"  # the next job may know more
            raise TemporaryError(
                f"{self._where}: {error or type(error).__name__}; the service lives as long as a "
                "job that uses NCCL 2.24 or later"
            ) from error
        names = self._target.names()
        decoded = decode_status(status, names, now)
        for lag, seconds in self._standing(status):
            if seconds >= self._config.stall_seconds:
                decoded.events.append(as_event(stalled(lag, names, now, seconds), names))
        return decoded

    async def close(self) -> None:
        """Forgets what was seen; no connection stays open."""
        self._since.clear()

    @property
    def _where(self) -> str:
        return f"{self._target.name}: {self._host}:{self._port}"

    def _standing(self, status: RasStatus) -> list[tuple[Lag, float]]:
        """Each lag with the seconds it has stood as it does."""
        now = self._clock.monotonic()
        self._since = {lag.key: self._since.get(lag.key, now) for lag in status.lags}
        return [(lag, now - self._since[lag.key]) for lag in status.lags]

    async def _ask(self) -> RasStatus:
        """The status, as JSON where the service can."""
        if not self._text_only:
            answer = await self._query("STATUS", "SET FORMAT json")
            if answer:
                return self._parsed(answer)
            self._text_only = True
        return self._parsed(await self._query("VERBOSE STATUS"))

    async def _query(self, command: str, needed: str = "") -> str:
        """The answer to a command; "" where another one that it needs was refused."""
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            greeting = await self._say(reader, writer, GREETING)
            if not greeting.startswith(EXPECTED):
                raise InputError(
                    f"{self._where}: answers {greeting[:60]!r}, which is no RAS service of NCCL"
                )
            # its own limit below ours, so that it answers with what it has
            patience = max(1, math.floor(self._config.deadline_seconds * 0.6))
            await self._say(reader, writer, f"TIMEOUT {patience}")
            if needed and (await self._say(reader, writer, needed)).upper() != "OK":
                return ""
            writer.write(f"{command}\n".encode())
            await writer.drain()
            return await self._rest(reader)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _say(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, command: str
    ) -> str:
        writer.write(f"{command}\n".encode())
        await writer.drain()
        try:
            line = await reader.readline()
        except ValueError as error:  # longer than the reader's limit of 64 KiB
            raise InputError(
                f"{self._where}: no RAS service of NCCL: a line without end"
            ) from error
        if not line:
            raise EOFError("the connection was closed")
        return line.decode("utf-8", "replace").strip()

    async def _rest(self, reader: asyncio.StreamReader) -> str:
        received = bytearray()
        while chunk := await reader.read(65_536):
            received += chunk
            if len(received) > self._config.max_file_bytes:
                raise InputError(
                    f"{self._where}: the answer is longer than max_file_bytes = "
                    f"{self._config.max_file_bytes}"
                )
        return received.decode("utf-8", "replace")

    def _parsed(self, answer: str) -> RasStatus:
        try:
            document: Any = json.loads(answer)
        except (ValueError, RecursionError):
            document = None
        if isinstance(document, dict) and is_status(document):
            return parse_status(document)
        if self._text_only and is_status_text(answer):
            if "Warnings" not in answer:  # its last part, always there
                raise InputError(f"{self._where}: the answer broke off")
            return parse_status_text(answer.splitlines())
        raise InputError(
            f"{self._where}: no status of a job, or one that broke off: {answer[:60]!r}"
        )
