"""From a service's resources to readings, events and identities. No network, no files, no clock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from fleetops_collectors.decoded import Decoded
from fleetops_collectors.redfish.cells import Cells, Given, Subject
from fleetops_collectors.redfish.identities import read_identities
from fleetops_collectors.redfish.leaks import read_leak_detector, read_leak_groups, speaks
from fleetops_collectors.redfish.legacy import read_power, read_thermal
from fleetops_collectors.redfish.log_entries import read_log_entry, records_of
from fleetops_collectors.redfish.metric_reports import Key, Meanings, ReportReader
from fleetops_collectors.redfish.names import Names
from fleetops_collectors.redfish.properties import PropertyReader, reading_time, times_of
from fleetops_collectors.redfish.sensors import has_leak_limits, read_sensor
from fleetops_collectors.redfish.tree import Tree, id_of, type_of, uri_of
from fleetops_collectors.redfish.values import (
    Json,
    objects_of,
    reading_of,
    state_of,
    text_of,
    time_of,
)

EXCERPT_RANK = 5
"""Excerpts of sensors that were not read themselves; after the sensors."""
_TOLERATED_SKEW = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Service:
    """What is known of a service beside its resources."""

    host: str | None = None
    device: str | None = None
    rack: str = ""
    live: bool = False
    """Whether it was read just now; a capture has no present but its own newest reading."""
    stale_after_seconds: float = 300.0
    recent_seconds: float = 30.0
    """Age up to which a reported value is as good as one that is read now."""


class Structure:
    """What holds from one walk over a service to the next: names, and what its values mean."""

    def __init__(self, known: Tree, service: Service) -> None:
        """Names the devices in ``known``, all resources of the service that names are made from."""
        self.known = known
        self.names = Names(known, service.host, service.device, service.rack)
        self.meanings = Meanings(self.names)
        self.recent: set[Key] = set()
        """Properties that reports gave in the last decoding, recent and good."""


def decode_resources(
    tree: Tree, service: Service, observed_at: datetime, structure: Structure | None = None
) -> Decoded:
    """The readings, events and identities in the resources of one service.

    Args:
        tree: the resources to decode, as read over HTTP or from a capture.
        service: whose they are.
        observed_at: when they were read; aware.
        structure: of the service, made earlier; identities are then not repeated.
    """
    decoder = _Decoder(tree, service, observed_at, structure or Structure(tree, service))
    decoded = decoder.decode()
    if structure is None:
        decoded.identities = read_identities(tree, decoder.names, observed_at)
    return decoded


class _Decoder:
    """One decoding."""

    def __init__(
        self, tree: Tree, service: Service, observed_at: datetime, structure: Structure
    ) -> None:
        self._tree = tree
        self._observed_at = observed_at
        self._structure = structure
        self.names = structure.names
        reference = service_time(tree, observed_at, live=service.live)
        self._cells = Cells(reference, timedelta(seconds=service.stale_after_seconds))
        self._recent = timedelta(seconds=service.recent_seconds)
        self._properties = PropertyReader(tree, self.names, self._cells)
        self._detectors: dict[Subject, bool] = {}
        """The leak detectors that are read, and whether each works."""
        self._out = Decoded()

    def decode(self) -> Decoded:
        sensors, reports = [], []
        for uri, resource in self._tree.items():
            match type_of(resource, uri):
                case "Sensor":
                    sensors.append((uri, resource))
                case "MetricReport":
                    reports.append(resource)
                case kind:
                    self._read(kind, uri, resource)
        for uri, sensor in sensors:
            self._read_sensor(uri, sensor)
        reader = ReportReader(self._tree, self._structure.meanings, self.names, self._cells)
        reader.read(reports, set(self._detectors), self._recent)
        self._structure.recent = reader.recent
        self._out.unmapped += reader.unmapped
        self._out.readings = self._cells.readings()
        return self._out

    def _read(self, kind: str, uri: str, resource: Json) -> None:
        match kind:
            case "LeakDetector":
                read_leak_detector(uri, resource, self.names, self._cells)
                if subject := self.names.subject(uri):
                    self._detectors[subject] = speaks(resource)
            case "LogEntry":
                self._tell(uri, resource)
            case "Event":
                for record_uri, record in records_of(resource):
                    self._tell(record_uri, record)
            case _:
                self._properties.read(uri, resource)
        if kind == "Thermal":
            self._count(read_thermal(uri, resource, self.names, self._cells))
        elif kind == "Power":
            self._count(read_power(uri, resource, self.names, self._cells))
        elif kind == "LeakDetection":
            read_leak_groups(resource, self._tree, self.names, self._cells)
        elif kind == "ThermalMetrics":
            self._read_excerpts(uri, objects_of(resource.get("TemperatureReadingsCelsius")))

    def _tell(self, uri: str, entry: Json) -> None:
        event = read_log_entry(uri, entry, self.names, self._observed_at)
        self._out.events.append(event)

    def _count(self, names: Iterable[str]) -> None:
        self._out.unmapped.update(names)

    def _read_sensor(self, uri: str, sensor: Json) -> None:
        if self._structure.meanings.is_leak(uri, sensor):
            self._read_voltage(uri, sensor)
            return
        meaning = self._structure.meanings.of_sensor(uri, sensor)
        if meaning is None:
            if sensor.get("Reading") is not None and uri not in self._properties.backing:
                self._out.unmapped[id_of(uri)] += 1
            return
        time, state = reading_time(sensor), state_of(sensor)
        for one in meaning:
            if one.subject not in self._detectors:
                given = Given(
                    reading_of(sensor),
                    one.rank,
                    one.scale,
                    one.offset,
                    time,
                    state,
                    one.interval,
                )
                self._cells.put_metric(one.subject, one.metric, given)

    def _read_voltage(self, uri: str, sensor: Json) -> None:
        """The voltage behind a leak detector.

        It says nothing while its detector is disabled. Beside one that works it counts as much as
        the detector's own word, and the worse of both holds; but by its own limits alone, since
        ours are those of one maker.
        """
        for one in read_sensor(uri, sensor, self.names) or ():
            works = self._detectors.get(one.subject)
            if works is None:
                self._cells.put(one.subject, one.metric, one.given)
            elif works and has_leak_limits(sensor):
                self._cells.put(one.subject, one.metric, one.given._replace(rank=0))

    def _read_excerpts(self, metrics: str, excerpts: Iterable[Json]) -> None:
        """The temperatures that a chassis lists, for sensors that cannot be read themselves.

        Some name their sensor by its URI, others (HPE) the place that they measure.
        """
        for excerpt in excerpts:
            uri = uri_of(text_of(excerpt.get("DataSourceUri")))
            if uri in self._tree:
                continue
            place = text_of(excerpt.get("DeviceName"))
            named = {"Id": place} if place and not uri else {}
            self._read_excerpt(uri or metrics, {"ReadingType": "Temperature", **excerpt, **named})

    def _read_excerpt(self, uri: str, sensor: Json) -> None:
        measured = read_sensor(uri, sensor, self.names)
        if measured is None and sensor.get("Reading") is not None:
            self._out.unmapped[text_of(sensor.get("Id")) or id_of(uri)] += 1
        for one in measured or ():
            given = one.given._replace(rank=one.given.rank + EXCERPT_RANK)
            self._cells.put(one.subject, one.metric, given)


def service_time(tree: Tree, observed_at: datetime, *, live: bool) -> datetime | None:
    """The service's own present, by which the age of its readings is judged.

    Clocks of controllers drift and restart in 2015, so readings are compared with the controller's
    clock and with each other before they are compared with ours.
    """
    clocks = [time_of(manager.get("DateTime")) for _, manager in tree.each_of_type("Manager")]
    said = [moment for moment in clocks if moment]
    if live and not said:
        said.append(observed_at)
    latest = observed_at + _TOLERATED_SKEW
    return max((moment for moment in [*said, *times_of(tree)] if moment <= latest), default=None)
