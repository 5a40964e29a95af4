"""Rack power: supplies that share a busbar, batteries behind them, and the brake."""

from __future__ import annotations

import numpy as np
import pytest

from fleetops.emulator.groups import indices
from fleetops.emulator.model.effects import Effects, Floats
from fleetops.emulator.model.fleet import sizes
from fleetops.emulator.model.jobs import Jobs
from fleetops.emulator.model.power import CHARGE_SECONDS, LEAST_BRAKE, Power
from fleetops.emulator.site import build_site
from fleetops_schemas.fleet_profiles import cluster_of
from fleetops_schemas.platforms import RackPower
from fleetops_schemas.profiles import load_profile

HOST_WATTS = 6000.0
RACK_WATTS = 8 * HOST_WATTS
SUPPLY_WATTS, VOLTS, OHMS = 14_000.0, 50.0, 0.05e-3
"""Of the demonstration's shelves, and of the busbar."""
LOSS_WATTS = OHMS * (RACK_WATTS / VOLTS) ** 2


class Bench:
    """Racks whose hosts draw what a test says; pumps of units in the row do not count."""

    def __init__(self, name: str = "demo", hosts: int = 16, watts: float = HOST_WATTS) -> None:
        site = build_site(cluster_of(name), hosts)
        self.site = site
        self.power = Power(site, np.random.default_rng(1))
        self.effects = Effects(sizes(site) | Jobs(site, 1).sizes())
        self.watts: Floats = np.full(len(site.hosts), watts)

    def strike(self, channel: str, devices: list[int], value: float) -> Bench:
        self.effects.apply(channel, indices(devices), value, 1.0)
        return self

    def run(self, seconds: float = 10.0, step: float = 1.0) -> Power:
        for _ in range(round(seconds / step)):
            self.power.step(step, self.watts, np.zeros(len(self.site.pumps)), self.effects)
        return self.power


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_six_supplies_share_what_the_rack_and_its_busbar_take(bench: Bench) -> None:
    power = bench.run()
    assert power.rack_watts == pytest.approx([RACK_WATTS] * 2)
    assert power.busbar_loss_watts == pytest.approx([LOSS_WATTS] * 2)
    given = power.output_watts.reshape(2, 6)
    assert given.sum(axis=1) == pytest.approx([RACK_WATTS + LOSS_WATTS] * 2)
    assert given == pytest.approx(np.full((2, 6), given.mean()), rel=0.05), "nearly alike"
    assert len(set(power.output_watts.tolist())) == 12, "and no two the same"


def test_efficiency_follows_the_measured_curve(bench: Bench) -> None:
    curve = load_profile(RackPower, "emulated_shelf").supplies.efficiency
    for load, ratio in ((0.05, 0.92), (0.12, 0.955), (0.5, 0.965), (1.0, 0.955)):
        assert float(curve[load]) == ratio
        bench.watts[:] = load * SUPPLY_WATTS * 6 / 8
        power = bench.run()
        assert power.efficiency == pytest.approx(np.full(12, ratio), abs=0.002)
        assert power.input_watts * power.efficiency == pytest.approx(power.output_watts)
    # between two points: a line
    bench.watts[:] = 0.75 * SUPPLY_WATTS * 6 / 8
    assert bench.run().efficiency == pytest.approx(np.full(12, 0.96), abs=0.001)


def test_the_output_droops_with_the_load(bench: Bench) -> None:
    power = bench.run()
    load = power.output_watts / SUPPLY_WATTS
    assert power.output_volts == pytest.approx(VOLTS - 0.3 * load)


def test_energy_is_counted_at_the_input(bench: Bench) -> None:
    before = bench.run().energy_joules.copy()
    power = bench.run(60.0)
    assert power.energy_joules - before == pytest.approx(60.0 * power.input_watts)


def test_a_failed_supply_leaves_its_load_to_the_others(bench: Bench) -> None:
    before = bench.run().output_watts.copy()
    power = bench.strike("supply_failed", [2], 1.0).run()
    assert power.output_watts[2] == power.output_volts[2] == power.input_watts[2] == 0.0
    others = np.delete(np.arange(6), 2)
    ratio = power.output_watts[others] / before[others]
    assert ratio == pytest.approx(np.full(5, ratio[0])), "each in its own proportion"
    assert ratio[0] == pytest.approx(6 / 5, rel=0.01)
    assert power.output_watts[6:] == pytest.approx(before[6:]), "the other rack has its own shelf"
    assert power.brake.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("channel", ["supply_failed", "supply_gone"])
def test_a_rack_over_what_is_left_is_braked_to_that(bench: Bench, channel: str) -> None:
    """Three of six supplies carry 42 of 48 kW: dynamic power goes with the clock's square."""
    power = bench.strike(channel, [0, 1, 2], 1.0).run(1.0)
    assert power.brake == pytest.approx([np.sqrt(3 * SUPPLY_WATTS / RACK_WATTS), 1.0])
    bench.watts[:8] *= power.brake[0] ** 2
    power = bench.run(1.0)
    assert power.rack_watts[0] == pytest.approx(3 * SUPPLY_WATTS)
    assert power.brake[0] == pytest.approx(np.sqrt(3 * SUPPLY_WATTS / RACK_WATTS))
    bench.effects.reset()
    bench.run(20.0)
    assert bench.power.brake[0] == 1.0, "it lets up when the supplies are back"


def test_the_brake_has_a_floor(bench: Bench) -> None:
    assert bench.strike("supply_failed", list(range(5)), 1.0).run(60.0).brake[0] == LEAST_BRAKE


def test_a_rack_may_be_capped_below_its_limit(bench: Bench) -> None:
    limit = float(load_profile(RackPower, "emulated_shelf").busbar_watts)
    power = bench.strike("shelf_cap", [1], 0.5).run(1.0)
    assert power.brake == pytest.approx([1.0, np.sqrt(0.5 * limit / RACK_WATTS)])


def test_a_rack_over_its_busbars_limit_is_braked(bench: Bench) -> None:
    limit = float(load_profile(RackPower, "emulated_shelf").busbar_watts)
    bench.watts[8:] = 1.2 * limit / 8
    assert bench.run(1.0).brake == pytest.approx([1.0, np.sqrt(1 / 1.2)])


def test_without_mains_and_batteries_a_rack_goes_dark(bench: Bench) -> None:
    power = bench.strike("mains", [0], 0.0).run()
    assert power.dark.tolist() == [1.0, 0.0]
    assert not power.working[:6].any()
    assert power.output_watts[:6].sum() == 0.0
    assert power.input_volts == pytest.approx([0.0, 277.0])


def test_a_dip_of_the_mains_is_told_and_survived(bench: Bench) -> None:
    power = bench.strike("mains", [0], 0.8).run()
    assert power.input_volts[0] == pytest.approx(0.8 * 277.0)
    assert power.dark.tolist() == [0.0, 0.0]
    assert power.output_watts[:6].sum() == pytest.approx(RACK_WATTS + LOSS_WATTS)


class TestBatteries:
    """Of a rack with ORv3 shelves: batteries carry it for what they hold, and no longer."""

    def make(self) -> Bench:
        return Bench("catalina", 18, 3000.0)

    def test_they_carry_the_rack_when_all_its_supplies_are_dark(self) -> None:
        bench = self.make()
        idle = bench.run()
        assert not idle.battery_watts.any()
        power = bench.strike("mains", list(range(len(bench.site.shelves))), 0.0).run(1.0)
        carried = power.rack_watts + power.busbar_loss_watts
        assert power.battery_watts.sum() == pytest.approx(carried.sum())
        assert power.dark.tolist() == [0.0]
        capacity = power.battery_rated_watts * 90.0
        spent = (1.0 - power.charge_ratio) * capacity
        assert spent.sum() == pytest.approx(power.battery_watts.sum(), rel=1e-6)

    def test_one_dark_shelf_is_no_reason_to_discharge(self) -> None:
        bench = self.make()
        power = bench.strike("mains", [0], 0.0).run()
        assert not power.battery_watts.any()
        dark = bench.site.shelf_of_supply == 0
        assert not power.output_watts[dark].any()
        carried = power.rack_watts + power.busbar_loss_watts
        assert power.output_watts.sum() == pytest.approx(carried.sum())

    def test_a_worn_battery_is_empty_sooner(self) -> None:
        lasted = []
        for health in (1.0, 0.5):
            bench = self.make()
            count = len(bench.site.batteries)
            bench.strike("mains", list(range(len(bench.site.shelves))), 0.0)
            bench.strike("battery_health", list(range(count)), health)
            seconds = 0
            while not bench.run(1.0).dark[0]:
                seconds += 1
            lasted.append(seconds)
        rated, drawn = self.make().power.battery_rated_watts.sum(), 18 * 3000.0
        assert lasted[0] == pytest.approx(90.0 * rated / drawn, rel=0.02)
        assert lasted[1] == pytest.approx(lasted[0] / 2, abs=2)

    def test_they_are_charged_in_an_hour_from_the_supplies(self) -> None:
        bench = self.make()
        shelves = list(range(len(bench.site.shelves)))
        bench.strike("mains", shelves, 0.0).run(40.0)
        low = bench.power.charge_ratio.copy()
        bench.effects.reset()
        power = bench.run(60.0)
        assert power.charge_ratio - low == pytest.approx(np.full(len(low), 60.0 / CHARGE_SECONDS))
        drawn = power.rack_watts + power.busbar_loss_watts
        charging = power.charging_watts.sum()
        assert charging > 0.0
        assert power.output_watts.sum() == pytest.approx(drawn.sum() + charging)
        full = bench.run(CHARGE_SECONDS, 10.0)
        assert full.charge_ratio == pytest.approx(np.ones(len(low)))
        assert bench.run(1.0).charging_watts == pytest.approx(np.zeros(len(low)))
