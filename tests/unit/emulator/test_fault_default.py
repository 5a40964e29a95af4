from __future__ import annotations

from functools import cache

import pytest

from fleetops.core.errors import ConfigError
from fleetops.emulator.fault_default import with_target
from fleetops.emulator.fault_kinds import fault_kinds
from fleetops.emulator.fault_schedule import Fault, FaultSchedule
from fleetops.emulator.fault_targets import Target
from fleetops.emulator.model.fleet import FleetOptions
from fleetops.emulator.site import build_site
from fleetops_schemas.fleet_profiles import cluster_of

WET = {"leak", "leak_detector_broken", "cold_plate_clog"}
LOOPS = {
    "pump_degraded",
    "coolant_unit_failed",
    "coolant_unit_leak",
    "filter_clogged",
    "facility_water_warm",
    "facility_water_short",
}


@cache
def schedule(cluster: str) -> FaultSchedule:
    return FaultSchedule(FleetOptions(build_site(cluster_of(cluster), 8)))


def struck(cluster: str, kind: str) -> str:
    made = schedule(cluster)
    fault = with_target(Fault(kind=kind), made.places.site, made.places.jobs)
    return made.add(fault).place.name


@pytest.mark.parametrize("cluster", ["demo", "llm_roce_32k", "gb300_rack", "llm_ib_32k"])
def test_every_kind_finds_something_to_strike(cluster: str) -> None:
    liquid = cluster in {"demo", "gb300_rack"}
    site = schedule(cluster).places.site
    impossible = {"fan_failure"} if liquid else WET | LOOPS
    if all(switch.is_leaf for switch in site.switches):
        impossible |= {"spine_switch_dead"}
    if not site.batteries:
        impossible |= {"battery_worn"}
    for kind in fault_kinds():
        if kind in impossible:
            with pytest.raises(ConfigError, match="that can have it"):
                struck(cluster, kind)
        else:
            assert struck(cluster, kind)


def test_it_strikes_what_suits() -> None:
    assert struck("llm_roce_32k", "spine_switch_dead") == "spine1"
    assert struck("llm_roce_32k", "leaf_switch_dead") == "leaf1"
    assert struck("llm_roce_32k", "cable_fault").endswith("/mlx5_0")
    site = schedule("llm_roce_32k").places.site
    port = site.ports.names.index(struck("llm_roce_32k", "optics_ageing"))
    assert site.ports.optics[port]


@pytest.mark.parametrize(
    ("kind", "target", "message"),
    [
        ("leak", {"host_index": 0}, "node0001 cannot have it; name one with liquid"),
        ("spine_switch_dead", {"switch": "leaf1"}, "leaf1 is no spine"),
        ("dirty_connector", {"port": "node0001/mlx5_0"}, "no optical module"),
    ],
)
def test_what_does_not_suit_is_refused(kind: str, target: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        schedule("llm_roce_32k").add(Fault(kind=kind, target=Target.model_validate(target)))
