"""The ``redfish`` collector: one session, one crawl and one set of log cursors a target."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Annotated, ClassVar, Self

from pydantic import Field

from fleetops.core.clock import Clock
from fleetops.core.config import secret
from fleetops.core.errors import InputError, NotFoundError, TemporaryError
from fleetops_collectors.base import CollectorConfig, Scrape, Target
from fleetops_collectors.http import HttpTargets, make_client, tls_context
from fleetops_collectors.redfish.crawl import Crawl, Fetch, Round
from fleetops_collectors.redfish.decode import Service, decode_resources, service_time
from fleetops_collectors.redfish.log_positions import LogPositions
from fleetops_collectors.redfish.session import RedfishSession
from fleetops_collectors.redfish.tree import ROOT, is_whole, uri_of
from fleetops_collectors.redfish.values import Json, objects_of

SHARE_OF_DEADLINE = 0.8
"""A round ends itself at this share of the deadline, and returns what it has."""
INCOMPLETE_WALK_SECONDS = 60.0
"""After this the structure is walked again, if some of it did not answer."""
MAX_ENTRIES_FETCHED = 100
"""Log entries fetched one by one in a round, where the collection holds links only."""


class RedfishConfig(CollectorConfig):
    """Reads management controllers, coolant distribution units and power shelves."""

    targets: HttpTargets = ()
    max_body_bytes: Annotated[int, Field(ge=1024)] = 8 * 1024 * 1024
    max_resources: Annotated[int, Field(ge=1)] = 5000
    """Resources read of one service; its further links are left out."""
    stale_after_seconds: Annotated[float, Field(gt=0)] = 300.0
    """Readings so much older than the service's present are stale."""
    discovery_interval_seconds: Annotated[float, Field(ge=1)] = 900.0
    """How often the structure is walked again; in between only readings are."""
    log_interval_seconds: Annotated[float, Field(ge=0)] = 60.0
    log_lookback_seconds: Annotated[float, Field(ge=0)] = 3600.0
    """Of a log read for the first time, older entries are taken as known."""
    expand: bool = True
    """Whether collections are read whole (``$expand``) where the service offers it."""


@dataclass(slots=True)
class _Reader:
    """What is kept of one target between rounds."""

    session: RedfishSession
    crawl: Crawl
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    walked_at: float | None = None
    logs_read_at: float | None = None
    entries: dict[str, dict[str, Json]] = field(default_factory=dict)
    """By log, entries fetched one by one; they never change."""


class RedfishCollector:
    """Reads Redfish services over HTTP."""

    protocol: ClassVar[str] = "redfish"
    config_model: ClassVar[type[CollectorConfig]] = RedfishConfig

    def __init__(self, config: RedfishConfig, clock: Clock) -> None:
        """Opens nothing; the first read of each target does."""
        self._config = config
        self._clock = clock
        self._positions: dict[str, LogPositions] = {}
        self._readers: dict[str, _Reader] = {}
        self._tls: ssl.SSLContext | None = None

    @classmethod
    def create(cls, config: CollectorConfig, clock: Clock) -> Self:
        """Makes the collector; ``config`` is a :class:`RedfishConfig`."""
        assert isinstance(config, RedfishConfig)  # noqa: S101 (the runner validated it)
        return cls(config, clock)

    def resume(self, cursors: Mapping[str, str]) -> None:
        """Reads the logs on from where cursors, by target name, say."""
        for name, cursor in cursors.items():
            positions = LogPositions.from_cursor(cursor)
            if positions is not None:
                self._positions[name] = positions

    async def collect(self, target: Target) -> Scrape:
        """Reads the target once.

        Raises:
            InputError: it answered something that is not Redfish, or refuses the account.
            TemporaryError: it did not answer.
        """
        reader = self._reader(target)
        async with reader.lock:
            fetch, has_time = self._bounded(target, reader)
            self._walk_when_due(reader)
            read = await self._round(target, reader, fetch, has_time)
            if not reader.crawl.is_known:
                # Names may still change with what is found; nothing is said before they are sure.
                warnings = [*read.warnings, f"discovering: {read.left_over} resources to go"]
                return Scrape(target, self._clock.now(), warnings=warnings)
            cursor = await self._read_logs(target, reader, read, fetch, has_time)
            now = self._clock.now()
            service = Service(
                host=target.host,
                device=target.device,
                rack=target.rack,
                live=True,
                stale_after_seconds=self._config.stale_after_seconds,
            )
            decoded = decode_resources(read.tree, service, now, reader.crawl.current.known)
        return Scrape(
            target=target,
            observed_at=now,
            readings=decoded.readings,
            events=decoded.events,
            warnings=[*read.warnings, *_unread(read), *decoded.warnings()],
            cursor=cursor,
        )

    async def close(self) -> None:
        """Logs out of every service, all at once."""
        readers, self._readers = list(self._readers.values()), {}
        await asyncio.gather(*(reader.session.close() for reader in readers))

    def _reader(self, target: Target) -> _Reader:
        reader = self._readers.get(target.name)
        if reader is None:
            if not target.url.startswith(("http://", "https://")):
                raise InputError(
                    f"{target.name}: url {target.url!r} is no http(s) address; "
                    "name the service as https://ADDRESS"
                )
            if self._tls is None:
                self._tls = tls_context(self._config)
            open_http = partial(make_client, target.url, self._tls, self._config.deadline_seconds)
            session = RedfishSession(
                target.name, open_http, self._credentials(), self._config.max_body_bytes
            )
            reader = self._readers[target.name] = _Reader(session, self._crawl(session))
        return reader

    def _credentials(self) -> tuple[str, str] | None:
        config = self._config
        password = secret(config.password, config.password_file, "password")
        if config.username is None:
            return None
        return config.username, password.get_secret_value() if password else ""

    def _bounded(self, target: Target, reader: _Reader) -> tuple[Fetch, Callable[[], bool]]:
        """A fetch that ends with the round's time, and whether there is any left."""
        deadline = self._clock.monotonic() + SHARE_OF_DEADLINE * self._config.deadline_seconds

        async def fetch(uri: str) -> Json:
            try:
                async with asyncio.timeout(max(deadline - self._clock.monotonic(), 0.05)):
                    return await reader.session.get(uri)
            except TimeoutError as error:
                raise TemporaryError(
                    f"{target.name}: {uri}: no complete answer within the round's time; "
                    "raise deadline_seconds if the service is always this slow"
                ) from error

        return fetch, lambda: self._clock.monotonic() < deadline

    async def _round(
        self, target: Target, reader: _Reader, fetch: Fetch, has_time: Callable[[], bool]
    ) -> Round:
        try:
            read = await reader.crawl.round(fetch, has_time)
        except NotFoundError as error:
            raise InputError(f"{error}; is {target.url} a Redfish service?") from error
        root = reader.crawl.root
        if "RedfishVersion" not in root and "@odata.type" not in root:
            reader.crawl, reader.walked_at = self._crawl(reader.session), None
            raise InputError(
                f"{target.name}: {ROOT} is no Redfish service root (it has no RedfishVersion); "
                "check the address"
            )
        return read

    def _crawl(self, session: RedfishSession) -> Crawl:
        crawl = Crawl(self._config.max_resources, expand=self._config.expand)
        session.sessions_uri = lambda: crawl.sessions_uri
        return crawl

    def _walk_when_due(self, reader: _Reader) -> None:
        now = self._clock.monotonic()
        if reader.walked_at is None:
            reader.walked_at = now
            return
        interval = self._config.discovery_interval_seconds
        if reader.crawl.current.is_incomplete:
            interval = min(interval, INCOMPLETE_WALK_SECONDS)
        if now - reader.walked_at >= interval:
            reader.walked_at = now
            reader.crawl.walk_anew()

    async def _read_logs(
        self,
        target: Target,
        reader: _Reader,
        read: Round,
        fetch: Fetch,
        has_time: Callable[[], bool],
    ) -> str | None:
        """Puts the entries that were not read before into the round's tree.

        Returns the new cursor, if there is one. All logs are fetched before any position moves:
        a round that is cut off moves none.
        """
        now = self._clock.monotonic()
        last = reader.logs_read_at
        if last is not None and now - last < self._config.log_interval_seconds:
            return None
        entries: dict[str, list[Json]] = {}
        for log in dict.fromkeys(reader.crawl.current.logs):
            if not has_time():
                break
            try:
                entries[log] = await self._entries(reader, log, fetch)
            except (InputError, NotFoundError, TemporaryError) as error:
                read.warnings.append(str(error))
        reader.logs_read_at = now
        present = service_time(read.tree, self._clock.now(), live=True) or self._clock.now()
        since = present - timedelta(seconds=self._config.log_lookback_seconds)
        positions = self._positions.setdefault(target.name, LogPositions())
        before = dict(positions.logs)
        for log, found in entries.items():
            for entry in positions.unread(log, found, since):
                read.tree.put(uri_of(entry) or f"{log}/{entry.get('Id')}", entry)
        return None if positions.logs == before else positions.model_dump_json()

    async def _entries(self, reader: _Reader, log: str, fetch: Fetch) -> list[Json]:
        collection = await reader.crawl.all_pages(await fetch(log), fetch)
        found, links = [], []
        for member in objects_of(collection.get("Members")):
            if is_whole(member):
                found.append({"@odata.type": "#LogEntry.LogEntry", **member})
            else:
                links.append(uri_of(member))
        cache = reader.entries.setdefault(log, {})
        for uri in [uri for uri in links if uri not in cache][-MAX_ENTRIES_FETCHED:]:
            cache[uri] = await fetch(uri)
        reader.entries[log] = {uri: cache[uri] for uri in links if uri in cache}
        return [*found, *reader.entries[log].values()]


def _unread(read: Round) -> list[str]:
    if not read.left_over:
        return []
    return [f"{read.left_over} resources not read in time; the next round begins with them"]
