"""Racks and failure domains, against what one counts by hand."""

from __future__ import annotations

from collections import Counter

import pytest

from fleetops_schemas.designs.failure_domains import Domain, failure_domains, main_group
from fleetops_schemas.designs.racks import (
    Part,
    air_rise_kelvin,
    backup_seconds,
    coolant_rise_kelvin,
    elevation,
    liquid_watts,
    rack_watts,
    shelf_can_fail,
    supply_watts,
)
from fleetops_schemas.designs.wiring import accelerators, it_watts, racks_of
from fleetops_schemas.fleet_profiles import cluster_of
from fleetops_schemas.platforms import Platform
from fleetops_schemas.profiles import load_profile, load_profiles


def platform(name: str) -> Platform:
    return load_profile(Platform, name)


def domains(name: str) -> dict[str, Domain]:
    return {one.part: one for one in failure_domains(cluster_of(name))}


def test_power_of_a_gb300_rack_by_hand() -> None:
    gb300 = platform("gb300_rack")
    host = 4 * 1400 + 2 * 280 + 750 + 120
    assert gb300.rated_watts == host
    assert rack_watts(gb300) == 18 * host
    assert liquid_watts(gb300) == 4 * 1400 + 2 * 280
    assert supply_watts(gb300) == 8 * 5 * 5500
    assert shelf_can_fail(gb300)
    assert backup_seconds(gb300) == 0.0, "no batteries"


def test_batteries_carry_a_rack_longer_than_their_rated_time() -> None:
    zionex = platform("zionex")
    assert backup_seconds(zionex) == pytest.approx(6 * 3000 * 240 / (2 * zionex.rated_watts))
    assert not shelf_can_fail(zionex), "there is but one"


def test_coolant_of_the_specification_warms_by_ten_kelvin() -> None:
    assert coolant_rise_kelvin(1000.0, 1.5) == pytest.approx(9.78, abs=0.01)


def test_air_of_a_load_bank_by_hand() -> None:
    fans = 300 * 0.8**3
    assert air_rise_kelvin(platform("orv3_power")) == pytest.approx((13_200 + fans) / (850 * 0.8))


def test_a_rack_from_the_floor_up() -> None:
    slots = elevation(platform("tioga_pass"))
    hosts = [slot for slot in slots if slot.part is Part.HOST]
    assert [(slot.bottom, slot.column) for slot in hosts[:4]] == [(1, 0), (1, 1), (1, 2), (3, 0)]
    assert max(slot.bottom for slot in hosts) == 15
    assert Counter(slot.part for slot in slots) == {Part.HOST: 24, Part.SHELF: 2, Part.BATTERY: 2}
    assert min(slot.bottom for slot in slots if slot.part is Part.SHELF) == 17


@pytest.mark.parametrize("one", load_profiles(Platform), ids=lambda one: one.name)
def test_nothing_stands_in_the_same_place(one: Platform) -> None:
    taken = Counter(
        (unit, slot.column if slot.columns > 1 else -1)
        for slot in elevation(one)
        for unit in range(slot.bottom, slot.bottom + slot.height)
    )
    assert max(taken.values()) == 1
    rows = {unit for unit, _ in taken}
    assert rows == set(range(1, max(rows) + 1)), "without gaps"


def test_supplies_inside_hosts_are_not_drawn() -> None:
    parts = {slot.part for slot in elevation(platform("dgx_a100"))}
    assert parts == {Part.HOST, Part.SWITCH}


def test_domains_of_the_demonstration_by_hand() -> None:
    found = domains("demo")
    assert (found["coolant unit"].parts, found["coolant unit"].accelerators) == (2, 128)
    assert (found["power shelf"].parts, found["power shelf"].hosts) == (4, 8)
    assert (found["leaf switch"].parts, found["leaf switch"].accelerators) == (4, 64)
    assert (found["power supply"].parts, found["power supply"].hosts) == (24, 0)
    assert found["accelerator"].parts == 256
    assert found["pump"].note == "the others give 94% of rated flow"


def test_domains_grow_and_never_exceed_the_cluster() -> None:
    for name in ("llm_ib_32k", "unified_2025", "ranking_4k", "orv3_power", "bryce_canyon"):
        found = failure_domains(cluster_of(name))
        reach = [(one.accelerators, one.hosts) for one in found]
        assert reach == sorted(reach)
        assert max(one.hosts for one in found) <= int(main_group(cluster_of(name)).group.hosts)


def test_a_cluster_is_counted_whole() -> None:
    cluster = cluster_of("ranking_4k")
    assert accelerators(cluster) == 4096
    assert [(one.group.platform, len(one.racks)) for one in racks_of(cluster)] == [
        ("zionex", 256), ("tioga_pass", 20), ("bryce_canyon", 8),
    ]  # fmt: skip
    hosts = 512 * platform("zionex").rated_watts + 480 * 430 + 64 * 865
    assert it_watts(cluster) == pytest.approx(hosts + 256 * 480 + 8 * 7000)
