"""Rack power: hosts on a busbar, shelves of supplies that share it, batteries behind them.

The busbar loses I squared R; a supply's efficiency follows its load (measured curves in
``power/*.yaml``); a rack over its limit has its accelerators braked in the next step.
"""

from __future__ import annotations

import numpy as np

from fleetops.emulator.model.effects import Effects, Floats
from fleetops.emulator.model.parameters import towards
from fleetops.emulator.site import Site
from fleetops_schemas.platforms import RackPower

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
        """What the hosts draw."""
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

    def step(self, seconds: float, host_watts: Floats, effects: Effects) -> None:
        """Shares what the hosts draw, (hosts,) W, over supplies and batteries."""
        if not self._shelves:
            return
        self.rack_watts = np.bincount(self._rack_of_host, host_watts, minlength=self._racks).astype(
            np.float64
        )
        volts = np.maximum(self._by_rack_of_supplies(self.output_volts), 1.0)
        self.busbar_loss_watts = self._ohms * (self.rack_watts / volts) ** 2
        self._brake(effects)
        self.input_volts = self.rated_input_volts * effects["mains"]
        self._supply(seconds, effects)
        self._buffer(seconds, effects)

    def _brake(self, effects: Effects) -> None:
        """Clocks are brought to where the rack's power meets its limit, and let up after."""
        limit = self._limit_watts.copy()
        capped = self._limit_watts[self._rack_of_shelf] * effects["shelf_cap"]
        np.minimum.at(limit, self._rack_of_shelf, capped)
        room = limit / np.maximum(self.rack_watts, 1.0)
        # dynamic power goes with the square of the clock
        self.brake = np.clip(self.brake * np.sqrt(room), LEAST_BRAKE, 1.0)

    def _supply(self, seconds: float, effects: Effects) -> None:
        alive = self.input_volts > MAINS_LOST_RATIO * self.rated_input_volts
        sound = (1.0 - effects["supply_failed"]) * (1.0 - effects["supply_gone"])
        self.working = sound * alive[self._shelf_of_supply]
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

    def _buffer(self, seconds: float, effects: Effects) -> None:
        """Batteries carry a rack whose supplies are all without mains, and are charged after."""
        rack = self._rack_of_shelf[self._shelf_of_battery]
        fed = np.bincount(
            self._rack_of_shelf[self._shelf_of_supply], self.working, minlength=self._racks
        )
        health = np.clip(effects["battery_health"], 1e-3, 1.0)
        capacity = self.battery_rated_watts * self._battery_seconds * health
        able = (fed[rack] <= 0.0) & (self.charge_ratio > 0.0)
        weight = self.battery_rated_watts * able
        total = np.bincount(rack, weight, minlength=self._racks)
        wanted = self.rack_watts + self.busbar_loss_watts
        self.battery_watts = wanted[rack] * weight / np.maximum(total, 1e-9)[rack]
        charging = (fed[rack] > 0.0) * (self.charge_ratio < 1.0) / CHARGE_SECONDS
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
        self.dark = (has_shelf & (fed <= 0.0) & (total <= 0.0)).astype(np.float64)

    def _by_rack(self, values: Floats) -> Floats:
        """(racks,) sum over batteries."""
        rack = self._rack_of_shelf[self._shelf_of_battery]
        total: Floats = np.bincount(rack, values, minlength=self._racks).astype(np.float64)
        return total

    def _by_rack_of_supplies(self, values: Floats) -> Floats:
        """(racks,) mean over the supplies that work."""
        rack = self._rack_of_shelf[self._shelf_of_supply]
        total = np.bincount(rack, values * self.working, minlength=self._racks)
        count = np.bincount(rack, self.working, minlength=self._racks)
        mean: Floats = total / np.maximum(count, 1.0)
        return mean


def _curve(power: RackPower) -> tuple[Floats, Floats]:
    """(load ratios, efficiencies) of a supply."""
    points = sorted(power.supplies.efficiency.items())
    return np.array([load for load, _ in points]), np.array([float(one) for _, one in points])
