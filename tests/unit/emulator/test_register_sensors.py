"""What shelves and pumping units tell: alarms, batteries, and nothing that they cannot."""

from __future__ import annotations

import numpy as np
import pytest

from fleetops.emulator import site as sites
from fleetops.emulator.model.effects import Effects
from fleetops.emulator.model.fleet import Fleet, FleetOptions
from fleetops.emulator.registers import told_by
from fleetops.emulator.site import build_site
from fleetops_schemas.fleet_profiles import cluster_of
from fleetops_schemas.platforms import CoolantUnit, Interface
from fleetops_schemas.profiles import AnyProfile, load_profile

TICK_SECONDS = 10.0
SHELVES = 4


class Struck:
    """A fleet of one rack with faults that may be changed."""

    def __init__(self, name: str) -> None:
        self.faults: dict[str, dict[int, float]] = {}
        site = build_site(cluster_of(name))
        self.fleet = Fleet(FleetOptions(site, tick_seconds=TICK_SECONDS), self._disturb)

    def value(self, device: str, metric: str) -> float:
        device_class = "coolant_unit" if "rpu" in device or "cdu" in device else "power_unit"
        return self.fleet.tables[device_class].value(device, metric)

    def lose_mains(self) -> None:
        self.faults["mains"] = dict.fromkeys(range(SHELVES), 0.0)

    def _disturb(self, _seconds: float, effects: Effects) -> None:
        for channel, devices in self.faults.items():
            for device, value in devices.items():
                effects.apply(channel, np.array([device]), value, 1.0)


def test_a_device_tells_what_its_map_holds_and_no_more() -> None:
    fleet = Struck("catalina").fleet
    tables = fleet.tables
    for device, device_class, name in (
        ("r01/shelf1/psu1", "power_unit", "orv3_hpr_psu"),
        ("r01/shelf4/bbu6", "power_unit", "orv3_hpr_bbu"),
        ("r01/rpu", "coolant_unit", "orv3_rpu"),
    ):
        table = tables[device_class]
        told = set(table.metrics_of(table.roster.index[device]))
        # the heat exchanger's fans are not modelled, so the whole unit's power is not known
        assert told == told_by(name).metrics[""] - {"power_watts"}


def test_a_full_battery_is_charged_no_further_and_says_so() -> None:
    struck = Struck("catalina")
    assert struck.value("r01/shelf1/bbu1", "charge_ratio") == 1.0
    assert struck.value("r01/shelf1/bbu1", "battery_current_amperes") == 0.0
    assert struck.value("r01/shelf1/bbu1", "alarm_flags") == 1 << 14
    assert struck.value("r01/shelf1/bbu1", "health") == 0.0
    assert struck.value("r01/shelf1/bbu1", "battery_voltage_volts") == pytest.approx(
        12 * 4.1, abs=0.1
    )


def test_batteries_discharge_warm_up_and_are_charged_from_the_busbar() -> None:
    struck = Struck("catalina")
    power = struck.fleet.state.power
    full = struck.value("r01/shelf1/bbu1", "battery_voltage_volts")
    cycles = power.battery_cycles.copy()
    struck.lose_mains()
    struck.fleet.tick()
    assert struck.value("r01/shelf1/bbu1", "battery_current_amperes") < -10.0
    assert struck.value("r01/shelf1/bbu1", "battery_voltage_volts") < full - 0.5
    assert struck.value("r01/shelf1/bbu1", "hotspot_temperature_celsius") > 28.0
    assert struck.value("r01/shelf1/psu1", "output_power_watts") == 0.0
    assert struck.value("r01/shelf1/psu1", "frequency_hertz") == 0.0
    empty = 1.0 - power.charge_ratio
    assert power.battery_cycles - cycles == pytest.approx(empty)

    struck.faults.clear()
    struck.fleet.tick()
    struck.fleet.tick()
    charging = power.charging_watts.sum()
    assert charging > 0.0
    assert struck.value("r01/shelf1/bbu1", "battery_current_amperes") > 0.0
    drawn = power.rack_watts.sum() + power.busbar_loss_watts.sum() + charging
    assert power.output_watts.sum() == pytest.approx(drawn)


def test_an_empty_battery_says_so() -> None:
    struck = Struck("catalina")
    struck.lose_mains()
    for _ in range(60):
        struck.fleet.tick()
    assert struck.value("r01/shelf1/bbu1", "charge_ratio") == 0.0
    assert int(struck.value("r01/shelf1/bbu1", "alarm_flags")) == 1 << 15, "may not be discharged"


def test_a_worn_battery_asks_to_be_replaced() -> None:
    struck = Struck("catalina")
    struck.faults["battery_health"] = {0: 0.6}
    struck.fleet.tick()
    assert struck.value("r01/shelf1/bbu1", "state_of_health_ratio") == pytest.approx(0.6, abs=1e-3)
    assert int(struck.value("r01/shelf1/bbu1", "alarm_flags")) & 1 << 7
    assert struck.value("r01/shelf1/bbu1", "health") > 0.0
    assert struck.value("r01/shelf1/bbu2", "health") == 0.0


def test_a_hot_supply_says_so() -> None:
    struck = Struck("catalina")
    struck.faults["supply_kelvin_rise"] = {7: 40.0}
    for _ in range(12):
        struck.fleet.tick()
    assert struck.value("r01/shelf2/psu2", "outlet_temperature_celsius") > 60.0
    assert int(struck.value("r01/shelf2/psu2", "alarm_flags")) == 1 << 2 | 1 << 10
    assert struck.value("r01/shelf2/psu1", "alarm_flags") == 0.0


def test_redundancy_is_lost_when_one_more_supply_would_be_one_too_few() -> None:
    struck = Struck("big_basin")
    assert struck.value("r01/shelf1/psu1", "redundancy_lost") == 0.0
    power = struck.fleet.state.power
    needed = int(np.ceil(power.output_watts.sum() / power.rated_watts[0]))
    spare = len(power.rated_watts) - needed
    struck.faults["supply_failed"] = dict.fromkeys(range(spare), 1.0)
    struck.fleet.tick()
    last = struck.fleet.site.supplies[-1]
    assert struck.value(last, "redundancy_lost") == 1.0
    assert struck.value(last, "health") > 0.0, "it is an alarm"


@pytest.mark.parametrize(("level", "told"), [(0.0, 0.0), (1.0, 2.0), (2.0, 2.0)])
def test_the_detector_of_building_management_knows_no_small_leak(
    monkeypatch: pytest.MonkeyPatch, level: float, told: float
) -> None:
    def seen_by_building(kind: type[AnyProfile], name: str) -> AnyProfile:
        profile = load_profile(kind, name)
        if isinstance(profile, CoolantUnit):
            return profile.model_copy(update={"interface": Interface.FACILITY})
        return profile

    monkeypatch.setattr(sites, "load_profile", seen_by_building)
    struck = Struck("demo")
    struck.faults["loop_leak"] = {0: level}
    struck.fleet.tick()
    assert struck.value("cdu1/leak", "leak_state") == told
    assert np.isnan(struck.value("cdu1/leak", "leak_detector_ok"))
    assert struck.value("cdu2/leak", "leak_state") == 0.0
