"""The measurements behind an incident: the accused against their neighbours and the limit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pandas as pd

from fleetops.api.models import DeviceSeries, Fleet, Series
from fleetops.core.errors import NotFoundError
from fleetops_dashboards import data
from fleetops_dashboards.charts import states
from fleetops_dashboards.charts.panels import (
    Mark,
    Panel,
    Row,
    bar_rows,
    line_rows,
    reference_row,
    table,
)
from fleetops_dashboards.palette import ACCUSED, PEER
from fleetops_dashboards.words import sign
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.records import Action, Evidence, Finding, Incident
from fleetops_schemas.topology import host_of

MAX_PANELS = 5
MAX_BARS = 16
MAX_ACCUSED_HOSTS = 2
MAX_PEER_HOSTS = 3
BEFORE = timedelta(minutes=2)
AFTER = timedelta(minutes=5)
"""The onset tells the cause; what came hours later is on the node's page."""
STAGE = "pipeline_stage"


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One measured fact of an incident, with every device that shows it."""

    device_class: str
    metric: str
    worst: Evidence
    devices: tuple[str, ...]

    @property
    def text(self) -> str:
        """The fact in words."""
        more = len(self.devices) - 1
        return f"{self.worst.text} (and {more} more like it)" if more else self.worst.text


@dataclass(frozen=True, slots=True)
class Evidences:
    """The chart of an incident, ready to draw."""

    panels: list[Panel]
    rows: pd.DataFrame
    captions: list[str]
    window: data.Window


def exhibits(incident: Incident) -> list[Exhibit]:
    """What was measured, each metric once, in the order in which it began."""
    groups: dict[tuple[str, str], list[tuple[Finding, Evidence]]] = {}
    for finding in sorted(incident.findings, key=lambda one: one.started_at):
        for evidence in finding.evidence:
            if evidence.metric and evidence.device and evidence.device_class:
                key = (evidence.device_class, evidence.metric)
                groups.setdefault(key, []).append((finding, evidence))
    return [
        Exhibit(
            device_class,
            metric,
            max((evidence for _, evidence in found), key=_departure),
            tuple(dict.fromkeys(evidence.device or "" for _, evidence in found)),
        )
        for (device_class, metric), found in groups.items()
    ]


def window_of(incident: Incident, now: datetime | None = None) -> data.Window:
    """The time around the onset."""
    began = min([incident.opened_at, *(finding.started_at for finding in incident.findings)])
    end = min(now or datetime.now(UTC), max(began, incident.opened_at) + AFTER)
    snapped = data.Window.up_to(1, end).end
    return data.Window(began - BEFORE, max(snapped, began + timedelta(seconds=1)))


def peers(fleet: Fleet, incident: Incident) -> list[str]:
    """Hosts to compare with: untouched by the incident, with the same work, and close by."""
    touched = {*incident.suspect_hosts, *incident.affected_hosts}
    touched |= {finding.host for finding in incident.findings if finding.host}
    hosts = [host for rack in fleet.racks for host in rack.hosts]
    places = {host.name: place for place, host in enumerate(hosts)}
    accused = min((places[name] for name in touched if name in places), default=0)
    jobs = {job for host in hosts if host.name in touched for job in host.jobs}
    free = [
        host for host in hosts if host.name not in touched and not host.stale and not host.suspect
    ]
    free.sort(key=lambda host: (jobs.isdisjoint(host.jobs), abs(places[host.name] - accused)))
    return [host.name for host in free[:MAX_PEER_HOSTS]]


def evidence(incident: Incident, fleet: Fleet, actions: Iterable[Action]) -> Evidences:
    """Fetches and arranges everything; a series that cannot be had is left out."""
    window, compared = window_of(incident), peers(fleet, incident)
    shown = exhibits(incident)[:MAX_PANELS]
    metrics: dict[str, list[str]] = {}
    for exhibit in shown:
        metrics.setdefault(exhibit.device_class, []).append(exhibit.metric)
    panels, rows, captions = [], [], []
    for exhibit in shown:
        wanted = tuple(metrics[exhibit.device_class])
        if exhibit.device_class == "training_rank":
            wanted += (STAGE,)
        found = [
            series
            for series in _fetch(exhibit, compared, fleet, wanted, window)
            if exhibit.metric in series.units
        ]
        arranged = _arrange(exhibit, found)
        if arranged is not None:
            panels.append(arranged[0])
            rows += arranged[1]
            captions.append(exhibit.text)
    return Evidences(panels, table(rows, window, _marks(incident, actions)), captions, window)


def _departure(evidence: Evidence) -> float:
    if evidence.value is None or not evidence.reference:
        return 0.0
    return abs(evidence.value - evidence.reference) / abs(evidence.reference)


def siblings(fleet: Fleet, device: str) -> list[str]:
    """For a device beside hosts, the same part of the other parents of its kind."""
    for own in fleet.parents:
        if device == own.device or device.startswith(f"{own.device}/"):
            part = device.removeprefix(own.device)
            return [
                f"{other.device}{part}"
                for other in fleet.parents
                if other.kind is own.kind and other.device != own.device
            ]
    return []


def _fetch(
    exhibit: Exhibit,
    compared: Sequence[str],
    fleet: Fleet,
    metrics: tuple[str, ...],
    window: data.Window,
) -> list[Series]:
    """The series of the accused and of what they are compared with."""
    hosts = {host.name for rack in fleet.racks for host in rack.hosts}
    own = list(dict.fromkeys(map(host_of, exhibit.devices)))[:MAX_ACCUSED_HOSTS]
    in_hosts = own[0] in hosts
    if in_hosts:
        names = [*own, *compared]
    else:
        accused = exhibit.devices[:MAX_ACCUSED_HOSTS]
        names = [*accused, *siblings(fleet, accused[0])[:MAX_PEER_HOSTS]]
    found = []
    for name in names:
        try:
            if in_hosts:
                extremes = states.THROTTLE in metrics
                series = data.node_series(
                    name, exhibit.device_class, metrics, window, extremes=extremes
                )
            else:
                series = data.device_series(name, exhibit.device_class, metrics, window)
        except NotFoundError:
            continue  # it has gone from the inventory since
        found.append(series)
    return found


def _arrange(exhibit: Exhibit, found: Sequence[Series]) -> tuple[Panel, list[Row]] | None:
    """The panel of one exhibit and its rows; None where nothing was measured."""
    metric = exhibit.metric
    lines = [one for series in found for one in series.series if metric in one.values]
    lines = _of_one_stage(exhibit, lines)
    if not lines:
        return None
    declared = load_catalog()[exhibit.device_class].metric(metric)
    title = f"{exhibit.device_class.replace('_', ' ')}: {declared.words}"
    if states.is_state(exhibit.device_class, metric):
        return _state_panel(exhibit, lines, title)
    unit = sign(declared.unit)
    return _line_panel(exhibit, lines, f"{title} ({unit})" if unit else title)


def _state_panel(
    exhibit: Exhibit, lines: Sequence[DeviceSeries], title: str
) -> tuple[Panel, list[Row]]:
    """The accused alone: what they did, and when."""
    key, rows = _key(exhibit), []
    accused = [one for one in lines if one.device in exhibit.devices][:MAX_BARS]
    for one in accused:
        words = [
            states.word(exhibit.device_class, exhibit.metric, value)
            for value in states.values(one, exhibit.metric)
        ]
        rows += bar_rows(key, one.device, one.times, words)
    hues = tuple((hue, states.color(hue)) for hue in dict.fromkeys(row.hue for row in rows))
    return Panel(key, title, hues, bars=len(accused), legend=True), rows


def _line_panel(
    exhibit: Exhibit, lines: Sequence[DeviceSeries], title: str
) -> tuple[Panel, list[Row]]:
    key, (accused, others) = _key(exhibit), _names(exhibit)
    rows: list[Row] = []
    for one in lines:
        hue = accused if one.device in exhibit.devices else others
        rows += line_rows(key, hue, one.device, one.times, one.values[exhibit.metric])
    if exhibit.worst.reference is not None:
        rows.append(reference_row(key, exhibit.worst.reference))
    return Panel(key, title, ((others, PEER), (accused, ACCUSED)), legend=True), rows


def _key(exhibit: Exhibit) -> str:
    return f"{exhibit.device_class}/{exhibit.metric}"


def _names(exhibit: Exhibit) -> tuple[str, str]:
    """What the accused and the others are called in the legend."""
    if len(exhibit.devices) == 1:
        return exhibit.devices[0], "its neighbours"
    hosts = list(dict.fromkeys(map(host_of, exhibit.devices)))
    where = hosts[0] if len(hosts) == 1 else f"{len(hosts)} hosts"
    return f"{len(exhibit.devices)} on {where}", "neighbours"


def _of_one_stage(exhibit: Exhibit, lines: list[DeviceSeries]) -> list[DeviceSeries]:
    """Ranks are compared within their pipeline stage; other stages are left out."""
    stages = {one.device: _last(one.values.get(STAGE, ())) for one in lines}
    own = {stages[device] for device in exhibit.devices if device in stages}
    return [one for one in lines if stages[one.device] in own or one.device in exhibit.devices]


def _last(values: Sequence[float | None]) -> float | None:
    return next((value for value in reversed(values) if value is not None), None)


def _marks(incident: Incident, actions: Iterable[Action]) -> list[Mark]:
    marks = [Mark(incident.opened_at, "incident", "incident opened")]
    if incident.resolved_at is not None:
        marks.append(Mark(incident.resolved_at, "incident", "resolved"))
    marks += [
        Mark(action.updated_at, "action", f"{action.kind} {action.state}".replace("_", " "))
        for action in actions
    ]
    return marks
