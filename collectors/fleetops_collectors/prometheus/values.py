"""What a sample's number means: a value to store, or the reason why there is none."""

from __future__ import annotations

from fleetops_collectors.prometheus.columns import AMD, DCGM, NODE, Column
from fleetops_collectors.prometheus.lines import BEYOND
from fleetops_collectors.quality import SATURATED_NUMBERS, Verdict, judge
from fleetops_schemas.readings import Quality

_INT_BLANKS = frozenset(
    # dcgm_structs.h: DCGM_INT32_BLANK and DCGM_INT64_BLANK, then +1 not found,
    # +2 not supported, +3 no permission; +15 leaves room for what the header may add.
    [0x7FFFFFF0 + n for n in range(4)] + [0x7FFFFFFFFFFFFFF0 + n for n in range(16)]
)
_FP64_BLANKS = frozenset(140737488355328.0 + n for n in range(16))
"""dcgm_structs.h: DCGM_FP64_BLANK and its variants."""
_INT64_BLANK_AS_FLOAT = float(0x7FFFFFFFFFFFFFF0)
"""All INT64 blanks round to 2**63 once anything on the way held them as a float."""
_DCGM_BLANKS = _INT_BLANKS | _FP64_BLANKS | {_INT64_BLANK_AS_FLOAT}
_ZERO_IS_BLANK = frozenset({"memory_temperature_celsius"})
"""A board without the sensor reports 0 (seen on L4, T4 and L40S)."""
_AMD_NARROW_BLANKS = frozenset({0xFF, 0xFFFF})
"""The driver's "not available" in 8 and 16 bits, which older agents widened as they were
(ROCm/device-metrics-exporter issue 662). 255 W is also an honest power, so they count as blanks
only where they are no plausible value."""
_COUNTER_TOPS = {
    # drivers/infiniband/core/sysfs.c: widths of the PMA's legacy counters, which stay at their top.
    "node_infiniband_link_downed_total": 2**8 - 1,
    "node_infiniband_link_error_recovery_total": 2**8 - 1,
    "node_infiniband_symbol_error_total": 2**16 - 1,
    "node_infiniband_port_errors_received_total": 2**16 - 1,
    "node_infiniband_port_discards_transmitted_total": 2**16 - 1,
}
_FOUR_OCTETS = frozenset({4 * (2**32 - 1), 2**64 - 4, float(2**64 - 4)})
"""Tops of octet counters, which node_exporter multiplies by 4 (in 64 bits, with overflow)."""
LARGEST_STATE = 2**16
"""Of a number that stands for a state."""


_SUSPECTS = SATURATED_NUMBERS | _DCGM_BLANKS | _FOUR_OCTETS | {0, 0xFF, 0xFFFF, BEYOND}
"""Numbers that may stand for something else; every other one in range is taken as it is."""


def verdict(column: Column, raw: float) -> Verdict:
    """The value to store and its quality, of a number as the exporter gave it."""
    value = raw if column.plain else raw * column.source.scale + column.source.offset
    if column.least <= value <= column.most and raw not in _SUSPECTS:
        return (round(value) if column.integer else value), Quality.GOOD
    return _weighed(column, raw)


def _weighed(column: Column, raw: float) -> Verdict:
    if raw != raw:  # noqa: PLR0124 (only NaN is unequal to itself)
        return None, Quality.MISSING
    exporter = column.exporter
    if column.states:
        state = column.states.get(int(raw)) if 0 <= raw < LARGEST_STATE else None
        return (None, Quality.MISSING) if state is None else (state, Quality.GOOD)
    if exporter == NODE:
        return _of_node(column, raw)
    if exporter == DCGM and (
        raw in _DCGM_BLANKS or (raw == 0 and column.metric.name in _ZERO_IS_BLANK)
    ):
        return None, Quality.SENTINEL
    value, quality = judge(column.metric, raw, column.source.scale, column.source.offset)
    if exporter == AMD and quality is Quality.OUT_OF_RANGE and raw in _AMD_NARROW_BLANKS:
        quality = Quality.SENTINEL
    return value, quality


def _of_node(column: Column, raw: float) -> Verdict:
    if raw == _COUNTER_TOPS.get(column.source.name):
        return None, Quality.SATURATED
    if raw in _FOUR_OCTETS and column.metric.unit == "By":
        return None, Quality.SATURATED
    return judge(column.metric, raw, column.source.scale, column.source.offset)
