"""Which fault kinds belong together: symptoms of one cause, and whose cause they can be."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from fleetops_schemas.topology import ParentKind


class Family(StrEnum):
    """Kinds of one family on one device have one cause."""

    PERFORMANCE = "performance"
    """Heat, throttling, little coolant, slow ranks: links of one chain."""
    COOLING = "cooling"
    """The same, of a coolant unit or a rack."""
    ACCELERATOR = "accelerator"
    REACH = "reach"
    LINK = "link"
    LEAK = "leak"
    POWER = "power"
    JOB = "job"
    COLLECTOR = "collector"


PERFORMANCE_KINDS = (
    "cold_plate_restricted",
    "host_coolant_flow_low",
    "accelerator_hot",
    "accelerator_throttled",
    "host_hot",
    "slow_rank",
)
THERMAL_KINDS = frozenset({"accelerator_hot", "accelerator_throttled", "host_hot"})
COOLING_KINDS = ("coolant_pump_degraded", "coolant_flow_low", "coolant_supply_hot")
ACCELERATOR_KINDS = (
    "accelerator_fallen_off_bus",
    "accelerator_power_lost",
    "accelerator_memory_uncorrectable",
    "accelerator_reset_required",
    "accelerator_gsp",
    "nvswitch_fault",
    "accelerator_nvlink",
    "pcie_error",
    "accelerator_row_remap",
    "accelerator_driver",
    "accelerator_application",
)
POWER_KINDS = (
    "power_voltage_out_of_range",
    "power_redundancy_lost",
    "power_supply_fault",
    "power_sum_mismatch",
)
JOB_KINDS = ("job_stage_imbalance", "job_slowdown")

_FAMILIES: Mapping[Family, tuple[str, ...]] = {
    Family.PERFORMANCE: PERFORMANCE_KINDS,
    Family.COOLING: COOLING_KINDS,
    Family.ACCELERATOR: ACCELERATOR_KINDS,
    Family.REACH: ("host_unreachable",),
    Family.LINK: ("leaf_switch_fault", "link_down", "link_flapping", "link_errors"),
    Family.LEAK: ("coolant_leak",),
    Family.POWER: POWER_KINDS,
    Family.JOB: JOB_KINDS,
    Family.COLLECTOR: ("collector_silent",),
}
_FAMILY_OF = {kind: family for family, kinds in _FAMILIES.items() for kind in kinds}
_PRECEDENCE = {
    kind: position for kinds in _FAMILIES.values() for position, kind in enumerate(kinds)
}

PARENTS_OF: Mapping[str, tuple[ParentKind, ...]] = {
    Family.PERFORMANCE: (
        ParentKind.COOLANT_LOOP,
        ParentKind.POWER_SHELF,
        ParentKind.RACK,
    ),
    Family.ACCELERATOR: (ParentKind.POWER_SHELF, ParentKind.COOLANT_LOOP, ParentKind.RACK),
    Family.REACH: (ParentKind.LEAF_SWITCH, ParentKind.POWER_SHELF, ParentKind.RACK),
    Family.LINK: (ParentKind.LEAF_SWITCH, ParentKind.RACK),
    Family.LEAK: (ParentKind.COOLANT_LOOP, ParentKind.RACK),
    Family.POWER: (ParentKind.POWER_SHELF, ParentKind.RACK),
}
"""By a symptom's family: the parents that hosts can have it from. Others are any parent's."""

SHARED_FAMILY: Mapping[str, str] = {
    Family.PERFORMANCE: Family.COOLING,
    Family.REACH: Family.LINK,
}
"""The family of a parent's cause that its hosts' symptoms point to, where it is another."""

ABSORBS: Mapping[str, frozenset[str]] = {
    "coolant_pump_degraded": frozenset({Family.PERFORMANCE}),
    "coolant_flow_low": frozenset({Family.PERFORMANCE}),
    "coolant_supply_hot": frozenset({Family.PERFORMANCE}),
    "power_voltage_out_of_range": frozenset({Family.PERFORMANCE, Family.REACH}),
    "leaf_switch_fault": frozenset({Family.LINK, Family.REACH}),
}
"""By a parent's own fault: the families of its hosts' findings that it explains."""


def family_of(kind: str) -> str:
    """The family of a kind; a kind of no family is its own."""
    return _FAMILY_OF.get(kind, kind)


def precedence(kind: str) -> int:
    """Within a family, the closer to a cause the smaller."""
    return _PRECEDENCE.get(kind, 0)
