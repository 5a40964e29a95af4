"""A service's events of one round: from its stream, its logs, or both, each happening once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from pydantic import Field

from fleetops.core.errors import InputError, NotFoundError, TemporaryError
from fleetops_collectors.redfish.config import RedfishConfig
from fleetops_collectors.redfish.crawl import Crawl, Fetch, Round
from fleetops_collectors.redfish.event_stream import EventStream
from fleetops_collectors.redfish.log_entries import records_of
from fleetops_collectors.redfish.log_positions import LogPositions
from fleetops_collectors.redfish.log_reader import LogReader, Wanted
from fleetops_collectors.redfish.told import STREAM, Telling, Told
from fleetops_collectors.redfish.tree import Tree, type_of, uri_of
from fleetops_collectors.redfish.values import Json, object_of, text_of

_REPORTS = "EventFormatType eq 'Event' or EventFormatType eq 'MetricReport'"


class Cursor(LogPositions):
    """How far a service's events have been read."""

    told: Told = Field(default_factory=Told)
    last_event_id: str = ""


class EventReader:
    """Reads the events of one service."""

    def __init__(self, config: RedfishConfig, crawl: Crawl, stream: EventStream) -> None:
        """Starts at the beginning; :meth:`resume` goes on elsewhere."""
        self._config = config
        self._crawl = crawl
        self._stream = stream
        self._cursor = Cursor()
        self._told = 0
        """Events of either way so far."""
        self._read_at: float | None = None
        self.reported_at: float | None = None
        """When the stream last brought a metric report; monotonic seconds."""
        self._logs = LogReader(crawl)

    def resume(self, cursor: Cursor) -> None:
        """Goes on where the cursor says."""
        self._cursor = cursor
        self._stream.last_id = cursor.last_event_id

    async def read(
        self, read: Round, fetch: Fetch, has_time: Callable[[], bool], now: datetime, at: float
    ) -> str | None:
        """Puts events that were not told before, and streamed reports, into the round's tree.

        Returns the new cursor, if there is one. All logs are fetched before any position moves:
        a round that is cut off moves none.

        Args:
            read: the round so far.
            fetch: reads one resource.
            has_time: whether there is time for a further read.
            now: the service's present.
            at: monotonic seconds.
        """
        before = (dict(self._cursor.logs), self._cursor.last_event_id, self._told)
        if self._read_at is not None:  # who reads once needs no stream
            self._listen()
        found: dict[str, list[Json]] = {}
        if self._logs_are_due(at):
            self._stream.has_gap = False  # before: what breaks meanwhile is another gap
            found = await self._read_logs(read, fetch, has_time, now)
            self._read_at = at
        self._take_logs(found, read.tree, now)
        self._take_stream(read.tree, now, at)
        after = (self._cursor.logs, self._cursor.last_event_id, self._told)
        return None if before == after else self._cursor.model_dump_json(exclude_defaults=True)

    def _listen(self) -> None:
        """Opens the stream, if there is one and it is wanted; once."""
        config = self._config
        if config.events == "log" and config.metric_reports != "stream":
            return
        root = self._crawl.root
        service = self._crawl.current.known.get(uri_of(root.get("EventService")), {})
        uri = text_of(service.get("ServerSentEventUri"))
        if (
            not uri.startswith("/")
            or uri.startswith("//")
            or service.get("ServiceEnabled") is False
        ):
            return  # none, or one on another host
        filters = object_of(service.get("SSEFilterPropertiesSupported"))
        wants_reports = config.metric_reports == "stream" and filters.get("EventFormatType") is True
        self._stream.start(uri, _REPORTS if wants_reports else "")

    def _logs_are_due(self, at: float) -> bool:
        stream = self._stream
        if self._config.events == "sse" and stream.is_live and not stream.has_gap:
            return False
        gap_is_closed = self._config.events != "log" and stream.is_live and stream.has_gap
        if self._read_at is None or gap_is_closed:
            return True
        return at - self._read_at >= self._config.log_interval_seconds

    async def _read_logs(
        self, read: Round, fetch: Fetch, has_time: Callable[[], bool], now: datetime
    ) -> dict[str, list[Json]]:
        found: dict[str, list[Json]] = {}
        for log in dict.fromkeys(self._crawl.current.logs):
            if not has_time():
                self._stream.has_gap = True
                break
            try:
                found[log] = await self._logs.read(log, fetch, self._wanted(log, now))
            except (InputError, NotFoundError, TemporaryError) as error:
                read.warnings.append(str(error))
                self._stream.has_gap = True
        return found

    def _wanted(self, log: str, now: datetime) -> Wanted:
        known = self._cursor.logs.get(log)
        look_back = timedelta(seconds=self._config.log_lookback_seconds)
        return Wanted(known.created if known else now - look_back, was_read=known is not None)

    def _take_logs(self, found: dict[str, list[Json]], tree: Tree, now: datetime) -> None:
        for log, entries in found.items():
            for entry in self._cursor.unread(log, entries, self._wanted(log, now).since):
                self._tell(uri_of(entry) or f"{log}/{entry.get('Id')}", entry, log, tree, now)
        self._logs.take()

    def _take_stream(self, tree: Tree, now: datetime, at: float) -> None:
        for number, resource in enumerate(self._stream.take()):
            if type_of(resource) == "MetricReport":
                # beside the same report as it was read, or sent before; the newest values win
                tree.put(f"{uri_of(resource)}#{number}", resource)
                self.reported_at = at
                continue
            if self._config.events == "log":
                continue
            for uri, record in records_of(resource):
                self._tell(uri, record, STREAM, tree, now)
        self._cursor.last_event_id = self._stream.last_id

    def _tell(self, uri: str, entry: Json, way: str, tree: Tree, now: datetime) -> None:
        self._told += 1
        if self._cursor.told.is_news(Telling.of(entry, uri, now), way):
            tree.put(uri, entry)
