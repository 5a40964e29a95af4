from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fleetops.emulator import physics
from fleetops.emulator.fleet import Fleet
from tests.unit.emulator.fleets import advance, make_fleet, strike

BUSY, SPARE, FIRST_LOOP, SECOND_LOOP = slice(0, 24), slice(24, 32), slice(0, 16), slice(16, 32)
CLOGGED = 6


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return make_fleet(tmp_path)


def test_rated_flow_warms_the_coolant_by_ten_kelvin() -> None:
    """1.5 L/min a kW of PG25 gives 9.8 K (hardware notes, section 6)."""
    watts_per_kelvin = physics.heat_flow_watts_per_kelvin(np.array([1.5]))
    assert 1000.0 / watts_per_kelvin[0] == pytest.approx(9.8, abs=0.05)


def test_a_healthy_accelerator_at_full_power_settles_between_55_and_70(fleet: Fleet) -> None:
    advance(fleet, 30)
    temperature = fleet.physics.temperature_celsius
    assert temperature[BUSY].min() > 55.0
    assert temperature[BUSY].max() < 70.0
    assert fleet.physics.power_watts[BUSY].mean() == pytest.approx(650.0, rel=0.05)
    assert temperature[SPARE].max() < 40.0
    assert (fleet.physics.clock_ratio == 1.0).all()
    assert not fleet.physics.throttle_reasons.any()


def test_tau_is_about_six_seconds(fleet: Fleet) -> None:
    """The hang that follows an XID 79 halves the power at once: watch the others cool."""
    before = fleet.physics.temperature_celsius[0, 0]
    strike(fleet, "xid", {"host_index": 20, "accelerator": 0})
    advance(fleet, 60)
    settled = fleet.physics.temperature_celsius[0, 0]
    other = make_fleet(Path(fleet.kernel.path(0)).parent / "again")
    strike(other, "xid", {"host_index": 20, "accelerator": 0})
    advance(other, 8)
    left = (other.physics.temperature_celsius[0, 0] - settled) / (before - settled)
    assert 0.2 < left < 0.5  # chip (6 s) behind coolant (3 s)


def test_the_energy_balance_closes_within_one_percent(fleet: Fleet) -> None:
    advance(fleet, 30)
    heats = []
    for _ in range(40):  # over ten seconds: power moves with every step
        advance(fleet, 0.25)
        heats.append(
            np.stack(
                [
                    fleet.physics.heat_removed_watts,
                    np.bincount(fleet.layout.loop_of, fleet.physics.liquid_heat_watts),
                ]
            )
        )
    removed, produced = np.mean(heats, axis=0)
    assert removed == pytest.approx(produced, rel=0.01)


def test_the_balance_holds_for_each_tray_and_for_the_shown_readings(fleet: Fleet) -> None:
    advance(fleet, 30)
    hosts = fleet.readings.hosts
    carried = physics.heat_flow_watts_per_kelvin(hosts.litres_per_minute) * (
        hosts.return_celsius - hosts.supply_celsius
    )
    assert carried[BUSY] == pytest.approx(fleet.physics.liquid_heat_watts[BUSY], rel=0.08)
    loops = fleet.readings.loops
    assert loops.heat_removed_watts == pytest.approx(fleet.physics.heat_removed_watts, rel=0.03)


def test_a_shelf_gives_what_its_hosts_draw(fleet: Fleet) -> None:
    drawn = np.bincount(fleet.layout.loop_of, fleet.physics.host_power_watts)
    shelves = fleet.readings.shelves
    assert shelves.output_watts.sum(axis=1) == pytest.approx(drawn)
    efficiency = shelves.output_watts.sum(axis=1) / shelves.input_watts.sum(axis=1)
    assert efficiency == pytest.approx([0.955, 0.955], abs=0.005)
    assert shelves.output_volts == pytest.approx(np.full((2, 6), 49.8), abs=0.3)


def test_a_failed_supply_leaves_its_load_to_the_others(fleet: Fleet) -> None:
    strike(fleet, "supply_failed", {"power_shelf": "r03/shelf1", "supply": 3})
    advance(fleet, 0.5)
    shelves = fleet.readings.shelves
    assert shelves.output_watts[1, 2] == 0.0
    assert shelves.output_volts[1, 2] == 0.0
    drawn = np.bincount(fleet.layout.loop_of, fleet.physics.host_power_watts)
    assert shelves.output_watts.sum(axis=1) == pytest.approx(drawn)


def test_a_clog_heats_and_throttles_that_host_alone(fleet: Fleet) -> None:
    before = fleet.physics.temperature_celsius.copy()
    strike(fleet, "cold_plate_clog", {"host_index": CLOGGED})
    advance(fleet, 30)
    state = fleet.physics
    others = np.delete(np.arange(32), CLOGGED)
    assert state.temperature_celsius[CLOGGED].min() > physics.SLOWDOWN_CELSIUS
    assert state.clock_ratio[CLOGGED].max() < 0.9
    assert (state.temperature_celsius[others] <= before[others] + 1.0).all()
    assert (state.clock_ratio[others] == 1.0).all()
    assert state.tray_litres_per_minute[CLOGGED] < 0.25 * physics.RATED_TRAY_LITRES_PER_MINUTE
    reasons = state.throttle_reasons[CLOGGED]
    assert (reasons & physics.THROTTLE_SOFTWARE_THERMAL).all()
    # the neighbours on the loop get what the clogged tray no longer takes
    assert state.tray_litres_per_minute[CLOGGED - 1] > physics.RATED_TRAY_LITRES_PER_MINUTE
    assert state.tray_litres_per_minute[20] == pytest.approx(physics.RATED_TRAY_LITRES_PER_MINUTE)


def test_a_weak_pump_warms_every_host_of_its_loop_and_no_other(fleet: Fleet) -> None:
    before = fleet.physics.temperature_celsius.copy()
    strike(fleet, "pump_degraded", {"coolant_unit": "cdu1", "pump": 1})
    advance(fleet, 40)
    state = fleet.physics
    assert (state.temperature_celsius[FIRST_LOOP] > before[FIRST_LOOP] + 15.0).all()
    assert (state.temperature_celsius[SECOND_LOOP] < before[SECOND_LOOP] + 1.0).all()
    assert state.loop_litres_per_minute[0] < 0.45 * state.rated_loop_litres_per_minute[0]
    assert state.loop_litres_per_minute[1] == state.rated_loop_litres_per_minute[1]
    assert state.loop_return_celsius[0] > 50.0
    # the sound pump runs at its most
    assert state.pump_speed_ratio[0].tolist() == pytest.approx([0.1, 1.0])


def test_one_lost_pump_with_a_tight_valve_is_survived(fleet: Fleet) -> None:
    strike(
        fleet,
        "pump_degraded",
        {"coolant_unit": "cdu1", "pump": 2},
        {"speed_ratio": 0.0, "check_valve_leak_ratio": 0.0},
    )
    advance(fleet, 60)
    assert fleet.physics.temperature_celsius.max() < 75.0
    assert (fleet.physics.clock_ratio == 1.0).all()


def test_the_fleet_recovers_when_a_fault_ends(fleet: Fleet) -> None:
    before = fleet.physics.temperature_celsius.copy()
    strike(fleet, "cold_plate_clog", {"host_index": CLOGGED}, duration_seconds=20)
    advance(fleet, 20)
    assert fleet.physics.temperature_celsius[CLOGGED].max() > 80.0
    advance(fleet, 60)
    assert fleet.physics.temperature_celsius == pytest.approx(before, abs=1.5)
