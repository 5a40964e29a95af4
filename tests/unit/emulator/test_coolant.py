"""Coolant loops: pumps at their working point, trays that share the flow, units that cool it."""

from __future__ import annotations

import numpy as np
import pytest

from fleetops.emulator.groups import indices
from fleetops.emulator.model.coolant import (
    LEAST_FLOW_RATIO,
    SHUT_OFF_RATIO,
    WATER_JOULES_PER_LITRE_KELVIN,
    Coolant,
    heat_flow_watts_per_kelvin,
)
from fleetops.emulator.model.effects import Effects, Floats
from fleetops.emulator.model.fleet import sizes
from fleetops.emulator.model.jobs import Jobs
from fleetops.emulator.site import build_site
from fleetops_schemas.fleet_profiles import cluster_of
from fleetops_schemas.platforms import CoolantUnit
from fleetops_schemas.profiles import load_profile

FIRST, SECOND = slice(0, 16), slice(16, 32)
"""Hosts of the first and the second loop."""
TRAY_WATTS = 6000.0
SPEED = 0.8
"""Of pumps at rated flow; the rest is their reserve."""


class Bench:
    """The loops of a fleet whose trays give off what a test says."""

    def __init__(self, name: str = "demo") -> None:
        site = build_site(cluster_of(name))
        self.site, self.coolant = site, Coolant(site)
        self.effects = Effects(sizes(site) | Jobs(site, 1).sizes())
        self.watts: Floats = np.full(len(site.hosts), TRAY_WATTS)
        self.room_kelvin = 0.0

    def strike(self, channel: str, devices: list[int], value: float) -> Bench:
        self.effects.apply(channel, indices(devices), value, 1.0)
        return self

    def move(self) -> Coolant:
        self.coolant.move(self.effects)
        return self.coolant

    def settle(self, seconds: float = 1200.0, step: float = 5.0) -> Coolant:
        for _ in range(round(seconds / step)):
            self.coolant.move(self.effects)
            self.coolant.warm(step, self.watts, self.room_kelvin, self.effects)
        return self.coolant

    @property
    def flow_ratio(self) -> Floats:
        ratio: Floats = self.coolant.litres_per_minute / self.coolant.rated_litres_per_minute
        return ratio


@pytest.fixture
def bench() -> Bench:
    return Bench()


class TestFlow:
    def test_rated_flow_warms_the_coolant_by_ten_kelvin(self) -> None:
        """1.5 L/min a kW of PG25 gives 9.8 K (hardware notes, section 6)."""
        watts_per_kelvin = heat_flow_watts_per_kelvin(np.array([1.5]))
        assert 1000.0 / watts_per_kelvin[0] == pytest.approx(9.8, abs=0.05)

    def test_sound_pumps_give_rated_flow_at_rated_pressure(self, bench: Bench) -> None:
        coolant, unit = bench.move(), load_profile(CoolantUnit, "cdu_row")
        assert bench.flow_ratio == pytest.approx([1.0, 1.0])
        assert coolant.pressure_kilopascals == pytest.approx([float(unit.pressure_kilopascals)] * 2)
        assert coolant.pump_speed_ratio == pytest.approx([SPEED] * 4)
        assert coolant.pump_rpm == pytest.approx([SPEED * float(unit.pump_rated_rpm)] * 4)
        # eight of 700 W and two processors of 330 W at 1.5 L/min a kW
        assert coolant.tray_litres_per_minute == pytest.approx([9.39] * 32)

    def test_slow_pumps_follow_the_affinity_laws(self, bench: Bench) -> None:
        """At half speed, asked for all they have: flow as speed, lift as its square."""
        coolant = bench.strike("pump_speed", [0, 1], 0.5).move()
        speed = 0.5 / SPEED
        assert coolant.pump_setpoint_ratio.tolist() == [1.0, SPEED]
        assert coolant.pump_speed_ratio[:2] == pytest.approx([0.5, 0.5])
        assert bench.flow_ratio == pytest.approx([speed, 1.0])
        assert coolant.pressure_kilopascals[0] == pytest.approx(172.0 * speed**2)
        rated = float(load_profile(CoolantUnit, "cdu_row").pump_rated_watts)
        assert coolant.pump_watts == pytest.approx([rated * n**3 for n in (0.5, 0.5, SPEED, SPEED)])

    def test_a_lost_pump_with_a_tight_valve_is_made_up_for(self, bench: Bench) -> None:
        """The other runs at its most, on its own curve against the loop's."""
        coolant = bench.strike("pump_speed", [1], 0.0).move()
        assert coolant.pump_speed_ratio[:2].tolist() == [1.0, 0.0]
        most = SHUT_OFF_RATIO / SPEED**2
        # half of sqrt((most - lift) / (S - 1)) is sqrt(lift)
        lift = most / (1.0 + 4.0 * (SHUT_OFF_RATIO - 1.0))
        assert bench.flow_ratio[0] == pytest.approx(np.sqrt(lift))
        assert bench.flow_ratio[0] == pytest.approx(0.945, abs=0.001)

    def test_through_a_leaking_check_valve_half_of_that_runs_back(self, bench: Bench) -> None:
        bench.strike("pump_speed", [0], 0.1).strike("check_valve_leak", [0], 0.5).move()
        most = SHUT_OFF_RATIO / SPEED**2
        lift = most / (1.0 + 16.0 * (SHUT_OFF_RATIO - 1.0))
        assert bench.flow_ratio == pytest.approx([np.sqrt(lift), 1.0])
        assert bench.flow_ratio[0] == pytest.approx(0.574, abs=0.001)

    def test_a_clogged_filter_costs_flow_and_raises_the_pressure(self, bench: Bench) -> None:
        coolant = bench.strike("filter_conductance", [1], 0.5).move()
        # S - (S - 1) q^2 = (q / 0.5)^2
        flow = np.sqrt(SHUT_OFF_RATIO / (SHUT_OFF_RATIO - 1.0 + 4.0))
        assert bench.flow_ratio == pytest.approx([1.0, flow])
        assert coolant.pressure_kilopascals[1] == pytest.approx(172.0 * 4.0 * flow**2)
        assert coolant.pressure_kilopascals[1] < 172.0 * SHUT_OFF_RATIO

    def test_a_clogged_tray_leaves_its_flow_to_its_neighbours(self, bench: Bench) -> None:
        before = bench.move().tray_litres_per_minute.copy()
        coolant = bench.strike("conductance", [6], 0.15).move()
        ratio = coolant.tray_litres_per_minute / before
        others = np.delete(np.arange(16), 6)
        assert 0.15 < ratio[6] < 0.16
        assert (ratio[others] > 1.005).all()
        assert ratio[SECOND] == pytest.approx(np.ones(16))
        assert coolant.tray_litres_per_minute[FIRST].sum() == pytest.approx(
            coolant.litres_per_minute[0]
        )

    def test_a_closed_loop_still_has_a_finite_balance(self, bench: Bench) -> None:
        bench.strike("pump_speed", [0, 1], 0.0).strike("conductance", list(range(16)), 0.0)
        coolant = bench.settle(60.0)
        assert np.isfinite(coolant.return_celsius).all()
        assert bench.flow_ratio[0] == pytest.approx(LEAST_FLOW_RATIO)


class TestHeat:
    def test_trays_warm_their_coolant_by_their_own_power(self, bench: Bench) -> None:
        bench.watts[:8] = 0.5 * TRAY_WATTS
        coolant = bench.settle()
        carried = heat_flow_watts_per_kelvin(coolant.tray_litres_per_minute)
        supply = coolant.tray_supply(np.zeros(32))
        assert coolant.tray_return_celsius - supply == pytest.approx(bench.watts / carried)
        assert coolant.heat_removed_watts == pytest.approx([12 * TRAY_WATTS, 16 * TRAY_WATTS])
        assert coolant.supply_celsius == pytest.approx([32.0, 32.0], abs=0.01)

    def test_a_tray_follows_its_power_within_seconds(self, bench: Bench) -> None:
        """The time constant of a tray is three seconds."""
        coolant = bench.settle()
        before = coolant.tray_return_celsius[0]
        bench.watts[0] = 0.0
        coolant.warm(3.0, bench.watts, 0.0, bench.effects)
        left = (coolant.tray_return_celsius[0] - 32.0) / (before - 32.0)
        assert left == pytest.approx(np.exp(-1.0), abs=0.01)

    def test_a_unit_gives_on_the_racks_heat_and_its_pumps(self, bench: Bench) -> None:
        coolant = bench.settle()
        pumps = coolant.pump_watts.reshape(2, 2).sum(axis=1)
        assert coolant.primary_watts == pytest.approx(16 * TRAY_WATTS + pumps, rel=1e-3)
        rise = coolant.primary_return_celsius - coolant.primary_celsius
        carried = coolant.primary_litres_per_minute / 60.0 * WATER_JOULES_PER_LITRE_KELVIN * rise
        assert carried == pytest.approx(coolant.primary_watts)
        assert ((coolant.valve_ratio > 0.5) & (coolant.valve_ratio < 0.9)).all()

    def test_water_that_is_too_warm_warms_the_supply_by_the_exchangers_approach(
        self, bench: Bench
    ) -> None:
        unit = load_profile(CoolantUnit, "cdu_row")
        coolant = bench.strike("primary_kelvin", [0], 14.0).settle(3600.0)
        least = float(unit.primary_celsius) + 14.0 + float(unit.approach_kelvin)
        assert least > 32.0
        assert coolant.supply_celsius[0] >= least - 0.01
        assert coolant.supply_celsius[1] == pytest.approx(32.0, abs=0.01)

    def test_without_water_the_loop_warms_by_what_it_holds(self, bench: Bench) -> None:
        """150 L of coolant under 96 kW and the pumps: 9.5 K a minute."""
        coolant = bench.settle()
        before = coolant.supply_celsius.copy()
        bench.strike("primary_flow", [0], 0.0)
        for _ in range(12):
            coolant.move(bench.effects)
            coolant.warm(5.0, bench.watts, 0.0, bench.effects)
        held = 150.0 * 1.03 * 3970.0
        gained = 60.0 * (16 * TRAY_WATTS + coolant.pump_watts[:2].sum())
        assert coolant.supply_celsius[0] - before[0] == pytest.approx(gained / held, rel=0.02)
        assert coolant.valve_ratio[0] == 1.0

    def test_a_unit_in_the_rack_cools_by_the_rooms_air(self) -> None:
        bench = Bench("catalina")
        (kind,) = {loop.unit.kind for loop in bench.site.loops}
        assert kind == "liquid_to_air"
        before = bench.settle().primary_celsius.copy()
        bench.room_kelvin = 2.0
        assert bench.settle(5.0).primary_celsius - before == pytest.approx(
            np.full(len(before), 2.0)
        )
        row = Bench()
        row.room_kelvin = 2.0
        assert row.settle(5.0).primary_celsius == pytest.approx([22.0, 22.0])

    def test_long_steps_stay_stable(self, bench: Bench) -> None:
        coarse, fine = bench.settle(1800.0, 5.0), Bench().settle(1800.0, 1.0)
        assert coarse.supply_celsius == pytest.approx(fine.supply_celsius, abs=0.01)
        assert coarse.return_celsius == pytest.approx(fine.return_celsius, abs=0.01)
