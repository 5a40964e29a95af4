"""Where a fault strikes that nobody gave a target."""

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
from fleetops_schemas.fleet_profiles import cluster_of, fleet_names

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


def target_of(kind: str, cluster: str = "demo", **given: object) -> dict[str, object]:
    places = schedule(cluster).places
    fault = Fault(kind=kind, target=Target.model_validate(given))
    return with_target(fault, places.site, places.jobs).target.model_dump(exclude_none=True)


@pytest.mark.parametrize("cluster", fleet_names())
def test_on_every_profile_a_kind_fits_or_is_refused_in_words(cluster: str) -> None:
    refusals: list[str] = []
    for kind in fault_kinds():
        try:
            struck(cluster, kind)
        except ConfigError as error:
            refusals.append(str(error))
    assert len(fault_kinds()) - len(refusals) >= 15
    for said in refusals:
        assert f": {cluster} has no " in said
        assert "choose another" in said


def test_it_is_a_host_a_fifth_into_the_first_job_and_an_accelerator_in_its_middle() -> None:
    assert target_of("host_down") == {"host_index": 6 // 5}
    assert target_of("slow_rank") == {"host_index": 1, "accelerator": 4}


def test_units_shelves_and_jobs_are_the_first_ones() -> None:
    assert target_of("pump_degraded") == {"coolant_unit": "cdu1", "pump": 1}
    assert target_of("supply_failed") == {"power_shelf": "r01/shelf1", "supply": 1}
    assert target_of("job_end") == {"job": "81"}
    assert target_of("stage_imbalance") == {"job": "81", "stage": -1}
    assert target_of("battery_worn", "catalina") == {"power_shelf": "r01/shelf1", "battery": 1}


def test_what_is_given_is_kept() -> None:
    places = schedule("demo").places
    fault = Fault(kind="leak", target=Target(host="node003"), at_seconds=3.0)
    assert with_target(fault, places.site, places.jobs) is fault
    assert target_of("slow_rank", accelerator=7) == {"host_index": 1, "accelerator": 7}


def test_without_a_job_a_host_is_one_of_all() -> None:
    assert target_of("host_down", "bryce_canyon") == {"host_index": 1}
    with pytest.raises(ConfigError, match="bryce_canyon has no job that can have it"):
        target_of("job_end", "bryce_canyon")
