"""Words for states, so that a panel shows what a number means and only when it matters."""

from __future__ import annotations

from fleetops_dashboards.palette import STATE_COLORS
from fleetops_schemas.catalog import MetricKind, load_catalog

THERMAL_BITS = 0x8 | 0x20 | 0x40
"""Hardware slowdown, software thermal, hardware thermal (NVML clocks event reasons)."""
POWER_BITS = 0x4 | 0x80
"""Software power cap, hardware power brake."""
THROTTLE = "throttle_reasons"
THROTTLE_HUES = (("for heat", STATE_COLORS["critical"]), ("for power", STATE_COLORS["warning"]))
HEALTHY = frozenset({"ok", "up", "on", "no"})
CRITICAL = frozenset({"critical", "down", "off", "yes", "faulty"})


def is_state(device_class: str, metric: str) -> bool:
    """Whether bars show the metric, not a line."""
    kind = load_catalog()[device_class].metric(metric).kind
    return metric == THROTTLE or kind is MetricKind.STATE


def hues(device_class: str, metric: str) -> tuple[tuple[str, str], ...]:
    """The words of a state that are drawn, with their colours."""
    if metric == THROTTLE:
        return THROTTLE_HUES
    words = _words(device_class, metric).values()
    shown = dict.fromkeys(word for word in words if word not in HEALTHY)
    return tuple(
        (word, STATE_COLORS["critical" if word in CRITICAL else "warning"]) for word in shown
    )


def word(device_class: str, metric: str, value: float | None) -> str | None:
    """The word of a value; None where it is as it should be, or unknown."""
    if value is None:
        return None
    if metric == THROTTLE:
        bits = int(value)
        return "for heat" if bits & THERMAL_BITS else "for power" if bits & POWER_BITS else None
    found = _words(device_class, metric).get(int(value))
    return None if found in HEALTHY else found


def _words(device_class: str, metric: str) -> dict[int, str]:
    return dict(load_catalog()[device_class].metric(metric).states or {})
