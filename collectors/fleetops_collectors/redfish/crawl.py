"""Finding a service's resources by its links, and reading again those that change.

The crawl is told how to fetch, so that it knows nothing of HTTP. It follows the links that lead to
readings, no others, and never leaves the service.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Set
from dataclasses import dataclass, field
from itertools import islice

from fleetops.core.errors import InputError, NotFoundError, TemporaryError
from fleetops_collectors.redfish.routes import (
    followed,
    holds_readings,
    is_event_log,
    is_read_whole,
    names_devices,
)
from fleetops_collectors.redfish.tree import ROOT, Tree, inside, is_whole, type_of, uri_of
from fleetops_collectors.redfish.values import Json, dig, object_of, objects_of, text_of

Fetch = Callable[[str], Awaitable[Json]]
"""Reads one resource.

Raises (when awaited):
    NoAccessError: the service wants another login.
    NotFoundError: there is no such resource.
    InputError: what came is no Redfish resource.
    TemporaryError: it did not come.
"""


class NoAccessError(InputError):
    """The account may read nothing, so that to go on is to be refused again: the round ends."""


REPORTS = f"{ROOT}/TelemetryService/MetricReports"
MAX_PAGES = 200
MAX_FAILURES = 3
"""Silences in a row after which a service is taken to be gone for this round."""


@dataclass(slots=True)
class Round:
    """What one round read."""

    tree: Tree = field(default_factory=Tree)
    warnings: list[str] = field(default_factory=list)
    silence: TemporaryError | None = None
    """The last read that brought no answer."""
    failures: int = 0
    """Reads in a row that brought no answer; at ``MAX_FAILURES`` the round ends."""
    left_over: int = 0
    """Resources that there was no time for; the next round begins with them."""


@dataclass(slots=True)
class Walk:
    """One walk over the structure of a service, which may take several rounds."""

    known: Tree = field(default_factory=Tree)
    """Resources that names are made from."""
    plan: list[str] = field(default_factory=list)
    """What is read again each round."""
    logs: list[str] = field(default_factory=list)
    """``Entries`` collections of the service's event logs."""
    frontier: deque[str] = field(default_factory=lambda: deque([ROOT]))
    found: set[str] = field(default_factory=lambda: {ROOT})
    is_incomplete: bool = False
    """Whether something did not answer, so that what it links to is unknown."""


class Crawl:
    """What is known of one service's structure. Use it for one round at a time."""

    def __init__(
        self, max_resources: int, *, expand: bool, at_once: int = 1, reports: bool = True
    ) -> None:
        """Knows nothing yet.

        Args:
            max_resources: resources read at most; a service that links in circles ends there.
            expand: whether collections are asked for whole where the service offers it.
            at_once: requests under way at the same time.
            reports: whether metric reports are read.
        """
        self._max_resources = max_resources
        self._expand = expand
        self._at_once = at_once
        self._reports = reports
        self.forget()

    def forget(self) -> None:
        """Knows nothing any more: the service turned out to be another."""
        self._suffix = ""
        self._done: Walk | None = None
        self._walk: Walk | None = Walk()
        self._next = 0

    @property
    def current(self) -> Walk:
        """The last walk that came to its end, or the first one while it goes on."""
        walk = self._done or self._walk
        assert walk is not None  # noqa: S101 (one of both is always there)
        return walk

    @property
    def root(self) -> Json:
        """The service root, or an empty object before it was read."""
        return self.current.known.get(ROOT, {})

    @property
    def sessions_uri(self) -> str:
        """Where sessions are opened."""
        root = (self._walk or self.current).known.get(ROOT, {})
        found = uri_of(object_of(object_of(root.get("Links")).get("Sessions")))
        return found or f"{ROOT}/SessionService/Sessions"

    @property
    def is_known(self) -> bool:
        """Whether the structure has been walked to its ends once."""
        return self._done is not None

    def walk_anew(self) -> None:
        """Walks the structure again in the next rounds; until then the last walk holds."""
        self._walk = Walk()

    async def round(
        self, fetch: Fetch, has_time: Callable[[], bool], known_otherwise: Set[str] = frozenset()
    ) -> Round:
        """Goes on walking, then reads again what was found before.

        Args:
            fetch: reads one resource.
            has_time: asked before each read; the round ends early when it says no.
            known_otherwise: what need not be read again, since something else says the same.

        Raises:
            InputError: the service root cannot be read.
            NotFoundError: there is no service root.
            TemporaryError: the service does not answer.
        """
        read = Round()
        fresh: set[str] = set()

        def goes_on() -> bool:
            return has_time() and read.failures < MAX_FAILURES

        if self._walk is not None:
            fresh = await self._discover(self._walk, fetch, read, goes_on)
        if self._done is not None:
            await self._read_again(fresh | known_otherwise, fetch, read, goes_on)
        if read.silence is not None and not read.tree:
            raise read.silence
        return read

    async def _read_again(
        self, left_out: Set[str], fetch: Fetch, read: Round, goes_on: Callable[[], bool]
    ) -> None:
        again = [uri for uri in self._in_turn() if uri not in left_out]
        for start in range(0, len(again), self._at_once):
            if not goes_on():
                read.left_over += len(again) - start
                self._next = self.current.plan.index(again[start])
                return
            some = again[start : start + self._at_once]
            for uri, resource in zip(some, await self._fetch_some(some, fetch, read), strict=True):
                if resource is not None:
                    self._keep(uri, resource, self.current, read.tree)

    async def _fetch_some(self, uris: list[str], fetch: Fetch, read: Round) -> list[Json | None]:
        if len(uris) == 1:
            return [await self._fetch(uris[0], fetch, read)]
        tasks = [asyncio.ensure_future(self._fetch(uri, fetch, read)) for uri in uris]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:  # where one ends the round, the others end with it
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _in_turn(self) -> list[str]:
        """The plan, from where the last round had to stop."""
        plan, start = self.current.plan, self._next
        self._next = 0
        return plan[start:] + plan[:start]

    async def _discover(
        self, walk: Walk, fetch: Fetch, read: Round, goes_on: Callable[[], bool]
    ) -> set[str]:
        fresh: set[str] = set()
        while walk.frontier and goes_on():
            some = list(islice(walk.frontier, self._at_once))
            for uri, resource in zip(some, await self._fetch_some(some, fetch, read), strict=True):
                walk.frontier.popleft()
                fresh.add(uri)
                self._take(uri, resource, walk, read)
        read.left_over += len(walk.frontier)
        if not walk.frontier:
            self._done, self._walk, self._next = walk, None, 0
        return fresh

    def _take(self, uri: str, resource: Json | None, walk: Walk, read: Round) -> None:
        """Takes one step's resource into the walk; None is one that could not be read."""
        if resource is None:
            if read.failures:  # it may answer in the next round; what it links to, later
                walk.plan.append(uri)
                walk.is_incomplete = True
            return
        if uri == ROOT:
            self._learn_root(resource)
        if self._keep(uri, resource, walk, read.tree):
            walk.plan.append(uri)
        self._follow(uri, resource, walk)

    async def _fetch(self, uri: str, fetch: Fetch, read: Round) -> Json | None:
        """One resource, a collection with all its pages; None after a warning."""
        try:
            resource = await self._fetch_whole(uri, fetch)
        except NoAccessError:
            raise
        except TemporaryError as error:
            if uri == ROOT:
                raise
            read.silence = error
            read.failures += 1
            read.warnings.append(str(error))
        except (InputError, NotFoundError) as error:
            if uri == ROOT:
                raise
            read.failures = 0  # it answered
            read.warnings.append(str(error))
        else:
            read.failures = 0
            return resource
        return None

    async def _fetch_whole(self, uri: str, fetch: Fetch) -> Json:
        try:
            return await self.all_pages(await fetch(self._address(uri)), fetch)
        except (InputError, NotFoundError):
            if self._address(uri) == uri:
                raise
            self._suffix = ""  # it offers $expand, but does not do it
            return await self.all_pages(await fetch(uri), fetch)

    async def all_pages(self, resource: Json, fetch: Fetch) -> Json:
        """A collection with the members of all its pages; anything else as it is."""
        following = text_of(resource.get("Members@odata.nextLink"))
        members = list(objects_of(resource.get("Members")))
        pages = 0
        while following:
            pages += 1
            if pages > MAX_PAGES:
                raise InputError(f"{following}: more than {MAX_PAGES} pages; read so far is left")
            page = await fetch(following)
            members += objects_of(page.get("Members"))
            following = text_of(page.get("Members@odata.nextLink"))
        return {**resource, "Members": members} if pages else resource

    def _address(self, uri: str) -> str:
        return uri + self._suffix if is_read_whole(uri) else uri

    def _learn_root(self, root: Json) -> None:
        features = object_of(root.get("ProtocolFeaturesSupported"))
        if self._expand and object_of(features.get("ExpandQuery")).get("NoLinks") is True:
            self._suffix = "?$expand=.($levels=1)"

    def _keep(self, uri: str, resource: Json, walk: Walk, tree: Tree) -> bool:
        """Keeps a resource and all inside it; whether any of them holds readings.

        It is kept under the id that it claims: some services show one resource in two places.
        """
        own = uri_of(resource) or uri
        tree.put(own, resource, canonical=own == uri)
        changes = False
        for item_uri, item in with_inner(own, resource):
            kind = type_of(item, item_uri)
            # Equipment without systems shows its health at its chassis.
            is_equipment = kind == "Chassis" and "Systems" not in walk.known.get(ROOT, {})
            changes |= is_equipment or holds_readings(kind, item)
            if names_devices(kind):
                walk.known.put(item_uri, item)
        return changes

    def _follow(self, uri: str, resource: Json, walk: Walk) -> None:
        """Queues what a resource, and those inside it, link to."""
        for item_uri, item in with_inner(uri_of(resource) or uri, resource):
            walk.found.add(item_uri)
            kind = type_of(item, item_uri)
            if kind.endswith("Collection"):
                for member in objects_of(item.get("Members")):
                    self._queue(member, walk)
            if kind == "LogService" and is_event_log(item_uri):
                walk.logs += [link for link in [uri_of(item.get("Entries"))] if link]
            for path in followed(kind, item):
                for link, _ in dig(item, path):
                    self._queue(link, walk)

    def _queue(self, link: object, walk: Walk) -> None:
        """Queues a link into this service, once; what stands whole in its place is no link."""
        uri = uri_of(link)
        if not uri.startswith(f"{ROOT}/") or uri in walk.found or is_whole(link):
            return
        if uri.startswith(REPORTS) and not self._reports:
            return
        if len(walk.found) < self._max_resources:
            walk.found.add(uri)
            walk.frontier.append(uri)


def with_inner(uri: str, resource: Json) -> list[tuple[str, Json]]:
    """A resource and all that stand whole inside it, by their URIs."""
    return [(uri, resource), *((uri_of(item), item) for item in inside(resource))]
