"""Metric reports: the points of many resources in one, as text, with the time of each."""

from __future__ import annotations

import math
from collections import defaultdict

from fleetops.emulator.interfaces.redfish.points import Point, Scalar
from fleetops.emulator.interfaces.redfish.quirks import LONG_AGO, Quirk
from fleetops.emulator.interfaces.redfish.tree import (
    ENABLED,
    Live,
    Node,
    Resource,
    Tree,
    View,
    link,
)

REPEATED = 8
"""Values of each report that a service which repeats them repeats, as a captured one did."""
REPORTS = "TelemetryService/MetricReports"


def add_telemetry(tree: Tree, quirks: frozenset[Quirk] = frozenset()) -> None:
    """The telemetry service, with a report for each name that the tree's nodes give."""
    repeated = REPEATED if Quirk.NAN_IN_REPORTS in quirks else 0
    lines: dict[str, list[tuple[str, Point]]] = defaultdict(list)
    for node in tree:
        if node.report:
            lines[node.report] += [(_property(node, point), point) for point in node.points]
    tree.add(
        "TelemetryService",
        "TelemetryService.v1_4_0.TelemetryService",
        {
            "Name": "Telemetry Service",
            "ServiceEnabled": True,
            "MinCollectionInterval": "PT1S",
            "Status": ENABLED,
            "MetricReports": link(REPORTS),
        },
    )
    reports = {name: _report(told, repeated) for name, told in lines.items()}
    judged = [node.path for node in tree if node.kind == "Processor" and node.points]
    if Quirk.STALE_HEALTH in quirks and judged:
        reports["HealthMetrics"] = _stale_report(judged)
    tree.add_collection(REPORTS, "MetricReport", list(reports))
    for name, live in reports.items():
        place = f"{REPORTS}/{name}"
        tree.add(place, "MetricReport.v1_5_1.MetricReport", {"Name": name}, live=live)


def _property(node: Node, point: Point) -> str:
    """A sensor's reading goes by the sensor's own URI."""
    if "/Sensors/" in node.path:
        return node.path
    return f"{node.path}#{point.path}"


def _report(lines: list[tuple[str, Point]], repeated: int) -> Live:
    def make(view: View) -> Resource:
        now = view.timestamp()
        values = [
            {"MetricProperty": name, "MetricValue": _text(view, point), "Timestamp": now}
            for name, point in lines
        ]
        old = view.timestamp(LONG_AGO) if repeated else ""
        values += [
            {"MetricProperty": name, "MetricValue": "nan", "Timestamp": old}
            for name, _ in lines[:repeated]
        ]
        return {"Timestamp": now, "MetricValues": values}

    return make


def _stale_report(paths: list[str]) -> Live:
    def make(view: View) -> Resource:
        old = view.timestamp(LONG_AGO)
        values = [
            {
                "MetricProperty": f"{path}#/Status/Health",
                "MetricValue": "Critical",
                "Timestamp": old,
            }
            for path in paths
        ]
        return {"Timestamp": view.timestamp(), "MetricValues": values}

    return make


def _text(view: View, point: Point) -> str:
    """Every ``MetricValue`` is a string; what cannot be read is ``nan``."""
    value = view.value(point.part, point.metric)
    return "nan" if math.isnan(value) else text_of(point.encode(value))


def text_of(value: Scalar) -> str:
    """A property's value as a report tells it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
