"""The entries of event logs; only the new ones are asked for, where the service lets one."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from fleetops.core.errors import InputError, NotFoundError
from fleetops_collectors.redfish.crawl import MAX_PAGES, Crawl, Fetch
from fleetops_collectors.redfish.log_positions import created_at
from fleetops_collectors.redfish.tree import is_whole, uri_of
from fleetops_collectors.redfish.values import Json, object_of, objects_of, text_of

MAX_ENTRIES_FETCHED = 100
"""Log entries fetched one by one in a round, where the collection holds links only."""


class _Tail(NamedTuple):
    """Where a log ended that grows at its end."""

    length: int
    last: str
    """URI of its last entry; another one there means that the log was cleared or is full."""


class Wanted(NamedTuple):
    """How far back a log is to be read: years of entries may stand behind the new ones."""

    since: datetime
    was_read: bool
    """Whether ``since`` is the time of the newest entry that was read before."""

    def is_reached(self, members: list[Json]) -> bool:
        """Whether entries that begin with the newest were read far enough.

        If even the newest is older than what was read, the log was cleared, and all of it is news.
        """
        newest, oldest = (created_at(members[at]) for at in (0, -1)) if members else (None, None)
        if newest is None or oldest is None or newest <= oldest:
            return False
        return oldest < self.since and (self.since <= newest or not self.was_read)


class LogReader:
    """Reads the logs of one service."""

    def __init__(self, crawl: Crawl) -> None:
        """Has read nothing yet."""
        self._crawl = crawl
        self._tails: dict[str, _Tail] = {}
        self._reached: dict[str, _Tail | None] = {}
        """Where logs ended in reads whose entries are not yet taken."""
        self._may_skip = True
        self._entries: dict[str, dict[str, Json]] = {}
        """By log, entries fetched one by one; they never change."""

    async def read(self, log: str, fetch: Fetch, wanted: Wanted) -> list[Json]:
        """The entries of a log: all of them, or at least those that came since :meth:`take`.

        Args:
            log: URI of the entries.
            fetch: reads one resource.
            wanted: how far back to read, where a log begins with its newest entry.

        Raises:
            InputError: what came is no log.
            NotFoundError: there is no such log.
            TemporaryError: it did not come.
        """
        members = await self._new_members(log, fetch)
        if members is None:
            members = await self._all_members(log, fetch, wanted)
        return await self._whole(log, members, fetch)

    def take(self) -> None:
        """What was read was taken: later reads begin behind it."""
        for log, tail in self._reached.items():
            if tail is None:
                self._tails.pop(log, None)
            else:
                self._tails[log] = tail
        self._reached.clear()

    async def _new_members(self, log: str, fetch: Fetch) -> list[Json] | None:
        """The entries from the last known one on; None where that cannot be done."""
        tail = self._tails.get(log)
        if tail is None or not self._may_skip or not self._offers_skip():
            return None
        address = f"{log}?$skip={tail.length - 1}"
        try:
            members = await self._pages(await fetch(address), fetch)
        except (InputError, NotFoundError):
            self._may_skip = False  # it offers $skip, but does not do it
            return None
        if not members or uri_of(members[0]) != tail.last:
            return None
        self._reached[log] = _Tail(tail.length - 1 + len(members), uri_of(members[-1]))
        return members

    async def _all_members(self, log: str, fetch: Fetch, wanted: Wanted) -> list[Json]:
        members = await self._pages(await fetch(log), fetch, wanted)
        grows = bool(members and uri_of(members[-1])) and not _newest_first(members)
        self._reached[log] = _Tail(len(members), uri_of(members[-1])) if grows else None
        return members

    async def _pages(
        self, collection: Json, fetch: Fetch, wanted: Wanted | None = None
    ) -> list[Json]:
        members = objects_of(collection.get("Members"))
        following = text_of(collection.get("Members@odata.nextLink"))
        for _ in range(MAX_PAGES):
            if not following or (wanted and wanted.is_reached(members)):
                return members
            page = await fetch(following)
            members += objects_of(page.get("Members"))
            following = text_of(page.get("Members@odata.nextLink"))
        raise InputError(f"{following}: more than {MAX_PAGES} pages of a log")

    def _offers_skip(self) -> bool:
        features = object_of(self._crawl.root.get("ProtocolFeaturesSupported"))
        return features.get("TopSkipQuery") is True

    async def _whole(self, log: str, members: list[Json], fetch: Fetch) -> list[Json]:
        """The entries themselves, where some members are links; each is fetched once."""
        found = [
            {"@odata.type": "#LogEntry.LogEntry", **member}
            for member in members
            if is_whole(member)
        ]
        links = [uri_of(member) for member in members if not is_whole(member)]
        cache = self._entries.setdefault(log, {})
        for uri in [uri for uri in links if uri not in cache][-MAX_ENTRIES_FETCHED:]:
            cache[uri] = await fetch(uri)
        self._entries[log] = {uri: cache[uri] for uri in links if uri in cache}
        return [*found, *self._entries[log].values()]


def _newest_first(members: list[Json]) -> bool:
    first, last = created_at(members[0]), created_at(members[-1])
    return first is not None and last is not None and first > last
