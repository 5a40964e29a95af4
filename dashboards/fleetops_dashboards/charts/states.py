"""Words and colours for states, so that a panel shows what a number means."""

from __future__ import annotations

from fleetops.api.models import DeviceSeries
from fleetops_dashboards.palette import STATE_COLORS
from fleetops_schemas.catalog import MetricKind, load_catalog

THERMAL_BITS = 0x8 | 0x20 | 0x40
"""Hardware slowdown, software thermal, hardware thermal (NVML clocks event reasons)."""
POWER_BITS = 0x4 | 0x80
"""Software power cap, hardware power brake."""
THROTTLE = "throttle_reasons"
THROTTLE_WORDS = ("not slowed", "for heat", "for power")
FINE = frozenset({"ok", "up", "on", "no", "not slowed"})
CRITICAL = frozenset({"critical", "down", "off", "yes", "faulty", "for heat"})


def is_state(device_class: str, metric: str) -> bool:
    """Whether bars show the metric, not a line."""
    kind = load_catalog()[device_class].metric(metric).kind
    return metric == THROTTLE or kind is MetricKind.STATE


def values(one: DeviceSeries, metric: str) -> tuple[float | None, ...]:
    """The values of a state: a mean of bit masks says nothing, so the highest of each bucket."""
    return one.highest.get(metric, one.values[metric])


def word(device_class: str, metric: str, value: float | None) -> str | None:
    """The word of a value; None where it was not measured."""
    if value is None:
        return None
    if metric == THROTTLE:
        bits = int(value)
        fine, heat, power = THROTTLE_WORDS
        return heat if bits & THERMAL_BITS else power if bits & POWER_BITS else fine
    states = load_catalog()[device_class].metric(metric).states
    return states.get(int(value), f"{value:g}").replace("_", " ")


def color(state: str) -> str:
    """The colour of a word."""
    return STATE_COLORS["fine" if state in FINE else "critical" if state in CRITICAL else "warning"]
