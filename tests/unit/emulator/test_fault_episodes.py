from __future__ import annotations

from collections import Counter
from functools import cache

import pytest

from fleetops.emulator.fault_episodes import default_mix, sample_faults
from fleetops.emulator.fault_kinds import Category, fault_kind
from fleetops.emulator.fault_schedule import Fault, FaultSchedule
from fleetops.emulator.model.fleet import DAY_SECONDS, FleetOptions
from fleetops.emulator.site import Site, build_site
from fleetops_schemas.clusters import Cluster
from fleetops_schemas.profiles import load_profile

DAYS = 40.0


@cache
def site(cluster: str, hosts: int) -> Site:
    return build_site(load_profile(Cluster, cluster), hosts)


def sample(cluster: str, hosts: int, seed: int, days: float = DAYS) -> list[Fault]:
    return sample_faults(FleetOptions(site(cluster, hosts), seed), days * DAY_SECONDS)


def test_the_same_seed_gives_the_same_faults() -> None:
    assert sample("demo", 32, 1) == sample("demo", 32, 1)
    assert sample("demo", 32, 1) != sample("demo", 32, 2)


def test_hard_faults_come_at_the_rate_and_in_the_mix_of_record() -> None:
    hosts, runs = 200, 10
    faults = [fault for seed in range(runs) for fault in sample("llm_roce_32k", hosts, seed)]
    counts = Counter(fault.kind for fault in faults)
    hard = default_mix().per_thousand_node_days["hard"].counts
    compute = sum("node" in host for host in site("llm_roce_32k", hosts).hosts) / hosts
    expected = 4.0 * hosts * runs * DAYS / 1000.0
    found = sum(counts[kind] for kind in hard)
    assert expected * compute * 0.85 < found < expected * 1.15
    assert counts["accelerator_off_bus"] / found == pytest.approx(140 / 419, abs=0.07)
    assert counts["hbm_uncorrectable"] / found == pytest.approx(72 / 419, abs=0.05)


def test_the_counts_are_those_of_the_report() -> None:
    counts = default_mix().per_thousand_node_days["hard"].counts
    assert sum(counts.values()) == 419
    assert counts["accelerator_off_bus"] + counts["vanished_device"] == 148
    assert sum(counts[kind] for kind in ("cable_fault", "leaf_switch_dead")) == 33


def test_lemons_are_so_for_good() -> None:
    lemons = [
        fault
        for seed in range(20)
        for fault in sample("llm_roce_32k", 200, seed, days=1.0)
        if fault.kind == "lemon_host"
    ]
    assert len(lemons) == pytest.approx(20 * 200 * 0.012, rel=0.35)
    assert {(fault.at_seconds, fault.duration_seconds) for fault in lemons} == {(0.0, None)}


@pytest.mark.parametrize("cluster", ["demo", "llm_roce_32k"])
def test_every_fault_finds_its_place(cluster: str) -> None:
    options = FleetOptions(site(cluster, 40), 1)
    faults = sample_faults(options, 30.0 * DAY_SECONDS, default_mix().scaled(200.0))
    schedule = FaultSchedule(options)
    for fault in faults:
        schedule.add(fault)
    kinds = {fault.kind for fault in faults}
    liquid = {"leak", "cold_plate_clog", "pump_degraded", "coolant_unit_failed"}
    assert bool(kinds & liquid) == (cluster == "demo")
    assert len(kinds) > 40
    assert [fault.at_seconds for fault in faults[:50]] == sorted(
        fault.at_seconds for fault in faults[:50]
    )


def test_nothing_is_struck_twice_at_once() -> None:
    end: dict[tuple[Category, str], float] = {}
    for fault in sample("demo", 32, 3, days=200.0):
        if fault.kind in {"lemon_host", "xid_noise"}:
            continue  # a background to everything else
        key = (fault_kind(fault.kind).category, fault.target.model_dump_json())
        assert fault.at_seconds >= end.get(key, 0.0)
        duration = fault.duration_seconds
        end[key] = float("inf") if duration is None else fault.at_seconds + duration


def test_a_mix_is_swept() -> None:
    options = FleetOptions(site("demo", 32), 1)
    seconds = 30.0 * DAY_SECONDS
    hard = default_mix().per_thousand_node_days["hard"].counts

    def count(factor: float) -> int:
        faults = sample_faults(options, seconds, default_mix().scaled(factor))
        return sum(fault.kind in hard for fault in faults)

    assert count(400.0) / count(100.0) == pytest.approx(4.0, rel=0.3)


def test_slow_episodes_last_as_the_literature_says() -> None:
    faults = [fault for seed in range(6) for fault in sample("llm_roce_32k", 200, seed, 100.0)]
    slow = [fault for fault in faults if fault.kind == "compute_fail_slow"]
    ended = [fault.duration_seconds for fault in slow if fault.duration_seconds is not None]
    assert sum(ended) / len(ended) == pytest.approx(600.0, rel=0.4)
    assert (len(slow) - len(ended)) / len(slow) == pytest.approx(0.2, abs=0.12)
    assert {fault.parameters["factor"] for fault in slow} == {1.05, 1.1, 1.2, 1.5, 2.35}
