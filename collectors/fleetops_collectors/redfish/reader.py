"""One target: its session, its structure, its stream, and one round after another."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from datetime import datetime
from functools import partial

import httpx

from fleetops.core.clock import Clock
from fleetops.core.errors import InputError, NotFoundError, TemporaryError
from fleetops_collectors.base import Scrape, Target
from fleetops_collectors.http import make_client
from fleetops_collectors.redfish.config import RedfishConfig
from fleetops_collectors.redfish.coverage import Coverage
from fleetops_collectors.redfish.crawl import REPORTS, Crawl, Fetch, Round, Walk
from fleetops_collectors.redfish.decode import Service, Structure, decode_resources, service_time
from fleetops_collectors.redfish.event_reader import Cursor, EventReader
from fleetops_collectors.redfish.event_stream import EventStream, StreamLimits
from fleetops_collectors.redfish.identities import read_identities
from fleetops_collectors.redfish.session import RedfishSession
from fleetops_collectors.redfish.tree import ROOT
from fleetops_collectors.redfish.values import Json
from fleetops_schemas.identity import DeviceIdentity

SHARE_OF_DEADLINE = 0.8
"""A round ends itself at this share of the deadline, and returns what it has."""
INCOMPLETE_WALK_SECONDS = 60.0
"""After this the structure is walked again, if some of it did not answer."""
RECENT_INTERVALS = 3
"""A reported value of so many intervals ago is as good as one that is read now."""

Credentials = tuple[str, str]


class TargetReader:
    """Reads one target; rounds come one at a time."""

    def __init__(
        self,
        target: Target,
        config: RedfishConfig,
        clock: Clock,
        tls: ssl.SSLContext,
        credentials: Credentials | None,
    ) -> None:
        """Opens nothing; the first round does."""
        self._target = target
        self._config = config
        self._clock = clock
        at_once = config.requests_at_once
        open_http = partial(make_client, target.url, tls, config.deadline_seconds, at_once)
        self._session = RedfishSession(target.name, open_http, credentials, config.max_body_bytes)
        self._crawl = Crawl(
            config.max_resources,
            expand=config.expand,
            at_once=at_once,
            reports=config.metric_reports != "off",
        )
        self._session.sessions_uri = lambda: self._crawl.sessions_uri
        idle = httpx.Timeout(config.deadline_seconds, read=config.stream_idle_seconds)
        self._stream = EventStream(
            target.name,
            lambda: make_client(target.url, tls, idle),
            self._session,
            StreamLimits(
                config.max_body_bytes, first_wait_seconds=config.stream_first_wait_seconds
            ),
        )
        self._events = EventReader(config, self._crawl, self._stream)
        self._service = Service(
            host=target.host,
            device=target.device,
            rack=target.rack,
            live=True,
            stale_after_seconds=config.stale_after_seconds,
            recent_seconds=RECENT_INTERVALS * config.interval_seconds,
        )
        self._lock = asyncio.Lock()
        self._walked_at: float | None = None
        self._walk: Walk | None = None
        self._structure = Structure(self._crawl.current.known, self._service)
        self._coverage = Coverage()

    def resume(self, cursor: Cursor) -> None:
        """Reads events on from where the cursor says."""
        self._events.resume(cursor)

    async def read(self) -> Scrape:
        """One round.

        Raises:
            InputError: it answered something that is not Redfish, or refuses the account.
            TemporaryError: it did not answer.
        """
        async with self._lock:
            fetch, has_time = self._bounded()
            self._walk_when_due()
            read = await self._round(fetch, has_time)
            if not self._crawl.is_known:
                # Names may still change with what is found; nothing is said before they are sure.
                warnings = [*read.warnings, f"discovering: {read.left_over} resources to go"]
                return Scrape(self._target, self._clock.now(), warnings=warnings)
            present = service_time(read.tree, self._clock.now(), live=True) or self._clock.now()
            at = self._clock.monotonic()
            cursor = await self._events.read(read, fetch, has_time, present, at)
            return self._decode(read, cursor)

    async def close(self) -> None:
        """Ends the stream, then the session."""
        try:
            await self._stream.close()
        finally:
            await self._session.close()

    def _decode(self, read: Round, cursor: str | None) -> Scrape:
        now = self._clock.now()
        identities = self._learn_structure(now)
        decoded = decode_resources(read.tree, self._service, now, self._structure)
        decoded.identities = identities
        plan, structure = self._crawl.current.plan, self._structure
        recent = structure.recent if self._config.prefer_reports else frozenset()
        self._coverage.learn(read.tree, plan, structure.names, recent)
        self._structure.recent = set()
        scrape = Scrape.of(self._target, now, decoded)
        scrape.warnings = [*read.warnings, *_unread(read), *scrape.warnings]
        scrape.cursor = cursor
        return scrape

    def _learn_structure(self, now: datetime) -> list[DeviceIdentity]:
        """Names the devices anew after each walk; tells then which hardware there is."""
        walk = self._crawl.current
        if walk is self._walk:
            return []
        self._walk = walk
        self._structure = Structure(walk.known, self._service)
        self._coverage = Coverage()
        return read_identities(walk.known, self._structure.names, now)

    def _bounded(self) -> tuple[Fetch, Callable[[], bool]]:
        """A fetch that ends with the round's time, and whether there is any left."""
        deadline = self._clock.monotonic() + SHARE_OF_DEADLINE * self._config.deadline_seconds

        async def fetch(uri: str) -> Json:
            try:
                async with asyncio.timeout(max(deadline - self._clock.monotonic(), 0.05)):
                    return await self._session.get(uri)
            except TimeoutError as error:
                raise TemporaryError(
                    f"{self._target.name}: {uri}: no complete answer within the round's time; "
                    "raise deadline_seconds if the service is always this slow"
                ) from error

        return fetch, lambda: self._clock.monotonic() < deadline

    async def _round(self, fetch: Fetch, has_time: Callable[[], bool]) -> Round:
        known_otherwise = self._coverage.uris | self._streamed()
        try:
            read = await self._crawl.round(fetch, has_time, known_otherwise)
        except NotFoundError as error:
            raise InputError(f"{error}; is {self._target.url} a Redfish service?") from error
        root = self._crawl.root
        if "RedfishVersion" not in root and "@odata.type" not in root:
            self._crawl.forget()
            self._walked_at = None
            raise InputError(
                f"{self._target.name}: {ROOT} is no Redfish service root (it has no "
                "RedfishVersion); check the address"
            )
        return read

    def _streamed(self) -> set[str]:
        """Reports that need not be read, since the stream brings them."""
        at = self._events.reported_at
        if self._config.metric_reports != "stream" or at is None or not self._stream.is_live:
            return set()
        if self._clock.monotonic() - at > self._config.stale_after_seconds:
            return set()
        return {uri for uri in self._crawl.current.plan if uri.startswith(REPORTS)}

    def _walk_when_due(self) -> None:
        now = self._clock.monotonic()
        if self._walked_at is None:
            self._walked_at = now
            return
        interval = self._config.discovery_interval_seconds
        if self._crawl.current.is_incomplete:
            interval = min(interval, INCOMPLETE_WALK_SECONDS)
        if now - self._walked_at >= interval:
            self._walked_at = now
            self._crawl.walk_anew()
            self._session.ask_for_sessions_again()


def _unread(read: Round) -> list[str]:
    if not read.left_over:
        return []
    return [f"{read.left_over} resources not read in time; the next round begins with them"]
