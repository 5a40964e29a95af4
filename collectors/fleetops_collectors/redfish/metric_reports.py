"""``MetricReport`` resources: thousands of values in one reply, each a copy of some property.

A value names the property it copies (``MetricProperty``: a URI, and behind ``#`` the path in the
resource). What a property means is worked out once and kept, so that of each further report only
text is turned into numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from fleetops_collectors.redfish.cells import Cells, Given, Subject
from fleetops_collectors.redfish.names import Names
from fleetops_collectors.redfish.properties import kind_of, properties_of
from fleetops_collectors.redfish.sensors import measures_a_leak, read_sensor
from fleetops_collectors.redfish.tree import Tree
from fleetops_collectors.redfish.values import Json, objects_of, state_of, text_of, time_of
from fleetops_schemas.catalog import Metric, load_catalog
from fleetops_schemas.readings import Quality

REPORT_RANK = 40
"""After the resource that a value is copied from, where that was read too: copies may be old."""
MAX_KEPT = 100_000
"""Properties whose meaning is kept; a GB300 tray reports some 5,000."""


class Meaning(NamedTuple):
    """What one ``MetricProperty`` is."""

    uri: str
    key: str
    """The sensor's URI, or that of the resource and the path as the catalog has it."""
    subject: Subject
    metric: Metric
    scale: float
    offset: float
    rank: int
    interval: timedelta = timedelta()


class _Value(NamedTuple):
    raw: object
    time: datetime | None


class Meanings:
    """What sensors, and the properties named by reports, are; kept from round to round.

    It holds as long as the names do that it was made with.
    """

    def __init__(self, names: Names) -> None:
        """Knows nothing yet."""
        self._names = names
        self._known: dict[str, tuple[Meaning, ...] | None] = {}
        self._sensors: dict[str, tuple[Meaning, ...] | None] = {}
        self._leaks: dict[str, bool] = {}

    def is_leak(self, uri: str, sensor: Json) -> bool:
        """Whether a sensor is the voltage behind a leak detector."""
        if uri not in self._leaks:
            if len(self._leaks) >= MAX_KEPT:
                self._leaks.clear()
            self._leaks[uri] = measures_a_leak(uri, sensor)
        return self._leaks[uri]

    def of_sensor(self, uri: str, sensor: Json) -> tuple[Meaning, ...] | None:
        """The cells that a sensor fills; None where the catalog has no column for it."""
        if uri not in self._sensors:
            if len(self._sensors) >= MAX_KEPT:
                self._sensors.clear()
            self._sensors[uri] = self._sensor(uri, sensor)
        return self._sensors[uri]

    def of(self, name: str, tree: Tree) -> tuple[Meaning, ...] | None:
        """The cells that a property fills; None where the catalog has no column for it."""
        if name not in self._known:
            if len(self._known) >= MAX_KEPT:
                self._known.clear()
            self._known[name] = self._find(name, tree)
        return self._known[name]

    def _find(self, name: str, tree: Tree) -> tuple[Meaning, ...] | None:
        uri, _, pointer = name.partition("#")
        uri = uri.rstrip("/")
        # places in a list do not matter: PowerControl/0/PowerConsumedWatts
        path = tuple(part for part in pointer.split("/") if part and not part.isdecimal())
        if "/Sensors/" in uri:
            if path not in ((), ("Reading",)):
                return None
            return self._sensors[uri] if uri in self._sensors else self._sensor(uri, {})
        subject = self._names.subject(uri) if path else None
        if subject is None:
            return None
        kind = kind_of(uri, tree.get(uri, {}))
        for one in (kind, "Port") if kind == "PortMetrics" else (kind,):
            for found in properties_of(one, subject.device_class):
                if path in (found.path, (*found.path, "Reading")):
                    key = f"{uri}#/{'/'.join(found.path)}"
                    return (Meaning(uri, key, subject, *found[1:]),)
        return None

    def _sensor(self, uri: str, sensor: Json) -> tuple[Meaning, ...] | None:
        if measures_a_leak(uri, sensor):
            return None  # a state is made from the number itself, not by a scale
        measured = read_sensor(uri, {**sensor, "Reading": 0}, self._names)
        if measured is None:
            return None
        return tuple(
            Meaning(
                uri,
                uri,
                one.subject,
                load_catalog()[one.subject.device_class].metric(one.metric),
                one.given.scale,
                one.given.offset,
                one.given.rank,
                one.given.interval,
            )
            for one in measured
        )


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
        self.recent: set[str] = set()
        """Properties whose good value is no older than the direct read of them would be."""

    def read(
        self, reports: Iterable[Json], detectors: set[Subject | None], within: timedelta
    ) -> None:
        """Reads the newest value of every property.

        Args:
            reports: of one round; several may hold the same property, or its history.
            detectors: leak detectors that speak for themselves.
            within: age up to which a value is as good as a direct read.
        """
        for name, value in self._newest(reports).items():
            meaning = self._meanings.of(name, self._tree)
            if meaning is not None:
                for one in meaning:
                    if one.subject not in detectors:
                        self._put(one, value, within)
            elif not self._read_leak(name, value, detectors):
                self.unmapped[name.partition("#")[2] or name.rpartition("/")[2]] += 1

    def _put(self, one: Meaning, value: _Value, within: timedelta) -> None:
        original = self._tree.get(one.uri)
        rank = one.rank if original is None else one.rank + REPORT_RANK
        state = "Enabled" if original is None else state_of(original)
        given = Given(value.raw, rank, one.scale, one.offset, value.time, state, one.interval)
        quality = self._cells.put_metric(one.subject, one.metric, given)
        if quality is Quality.GOOD and self._cells.is_recent(value.time, within):
            self.recent.add(one.key)

    def _read_leak(self, name: str, value: _Value, detectors: set[Subject | None]) -> bool:
        """A leak detector's voltage, which becomes a state; whether it is one."""
        uri = name.partition("#")[0].rstrip("/")
        sensor = self._tree.get(uri, {})
        if "/Sensors/" not in uri or not measures_a_leak(uri, sensor):
            return False
        stamp = value.time.isoformat() if value.time else None
        copy = {**sensor, "Reading": value.raw, "ReadingTime": stamp}
        for one in read_sensor(uri, copy, self._names) or ():
            if one.subject not in detectors:
                given = one.given._replace(rank=one.given.rank + REPORT_RANK)
                self._cells.put(one.subject, one.metric, given)
        return True

    def _newest(self, reports: Iterable[Json]) -> dict[str, _Value]:
        newest: dict[str, _Value] = {}
        times: dict[object, datetime | None] = {}
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
