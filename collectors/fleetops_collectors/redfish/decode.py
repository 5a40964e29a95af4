"""From a service's resources to readings and events. Pure: no network, no files, no clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from fleetops_collectors.decoded import Decoded
from fleetops_collectors.redfish.cells import Cells, Given, Subject
from fleetops_collectors.redfish.leaks import read_leak_detector, read_leak_groups
from fleetops_collectors.redfish.log_entries import read_log_entry
from fleetops_collectors.redfish.names import Names
from fleetops_collectors.redfish.properties import PropertyReader, times_of
from fleetops_collectors.redfish.sensors import read_sensor
from fleetops_collectors.redfish.tree import Tree, id_of, type_of
from fleetops_collectors.redfish.values import Json, objects_of, text_of, time_of

REPORT_RANK = 40
"""Metric reports repeat what resources say, some of them weeks later."""
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


def decode_resources(
    tree: Tree, service: Service, observed_at: datetime, known: Tree | None = None
) -> Decoded:
    """The readings and events in the resources of one service.

    Args:
        tree: the resources to decode, as read over HTTP or from a capture.
        service: whose they are.
        observed_at: when they were read; aware.
        known: resources read earlier, from which devices are named but nothing is read.
    """
    return _Decoder(tree, service, observed_at, known).decode()


class _Decoder:
    """One decoding."""

    def __init__(
        self, tree: Tree, service: Service, observed_at: datetime, known: Tree | None
    ) -> None:
        everything = Tree()
        if known is not None:
            everything.put_all(known)
        everything.put_all(tree)
        self._tree = tree
        self._observed_at = observed_at
        self._names = Names(everything, service.host, service.device, service.rack)
        reference = service_time(tree, observed_at, live=service.live)
        self._cells = Cells(reference, timedelta(seconds=service.stale_after_seconds))
        self._properties = PropertyReader(tree, self._names, self._cells)
        self._detectors: set[Subject | None] = set()
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
        for report in reports:
            for value in objects_of(report.get("MetricValues")):
                time = time_of(value.get("Timestamp")) or time_of(report.get("Timestamp"))
                if not self._read_copy(value, time):
                    self._out.unmapped[_label_of(value)] += 1
        self._out.readings = self._cells.readings()
        return self._out

    def _read(self, kind: str, uri: str, resource: Json) -> None:
        match kind:
            case "LeakDetector":
                read_leak_detector(uri, resource, self._names, self._cells)
                self._detectors.add(self._names.subject(uri))
            case "LeakDetection":
                read_leak_groups(resource, self._tree, self._names, self._cells)
            case "LogEntry":
                event = read_log_entry(uri, resource, self._names, self._observed_at)
                self._out.events.append(event)
            case _:
                self._properties.read(uri, resource)

    def _read_sensor(self, uri: str, sensor: Json) -> None:
        measured = read_sensor(uri, sensor, self._names)
        for one in measured or ():
            # A detector speaks for itself: its voltage says nothing while it is disabled.
            if one.subject not in self._detectors:
                self._cells.put(one.subject, one.metric, one.given)
        has_reading = sensor.get("Reading") is not None
        if measured is None and has_reading and uri not in self._properties.backing:
            self._out.unmapped[id_of(uri)] += 1

    def _read_copy(self, value: Json, time: datetime | None) -> bool:
        """Reads one value of a metric report, a copy of the property that it names.

        Returns whether there is a column for it.
        """
        uri, _, pointer = text_of(value.get("MetricProperty")).partition("#")
        uri, raw = uri.rstrip("/"), value.get("MetricValue")
        if "/Sensors/" not in uri:
            path = tuple(part for part in pointer.split("/") if part)
            given = Given(raw, REPORT_RANK, time=time)
            return bool(path) and self._properties.read_value(uri, path, given)
        stamp = time.isoformat() if time else None
        copy = {**self._tree.get(uri, {}), "Reading": raw, "ReadingTime": stamp}
        measured = read_sensor(uri, copy, self._names)
        for one in measured or ():
            if one.subject not in self._detectors:
                given = replace(one.given, rank=one.given.rank + REPORT_RANK)
                self._cells.put(one.subject, one.metric, given)
        return measured is not None


def _label_of(value: Json) -> str:
    return text_of(value.get("MetricId")) or text_of(value.get("MetricProperty")) or "?"


def service_time(tree: Tree, observed_at: datetime, *, live: bool) -> datetime | None:
    """The service's own present, by which the age of its readings is judged.

    Clocks of controllers drift and restart in 2015, so readings are compared with the controller's
    clock and with each other before they are compared with ours.
    """
    clocks = [time_of(manager.get("DateTime")) for _, manager in tree.of_type("Manager")]
    said = [moment for moment in clocks if moment]
    if live and not said:
        said.append(observed_at)
    latest = observed_at + _TOLERATED_SKEW
    return max((moment for moment in [*said, *times_of(tree)] if moment <= latest), default=None)
