"""The signals of one node and of what it hangs on, as panels on one time axis."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import cycle
from typing import NamedTuple

from fleetops.api.models import DeviceSeries, NodeDetail, Series
from fleetops.core.errors import FleetOpsError
from fleetops_dashboards import data
from fleetops_dashboards.charts import states
from fleetops_dashboards.charts.panels import Panel, Row, bar_rows, line_rows
from fleetops_dashboards.palette import SERIES_COLORS
from fleetops_dashboards.words import clock, sign
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.topology import ParentKind

NODE_CLASSES = ("accelerator", "host", "training_rank", "coolant_unit", "fabric_port", "power_unit")
PARENT_CLASSES = {
    ParentKind.COOLANT_LOOP: "coolant_unit",
    ParentKind.POWER_SHELF: "power_unit",
}
MAX_LEGEND = 16


@dataclass(frozen=True, slots=True)
class Signal:
    """One panel of the page. Several metrics share a panel where they share a unit."""

    device_class: str
    metrics: tuple[str, ...]
    title: str
    zero: bool = False
    parent: ParentKind | None = None
    """Of the shared parent instead of the node."""


KEY_SIGNALS = (
    Signal("accelerator", ("temperature_celsius",), "Accelerator temperature"),
    Signal("accelerator", ("power_watts",), "Accelerator power"),
    Signal("accelerator", ("sm_clock_megahertz",), "Compute clock"),
    Signal("accelerator", ("throttle_reasons",), "Slowed by its own protection"),
    Signal("host", ("coolant_flow_litres_per_minute",), "Coolant through the tray", zero=True),
    Signal(
        "host",
        ("coolant_return_temperature_celsius", "coolant_supply_temperature_celsius"),
        "Coolant return and supply",
    ),
    Signal("training_rank", ("compute_seconds",), "Computing, a step of each rank"),
    Signal(
        "training_rank",
        ("communication_seconds",),
        "Waiting and communicating, a step of each rank",
    ),
    Signal("host", ("power_watts",), "Host power"),
    Signal("host", ("inlet_temperature_celsius",), "Air inlet"),
    Signal("coolant_unit", ("leak_state",), "Leak detectors"),
    Signal(
        "coolant_unit",
        ("flow_litres_per_minute",),
        "Flow of the loop",
        zero=True,
        parent=ParentKind.COOLANT_LOOP,
    ),
    Signal(
        "coolant_unit",
        ("supply_temperature_celsius",),
        "Supply of the loop",
        parent=ParentKind.COOLANT_LOOP,
    ),
    Signal(
        "power_unit",
        ("output_power_watts",),
        "Power of the shelf",
        zero=True,
        parent=ParentKind.POWER_SHELF,
    ),
)


class Constant(NamedTuple):
    """A metric of a device that did not change in the window."""

    device: str
    metric: str
    value: str
    measured: str
    """When it was last measured."""


@dataclass(slots=True)
class Signals:
    """What was found: panels, their rows, what stayed the same, and what could not be had."""

    panels: list[Panel] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    quiet: list[str] = field(default_factory=list)
    """State panels in which nothing happened."""
    constant: list[Constant] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def key_signals(detail: NodeDetail, window: data.Window) -> Signals:
    """The signals that tell most faults apart, in the order of cause and effect."""
    found = Signals()
    fetched: dict[tuple[str, ParentKind | None], Series | None] = {}
    for signal in KEY_SIGNALS:
        device = _device(detail, signal.parent)
        if device is None:
            continue
        place = (signal.device_class, signal.parent)
        if place not in fetched:
            wanted = tuple(
                metric
                for one in KEY_SIGNALS
                if (one.device_class, one.parent) == place
                for metric in one.metrics
            )
            fetched[place] = _fetch(found, device, signal, wanted, window)
        series = fetched[place]
        if series is not None:
            _add(found, series, signal, device)
    return found


def all_signals(detail: NodeDetail, window: data.Window) -> Signals:
    """Every metric that somebody measured; those that did not change are only listed."""
    found = Signals()
    for whole in _whole_classes(detail):
        device = _device(detail, whole.parent)
        series = _fetch(found, device, whole, (), window) if device else None
        if device is None or series is None:
            continue
        for metric in series.units:
            if metric == states.THROTTLE:
                continue
            if _list_if_constant(found, series, metric):
                continue
            words = load_catalog()[series.device_class].metric(metric).words
            title = f"{whole.title}, {words}"
            _add(found, series, replace(whole, metrics=(metric,), title=title), device)
    _add_throttling(found, detail.node.name, window)
    return found


def _add_throttling(found: Signals, name: str, window: data.Window) -> None:
    signal = next(one for one in KEY_SIGNALS if states.THROTTLE in one.metrics)
    series = _fetch(found, name, signal, signal.metrics, window)
    if series is not None:
        _add(found, series, signal, name)


def _whole_classes(detail: NodeDetail) -> Iterator[Signal]:
    """Each class of devices in the node, and each parent that is measured."""
    for device_class in NODE_CLASSES:
        yield Signal(device_class, (), device_class.replace("_", " "))
    for parent in detail.parents:
        if parent.kind in PARENT_CLASSES:
            yield Signal(PARENT_CLASSES[parent.kind], (), parent.device, parent=parent.kind)


def _device(detail: NodeDetail, parent: ParentKind | None) -> str | None:
    if parent is None:
        return detail.node.name
    return next((one.device for one in detail.parents if one.kind is parent), None)


def _fetch(
    found: Signals, device: str, signal: Signal, metrics: tuple[str, ...], window: data.Window
) -> Series | None:
    try:
        if signal.parent is not None:
            return data.device_series(device, signal.device_class, metrics, window)
        extremes = states.THROTTLE in metrics
        return data.node_series(device, signal.device_class, metrics, window, extremes=extremes)
    except FleetOpsError as error:
        found.errors.append(f"{signal.device_class} of {device}: {error}")
        return None


def _add(found: Signals, series: Series, signal: Signal, device: str) -> None:
    measured = [one for one in series.series if any(_has(one, m) for m in signal.metrics)]
    if not measured:
        return
    title = f"{signal.title} {device}" if signal.parent and signal.metrics else signal.title
    if states.is_state(signal.device_class, signal.metrics[0]):
        _add_bars(found, measured, signal, title)
    else:
        _add_lines(found, series, measured, signal, title)


def _add_lines(
    found: Signals, series: Series, measured: list[DeviceSeries], signal: Signal, title: str
) -> None:
    unit = sign(series.units[signal.metrics[0]])
    names, key = _names(measured, signal), _key(signal)
    lines = tuple(sorted(names.values(), key=_natural))
    by_device = {one.device: one for one in measured}
    known = {name for panel in found.panels for name, _ in panel.hues}
    panel = Panel(
        key,
        f"{title} ({unit})" if unit else title,
        tuple(zip(lines, cycle(SERIES_COLORS), strict=False)),
        zero=signal.zero,
        legend=1 < len(lines) <= MAX_LEGEND and not known.issuperset(lines),
    )
    found.panels.append(panel)
    for (device, metric), name in names.items():
        one = by_device[device]
        found.rows += line_rows(key, name, name, one.times, one.values[metric])


def _add_bars(found: Signals, measured: list[DeviceSeries], signal: Signal, title: str) -> None:
    (metric,), names, key = signal.metrics, _names(measured, signal), _key(signal)
    words = {
        one.device: [
            states.word(signal.device_class, metric, value) for value in states.values(one, metric)
        ]
        for one in measured
    }
    met = dict.fromkeys(word for one in words.values() for word in one if word is not None)
    if states.FINE.issuperset(met):
        found.quiet.append(title)
        return
    hues = tuple((word, states.color(word)) for word in met)
    found.panels.append(Panel(key, title, hues, bars=len(measured), legend=True))
    for one in measured:
        found.rows += bar_rows(key, names[one.device, metric], one.times, words[one.device])


def _names(measured: list[DeviceSeries], signal: Signal) -> dict[tuple[str, str], str]:
    """By device and metric, the name of the line: as short as it can be and still be told."""
    declared = load_catalog()[signal.device_class]
    several = len(signal.metrics) > 1
    return {
        (one.device, metric): (
            declared.metric(metric).words if several else one.device.rsplit("/", 1)[-1]
        )
        for one in measured
        for metric in signal.metrics
        if _has(one, metric)
    }


def _list_if_constant(found: Signals, series: Series, metric: str) -> bool:
    """Lists a metric that stood still; not a state that stood where it should not."""
    declared = load_catalog()[series.device_class].metric(metric)
    listed = []
    for one in series.series:
        points = [
            (time, value)
            for time, value in zip(one.times, one.values.get(metric, ()), strict=False)
            if value is not None
        ]
        if not points:
            continue
        last_time, last = points[-1]
        if any(value != last for _, value in points):
            return False
        if declared.states:
            text = states.word(series.device_class, metric, last) or ""
            if text not in states.FINE:
                return False
        else:
            text = f"{last:g} {sign(declared.unit)}".strip()
        listed.append(Constant(one.device, declared.words, text, clock(last_time)))
    found.constant += listed
    return True


def _has(one: DeviceSeries, metric: str) -> bool:
    return any(value is not None for value in one.values.get(metric, ()))


def _key(signal: Signal) -> str:
    return f"{signal.parent or 'node'}/{signal.device_class}/{signal.metrics[0]}"


def _natural(name: str) -> list[tuple[int, str]]:
    """gpu2 before gpu10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]
