"""What goes in as electricity comes out as heat; what shelves give is what their rack draws."""

from __future__ import annotations

import numpy as np
import pytest

from fleetops.emulator.groups import NONE
from fleetops.emulator.model.effects import Floats
from fleetops.emulator.model.fleet import Fleet
from fleetops.emulator.model.parameters import by_accelerator, by_host
from fleetops_schemas.fleet_profiles import fleet_names
from tests.unit.emulator.emulated import Strike, emulated

HOUR_TICKS = 60
LIMIT = 0.02
"""Of readings, with their noise."""
CLOSED = 0.002
"""Of the model's own balances over an hour: the day's slow warming is left."""

every_fleet = pytest.mark.parametrize("name", fleet_names())


def heat_into_air(fleet: Fleet) -> float:
    heat = fleet.state.heat
    warming = heat.outlet_celsius - heat.inlet_celsius
    return float((warming * heat.air_watts_per_kelvin(fleet.effects)).sum())


def by_rack(fleet: Fleet, racks: Floats, values: Floats) -> Floats:
    found: Floats = np.bincount(racks, values, minlength=len(fleet.site.racks)).astype(np.float64)
    return found


def rack_of_supply(fleet: Fleet) -> Floats:
    return np.asarray(fleet.site.rack_of_shelf[fleet.site.shelf_of_supply])


@every_fleet
def test_heat_into_coolant_and_air_is_the_power_drawn(name: str) -> None:
    fleet = emulated(name)
    state, sums = fleet.state, np.zeros(5)
    for _ in range(HOUR_TICKS):
        fleet.tick()
        coolant = state.coolant
        sums += (
            state.heat.host_watts.sum(),
            heat_into_air(fleet),
            coolant.heat_removed_watts.sum(),
            coolant.pump_watts.sum(),
            coolant.primary_watts.sum(),
        )
    drawn, air, liquid, pumps, primary = sums / HOUR_TICKS
    assert drawn > 0.0
    assert air + liquid == pytest.approx(drawn, rel=CLOSED)
    assert primary == pytest.approx(liquid + pumps, rel=CLOSED), "a unit gives on what it takes in"


@every_fleet
def test_a_racks_supplies_give_what_it_draws(name: str) -> None:
    fleet = emulated(name)
    fleet.tick()
    power, site = fleet.state.power, fleet.site
    given = by_rack(fleet, rack_of_supply(fleet), power.output_watts)
    drawn = by_rack(fleet, np.asarray(site.rack_of_host), fleet.state.heat.host_watts)
    inside = [
        site.racks.index(loop.rack) if loop.unit.kind == "liquid_to_air" else NONE
        for loop in site.loops
    ]
    for pump, loop in enumerate(site.loop_of_pump):
        if inside[loop] != NONE:
            drawn[inside[loop]] += fleet.state.coolant.pump_watts[pump]
    assert given == pytest.approx(drawn + power.busbar_loss_watts, rel=1e-9)
    assert power.input_watts * power.efficiency == pytest.approx(power.output_watts, rel=1e-9)
    assert (power.busbar_loss_watts < 0.01 * drawn).all()
    assert (power.output_watts <= power.rated_watts).all()


@every_fleet
def test_the_sums_are_there_in_the_readings_too(name: str) -> None:
    fleet = emulated(name)
    tables = fleet.tick()
    units, hosts = tables["power_unit"], tables["host"]
    supplies = [units.roster.index[supply] for supply in fleet.site.supplies]
    given, taken = (units[f"{side}_power_watts"][supplies].copy() for side in ("output", "input"))
    drawn = hosts["power_watts"][: len(fleet.site.hosts)].sum()
    pumps = fleet.state.power.rack_watts.sum() - fleet.state.heat.host_watts.sum()
    assert given.sum() == pytest.approx(drawn + pumps, rel=LIMIT)
    assert 0.75 < given.sum() / taken.sum() < 0.98
    efficiency = units["efficiency_ratio"][supplies]
    told = ~np.isnan(efficiency)  # not every register map has it
    assert (taken * efficiency)[told].sum() == pytest.approx(given[told].sum(), rel=0.005)


@pytest.mark.parametrize("name", ["demo", "gb300_rack", "unified_host"])
def test_a_unit_tells_the_heat_of_its_trays(name: str) -> None:
    """By readings alone, as an operator would check a coolant unit against its racks."""
    fleet = emulated(name)
    tables = fleet.tick()
    units, hosts = tables["coolant_unit"], tables["host"]
    told = units["heat_removed_watts"][: len(fleet.site.loops)].sum()
    warming = (
        hosts["coolant_return_temperature_celsius"] - hosts["coolant_supply_temperature_celsius"]
    )
    trays = (hosts["coolant_flow_litres_per_minute"] * warming)[: len(fleet.site.hosts)]
    assert np.nansum(trays) / 60.0 * 1.03 * 3970.0 == pytest.approx(told, rel=0.03)
    assert told == pytest.approx(fleet.state.heat.liquid_watts.sum(), rel=LIMIT)


def test_while_it_warms_a_host_gives_off_what_its_chips_do_not_keep() -> None:
    """From cold: electricity spent less heat given off is what capacity and warming make."""
    fleet = emulated("demo", tick_seconds=1.0, warm_up_seconds=0.0)
    heat, site = fleet.state.heat, fleet.site
    dies = by_accelerator(site, lambda one: float(one.heat_capacity_joules_per_kelvin))
    sockets = by_host(
        site,
        lambda one: (
            float(one.processors.sockets)
            * float(one.processors.time_constant_seconds)
            / float(one.processors.kelvin_per_watt)
        ),
    )
    before = (dies * heat.temperature_celsius).sum() + (sockets * heat.processor_celsius).sum()
    spent = given = 0.0
    for _ in range(30):
        fleet.tick()
        spent += heat.host_watts.sum()
        given += heat.liquid_watts.sum() + heat.air_watts.sum()
    kept = (dies * heat.temperature_celsius).sum() + (sockets * heat.processor_celsius).sum()
    assert kept - before > 0.01 * spent
    assert spent - given == pytest.approx(kept - before, rel=1e-6)


def test_batteries_give_what_the_rack_draws_and_are_charged_after() -> None:
    shelves = range(4)
    strikes = [Strike("mains", shelves, 0.0, from_seconds=20.0, to_seconds=40.0)]
    fleet = emulated("catalina", tick_seconds=10.0, hosts=18, strikes=strikes)
    power = fleet.state.power
    fleet.tick()
    before = power.charge_ratio.copy()
    capacity = power.battery_rated_watts * 90.0
    for _ in range(2):
        fleet.tick()
        assert power.output_watts.sum() == 0.0
        carried = power.rack_watts + power.busbar_loss_watts
        assert power.battery_watts.sum() == pytest.approx(carried.sum(), rel=1e-9)
        assert power.busbar_loss_watts[0] < 0.01 * power.rack_watts[0]
    spent = 2 * 10.0 * power.battery_watts.sum()
    assert ((before - power.charge_ratio) * capacity).sum() == pytest.approx(spent, rel=0.02)
    fleet.tick()
    assert power.battery_watts.sum() == 0.0
    assert power.charging_watts.sum() == pytest.approx((capacity / 3600.0).sum())
    wanted = power.rack_watts + power.busbar_loss_watts + power.charging_watts.sum()
    assert power.output_watts.sum() == pytest.approx(wanted.sum(), rel=1e-9)


def test_batteries_run_out_and_the_rack_goes_dark() -> None:
    strikes = [Strike("mains", range(4), 0.0)]
    fleet = emulated("catalina", tick_seconds=10.0, hosts=18, strikes=strikes)
    power = fleet.state.power
    stored = (power.battery_rated_watts * 90.0).sum()
    given = 0.0
    for _ in range(60):
        fleet.tick()
        given += 10.0 * power.battery_watts.sum()
    assert given == pytest.approx(stored, rel=1e-6), "no more than was in them"
    assert power.dark[0] == 1.0
    assert fleet.state.heat.host_watts.sum() == 0.0


def test_a_rack_is_braked_to_what_its_supplies_can_give() -> None:
    failed = [Strike("supply_failed", range(4), 1.0)]
    fleet = emulated("emulated_hgx_liquid", tick_seconds=1.0, hosts=8, strikes=failed)
    power = fleet.state.power
    before = power.rack_watts[0]
    for _ in range(60):
        fleet.tick()
    able = (power.rated_watts * power.working).sum()
    assert able < before
    assert power.rack_watts[0] == pytest.approx(able, rel=0.01)
    assert (power.output_watts <= 1.02 * power.rated_watts).all()


def test_primary_that_is_short_warms_the_loop_until_it_takes_the_heat() -> None:
    strikes = [Strike("primary_flow", [0], 0.35)]
    fleet = emulated("demo", tick_seconds=10.0, hosts=16, strikes=strikes)
    coolant = fleet.state.coolant
    rated = float(coolant.setpoint_celsius[0])
    for _ in range(180):
        fleet.tick()
    assert coolant.valve_ratio[0] == 1.0
    assert coolant.supply_celsius[0] > rated + 2.0
    carried = coolant.heat_removed_watts[0] + coolant.pump_watts[:2].sum()
    assert coolant.primary_watts[0] == pytest.approx(carried, rel=0.01), "a new balance"
