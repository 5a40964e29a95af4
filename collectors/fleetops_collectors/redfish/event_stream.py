"""The events of one service over one long-lived reply (Server-Sent Events, DSP0266 clause 13.5.2).

A task of its own holds the stream open, connects again where it breaks, and puts what comes into a
bounded buffer that the next round empties. Whatever may have been missed is a gap, for which the
logs are read.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

import httpx

from fleetops.core.errors import FleetOpsError, InputError
from fleetops.core.logging import get_logger
from fleetops_collectors.redfish.directory import parse
from fleetops_collectors.redfish.server_sent import Message, StreamParser
from fleetops_collectors.redfish.values import Json

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 300.0
"""Between two tries; doubled each time, and drawn from below it, so that a rack of controllers that
restarted together is not asked by all at once."""
STEADY_SECONDS = 60.0
"""A stream that lasted so long was a good one: the waits begin anew."""
_PATIENCE = frozenset(
    {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}
)
"""Answers of services that have no stream; they are asked at the longest interval."""


class Access(Protocol):
    """Lets requests in: the service's one session."""

    async def access(self) -> dict[str, str]:
        """Headers that let a request in."""
        ...

    async def renew(self, refused: dict[str, str]) -> None:
        """Replaces headers that were refused."""
        ...


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Bounds of one stream."""

    max_message_bytes: int
    max_buffered: int = 1024
    """Payloads kept between two rounds; of more, the oldest are dropped, and the logs are read."""
    max_buffered_bytes: int = 8 * 1024 * 1024
    """Likewise; one payload is always kept."""
    first_wait_seconds: float = FIRST_WAIT_SECONDS
    longest_wait_seconds: float = LONGEST_WAIT_SECONDS


class EventStream:
    """One service's stream. ``open_http`` gives a client of its own, with the idle time-out."""

    def __init__(
        self,
        name: str,
        open_http: Callable[[], httpx.AsyncClient],
        access: Access,
        limits: StreamLimits,
        draw: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """Connects to nothing; :meth:`start` does."""
        self._name = name
        self._open_http = open_http
        self._access = access
        self._limits = limits
        self._draw = draw
        self._buffer: deque[Message] = deque()
        self._buffered_bytes = 0
        self._task: asyncio.Task[None] | None = None
        self._uri = ""
        self._filter = ""
        self.last_id = ""
        """Of the last payload that :meth:`take` gave; sent as ``Last-Event-ID``."""
        self.is_live = False
        """Whether the service sends, as far as is known."""
        self.has_gap = True
        """Whether something may have been missed; cleared by who has read the logs since."""

    def start(self, uri: str, query_filter: str = "") -> None:
        """Keeps the stream at ``uri`` open until :meth:`close`; once is enough.

        Args:
            uri: path on the service.
            query_filter: ``$filter`` to ask for; left out where the service refuses it.
        """
        if self._task is None:
            self._uri, self._filter = uri, query_filter
            self._task = asyncio.create_task(self._keep_open(), name=f"redfish-events:{self._name}")

    def take(self) -> list[Json]:
        """What came since the last call, oldest first."""
        messages = list(self._buffer)
        self._buffer.clear()
        self._buffered_bytes = 0
        if messages and messages[-1].id:
            self.last_id = messages[-1].id
        return [payload for message in messages for payload in self._payload(message)]

    async def close(self) -> None:
        """Ends the stream and its connection."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self.is_live = False

    async def _keep_open(self) -> None:
        loop = asyncio.get_running_loop()
        wait, received_id = self._limits.first_wait_seconds, self.last_id
        while True:
            started, ended = loop.time(), False
            parser = StreamParser(self._limits.max_message_bytes)
            parser.last_id = received_id
            try:
                ended = await self._read(parser)
            except httpx.ReadTimeout:
                pass  # nothing happened for so long; a dead connection looks the same
            except (FleetOpsError, httpx.HTTPError, httpx.InvalidURL, OSError) as error:
                get_logger("redfish").info(
                    "event stream broken", target=self._name, error=str(error) or repr(error)
                )
            finally:
                self.is_live = False
                self.has_gap = True
            received_id = parser.last_id
            if loop.time() - started >= STEADY_SECONDS:
                wait = self._limits.first_wait_seconds
            longest = self._limits.longest_wait_seconds
            wait = longest if ended else min(wait, longest)
            await asyncio.sleep(max(parser.retry_seconds, self._draw(wait / 2, wait)))
            wait *= 2

    async def _read(self, parser: StreamParser) -> bool:
        """Reads one stream to its end; whether the service has none to offer."""
        headers = await self._access.access()
        asked = {"Accept": "text/event-stream", "Cache-Control": "no-store", **headers}
        if parser.last_id:
            asked["Last-Event-ID"] = parser.last_id
        params = {"$filter": self._filter} if self._filter else None
        async with (
            self._open_http() as http,
            http.stream("GET", self._uri, headers=asked, params=params) as answer,
        ):
            if answer.status_code == HTTPStatus.UNAUTHORIZED:
                await self._access.renew(headers)
                return False
            if answer.status_code == HTTPStatus.BAD_REQUEST and (self._filter or parser.last_id):
                # It does not know the filter, or the id: each is left out in turn.
                if parser.last_id:
                    parser.last_id = ""
                else:
                    self._filter = ""
                return False
            if answer.status_code in _PATIENCE:
                return True
            self._check(answer)
            self.is_live = self.has_gap = True
            async for piece in answer.aiter_bytes():
                for message in parser.feed(piece):
                    self._put(message)
        return False

    def _check(self, answer: httpx.Response) -> None:
        kind = answer.headers.get("Content-Type", "")
        if answer.status_code not in (HTTPStatus.OK, HTTPStatus.CREATED):
            raise InputError(f"{self._name}: {self._uri}: HTTP status {answer.status_code}")
        if not kind.startswith("text/event-stream"):
            raise InputError(f"{self._name}: {self._uri}: {kind or 'something'}, no event stream")

    def _put(self, message: Message) -> None:
        self.has_gap |= b"EventBufferExceeded" in message.data
        self._buffer.append(message)
        self._buffered_bytes += len(message.data)
        while self._is_too_full():
            self._buffered_bytes -= len(self._buffer.popleft().data)
            self.has_gap = True

    def _is_too_full(self) -> bool:
        limits = self._limits
        too_many = len(self._buffer) > limits.max_buffered
        return too_many or (
            self._buffered_bytes > limits.max_buffered_bytes and len(self._buffer) > 1
        )

    def _payload(self, message: Message) -> Iterator[Json]:
        try:
            yield parse(message.data, f"{self._name}: {self._uri}")
        except InputError as error:  # what it said stands in a log, too
            get_logger("redfish").info("no event", target=self._name, error=str(error))
            self.has_gap = True
