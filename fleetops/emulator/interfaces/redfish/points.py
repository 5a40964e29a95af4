"""Properties that show cells of the tables, as the catalogue's ``redfish`` sources name them.

A source ``ProcessorMetrics.PCIeErrors.ReplayCount`` of scale s is the property
``PCIeErrors/ReplayCount`` of a ``ProcessorMetrics``, and its value is the metric's, divided by s.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cache

from fleetops_schemas.catalog import Metric, Source, load_catalog

Scalar = float | int | str | bool
Pointer = tuple[str | int, ...]
"""Names of properties and places in lists, from the resource down."""

_HEALTH = {0: "OK", 1: "Warning", 2: "Critical"}
_WORDS: Mapping[str, Mapping[int, str]] = {
    "health": _HEALTH,
    "bmc_health": _HEALTH,
    "reservoir_state": _HEALTH,
    "leak_state": _HEALTH,
    "leak_detector_ok": {0: "UnavailableOffline", 1: "Enabled"},
    "redundancy_lost": {0: "OK", 1: "Critical"},
    "power_state": {0: "Off", 1: "On"},
    "line_input_state": {0: "Normal", 1: "LossOfInput", 2: "OutOfRange"},
    "pcie_link_generation": {number: f"Gen{number}" for number in range(1, 8)},
}
"""By metric: the words that stand for its numbers."""
_FLAGS = frozenset({"row_remap_failed", "row_remap_pending"})
_EXCERPTS = frozenset(
    {
        "Battery",
        "BatteryMetrics",
        "CoolantConnector",
        "EnvironmentMetrics",
        "Fan",
        "MemoryEnvironmentMetrics",
        "PowerDistributionMetrics",
        "PowerSupplyMetrics",
        "PrimaryCoolantConnector",
        "Pump",
        "Reservoir",
    }
)
"""Types whose measured properties are objects with a ``Reading``."""
_PLAIN = frozenset({"RatedFlowLitersPerMinute", "Status", "FluidLevelStatus", "SpeedRPM"})
"""Properties of those types that are values all the same."""
_LISTS = frozenset({"OutputVoltages", "RailVoltage", "RailCurrentAmps", "PowerSupplyRedundancy"})
"""Properties that hold one object a rail, or a group."""
_RAILS = frozenset({"PowerSupplyMetrics.OutputVoltage", "PowerSupplyMetrics.OutputCurrentAmps"})
"""Sources that supplies leave to their rails, as the mockups do."""


@dataclass(frozen=True, slots=True)
class Point:
    """One property and the cell that it shows."""

    part: int
    """Of the controller's parts: the device."""
    metric: str
    pointer: Pointer
    encode: Callable[[float], Scalar]
    blank: Scalar | None = None
    """What is shown where there is nothing to read."""

    @property
    def path(self) -> str:
        """The pointer as a metric report spells it: ``/PowerWatts/Reading``."""
        return "".join(f"/{name}" for name in self.pointer)


def points_of(
    kind: str, device_class: str, part: int, metrics: Collection[str], *, oem: bool = True
) -> tuple[Point, ...]:
    """What a resource of a type shows of a device.

    Args:
        kind: type of the resource, as the catalogue's sources call it.
        device_class: of the device.
        part: the device, among the controller's parts.
        metrics: that the device has.
        oem: whether properties of NVIDIA's own are among them.
    """
    return tuple(
        Point(part, metric.name, _pointer(kind, source), encoder(metric, source))
        for metric, source in _sources(kind, device_class)
        if metric.name in metrics and (oem or ".Oem." not in source.name)
    )


def encoder(metric: Metric, source: Source) -> Callable[[float], Scalar]:
    """What turns a metric's value into a property's."""
    if words := _WORDS.get(metric.name):
        return lambda value: words[int(value)]
    if metric.name in _FLAGS:
        return bool
    if source.name.endswith("Duration"):
        return duration
    if metric.type.is_integer and source.scale == 1.0:
        return int
    scale, offset = source.scale, source.offset
    if scale == 1.0 and offset == 0.0:
        return float
    return lambda value: (float(value) - offset) / scale


def duration(seconds: float) -> str:
    """An ISO 8601 duration, as counters of time are written: ``P1DT2H3M4.5S``."""
    minutes, left = divmod(seconds, 60.0)
    hours, minutes = divmod(int(minutes), 60)
    days, hours = divmod(hours, 24)
    return f"P{days}DT{hours}H{minutes}M{left:.6f}S"


@cache
def _sources(kind: str, device_class: str) -> tuple[tuple[Metric, Source], ...]:
    """The first source of the type for each metric that has one."""
    found = []
    for metric in load_catalog()[device_class].metrics:
        for source in metric.sources.get("redfish", ()):
            if source.name.partition(".")[0] == kind and source.name not in _RAILS:
                found.append((metric, source))
                break
    return tuple(found)


def _pointer(kind: str, source: Source) -> Pointer:
    first, *deeper = source.name.split(".")[1:]
    pointer: Pointer = (first, 0) if first in _LISTS else (first,)
    pointer = (*pointer, *deeper)
    if kind in _EXCERPTS and _PLAIN.isdisjoint(pointer):
        pointer = (*pointer, "Reading")
    return pointer
