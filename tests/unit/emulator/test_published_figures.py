"""The model against published and captured figures of coolant, air, power and error correction.

OCP network hardware specification (R-LCOOL-100 to -120, R-COOL-310, R-PWR-020) and the captured
shelves of Delta and Lite-On. Racks are at rated power, every device like its profile.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from fleetops.emulator.model.coolant import Coolant
from fleetops.emulator.model.effects import Effects, Floats
from fleetops.emulator.model.fleet import sizes
from fleetops.emulator.model.heat import Heat
from fleetops.emulator.model.jobs import Jobs
from fleetops.emulator.model.links import lost_codewords
from fleetops.emulator.model.power import Power
from fleetops.emulator.model.spread import Spread
from fleetops.emulator.site import build_site
from fleetops_schemas.fleet_profiles import cluster_of
from fleetops_schemas.platforms import Cooling, Platform
from fleetops_schemas.profiles import load_profiles

STEP_SECONDS, STEPS = 5.0, 600
LEAST_AIR_RISE_KELVIN = 12.3
"""R-COOL-310."""
CAPTURED_VOLTS = (49.6, 49.9)
CAPTURED_LOADS, CAPTURED_EFFICIENCY = (0.05, 0.12), (0.92, 0.96)
GEAR_VOLTS = (45.0, 53.0)
"""R-PWR-020, steady."""

PLATFORMS = tuple(one.name for one in load_profiles(Platform))
LIQUID = tuple(one.name for one in load_profiles(Platform) if one.cooling.medium is Cooling.LIQUID)
HIGH_POWER = ("catalina", "gb300_rack", "unified_host")
"""Racks with shelves of 33 kW, as they were captured."""
ON_A_BUSBAR_OF_50_VOLTS = (*HIGH_POWER, "grand_teton", "orv3_power", "zionex", "mtia_v1")


class Rack:
    """One rack of a platform at a share of its load."""

    def __init__(self, platform: str) -> None:
        self.site = build_site(cluster_of(platform))
        hosts, accelerators = len(self.site.hosts), len(self.site.accelerators)
        ones, nothing = np.ones(accelerators), np.zeros(accelerators)
        spread = Spread(ones, ones, np.zeros(hosts), nothing, np.zeros(hosts))
        self.coolant = Coolant(self.site)
        self.heat = Heat(self.site, self.coolant, spread)
        self.effects = Effects(sizes(self.site) | Jobs(self.site, 1).sizes())

    def work(self, steps: int) -> Rack:
        power, load = np.ones(len(self.site.accelerators)), np.ones(len(self.site.hosts))
        for _ in range(steps):
            self.coolant.move(self.effects)
            self.heat.step(STEP_SECONDS, power, load, 0.0, self.effects)
        return self

    def feed(self, load_ratio: float) -> Power:
        """The rack's power, where its supplies have that load."""
        power = Power(self.site, np.random.default_rng(1))
        rated = power.rated_watts.sum()
        hosts = np.full(len(self.site.hosts), load_ratio * rated / len(self.site.hosts))
        for _ in range(100):
            power.step(STEP_SECONDS, hosts, np.zeros(len(self.site.pumps)), self.effects)
        return power


@cache
def at_work(platform: str) -> Rack:
    return Rack(platform).work(STEPS)


@pytest.mark.parametrize("name", LIQUID)
def test_coolant_flows_and_warms_as_specified(name: str) -> None:
    rack = at_work(name)
    kilowatts = rack.heat.liquid_watts.sum() / 1e3
    assert rack.coolant.litres_per_minute.sum() / kilowatts == pytest.approx(1.5, rel=0.001)
    warming = rack.coolant.return_celsius - rack.coolant.supply_celsius
    assert warming == pytest.approx(9.8, abs=0.1), "60 kJ a minute / (1.5 L * 1.03 kg/L * 3.97)"
    assert rack.coolant.pressure_kilopascals == pytest.approx(172.0), "25 psi, R-LCOOL-120"


@pytest.mark.parametrize("name", PLATFORMS)
def test_exhaust_is_as_warm_as_the_specification_asks(name: str) -> None:
    heat = at_work(name).heat
    rise = heat.outlet_celsius - heat.inlet_celsius
    assert (rise >= LEAST_AIR_RISE_KELVIN).all()


@pytest.mark.parametrize("load_ratio", CAPTURED_LOADS)
@pytest.mark.parametrize("name", HIGH_POWER)
def test_supplies_are_like_the_captured_ones(name: str, load_ratio: float) -> None:
    power = Rack(name).feed(load_ratio)
    _within(power.output_volts, CAPTURED_VOLTS, slack=0.001)
    shelves = power.output_watts.sum() / power.input_watts.sum()
    _within(np.array([shelves]), CAPTURED_EFFICIENCY, slack=0.002)


@pytest.mark.parametrize("load_ratio", [0.01, 0.1, 0.5, 0.8])
@pytest.mark.parametrize("name", ON_A_BUSBAR_OF_50_VOLTS)
def test_gear_gets_its_volts_at_any_load(name: str, load_ratio: float) -> None:
    power = Rack(name).feed(load_ratio)
    amperes = power.rack_watts.sum() / power.output_volts.mean()
    fall = power.busbar_loss_watts.sum() / amperes
    _within(power.output_volts - fall, GEAR_VOLTS)


def test_one_of_two_pumps_carries_nearly_all_of_the_flow() -> None:
    """Two in parallel on a loop of quadratic resistance: half the pumps are not half the flow."""
    rack = Rack("demo")
    rated, watts = rack.coolant.rated_litres_per_minute[0], rack.coolant.pump_watts[0]
    rack.effects.apply("pump_speed", np.array([0]), 0.0, 1.0)
    rack.coolant.move(rack.effects)
    assert rack.coolant.pump_speed_ratio[:2].tolist() == [0.0, 1.0]
    assert rack.coolant.litres_per_minute[0] / rated == pytest.approx(0.945, abs=0.001)
    assert rack.coolant.pump_watts[1] / watts == pytest.approx((1.0 / 0.8) ** 3)


@pytest.mark.parametrize("speed", [0.25, 0.5, 0.9])
def test_pumps_follow_the_affinity_laws(speed: float) -> None:
    """All slowed alike: flow as speed, pressure as its square, power as its cube."""
    rack = Rack("demo")
    flow, lift = rack.coolant.litres_per_minute[0], rack.coolant.pressure_kilopascals[0]
    watts = rack.coolant.pump_watts[0]
    rack.effects.apply("pump_speed", np.array([0, 1]), speed * 0.8, 1.0)
    rack.coolant.move(rack.effects)
    assert rack.coolant.pump_speed_ratio[0] == pytest.approx(speed * 0.8), "driven to full speed"
    assert rack.coolant.litres_per_minute[0] == pytest.approx(speed * flow, rel=1e-6)
    assert rack.coolant.pressure_kilopascals[0] == pytest.approx(speed**2 * lift, rel=1e-6)
    assert rack.coolant.pump_watts[0] == pytest.approx(speed**3 * watts)


def test_a_tray_that_clogs_leaves_more_to_the_others() -> None:
    rack = Rack("demo")
    before = rack.coolant.tray_litres_per_minute.copy()
    total = rack.coolant.litres_per_minute[0]
    rack.effects.apply("conductance", np.array([0]), 0.1, 1.0)
    rack.coolant.move(rack.effects)
    after = rack.coolant.tray_litres_per_minute
    assert after[0] < 0.12 * before[0]
    assert (after[1:16] > before[1:16]).all()
    assert 0.95 * total < rack.coolant.litres_per_minute[0] < total


def test_a_codeword_is_lost_as_the_standard_has_it() -> None:
    """IEEE 802.3 takes 2.4e-4 as what KP4 turns into less than 1e-12 or so of lost frames."""
    lost = lost_codewords(np.array([5e-5, 2.4e-4, 1e-3, 1e-1]))
    assert lost[0] < 1e-15
    assert 1e-13 < lost[1] < 1e-11
    assert 1e-5 < lost[2] < 1e-3
    assert lost[3] == pytest.approx(1.0)


def _within(values: Floats, limits: tuple[float, float], slack: float = 1e-9) -> None:
    least, most = limits
    assert least - slack <= values.min()
    assert values.max() <= most + slack
