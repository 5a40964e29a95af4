"""``MetricReport`` resources: thousands of values in one reply, each a copy of some property.

A value names the property that it copies (``MetricProperty``: a URI, and behind ``#`` the path in
the resource). Which device a URI speaks of, and which column a path fills, is worked out once and
kept apart from each other: so of each further value only text is turned into a number, and little
is kept of a report of thousands.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Set
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

from fleetops_collectors.redfish.cells import Cells, Given, Subject
from fleetops_collectors.redfish.names import Names
from fleetops_collectors.redfish.properties import (
    Property,
    is_part_of_more,
    kind_of,
    properties_of,
)
from fleetops_collectors.redfish.sensors import measures_a_leak, read_sensor
from fleetops_collectors.redfish.tree import Tree
from fleetops_collectors.redfish.values import Json, objects_of, state_of, text_of, time_of
from fleetops_schemas.catalog import Metric, load_catalog
from fleetops_schemas.readings import Quality

T = TypeVar("T")
REPORT_RANK = 40
"""After the resource that a value is copied from, where that was read too: copies may be old."""
MAX_KEPT = 50_000
"""URIs of one service whose meaning is kept; a GB300 tray reports of some 400."""
Key = tuple[str, tuple[str, ...]]
"""A reported property: the resource's URI, and the path as the catalog has it; of a sensor, ()."""


class Meaning(NamedTuple):
    """One cell that a sensor fills."""

    subject: Subject
    metric: Metric
    scale: float
    offset: float
    rank: int
    interval: timedelta


class _Place(NamedTuple):
    """What stands at a URI."""

    subject: Subject
    kinds: tuple[str, ...]
    """The types, as the catalog's sources name them, whose properties are reported of it."""


class _Value(NamedTuple):
    raw: object
    time: datetime | None


class _Kept(Generic[T]):
    """What was made of sensors, by URI: of their resources, or of their names alone.

    What a report names without the sensor having been read is kept apart, since the sensor itself
    may say something else (a distance to a limit, and no temperature).
    """

    def __init__(self, make: Callable[[str, Json], T]) -> None:
        self._make = make
        self._read: dict[str, T] = {}
        self._named: dict[str, T] = {}

    def get(self, uri: str, sensor: Json) -> T:
        if uri in self._read:
            return self._read[uri]
        kept = self._read if sensor else self._named
        if uri not in kept:
            if len(kept) >= MAX_KEPT:
                kept.clear()
            kept[uri] = self._make(uri, sensor)
        return kept[uri]


class Meanings:
    """What the sensors and resources of one service are; kept from round to round.

    It holds as long as the names do that it was made with.
    """

    def __init__(self, names: Names) -> None:
        """Knows nothing yet."""
        self._names = names
        self._sensors: _Kept[tuple[Meaning, ...] | None] = _Kept(self._sensor)
        self._leaks: _Kept[bool] = _Kept(measures_a_leak)
        self._places: dict[str, _Place | None] = {}

    def is_leak(self, uri: str, sensor: Json) -> bool:
        """Whether a sensor is the voltage behind a leak detector."""
        return self._leaks.get(uri, sensor)

    def of_sensor(self, uri: str, sensor: Json) -> tuple[Meaning, ...] | None:
        """The cells that a sensor fills; None where the catalog has no column for it."""
        return self._sensors.get(uri, sensor)

    def of_property(self, uri: str, pointer: str, tree: Tree) -> tuple[Subject, Property] | None:
        """The cell that a resource's property fills; None where there is no column for it."""
        if uri not in self._places:
            if len(self._places) >= MAX_KEPT:
                self._places.clear()
            self._places[uri] = self._place(uri, tree)
        place = self._places[uri]
        if place is None:
            return None
        found = _property(place.kinds, place.subject.device_class, pointer)
        return (place.subject, found) if found else None

    def _place(self, uri: str, tree: Tree) -> _Place | None:
        subject, kind = self._names.subject(uri), kind_of(uri, tree.get(uri, {}))
        if subject is None or is_part_of_more(kind, uri, subject, self._names):
            return None
        return _Place(subject, (kind, "Port") if kind == "PortMetrics" else (kind,))

    def _sensor(self, uri: str, sensor: Json) -> tuple[Meaning, ...] | None:
        measured = read_sensor(uri, {**sensor, "Reading": 0}, self._names)
        if measured is None:
            return None
        return tuple(
            Meaning(
                one.subject,
                load_catalog()[one.subject.device_class].metric(one.metric),
                one.given.scale,
                one.given.offset,
                one.given.rank,
                one.given.interval,
            )
            for one in measured
        )


@lru_cache(maxsize=10_000)
def _property(kinds: tuple[str, ...], device_class: str, pointer: str) -> Property | None:
    # places in a list do not matter: /PowerControl/0/PowerConsumedWatts
    path = tuple(part for part in pointer.split("/") if part and not part.isdecimal())
    for kind in kinds:
        for one in properties_of(kind, device_class):
            if path and path in (one.path, (*one.path, "Reading")):
                return one
    return None


class ReportReader:
    """Reads the reports of one round into cells."""

    def __init__(self, tree: Tree, meanings: Meanings, names: Names, cells: Cells) -> None:
        """``tree`` holds what was read in this round beside the reports."""
        self._tree = tree
        self._meanings = meanings
        self._names = names
        self._cells = cells
        self.unmapped: Counter[str] = Counter()
        """Values without a column, by their name."""
        self.recent: set[Key] = set()
        """Properties whose good value is no older than the direct read of them would be."""

    def read(self, reports: Iterable[Json], detectors: Set[Subject], within: timedelta) -> None:
        """Reads the newest value of every property.

        Args:
            reports: of one round; several may hold the same property, or its history.
            detectors: leak detectors that speak for themselves.
            within: age up to which a value is as good as a direct read.
        """
        for name, value in self._newest(reports).items():
            uri, _, pointer = name.partition("#")
            uri = uri.rstrip("/")
            if "/Sensors/" in uri:
                known = self._read_sensor(uri, pointer, value, detectors, within)
            else:
                known = self._read_property(uri, pointer, value, detectors, within)
            if not known:
                self.unmapped[pointer or name.rpartition("/")[2]] += 1

    def _read_property(
        self,
        uri: str,
        pointer: str,
        value: _Value,
        detectors: Set[Subject],
        within: timedelta,
    ) -> bool:
        found = self._meanings.of_property(uri, pointer, self._tree)
        if found is None:
            return False
        subject, one = found
        if subject not in detectors:
            rank, state = self._of_original(uri, one.rank)
            given = Given(value.raw, rank, one.scale, one.offset, value.time, state)
            quality = self._cells.put_metric(subject, one.metric, given)
            if quality is Quality.GOOD and self._cells.is_recent(value.time, within):
                self.recent.add((uri, one.path))
        return True

    def _read_sensor(
        self,
        uri: str,
        pointer: str,
        value: _Value,
        detectors: Set[Subject],
        within: timedelta,
    ) -> bool:
        if pointer.removeprefix("/") not in ("", "Reading"):
            return False
        sensor = self._tree.get(uri, {})
        if self._meanings.is_leak(uri, sensor):
            self._read_leak(uri, sensor, value, detectors)
            return True
        meaning = self._meanings.of_sensor(uri, sensor)
        for one in meaning or ():
            rank, state = self._of_original(uri, one.rank)
            given = Given(value.raw, rank, one.scale, one.offset, value.time, state, one.interval)
            quality = self._cells.put_metric(one.subject, one.metric, given)
            if quality is Quality.GOOD and self._cells.is_recent(value.time, within):
                self.recent.add((uri, ()))
        return meaning is not None

    def _of_original(self, uri: str, rank: int) -> tuple[int, str]:
        """The rank of a copy, and the state of the part that it is of."""
        original = self._tree.get(uri)
        return (rank, "Enabled") if original is None else (rank + REPORT_RANK, state_of(original))

    def _read_leak(self, uri: str, sensor: Json, value: _Value, detectors: Set[Subject]) -> None:
        """A leak detector's voltage, from which a state is made."""
        stamp = value.time.isoformat() if value.time else None
        copy = {**sensor, "Reading": value.raw, "ReadingTime": stamp}
        for one in read_sensor(uri, copy, self._names) or ():
            if one.subject not in detectors:
                given = one.given._replace(rank=one.given.rank + REPORT_RANK)
                self._cells.put(one.subject, one.metric, given)

    def _newest(self, reports: Iterable[Json]) -> dict[str, _Value]:
        newest: dict[str, _Value] = {}
        times: dict[str, datetime | None] = {}
        for report in reports:
            made = time_of(report.get("Timestamp"))
            for item in objects_of(report.get("MetricValues")):
                name = text_of(item.get("MetricProperty"))
                if not name:
                    self.unmapped[text_of(item.get("MetricId")) or "?"] += 1
                    continue
                stamp = text_of(item.get("Timestamp"))
                if stamp not in times:
                    times[stamp] = time_of(stamp)
                value = _Value(item.get("MetricValue"), times[stamp] or made)
                before = newest.get(name)
                if before is None or _is_newer(value, before):
                    newest[name] = value
        return newest


def _is_newer(value: _Value, before: _Value) -> bool:
    if before.time is None:
        return True  # what stands later was said later
    return value.time is not None and value.time >= before.time
