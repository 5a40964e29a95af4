"""Properties of the standard's resources, read as the catalog's ``redfish`` sources name them.

A source ``ProcessorMetrics.PCIeErrors.ReplayCount`` is the property ``PCIeErrors/ReplayCount`` of a
resource of type ``ProcessorMetrics``. So a further property is one line in ``catalog/*.yaml``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from typing import NamedTuple

from fleetops_collectors.redfish.cells import Cells, Given, Subject
from fleetops_collectors.redfish.names import Names
from fleetops_collectors.redfish.tree import (
    ROOT,
    Tree,
    links,
    segments,
    type_of,
    uri_of,
)
from fleetops_collectors.redfish.values import (
    FIRST_CREDIBLE_YEAR,
    Json,
    dig,
    duration_seconds,
    state_of,
    text_of,
    time_of,
)
from fleetops_schemas.catalog import Metric, load_catalog

_CIRCUITS = {
    "Mains": "MainsCircuit",
    "Branches": "BranchCircuit",
    "Feeders": "BranchCircuit",
    "Subfeeds": "BranchCircuit",
}
"""Current flows into a unit through one and out of it through the other."""
_RAILS = frozenset({"RailVoltage", "RailCurrentAmps", "RailPowerWatts"})
"""One rail is a supply's output; of several it is not said which one feeds the busbar."""
_TOTALS = frozenset({"EnvironmentMetrics", "Power"})
"""Resources that sum up what is in the one they stand below."""
_GATED_BY_STATE = frozenset({"redundancy_lost", "fan_redundancy_lost"})
"""Metrics that say nothing unless the part is enabled: a disabled group has no redundancy to
lose."""


class Property(NamedTuple):
    """Where one metric stands in a type of resource."""

    path: tuple[str, ...]
    metric: Metric
    scale: float
    offset: float
    rank: int
    """Place among the metric's sources: the first that gives a value wins."""


@cache
def _table() -> dict[tuple[str, str], tuple[Property, ...]]:
    found: dict[tuple[str, str], list[Property]] = {}
    for device_class in load_catalog().classes.values():
        for metric in device_class.metrics:
            for rank, source in enumerate(metric.sources.get("redfish", ())):
                kind, *path = source.name.split(".")
                found.setdefault((kind, device_class.name), []).append(
                    Property(tuple(path), metric, source.scale, source.offset, rank)
                )
    return {key: tuple(properties) for key, properties in found.items()}


def properties_of(kind: str, device_class: str) -> tuple[Property, ...]:
    """What the catalog reads from a type of resource for a class of device."""
    return _table().get((kind, device_class), ())


def kind_of(uri: str, resource: Json) -> str:
    """The type as the catalog's sources name it: with what its place adds to its meaning."""
    kind = type_of(resource, uri)
    parts = segments(uri)
    if kind == "CoolantConnector" and "PrimaryCoolantConnectors" in parts:
        return "PrimaryCoolantConnector"
    if kind == "EnvironmentMetrics" and "Memory" in parts:
        return "MemoryEnvironmentMetrics"
    if kind == "Circuit":
        return _CIRCUITS.get(parts[-2], kind)
    return kind


class PropertyReader:
    """Reads the properties of single resources into cells."""

    def __init__(self, tree: Tree, names: Names, cells: Cells) -> None:
        """Reads into ``cells``; ``tree`` gives the sensors behind excerpts."""
        self._tree = tree
        self._names = names
        self._cells = cells
        self.backing: set[str] = set()
        """Sensors that a property which was read is an excerpt of."""

    def read(self, uri: str, resource: Json) -> None:
        """Reads one resource, if the catalog knows its type and its device has a table."""
        subject, kind = self._names.subject(uri), kind_of(uri, resource)
        if subject is None or is_part_of_more(kind, uri, subject, self._names):
            return
        for one in properties_of(kind, subject.device_class):
            self._read_property(subject, resource, one)

    def _read_property(self, subject: Subject, resource: Json, one: Property) -> None:
        state = state_of(resource)
        values = list(dig(resource, one.path))
        if not values and state == "Absent" and one.path[0] == "Status":
            values = [(None, {})]
        if one.path[0] in _RAILS and len(values) > 1:
            return
        for raw, holder in values:
            if one.metric.name in _GATED_BY_STATE and holder.get("State", "Enabled") != "Enabled":
                raw = None  # noqa: PLW2901 (says nothing, whatever it says)
            given = self._excerpt(raw, state) if isinstance(raw, dict) else Given(raw, state=state)
            self._cells.put_metric(subject, one.metric, _as(one, given))

    def _excerpt(self, excerpt: Json, state: str) -> Given:
        """An excerpt copies a sensor's reading, and hides its time and state: they are looked up.

        Controls (``PowerLimitWatts``) have a set point in place of a reading.
        """
        raw = excerpt.get("Reading", excerpt.get("SetPoint"))
        source = uri_of(text_of(excerpt.get("DataSourceUri")))
        sensor = self._tree.get(source)
        if sensor is None or "Reading" not in sensor:
            return Given(raw, state=state, time=time_of(excerpt.get("ReadingTime")))
        self.backing.add(source)
        absent = "Absent" in (state, state_of(sensor))
        return Given(
            raw,
            state="Absent" if absent else state,
            time=reading_time(sensor),
            interval=sensing_interval(sensor),
        )


def is_part_of_more(kind: str, uri: str, subject: Subject, names: Names) -> bool:
    """Whether it sums up a part of a host (a processor, a board in a chassis), and not the host."""
    if subject.device_class != "host" or kind not in _TOTALS:
        return False
    parts = segments(uri)
    if len(parts) > 3:  # noqa: PLR2004 (Chassis, its id, EnvironmentMetrics)
        return True
    chassis = names.resource(f"{ROOT}/Chassis/{parts[1]}") if parts[0] == "Chassis" else {}
    return bool(links(chassis, "ContainedBy"))


def reading_time(sensor: Json) -> datetime | None:
    """When a sensor took its reading, where it says so."""
    return time_of(sensor.get("ReadingTime"))


def sensing_interval(sensor: Json) -> timedelta:
    """How often a sensor measures; zero where it does not say."""
    seconds = duration_seconds(text_of(sensor.get("SensingInterval")))
    return timedelta(seconds=min(seconds or 0.0, 86_400.0))


def times_of(tree: Tree) -> Iterator[datetime]:
    """Every time at which the service says that something was read."""
    for _, resource in tree.each_of_type("Sensor", "MetricReport"):
        stamped = time_of(resource.get("ReadingTime")) or time_of(resource.get("Timestamp"))
        if stamped and stamped.year >= FIRST_CREDIBLE_YEAR:
            yield stamped  # values of a report are older than it
            continue
        for value in resource.get("MetricValues") or []:
            if isinstance(value, dict) and (moment := time_of(value.get("Timestamp"))):
                yield moment


def _as(one: Property, given: Given) -> Given:
    return given._replace(rank=given.rank + one.rank, scale=one.scale, offset=one.offset)
