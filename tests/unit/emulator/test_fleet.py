from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from fleetops.core.clock import ManualClock
from fleetops.core.errors import ConfigError
from fleetops.emulator.emulation import MAX_TICKS_AT_ONCE, Emulation
from fleetops.emulator.fleet import TICK_SECONDS, Fleet
from fleetops.emulator.scenario import load_scenario
from tests.unit.emulator.fleets import advance, make_fleet, strike


def run(folder: Path, seed: int) -> Fleet:
    fleet = make_fleet(folder, seed, racks=2, hosts_per_rack=2)
    strike(fleet, "cold_plate_clog", {"host_index": 1})
    strike(fleet, "xid", {"host_index": 0, "accelerator": 1}, {"code": 94})
    advance(fleet, 12)
    return fleet


def test_the_same_seed_gives_the_same_readings(tmp_path: Path) -> None:
    one, two = run(tmp_path / "one", 7), run(tmp_path / "two", 7)
    for part in ("accelerators", "hosts", "loops", "shelves"):
        left, right = asdict(getattr(one.readings, part)), asdict(getattr(two.readings, part))
        for name, values in left.items():
            assert np.array_equal(values, right[name]), f"{part}.{name}"
    assert np.array_equal(one.job.last.compute_seconds, two.job.last.compute_seconds)
    assert one.kernel.path(0).read_text() == two.kernel.path(0).read_text()


def test_another_seed_gives_another_fleet(tmp_path: Path) -> None:
    one, two = run(tmp_path / "one", 7), run(tmp_path / "two", 8)
    assert not np.array_equal(
        one.readings.accelerators.power_watts, two.readings.accelerators.power_watts
    )


def test_readings_are_within_the_plausible_and_never_nan(tmp_path: Path) -> None:
    fleet = run(tmp_path, 3)
    for part in ("accelerators", "hosts", "loops", "shelves"):
        for name, values in asdict(getattr(fleet.readings, part)).items():
            assert np.isfinite(values).all(), f"{part}.{name}"
            assert (np.asarray(values, dtype=float) >= 0).all(), f"{part}.{name}"


def test_counters_only_grow(tmp_path: Path) -> None:
    fleet = make_fleet(tmp_path, racks=1, hosts_per_rack=2)
    before = fleet.readings.accelerators
    advance(fleet, 10)
    after = fleet.readings.accelerators
    assert (after.energy_millijoules > before.energy_millijoules).all()
    assert (after.corrected_errors >= before.corrected_errors).all()


@pytest.mark.parametrize(("racks", "hosts"), [(1, 1), (3, 2), (1, 5)])
def test_other_sizes_work(tmp_path: Path, racks: int, hosts: int) -> None:
    fleet = make_fleet(tmp_path, racks=racks, hosts_per_rack=hosts)
    advance(fleet, 3)
    assert fleet.job.last.number > 0
    assert fleet.readings.hosts.power_watts.shape == (racks * hosts,)


def test_the_scenario_s_clock_starts_on_request(tmp_path: Path) -> None:
    clock = ManualClock()
    fleet = make_fleet(tmp_path)
    emulation = Emulation(fleet, load_scenario("cold_plate_clog"), clock)
    clock.advance(8)
    emulation.catch_up()
    assert emulation.truth()["faults"] == []
    assert emulation.elapsed_seconds is None

    assert emulation.start()
    assert not emulation.start()
    clock.advance(9.5)
    emulation.catch_up()
    (fault,) = emulation.truth()["faults"]
    assert fault["target"]["host"] == "node007"
    assert not fault["active"]
    clock.advance(1)
    emulation.catch_up()
    truth = emulation.truth()
    assert truth["faults"][0]["active"]
    assert truth["elapsed_seconds"] == pytest.approx(10.5, abs=TICK_SECONDS)


def test_time_lost_in_a_suspension_is_let_go(tmp_path: Path) -> None:
    clock = ManualClock()
    fleet = make_fleet(tmp_path, racks=1, hosts_per_rack=1)
    emulation = Emulation(fleet, load_scenario("pump_degraded"), clock)
    before = fleet.ticks
    clock.advance(3600)
    emulation.catch_up()
    assert fleet.ticks == before + MAX_TICKS_AT_ONCE
    clock.advance(TICK_SECONDS)
    emulation.catch_up()
    assert fleet.ticks == before + MAX_TICKS_AT_ONCE + 1


def test_a_scenario_that_asks_for_more_than_the_fleet_has_is_refused(tmp_path: Path) -> None:
    fleet = make_fleet(tmp_path, racks=1, hosts_per_rack=2)
    with pytest.raises(ConfigError, match="host_index 6, but the fleet has 2 hosts"):
        Emulation(fleet, load_scenario("cold_plate_clog"), ManualClock())


def test_harness_faults_are_left_to_the_harness(tmp_path: Path) -> None:
    fleet = make_fleet(tmp_path, racks=1, hosts_per_rack=1)
    emulation = Emulation(fleet, load_scenario("collector_outage"), ManualClock())
    emulation.start()
    assert emulation.truth()["faults"] == []
    assert emulation.truth()["harness_faults"][0]["target"] == {"collector": "dcgm"}
