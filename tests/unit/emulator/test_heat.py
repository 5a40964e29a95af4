"""Accelerators and hosts: power makes heat, heat holds the clock, and fans answer."""

from __future__ import annotations

import numpy as np
import pytest

from fleetops.emulator.groups import indices
from fleetops.emulator.model.coolant import Coolant
from fleetops.emulator.model.effects import Effects, Floats
from fleetops.emulator.model.fleet import sizes
from fleetops.emulator.model.heat import (
    CLOCK_LOSS_PER_KELVIN,
    MINIMUM_CLOCK_RATIO,
    REASON_HARDWARE,
    REASON_HARDWARE_THERMAL,
    REASON_IDLE,
    REASON_POWER_BRAKE,
    REASON_POWER_CAP,
    REASON_SOFTWARE_THERMAL,
    Heat,
)
from fleetops.emulator.model.jobs import Jobs
from fleetops.emulator.model.spread import Spread
from fleetops.emulator.site import build_site
from fleetops_schemas.fleet_profiles import cluster_of
from fleetops_schemas.platforms import Accelerator, Platform
from fleetops_schemas.profiles import load_profile

TDP_WATTS, IDLE_WATTS, SLOWDOWN = 700.0, 75.0, 87.0
"""Of the demonstration's accelerators."""


class Bench:
    """Hosts whose every device is like its profile, under the load that a test says."""

    def __init__(self, name: str = "demo", hosts: int = 16) -> None:
        site = build_site(cluster_of(name), hosts)
        count, hosts = len(site.accelerators), len(site.hosts)
        spread = Spread(
            resistance_factor=np.ones(count),
            power_factor=np.ones(count),
            inlet_kelvin=np.zeros(hosts),
            accelerator_energy_joules=np.zeros(count),
            host_energy_joules=np.zeros(hosts),
        )
        self.site, self.coolant = site, Coolant(site)
        self.heat = Heat(site, self.coolant, spread)
        self.effects = Effects(sizes(site) | Jobs(site, 1).sizes())
        self.power: Floats = np.ones(count)
        self.load: Floats = np.full(hosts, 0.5)

    def strike(self, channel: str, devices: list[int], value: float) -> Bench:
        self.effects.apply(channel, indices(devices), value, 1.0)
        return self

    def run(self, seconds: float = 300.0, step: float = 1.0) -> Heat:
        for _ in range(round(seconds / step)):
            self.coolant.move(self.effects)
            self.heat.step(step, self.power, self.load, 0.0, self.effects)
        return self.heat


def accelerator(platform: str) -> Accelerator:
    found = load_profile(Platform, platform).accelerator
    assert found is not None
    return found


@pytest.fixture
def bench() -> Bench:
    return Bench()


class TestAccelerators:
    def test_at_full_power_under_a_cold_plate(self, bench: Bench) -> None:
        """Half-way up the coolant, and the resistance of silicon, plate and film times power."""
        heat, part = bench.run(), accelerator("emulated_hgx_liquid")
        resistance = float(part.conduction_kelvin_per_watt) + float(part.convection_kelvin_per_watt)
        coolant = (32.0 + bench.coolant.tray_return_celsius[0]) / 2.0
        assert heat.watts == pytest.approx(np.full(128, TDP_WATTS))
        assert heat.temperature_celsius == pytest.approx(
            np.full(128, coolant + resistance * TDP_WATTS), abs=0.01
        )
        assert 55.0 < heat.temperature_celsius[0] < 70.0
        assert (heat.clock_ratio == 1.0).all()
        assert not heat.throttle_reasons.any()

    def test_without_work_it_idles_at_full_clock(self, bench: Bench) -> None:
        bench.power[:8] = 0.0
        heat = bench.run()
        assert heat.watts[:8] == pytest.approx(np.full(8, IDLE_WATTS))
        assert heat.temperature_celsius[:8].max() < 40.0
        assert (heat.throttle_reasons[:8] == REASON_IDLE).all()

    def test_a_die_follows_its_power_with_a_time_constant_of_six_seconds(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        heat = bench.run()
        before = heat.temperature_celsius[0]
        monkeypatch.setattr(bench.coolant, "warm", lambda *_: None)
        bench.power[:8] = 0.0
        course = [bench.run(0.1, 0.1).temperature_celsius[0] for _ in range(600)]
        left = (np.array(course) - course[-1]) / (before - course[-1])
        assert np.flatnonzero(left < np.exp(-1.0))[0] * 0.1 == pytest.approx(6.0, abs=0.2)

    def test_convection_weakens_with_the_flow_to_the_power_of_four_fifths(
        self, bench: Bench
    ) -> None:
        heat, part = bench.run(), accelerator("emulated_hgx_liquid")
        bench.power[:8] = 0.3
        bench.strike("conductance", [0], 0.5)
        bench.run()
        flow = bench.coolant.tray_litres_per_minute[0] / 9.39
        coolant = (32.0 + bench.coolant.tray_return_celsius[0]) / 2.0
        film = float(part.convection_kelvin_per_watt) * flow**-0.8
        watts = IDLE_WATTS + 0.3 * (TDP_WATTS - IDLE_WATTS)
        expected = coolant + (float(part.conduction_kelvin_per_watt) + film) * watts
        assert heat.temperature_celsius[0] == pytest.approx(expected, abs=0.05)

    def test_an_aged_interface_warms_its_own_die_alone(self, bench: Bench) -> None:
        before = bench.run().temperature_celsius.copy()
        bench.strike("conduction", [5], 1.5)
        after = bench.run().temperature_celsius
        gained = 0.5 * float(accelerator("emulated_hgx_liquid").conduction_kelvin_per_watt)
        assert after[5] - before[5] == pytest.approx(gained * TDP_WATTS, abs=0.05)
        assert np.delete(after - before, 5) == pytest.approx(np.zeros(127), abs=0.01)

    def test_a_clogged_plate_throttles_its_host_alone(self, bench: Bench) -> None:
        before = bench.run().temperature_celsius.copy()
        heat = bench.strike("conductance", [6], 0.15).run(60.0, 0.25)
        own, others = np.arange(48, 56), np.delete(np.arange(128), np.arange(48, 56))
        assert (heat.temperature_celsius[own] > SLOWDOWN).all()
        assert heat.clock_ratio[own].max() < 0.9
        # the clock stands where the control says: a twentieth for each kelvin above the limit
        hot = heat.temperature_celsius[own] - SLOWDOWN
        assert heat.clock_ratio[own] == pytest.approx(1.0 - CLOCK_LOSS_PER_KELVIN * hot, abs=0.01)
        assert (heat.throttle_reasons[own] & REASON_SOFTWARE_THERMAL).all()
        assert (heat.watts[own] < 0.85 * TDP_WATTS).all()
        assert (heat.temperature_celsius[others] <= before[others] + 0.1).all()
        assert (heat.clock_ratio[others] == 1.0).all()
        assert not heat.throttle_reasons[others].any()
        assert heat.thermal_violation_seconds[own].min() > 40.0
        assert not heat.thermal_violation_seconds[others].any()

    def test_far_above_the_limit_the_hardware_acts_and_the_clock_has_a_floor(
        self, bench: Bench
    ) -> None:
        heat = bench.strike("conductance", [6], 0.005).run(300.0)
        own = slice(48, 56)
        assert (heat.throttle_reasons[own] & REASON_HARDWARE_THERMAL).all()
        assert (heat.throttle_reasons[own] & REASON_HARDWARE).all()
        assert heat.clock_ratio[own].min() >= MINIMUM_CLOCK_RATIO - 1e-9

    def test_a_power_cap_holds_the_power_by_the_clock(self, bench: Bench) -> None:
        heat = bench.strike("power_cap", [3], 0.6).run()
        assert heat.power_limit_watts[3] == 420.0
        assert heat.watts[3] == pytest.approx(420.0)
        clock = np.sqrt((420.0 - IDLE_WATTS) / (TDP_WATTS - IDLE_WATTS))
        assert heat.clock_ratio[3] == pytest.approx(clock), "power goes with its square"
        assert heat.throttle_reasons[3] == REASON_POWER_CAP
        assert heat.power_violation_seconds[3] == pytest.approx(300.0)
        assert heat.power_violation_seconds[4] == 0.0

    def test_a_brake_holds_at_once_and_is_told(self, bench: Bench) -> None:
        bench.run()
        heat = bench.strike("clock_cap", list(range(8)), 0.5).run(0.25, 0.25)
        assert heat.clock_ratio[:8] == pytest.approx(np.full(8, 0.5))
        assert (heat.throttle_reasons[:8] == (REASON_POWER_BRAKE | REASON_HARDWARE)).all()
        assert heat.watts[0] == pytest.approx(IDLE_WATTS + 0.25 * (TDP_WATTS - IDLE_WATTS))

    def test_it_recovers_when_a_fault_ends(self, bench: Bench) -> None:
        before = bench.run().temperature_celsius.copy()
        heat = bench.strike("conductance", [6], 0.15).run(60.0)
        assert heat.temperature_celsius[48:56].max() > 80.0
        bench.effects.reset()
        assert bench.run(120.0).temperature_celsius == pytest.approx(before, abs=0.1)

    def test_memory_stands_above_its_die_by_power(self, bench: Bench) -> None:
        heat, part = bench.run(), accelerator("emulated_hgx_liquid")
        above = float(part.memory_rest_kelvin) + float(part.memory_kelvin_per_watt) * TDP_WATTS
        assert heat.memory_celsius - heat.temperature_celsius == pytest.approx(np.full(128, above))

    def test_energy_is_power_times_time(self, bench: Bench) -> None:
        heat = bench.run(60.0)
        before, host = heat.energy_joules.copy(), heat.host_energy_joules.copy()
        bench.run(100.0)
        assert heat.energy_joules - before == pytest.approx(np.full(128, 100.0 * TDP_WATTS))
        assert heat.host_energy_joules - host == pytest.approx(100.0 * heat.host_watts, rel=1e-3)


class TestHosts:
    def test_a_host_draws_the_sum_of_its_parts(self, bench: Bench) -> None:
        heat = bench.run()
        chips = heat.watts.reshape(16, 8).sum(axis=1) + heat.processor_watts
        fans = heat.host_watts - chips - heat.board_watts
        assert heat.processor_watts == pytest.approx(np.full(16, 2 * (110 + 0.5 * 220)))
        assert fans == pytest.approx(60.0 * heat.fan_ratio**3, rel=0.01), "fans: the cube of speed"
        assert heat.liquid_watts == pytest.approx(chips, rel=1e-3)
        assert heat.air_watts == pytest.approx(heat.host_watts - chips, rel=1e-3)

    def test_a_host_that_is_down_draws_nothing_and_cools(self, bench: Bench) -> None:
        bench.run()
        heat = bench.strike("down", [2], 1.0).run(120.0)
        assert heat.host_watts[2] == 0.0
        assert heat.temperature_celsius[16:24].max() < 34.0
        assert heat.host_watts[3] > 6000.0

    def test_in_air_the_second_row_breathes_what_the_first_warmed(self) -> None:
        heat = Bench("dgx_a100", 1).run(1800.0, 5.0)
        die = heat.temperature_celsius
        assert int(accelerator("dgx_a100").rows) == 2
        warming = heat.outlet_celsius[0] - heat.inlet_celsius[0]
        assert die[:4] == pytest.approx(np.full(4, die[0]))
        assert die[4] - die[0] == pytest.approx(0.5 * warming, abs=0.05)

    def test_weak_fans_run_to_their_most_and_then_the_clock_gives_way(self) -> None:
        bench = Bench("grand_teton", 2)
        before = bench.run(1800.0, 5.0).fan_ratio.copy()
        heat = bench.strike("airflow", [0], 0.3).run(1800.0, 5.0)
        assert heat.fan_ratio[0] > before[0] + 0.1
        assert heat.fan_ratio[1] == pytest.approx(before[1], abs=0.01)
        assert heat.clock_ratio[:8].min() < 0.9
        assert (heat.clock_ratio[8:] == 1.0).all()
        assert heat.outlet_celsius[0] > heat.outlet_celsius[1] + 5.0

    def test_warm_air_warms_air_cooled_accelerators_and_not_those_under_plates(self) -> None:
        gained = []
        for name in ("grand_teton", "demo"):
            bench = Bench(name, 2)
            before = bench.run(1800.0, 5.0).temperature_celsius.copy()
            bench.strike("inlet_kelvin", [0], 3.0)
            gained.append(float((bench.run(1800.0, 5.0).temperature_celsius - before)[:8].mean()))
        assert 1.5 < gained[0] < 3.1, "fans make up for a part of it"
        assert gained[1] == pytest.approx(0.0, abs=0.05)

    def test_air_carries_what_goes_into_it(self) -> None:
        bench = Bench("grand_teton", 2)
        heat = bench.run(1800.0, 5.0)
        carried = heat.air_watts_per_kelvin(bench.effects)
        warming = heat.outlet_celsius - heat.inlet_celsius
        assert carried * warming == pytest.approx(heat.host_watts, rel=0.005)
