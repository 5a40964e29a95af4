"""The shipped profiles: complete, whole in what they refer to, and physically possible."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from pydantic import ValidationError

from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.clusters import Cluster, Role
from fleetops_schemas.designs.racks import (
    coolant_rise_kelvin,
    elevation,
    liquid_watts,
    litres_per_minute,
    rack_watts,
    supply_watts,
)
from fleetops_schemas.designs.wiring import backend, racks_of, wiring
from fleetops_schemas.fleet_profiles import cluster_of, fleet_names
from fleetops_schemas.optics import Optics
from fleetops_schemas.platforms import CoolantUnit, Platform, RackPower, Switch
from fleetops_schemas.profiles import (
    Basis,
    Figure,
    Profile,
    ProfileError,
    figures_of,
    load_profile,
    load_profiles,
    parse_profile,
    profile_names,
)
from fleetops_schemas.register_maps import load_register_maps
from fleetops_schemas.workloads import Workload

KINDS: tuple[type[Profile], ...] = (
    Platform, RackPower, CoolantUnit, Switch, Optics, Workload, Cluster,
)  # fmt: skip
ASKED_PLATFORMS = {
    "big_sur", "big_basin", "big_basin_v100", "tioga_pass", "yosemite_twin_lakes", "bryce_canyon",
    "inference_m2", "zionex", "mtia_v1", "grand_teton", "grand_teton_mi300x", "gb300_rack",
    "orv3_power", "dgx_a100", "emulated_hgx_liquid",
}  # fmt: skip
ASKED_CLUSTERS = {
    "ranking_4k", "research_ib_16k", "llm_ib_32k", "llm_roce_32k", "unified_2025", "demo",
}  # fmt: skip
ASKED_WORKLOADS = {
    "ranking_training", "ranking_inference", "llm_training", "llm_prefill", "llm_decode",
}  # fmt: skip
platforms = pytest.mark.parametrize("platform", load_profiles(Platform), ids=lambda one: one.name)
clusters = pytest.mark.parametrize("cluster", load_profiles(Cluster), ids=lambda one: one.name)


def test_everything_that_was_asked_for_is_there() -> None:
    assert set(profile_names(Platform)) >= ASKED_PLATFORMS
    assert set(profile_names(Cluster)) >= ASKED_CLUSTERS
    assert set(profile_names(Workload)) >= ASKED_WORKLOADS


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.folder)
def test_every_profile_loads_under_its_name(kind: type[Profile]) -> None:
    profiles = load_profiles(kind)
    assert [one.name for one in profiles] == list(profile_names(kind))
    assert all(list(figures_of(one)) for one in profiles)


@platforms
def test_a_platform_rests_on_something(platform: Platform) -> None:
    known = [one for one in figures_of(platform) if one.figure.basis is not Basis.ASSUMED]
    assert known
    assert len(platform.sources) >= 2


@pytest.mark.parametrize(
    ("figure", "complaint"),
    [
        ({"value": 1, "basis": "assumed"}, "says why"),
        ({"value": 1, "basis": "published"}, "names its source"),
        ({"value": 1, "basis": "measured"}, "names its source"),
        ({"value": 1, "basis": "guessed", "why": "x"}, "measured"),
    ],
)
def test_a_number_without_origin_is_refused(figure: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        Figure.model_validate(figure)


def test_a_source_that_is_not_listed_is_refused() -> None:
    text = (
        "name: x\ntitle: x\nkind: pluggable\n"
        "gigabits_per_second: {value: 1, basis: published, source: nowhere}\n"
        "lanes: &one {value: 1, basis: assumed, why: x}\ncomponents: []\n"
        "transmit_milliwatts: *one\nreceive_milliwatts: *one\nbias_milliamperes: *one\n"
        "temperature_rise_kelvin: *one\n"
    )
    with pytest.raises(ProfileError, match="not listed: nowhere"):
        parse_profile(Optics, text, "x.yaml")


@platforms
def test_a_platform_refers_to_what_there_is(platform: Platform) -> None:
    power = load_profile(RackPower, platform.rack.power)
    for name in power.register_maps:
        assert name in load_register_maps()
    assert load_profile(Switch, platform.rack.leaf)
    if platform.workload is not None:
        assert load_profile(Workload, platform.workload)
    for adapter in platform.adapters:
        if adapter.optics is not None:
            rate = load_profile(Optics, adapter.optics).gigabits_per_second
            assert float(rate) == float(adapter.gigabits_per_second)
    is_liquid = platform.cooling.medium == "liquid"
    assert is_liquid == (platform.cooling.unit is not None)
    assert is_liquid == (platform.cooling.litres_per_minute_per_kilowatt is not None)
    if platform.cooling.unit is not None:
        unit = load_profile(CoolantUnit, platform.cooling.unit)
        assert not unit.register_map or unit.register_map in load_register_maps()


@platforms
def test_a_platform_can_be_built(platform: Platform) -> None:
    power = load_profile(RackPower, platform.rack.power)
    assert rack_watts(platform) <= supply_watts(platform), "with a supply of each shelf failed"
    assert rack_watts(platform) <= float(power.busbar_watts)
    top = max(slot.bottom + slot.height - 1 for slot in elevation(platform))
    assert top <= int(platform.rack.height_units)
    if platform.cooling.medium == "liquid":
        rise = coolant_rise_kelvin(liquid_watts(platform), litres_per_minute(platform))
        assert 8.0 <= rise <= 12.0
    assert bool(platform.accelerators) == (platform.serves is None)


@platforms
def test_a_platform_lacks_only_what_there_is(platform: Platform) -> None:
    if platform.accelerator is not None:
        known = {metric.name for metric in load_catalog()["accelerator"].metrics}
        assert set(platform.accelerator.lacks) <= known


@pytest.mark.parametrize("name", ["big_basin", "big_basin_v100"])
def test_a_box_has_the_processors_of_its_head_node(name: str) -> None:
    box = load_profile(Platform, name)
    assert box.head_node is not None
    head = load_profile(Platform, box.head_node).processors
    for field in ("model", "sockets", "idle_watts", "busy_watts", "kelvin_per_watt"):
        ours, theirs = getattr(box.processors, field), getattr(head, field)
        assert (ours if isinstance(ours, str) else float(ours)) == (
            theirs if isinstance(theirs, str) else float(theirs)
        )


def test_the_infiniband_twin_differs_in_its_network_alone() -> None:
    twin = load_profile(Platform, "grand_teton_ib")
    own = {"name", "title", "summary", "sources", "adapters", "management", "rack"}
    assert twin.model_dump(exclude=own) == load_profile(Platform, "grand_teton").model_dump(
        exclude=own
    )


@dataclass(frozen=True)
class Known:
    """A number that a data sheet states."""

    platform: str
    path: str
    value: float


@pytest.mark.parametrize(
    "known",
    [
        Known("mtia_v1", "accelerator.tdp_watts", 25),
        Known("mtia_v1", "accelerator.peak_operations_per_second", 102.4e12),
        Known("big_sur", "accelerator.memory_bytes", 12 * 2**30),
        Known("big_basin_v100", "scale_up.bytes_per_second", 6 * 25e9),
        Known("zionex", "adapters[0].gigabits_per_second", 200),
        Known("zionex", "processors.sockets", 4),
        Known("bryce_canyon", "board.drives", 72),
        Known("inference_m2", "accelerator.count", 6),
        Known("gb300_rack", "rack.hosts", 18),
        Known("gb300_rack", "accelerator.count", 4),
        Known("grand_teton_mi300x", "accelerator.memory_bytes", 192 * 2**30),
        Known("dgx_a100", "accelerator.tdp_watts", 400),
    ],
    ids=lambda known: f"{known.platform}-{known.path}",
)
def test_numbers_of_data_sheets(known: Known) -> None:
    placed = {one.path: one.figure for one in figures_of(load_profile(Platform, known.platform))}
    assert placed[known.path].value == known.value
    assert placed[known.path].basis is Basis.PUBLISHED


def test_the_demonstration_is_what_it_was() -> None:
    demo = load_profile(Platform, "emulated_hgx_liquid")
    accelerator = demo.accelerator
    assert accelerator is not None
    assert float(accelerator.tdp_watts) == 700
    assert float(accelerator.conduction_kelvin_per_watt) == 0.017
    assert float(accelerator.convection_kelvin_per_watt) == 0.018
    assert litres_per_minute(demo) == pytest.approx(1.5 * (8 * 700 + 2 * 330) / 1000)
    unit = load_profile(CoolantUnit, "cdu_row")
    assert (float(unit.supply_celsius), float(unit.pump_speed_ratio)) == (32.0, 0.8)


def test_decode_is_healthy_at_little_compute() -> None:
    decode, prefill = (load_profile(Workload, name) for name in ("llm_decode", "llm_prefill"))
    assert (decode.bound_by, prefill.bound_by) == ("memory", "compute")
    assert float(decode.computing.compute) < 0.2 < float(decode.computing.memory)
    assert float(prefill.computing.compute) > float(prefill.computing.memory)


@clusters
def test_a_cluster_can_be_wired(cluster: Cluster) -> None:
    fabric, built = cluster.fabric, wiring(cluster)
    leaf, spine = load_profile(Switch, fabric.leaf), load_profile(Switch, fabric.spine)
    assert {leaf.kind, spine.kind} == {fabric.kind}
    assert load_profile(Optics, fabric.optics)
    assert built.uplinks <= built.spines * int(spine.ports)
    for group, platform, _ in racks_of(cluster):
        assert (group.role is Role.HEAD_NODE) == (platform.head_node is not None)
        for adapter in backend(platform):
            assert adapter.kind == fabric.kind
            per_leaf = int(fabric.racks_per_leaf) * int(platform.rack.hosts) * int(adapter.count)
            assert per_leaf + int(fabric.uplinks_per_leaf) <= int(leaf.ports)
            down = per_leaf * float(adapter.gigabits_per_second)
            up = int(fabric.uplinks_per_leaf) * float(leaf.gigabits_per_second)
            assert down / up == pytest.approx(float(fabric.oversubscription), abs=0.001)


def test_the_unified_cluster_injects_a_terabyte_a_second() -> None:
    cluster = load_profile(Cluster, "unified_2025")
    (main,) = (one for one in racks_of(cluster) if one.platform.accelerators)
    (adapter,) = backend(main.platform)
    total = int(adapter.count) * float(adapter.gigabits_per_second) / 8.0
    assert total / main.platform.accelerators == 1000.0, "GB/s"
    assert int(main.group.hosts) * main.platform.accelerators == 4096
    assert float(cluster.fabric.oversubscription) == 1.0


def test_one_rack_of_a_platform_is_a_cluster() -> None:
    cluster = cluster_of("big_basin_v100")
    (group,) = cluster.groups
    assert (group.role, int(group.hosts)) == (Role.HEAD_NODE, 3)
    assert [job.workload for job in cluster.jobs] == ["ranking_training"]
    assert cluster_of("bryce_canyon").groups[0].role is Role.STORAGE_CACHE
    assert cluster_of("bryce_canyon").jobs == ()
    assert cluster_of("demo") is load_profile(Cluster, "demo")
    assert set(fleet_names()) == {*profile_names(Cluster), *profile_names(Platform)}
    with pytest.raises(ProfileError, match=r"no cluster and no platform 'nonsense'.*zionex"):
        cluster_of("nonsense")
