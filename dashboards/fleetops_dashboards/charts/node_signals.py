"""The signals of one node and of what it hangs on, as panels on one time axis."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pandas as pd

from fleetops.api.models import DeviceSeries, NodeDetail, Series
from fleetops.core.errors import FleetOpsError
from fleetops_dashboards import data
from fleetops_dashboards.charts import states
from fleetops_dashboards.charts.panels import Panel, bar_rows, line_rows
from fleetops_dashboards.palette import SERIES_COLORS
from fleetops_dashboards.words import sign
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


@dataclass(slots=True)
class Signals:
    """What was found: panels, their rows, what stayed the same, and what could not be had."""

    panels: list[Panel] = field(default_factory=list)
    rows: list[pd.DataFrame] = field(default_factory=list)
    quiet: list[str] = field(default_factory=list)
    """State panels in which nothing happened."""
    constant: list[tuple[str, str, str]] = field(default_factory=list)
    """Device, metric, value of what did not change in the window."""
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
        for metric, unit in series.units.items():
            if metric == states.THROTTLE:
                continue
            if _list_if_constant(found, series, metric):
                continue
            words = metric.rsplit("_", 1)[0] if sign(unit) else metric
            title = f"{whole.title}{words}".replace("_", " ")
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
        yield Signal(device_class, (), f"{device_class}, ")
    for parent in detail.parents:
        if parent.kind in PARENT_CLASSES:
            yield Signal(PARENT_CLASSES[parent.kind], (), f"{parent.device}, ", parent=parent.kind)


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
        # a mean of bit masks says nothing, so the highest of each bucket is asked for
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
        _add_bars(found, series, measured, signal, title)
    else:
        _add_lines(found, series, measured, signal, title)


def _add_lines(
    found: Signals, series: Series, measured: list[DeviceSeries], signal: Signal, title: str
) -> None:
    unit = sign(series.units[signal.metrics[0]])
    names = _names(measured, signal)
    key = _key(signal)
    lines = sorted(names.values(), key=_natural)
    colors = (SERIES_COLORS[place % len(SERIES_COLORS)] for place in range(len(lines)))
    panel = Panel(
        key,
        f"{title} ({unit})" if unit else title,
        tuple(zip(lines, colors, strict=False)),
        zero=signal.zero,
        legend=1 < len(lines) <= MAX_LEGEND and not found.panels,
    )
    found.panels.append(panel)
    found.rows += [
        line_rows(key, names[one.device, metric], names[one.device, metric], one, metric)
        for one in measured
        for metric in signal.metrics
        if _has(one, metric)
    ]


def _add_bars(
    found: Signals, series: Series, measured: list[DeviceSeries], signal: Signal, title: str
) -> None:
    (metric,), names, key = signal.metrics, _names(measured, signal), _key(signal)
    bars = [
        bar_rows(
            key,
            names[one.device, metric],
            one.times,
            [
                states.word(signal.device_class, metric, value)
                for value in one.highest.get(metric, one.values[metric])
            ],
            series.step_seconds,
        )
        for one in measured
    ]
    if not any(map(len, bars)):
        found.quiet.append(title)
        return
    hues = states.hues(signal.device_class, metric)
    found.panels.append(Panel(key, title, hues, bars=True, legend=True))
    found.rows += bars


def _names(measured: list[DeviceSeries], signal: Signal) -> dict[tuple[str, str], str]:
    """By device and metric, the name of the line: as short as it can be and still be told."""
    if len(signal.metrics) > 1:
        return {
            (one.device, metric): metric.removesuffix("_celsius").replace("_", " ")
            for one in measured
            for metric in signal.metrics
        }
    return {
        (one.device, metric): one.device.rsplit("/", 1)[-1]
        for one in measured
        for metric in signal.metrics
    }


def _list_if_constant(found: Signals, series: Series, metric: str) -> bool:
    known = {
        one.device: {value for value in one.values[metric] if value is not None}
        for one in series.series
        if _has(one, metric)
    }
    if any(len(values) > 1 for values in known.values()):
        return False
    unit = sign(series.units[metric])
    for device, values in known.items():
        found.constant += [(device, metric, f"{value:g} {unit}".strip()) for value in values]
    return True


def _has(one: DeviceSeries, metric: str) -> bool:
    return any(value is not None for value in one.values.get(metric, ()))


def _key(signal: Signal) -> str:
    return f"{signal.parent or 'node'}/{signal.device_class}/{signal.metrics[0]}"


def _natural(name: str) -> list[tuple[int, str]]:
    """gpu2 before gpu10."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", name)]
