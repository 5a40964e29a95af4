"""What only management controllers tell: health as firmware judges it, and sums of shelves.

Limits of health are assumed: makers do not publish theirs.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fleetops.emulator.groups import NONE, Indices, indices
from fleetops.emulator.model.coolant import Coolant
from fleetops.emulator.model.effects import Effects, Floats
from fleetops.emulator.model.parameters import by_host, is_liquid
from fleetops.emulator.model.power import MAINS_LOST_RATIO, Power
from fleetops.emulator.model.rosters import told_shelves
from fleetops.emulator.model.tables import Roster, Table
from fleetops.emulator.site import Site
from fleetops_schemas.platforms import Interface

PUMP_WARNING_RATIO, PUMP_CRITICAL_RATIO = 0.9, 0.5
"""Speed against set point below which a unit marks its pump."""
RESERVOIR_LOW_RATIO = 0.5
"""Of the usual level."""
FILTER_HOURS = 2000.0
"""Since a unit's filter was serviced, when the model begins."""
SUPPLY_FAN_RPM = 20_000.0
"""At full speed: 40 mm fans."""
WORN_RATIO = 0.7
"""State of health from which a battery asks to be replaced."""
WARNING, CRITICAL = 1.0, 2.0


class ControllerSensors:
    """Completes the tables with what management controllers tell; draws nothing."""

    def __init__(self, site: Site, rosters: Mapping[str, Roster]) -> None:
        """Finds who has a controller."""
        self._site = site
        self._managed = by_host(site, lambda one: float(one.speaks(Interface.REDFISH))) > 0.0
        self._fan_rpm = by_host(site, lambda one: float(one.board.fan_rpm))
        self._units = indices(
            index
            for index, loop in enumerate(site.loops)
            if loop.unit.interface is Interface.REDFISH
        )
        managed_unit = np.isin(site.loop_of_pump, self._units)
        self._pumps = np.flatnonzero(managed_unit)
        self._shelves = told_shelves(site)
        self._supplies = np.flatnonzero(np.isin(site.shelf_of_supply, self._shelves))
        self._batteries = np.flatnonzero(np.isin(site.shelf_of_battery, self._shelves))
        self._trays = self._tray_rows(rosters)
        self._shelf_rows = indices(
            rosters["power_unit"].index[site.shelves[shelf].name] for shelf in self._shelves
        )

    def accelerators(self, table: Table) -> None:
        """Health: a row without a spare and a worn SRAM are critical, a pending row a warning."""
        count = len(table.roster.devices)
        health = np.zeros(count)
        for metric, level in (
            ("row_remap_pending", WARNING),
            ("row_remap_failed", CRITICAL),
            ("sram_threshold_exceeded", CRITICAL),
        ):
            flags = np.nan_to_num(table.columns.get(metric, health)) > 0.0
            health = np.maximum(health, level * flags)
        table.put("health", health)

    def hosts(self, table: Table) -> None:
        """The fans' speed."""
        hosts = np.flatnonzero(self._managed)
        rpm = table["fan_speed_ratio"][hosts] * self._fan_rpm[hosts]
        table.lay("fan_speed_rpm", hosts, rpm)

    def coolant_units(self, table: Table, coolant: Coolant, effects: Effects) -> None:
        """Differences, power and health of units, health of pumps; silent trays."""
        hosts = np.flatnonzero(is_liquid(self._site) & self._managed)
        table.present[self._trays] &= effects["controller_down"][hosts] < 1.0
        if not len(self._units):
            return
        units, site = self._units, self._site
        health, slow = self._coolant_health(coolant, effects)
        watts: Floats = np.bincount(
            site.loop_of_pump, coolant.pump_watts, minlength=len(site.loops)
        ).astype(np.float64)
        low = (effects["reservoir"][units] < RESERVOIR_LOW_RATIO).astype(np.float64)
        warming = table["return_temperature_celsius"] - table["supply_temperature_celsius"]
        lost = table["supply_pressure_kilopascals"] - table["return_pressure_kilopascals"]
        rise = (
            table["primary_return_temperature_celsius"]
            - table["primary_supply_temperature_celsius"]
        )
        hours = np.floor(FILTER_HOURS + coolant.run_seconds / 3600.0)
        table.lay("temperature_difference_celsius", units, warming[units])
        table.lay("differential_pressure_kilopascals", units, lost[units])
        table.lay("primary_temperature_difference_celsius", units, rise[units])
        table.lay("primary_heat_removed_watts", units, coolant.primary_watts[units])
        rated = coolant.rated_primary_litres_per_minute
        table.lay("primary_rated_flow_litres_per_minute", units, rated[units])
        table.lay("filter_service_hours", units, np.full(len(units), hours))
        table.lay("power_watts", units, watts[units])
        table.lay("reservoir_state", units, WARNING * low)
        table.lay("health", units, np.maximum(health[units], WARNING * low))
        table.lay("health", len(site.loops) + self._pumps, slow[self._pumps])

    def power_units(self, table: Table, power: Power, effects: Effects) -> None:
        """Health of supplies and batteries, and the shelves' own meters."""
        if not len(self._shelves):
            return
        supplies, batteries, first = self._supplies, self._batteries, len(self._site.supplies)
        fed = power.input_volts > MAINS_LOST_RATIO * power.rated_input_volts
        failed = (power.working < 1.0)[supplies].astype(np.float64)
        table.lay("health", supplies, CRITICAL * failed)
        lost = ~fed[self._site.shelf_of_supply[supplies]]
        table.lay("line_input_state", supplies, lost.astype(np.float64))
        table.lay("fan_speed_rpm", supplies, table["fan_speed_ratio"][supplies] * SUPPLY_FAN_RPM)
        worn = (effects["battery_health"][batteries] < WORN_RATIO).astype(np.float64)
        table.lay("health", first + batteries, WARNING * worn)
        for metric, values in self._of_shelves(power).items():
            table.lay(metric, self._shelf_rows, values[self._shelves])

    def _coolant_health(self, coolant: Coolant, effects: Effects) -> tuple[Floats, Floats]:
        """(loops,) and (pumps,)."""
        owner = self._site.loop_of_pump
        ratio = coolant.pump_speed_ratio / np.maximum(coolant.pump_setpoint_ratio[owner], 1e-9)
        slow, failed = ratio < PUMP_WARNING_RATIO, ratio < PUMP_CRITICAL_RATIO
        pumps: Floats = slow.astype(np.float64) + failed.astype(np.float64)
        units = effects["loop_leak"].copy()
        np.maximum.at(units, owner, pumps)
        return units, pumps

    def _of_shelves(self, power: Power) -> dict[str, Floats]:
        """(shelves,) by metric: what the shelf measures at its own input and busbar."""
        owner, shelves = self._site.shelf_of_supply, len(self._site.shelves)

        def total(values: Floats) -> Floats:
            return np.bincount(owner, values, minlength=shelves).astype(np.float64)

        working = np.maximum(total(power.working), 1.0)
        volts = total(power.output_volts * power.working) / working
        out, drawn = total(power.output_watts), total(power.input_watts)
        rated = total(power.rated_watts)
        largest = np.zeros(shelves)
        np.maximum.at(largest, owner, power.rated_watts)
        able = total(power.rated_watts * power.working)
        health = np.zeros(shelves)
        np.maximum.at(health, owner, np.where(power.working < 1.0, WARNING, 0.0))
        return {
            "input_power_watts": drawn,
            "output_power_watts": out,
            "output_voltage_volts": volts,
            "output_current_amperes": out / np.maximum(volts, 1.0),
            "input_energy_joules": np.floor(total(power.energy_joules)),
            "load_ratio": out / rated,
            "redundancy_lost": (able - largest < out).astype(np.float64),
            "health": np.where(able <= 0.0, CRITICAL, health),
        }

    def _tray_rows(self, rosters: Mapping[str, Roster]) -> Indices:
        """Leak detectors of the liquid-cooled hosts that have a controller, in hosts' order."""
        if "coolant_unit" not in rosters:
            return indices([])
        index = rosters["coolant_unit"].index
        wet = np.flatnonzero(is_liquid(self._site) & self._managed)
        found = indices(index.get(f"{self._site.hosts[host]}/leak0", NONE) for host in wet)
        assert (found != NONE).all()  # noqa: S101  every tray has one
        return found
