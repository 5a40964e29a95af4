"""What shelves and pumping units that are read by registers tell: their own sensors, and no others.

Thresholds of their alarms are assumed where no source is named: makers do not publish them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fleetops.emulator.groups import NONE, Indices, indices
from fleetops.emulator.model.coolant import Coolant
from fleetops.emulator.model.effects import Effects, Floats
from fleetops.emulator.model.power import MAINS_LOST_RATIO, Power
from fleetops.emulator.model.register_devices import (
    Flags,
    RegisterDevices,
    coolant_devices,
    power_devices,
)
from fleetops.emulator.model.rosters import detectors
from fleetops.emulator.model.tables import Roster, Table
from fleetops.emulator.registers import (
    ALARM_FLAGS,
    BUS_ERRORS,
    HEALTH,
    Alarm,
    severity_rank,
    told_by,
)
from fleetops.emulator.site import Site
from fleetops_schemas.platforms import Interface

SHELF_CELSIUS = 25.0
SUPPLY_FAN_RPM = 20_000.0
"""At full speed: 40 mm fans (assumed)."""
CLIP_RISE_KELVIN = 20.0
"""Of a busbar clip at full load, by the square of the current (assumed)."""
HOT_OUTLET_CELSIUS = 60.0
CELL_VOLTS = (3.2, 4.1)
"""Of a lithium cell, empty and full (assumed)."""
PACK_CELLS = {"orv3_bbu": 11, "orv3_hpr_bbu": 12}
"""In series, by register map: as many as it has registers of cell voltages (facebook/openbmc)."""
PACK_OHMS = 0.006
WORN_RATIO = 0.7
"""State of health from which a pack asks to be replaced."""
RESERVOIR_LOW_RATIO = 0.5
"""Of the usual level."""
COOLANT_HOT_KELVIN = 5.0
"""Above the set point."""
PUMP_SLOW_RATIO = 0.85
"""Of the speed that the pump is told."""
FLOW_LOW_RATIO = 0.7
SMALL_LEAK, LARGE_LEAK = 1.0, 2.0
BUILDINGS_DETECTOR = "leak"
"""A unit's where building management tells of it: yes or no, and nothing of itself."""
SEES = {
    "leak_internal": (SMALL_LEAK, SMALL_LEAK),
    "leak_pan": (LARGE_LEAK, LARGE_LEAK),
    BUILDINGS_DETECTOR: (SMALL_LEAK, LARGE_LEAK),
}
"""By detector: the least leak that it sees, and what it then tells; others tell the level."""


class RegisterSensors:
    """Completes the tables of power and of coolant units."""

    def __init__(self, site: Site, rosters: Mapping[str, Roster]) -> None:
        """Finds who is read by registers; draws nothing."""
        self._site = site
        self._supplies = len(site.supplies)
        self._power, self._coolant = [], []
        if "power_unit" in rosters:
            self._power = power_devices(site, range(len(site.shelves)), rosters["power_unit"])
        if "coolant_unit" in rosters:
            self._coolant = coolant_devices(site, range(len(site.loops)), rosters["coolant_unit"])
        self._battery_behind = _batteries_behind(site)
        self._cells = np.array(_cells(site))
        placed = [(unit, part) for unit, loop in enumerate(site.loops) for part in detectors(loop)]
        self._unit_of_detector = indices(unit for unit, _ in placed)
        seeing = [_sees(site, unit, part) for unit, part in placed]
        self._least = np.array([least for least, _ in seeing])
        self._tells = np.array([tells for _, tells in seeing])
        self._sound = np.array([_sound(site, unit, part) for unit, part in placed])

    def power_units(self, table: Table, power: Power, effects: Effects) -> None:
        """Supplies' fans, power factor, clips; batteries' packs; alarms and health of both."""
        if not self._power:
            return
        self._alarm_power(table, power, effects)
        of_supply = self._of_supply(table, power)
        of_battery = self._of_battery(power, effects)
        for devices in self._power:
            rows = devices.rows[""]
            first, values_by_metric = 0, of_supply
            if rows[0] >= self._supplies:
                first, values_by_metric = self._supplies, of_battery
            for metric, values in values_by_metric.items():
                table.lay(metric, rows, values[rows - first])
            if devices.told.tells("charge_ratio") and not first:
                self._lay_behind(table, rows, of_battery | {"charge_ratio": power.charge_ratio})
            _finish(table, devices)

    def coolant_units(self, table: Table, coolant: Coolant, effects: Effects) -> None:
        """Units' reservoir, pump power and alarms, in the table's order of units and pumps."""
        units = len(self._site.loops)
        silent = effects["unit_silent"] > 0.0
        owners = np.concatenate([np.arange(units), self._site.loop_of_pump, self._unit_of_detector])
        table.present[: len(owners)] = ~silent[owners.astype(np.intp)]
        if not self._coolant:
            return
        slow = coolant.pump_speed_ratio < (
            PUMP_SLOW_RATIO * coolant.pump_setpoint_ratio[self._site.loop_of_pump]
        )
        # a unit judges by its own sensors, right or wrong
        hot = table["supply_temperature_celsius"][:units] > (
            coolant.setpoint_celsius + COOLANT_HOT_KELVIN
        )
        flow = table["flow_litres_per_minute"][:units]
        low = flow < FLOW_LOW_RATIO * coolant.rated_litres_per_minute
        watts: Floats = np.bincount(
            self._site.loop_of_pump, coolant.pump_watts, minlength=units
        ).astype(np.float64)
        any_slow = np.bincount(self._site.loop_of_pump, slow, minlength=units) > 0
        table.alarms = {
            Alarm.COOLANT_HOT: _spread(table, hot),
            Alarm.FLOW_LOW: _spread(table, low),
            Alarm.PUMP_SLOW: _spread(table, any_slow),
            Alarm.PAN_WET: _spread(table, effects["loop_leak"] >= LARGE_LEAK),
        }
        for devices in self._coolant:
            rows = devices.rows[""]
            table.lay("pump_speed_ratio", rows, coolant.pump_setpoint_ratio[rows])
            table.lay("pump_power_watts", rows, watts[rows])
            abnormal = effects["reservoir"][rows] < RESERVOIR_LOW_RATIO
            table.lay("reservoir_state", rows, abnormal.astype(np.float64))
            _finish(table, devices)

    def detectors(self, loop_leak: Floats) -> tuple[Floats, Floats]:
        """(unit detectors,) level that each sees, and whether it tells that it is sound.

        A unit with one detector has it tell the level. One of many places has it by place: a small
        leak is found inside the unit, a large one in the rack's pan too. NaN: it cannot tell.
        """
        level = loop_leak[self._unit_of_detector]
        tells = np.where(np.isnan(self._tells), level, self._tells)
        return np.where(level >= self._least, tells, 0.0), self._sound

    def _lay_behind(self, table: Table, rows: Indices, of_battery: Mapping[str, Floats]) -> None:
        """Batteries without a map of their own: their supplies tell of them, nobody else does."""
        behind = self._battery_behind[rows]
        rows, behind = rows[behind != NONE], behind[behind != NONE]
        for metric, values in of_battery.items():
            table.lay(metric, rows, values[behind])
        table.present[self._supplies + behind] = False
        for alarm in (Alarm.BATTERY_WORN, Alarm.BATTERY_FULL, Alarm.BATTERY_EMPTY):
            table.alarms[alarm][rows] = table.alarms[alarm][self._supplies + behind]

    def _alarm_power(self, table: Table, power: Power, effects: Effects) -> None:
        lost = power.input_volts < MAINS_LOST_RATIO * power.rated_input_volts
        outlet = table["outlet_temperature_celsius"][: self._supplies]
        health = effects["battery_health"]
        nothing = np.zeros(len(health), dtype=np.bool_)
        of_all = np.zeros(self._supplies, dtype=np.bool_)
        found = {
            Alarm.INPUT_LOST: np.append(lost[self._site.shelf_of_supply], nothing),
            Alarm.OUTPUT_FAILED: np.append(effects["supply_failed"] > 0.0, nothing),
            Alarm.HOT: np.append(outlet > HOT_OUTLET_CELSIUS, nothing),
            Alarm.BATTERY_WORN: np.append(of_all, health < WORN_RATIO),
            Alarm.BATTERY_FULL: np.append(of_all, power.charge_ratio >= 1.0),
            Alarm.BATTERY_EMPTY: np.append(of_all, power.charge_ratio <= 0.0),
        }
        table.alarms = {alarm: _spread(table, flags) for alarm, flags in found.items()}

    def _of_supply(self, table: Table, power: Power) -> dict[str, Floats]:
        """(supplies,) by metric."""
        load = power.output_watts / power.rated_watts
        # rises with load, as of any supply that corrects it (assumed curve)
        factor = 0.995 - 0.004 / (load + 0.04)
        volts = power.input_volts[self._site.shelf_of_supply]
        fed = volts > MAINS_LOST_RATIO * power.rated_input_volts[self._site.shelf_of_supply]
        rpm = SUPPLY_FAN_RPM * table["fan_speed_ratio"][: self._supplies]
        return {
            "power_factor_ratio": factor,
            "input_current_amperes": power.input_watts / np.maximum(volts, 1.0) / factor,
            "fan_speed_rpm": rpm,
            "second_fan_speed_rpm": np.zeros(self._supplies),
            "busbar_clip_temperature_celsius": SHELF_CELSIUS + CLIP_RISE_KELVIN * load**2,
            "frequency_hertz": np.where(fed, table["frequency_hertz"][: self._supplies], 0.0),
            "redundancy_lost": self._redundancy_lost(power),
        }

    def _redundancy_lost(self, power: Power) -> Floats:
        """(supplies,) 1 where the rack's other supplies could not carry it without one more."""
        rack = self._site.rack_of_shelf[self._site.shelf_of_supply]
        racks = len(self._site.racks)
        able = np.bincount(rack, power.rated_watts * power.working, minlength=racks)
        drawn = np.bincount(rack, power.output_watts, minlength=racks)
        lost: Floats = (able[rack] - power.rated_watts < drawn[rack]).astype(np.float64)
        return lost

    def _of_battery(self, power: Power, effects: Effects) -> dict[str, Floats]:
        """(batteries,) by metric. The current of a pack that discharges is negative."""
        empty, full = CELL_VOLTS
        rest = self._cells * (empty + (full - empty) * power.charge_ratio)
        current = (power.charging_watts - power.battery_watts) / rest
        return {
            "battery_voltage_volts": rest + PACK_OHMS * current,
            "battery_current_amperes": current,
            "hotspot_temperature_celsius": SHELF_CELSIUS + 3.0 + power.battery_rise,
            "state_of_health_ratio": np.clip(effects["battery_health"], 0.0, 1.0),
            "battery_cycles_total": np.floor(power.battery_cycles),
        }


def told_parts(site: Site, unit: int) -> tuple[str, ...]:
    """Parts of a unit that its register map tells of."""
    profile = site.loops[unit].unit
    return told_by(profile.register_map).parts if profile.interface is Interface.RACKMON else ()


def _sees(site: Site, unit: int, part: str) -> tuple[float, float]:
    """The least leak that a detector sees, and what it then tells; NaN for the level itself.

    Those beside and below a unit see none of the leaks that there are here.
    """
    of_map = (np.inf, 0.0) if part in told_parts(site, unit) else (SMALL_LEAK, np.nan)
    return SEES.get(part, of_map)


def _sound(site: Site, unit: int, part: str) -> float:
    """1 for a detector that tells whether it is sound, NaN for one that does not."""
    if part == BUILDINGS_DETECTOR:
        return np.nan
    if part not in told_parts(site, unit):
        return 1.0
    metrics = told_by(site.loops[unit].unit.register_map).metrics[part]
    return 1.0 if "leak_detector_ok" in metrics else np.nan


def _batteries_behind(site: Site) -> Indices:
    """(supplies,) the battery at the same place of the shelf; :data:`NONE` where there is none."""
    found = np.full(len(site.supplies), NONE, dtype=np.intp)
    for shelf in site.shelves:
        batteries = range(shelf.batteries.start, shelf.batteries.stop)
        supplies = range(shelf.supplies.start, shelf.supplies.stop)
        for supply, battery in zip(supplies, batteries, strict=False):
            found[supply] = battery
    return found


def _cells(site: Site) -> list[float]:
    """(batteries,) cells in series; those of a high power rack where no map says it."""
    names = [site.shelves[shelf].power.register_maps[1:] for shelf in site.shelf_of_battery]
    return [float(PACK_CELLS.get(name[0] if name else "", 12)) for name in names]


def _spread(table: Table, of_first: Flags) -> Flags:
    """(rows,) flags of the devices that come first in a table."""
    flags = np.zeros(len(table.roster.devices), dtype=np.bool_)
    flags[: len(of_first)] = of_first
    return flags


def _finish(table: Table, devices: RegisterDevices) -> None:
    """Alarms, health and errors of the line; what no register holds is taken away."""
    told, rows = devices.told, devices.rows[""]
    flags, health = np.zeros(len(rows)), np.zeros(len(rows))
    for register, flag in told.flags:
        is_set = devices.are_set(table, flag)
        if register is told.alarms:
            flags += is_set * float(1 << flag.bit)
        health = np.maximum(health, is_set * severity_rank(told.map.device_class, flag))
    if told.alarms is not None:
        table.lay(ALARM_FLAGS, rows, flags)
    table.lay(HEALTH, rows, health)
    table.lay(BUS_ERRORS, rows, np.zeros(len(rows)))
    for metrics, like_rows in devices.rows_by_metrics.items():
        table.hide(table.columns.keys() - metrics, like_rows)
