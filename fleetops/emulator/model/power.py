"""Rack power: hosts on a busbar, shelves of supplies that share it, batteries behind them.

The boundary is the rack's shelves: what the supplies give is what the rack's hosts draw, and a
pumping unit in the rack (assumed: from the same busbar), what the busbar loses (I squared R), and
what charges batteries; what they take in is that over their efficiency, which follows the load
(measured curves in ``power/*.yaml``). Units in the row and switches are fed by the hall. A rack
over its limit, the busbar's or what its supplies can still give, has its accelerators braked in the
next step.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fleetops.emulator.groups import NONE, indices
from fleetops.emulator.model.effects import Effects, Floats
from fleetops.emulator.model.parameters import towards
from fleetops.emulator.site import Site
from fleetops_schemas.platforms import RackPower

Flags = NDArray[np.bool_]

LEAST_BRAKE = 0.3
CHARGE_SECONDS = 3600.0
"""To charge a battery from empty."""
BATTERY_RISE_KELVIN = 12.0
"""Of a pack that gives its rated power (assumed)."""
BATTERY_SECONDS = 120.0
SUPPLY_RISE_KELVIN = 22.0
"""Outlet of a supply above its inlet at full load."""
SUPPLY_SECONDS = 30.0
MAINS_LOST_RATIO = 0.5


class Power:
    """All racks' power. Arrays are (racks,), (shelves,), (supplies,) or (batteries,)."""

    def __init__(self, site: Site, rng: np.random.Generator) -> None:
        """Nothing is drawn, batteries are full; ``rng`` gives supplies their own share."""
        self._rack_of_host = site.rack_of_host
        self._rack_of_shelf = site.rack_of_shelf
        self._shelf_of_supply = site.shelf_of_supply
        self._shelf_of_battery = site.shelf_of_battery
        self._racks, self._shelves = len(site.racks), len(site.shelves)
        self._set_profiles(site)
        self._share = rng.normal(1.0, 0.01, len(self._shelf_of_supply))

        supplies = len(self._shelf_of_supply)
        self.input_volts: Floats = self.rated_input_volts.copy()
        self.working: Floats = np.ones(supplies)
        self.output_watts: Floats = np.zeros(supplies)
        self.output_volts: Floats = self._volts.copy()
        self.input_watts: Floats = np.zeros(supplies)
        self.efficiency: Floats = np.full(supplies, 0.95)
        self.celsius_rise: Floats = np.zeros(supplies)
        self.energy_joules: Floats = np.floor(rng.uniform(4e10, 3e11, supplies))
        self.charge_ratio: Floats = np.ones(len(self._shelf_of_battery))
        self.battery_watts: Floats = np.zeros(len(self._shelf_of_battery))
        """Positive while it discharges."""
        self.charging_watts: Floats = np.zeros(len(self._shelf_of_battery))
        self.battery_cycles: Floats = rng.uniform(2.0, 40.0, len(self._shelf_of_battery))
        """Full discharges, in sum."""
        self.battery_rise: Floats = np.zeros(len(self._shelf_of_battery))
        """Kelvin above the shelf's air."""
        self.rack_watts: Floats = np.zeros(self._racks)
        """What the hosts draw, and a pumping unit that stands in the rack."""
        self.busbar_loss_watts: Floats = np.zeros(self._racks)
        self.brake: Floats = np.ones(self._racks)
        """On the accelerators' clocks, where the rack is over its limit."""
        self.dark: Floats = np.zeros(self._racks)
        """1 where neither mains nor batteries feed the rack."""

    def _set_profiles(self, site: Site) -> None:
        powers = [shelf.power for shelf in site.shelves]
        of_supply = [powers[shelf] for shelf in site.shelf_of_supply]
        of_battery = [powers[shelf] for shelf in site.shelf_of_battery]
        self.rated_watts = np.array([float(one.supplies.rated_watts) for one in of_supply])
        self._volts = np.array([float(one.supplies.output_volts) for one in of_supply])
        self._droop = np.array([float(one.supplies.droop_volts) for one in of_supply])
        self.rated_input_volts = np.array([float(one.supplies.input_volts) for one in powers])
        self._curves = [
            (np.array([one.name == power.name for one in of_supply]), *_curve(power))
            for power in {one.name: one for one in powers}.values()
        ]
        self.battery_rated_watts = np.array(
            [float(one.batteries.rated_watts) for one in of_battery if one.batteries]
        )
        self._battery_seconds = np.array(
            [float(one.batteries.backup_seconds) for one in of_battery if one.batteries]
        )
        limit = np.zeros(self._racks)
        resistance = np.full(self._racks, 1e-6)
        for shelf, rack in zip(site.shelves, site.rack_of_shelf, strict=True):
            limit[rack] = float(shelf.power.busbar_watts)
            resistance[rack] = float(shelf.power.busbar_milliohms) / 1e3
        self._limit_watts, self._ohms = limit, resistance
        self._rail_volts = np.ones(self._racks)
        self._rail_volts[self._rack_of_shelf[self._shelf_of_supply]] = self._volts
        in_rack = [loop.unit.kind == "liquid_to_air" for loop in site.loops]
        rack_of_loop = indices(
            site.racks.index(loop.rack) if fed else NONE
            for loop, fed in zip(site.loops, in_rack, strict=True)
        )
        self._rack_of_pump = rack_of_loop[site.loop_of_pump]

    def step(
        self, seconds: float, host_watts: Floats, pump_watts: Floats, effects: Effects
    ) -> None:
        """Shares what a rack draws over its supplies and batteries.

        Args:
            seconds: to move on by.
            host_watts: (hosts,) what each draws.
            pump_watts: (pumps,) what each draws; only those that stand in a rack count.
            effects: what is wrong.
        """
        if not self._shelves:
            return
        fed = self._rack_of_pump != NONE
        drawn = np.concatenate([host_watts, pump_watts[fed]])
        rack = np.concatenate([self._rack_of_host, self._rack_of_pump[fed]])
        self.rack_watts = np.bincount(rack, drawn, minlength=self._racks).astype(np.float64)
        self.busbar_loss_watts = self._ohms * (self.rack_watts / self._rail_volts) ** 2
        self.input_volts = self.rated_input_volts * effects["mains"]
        alive = self.input_volts > MAINS_LOST_RATIO * self.rated_input_volts
        sound = (1.0 - effects["supply_failed"]) * (1.0 - effects["supply_gone"])
        self.working = sound * alive[self._shelf_of_supply]
        able = self._by_rack_of_supplies(self.rated_watts * self.working)
        self._buffer(seconds, able > 0.0, effects)
        self._supply(seconds, effects)
        self._brake(able, effects)

    def _brake(self, able: Floats, effects: Effects) -> None:
        """Clocks are brought to where the rack's power meets its limit, and let up after."""
        limit = np.where(able > 0.0, np.minimum(self._limit_watts, able), self._limit_watts)
        capped = self._limit_watts[self._rack_of_shelf] * effects["shelf_cap"]
        np.minimum.at(limit, self._rack_of_shelf, capped)
        room = limit / np.maximum(self.rack_watts, 1.0)
        # dynamic power goes with the square of the clock
        self.brake = np.clip(self.brake * np.sqrt(room), LEAST_BRAKE, 1.0)

    def _supply(self, seconds: float, effects: Effects) -> None:
        rack = self._rack_of_shelf[self._shelf_of_supply]
        weight = self._share * self.working * self.rated_watts
        total = np.bincount(rack, weight, minlength=self._racks)
        wanted = self.rack_watts + self.busbar_loss_watts + self._by_rack(self.charging_watts)
        self.output_watts = wanted[rack] * weight / np.maximum(total, 1e-9)[rack]
        load = self.output_watts / self.rated_watts
        for run, at, ratio in self._curves:
            self.efficiency[run] = np.interp(load[run], at, ratio)
        self.input_watts = self.output_watts / self.efficiency
        self.output_volts = (self._volts - self._droop * load) * self.working
        rise = SUPPLY_RISE_KELVIN * load + effects["supply_kelvin_rise"]
        self.celsius_rise = towards(self.celsius_rise, rise, seconds / SUPPLY_SECONDS)
        self.energy_joules = self.energy_joules + self.input_watts * seconds

    def _buffer(self, seconds: float, fed: Flags, effects: Effects) -> None:
        """Batteries carry a rack whose supplies all give nothing, and are charged after.

        ``fed`` are the racks, (racks,), that have a supply. Losses of charging are left out.
        """
        rack = self._rack_of_shelf[self._shelf_of_battery]
        health = np.clip(effects["battery_health"], 1e-3, 1.0)
        capacity = self.battery_rated_watts * self._battery_seconds * health
        weight = self.battery_rated_watts * (~fed[rack] & (self.charge_ratio > 0.0))
        total = np.bincount(rack, weight, minlength=self._racks)
        wanted = self.rack_watts + self.busbar_loss_watts
        self.battery_watts = np.minimum(
            wanted[rack] * weight / np.maximum(total, 1e-9)[rack],
            self.charge_ratio * capacity / seconds,
        )
        short = (1.0 - self.charge_ratio) / seconds
        charging = fed[rack] * np.minimum(1.0 / CHARGE_SECONDS, short)
        self.charge_ratio = np.clip(
            self.charge_ratio - self.battery_watts * seconds / capacity + charging * seconds,
            0.0,
            1.0,
        )
        self.charging_watts = charging * capacity
        self.battery_cycles = self.battery_cycles + self.battery_watts * seconds / capacity
        rise = BATTERY_RISE_KELVIN * self.battery_watts / self.battery_rated_watts
        self.battery_rise = towards(self.battery_rise, rise, seconds / BATTERY_SECONDS)
        has_shelf = np.bincount(self._rack_of_shelf, minlength=self._racks) > 0
        self.dark = (has_shelf & ~fed & (total <= 0.0)).astype(np.float64)

    def _by_rack(self, values: Floats) -> Floats:
        """(racks,) sum over batteries."""
        rack = self._rack_of_shelf[self._shelf_of_battery]
        total: Floats = np.bincount(rack, values, minlength=self._racks).astype(np.float64)
        return total

    def _by_rack_of_supplies(self, values: Floats) -> Floats:
        """(racks,) sum over supplies."""
        rack = self._rack_of_shelf[self._shelf_of_supply]
        total: Floats = np.bincount(rack, values, minlength=self._racks).astype(np.float64)
        return total


def _curve(power: RackPower) -> tuple[Floats, Floats]:
    """(load ratios, efficiencies) of a supply."""
    points = sorted(power.supplies.efficiency.items())
    return np.array([load for load, _ in points]), np.array([float(one) for _, one in points])
