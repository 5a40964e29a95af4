"""What stands in racks beside hosts: supplies, batteries, coolant units, pumps, leak detectors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fleetops.emulator.model.controller_sensors import ControllerSensors
from fleetops.emulator.model.coolant import heat_flow_watts_per_kelvin
from fleetops.emulator.model.effects import Effects, Floats
from fleetops.emulator.model.parameters import AMBIENT_CELSIUS, is_liquid
from fleetops.emulator.model.register_sensors import RegisterSensors
from fleetops.emulator.model.state import State
from fleetops.emulator.model.tables import Table
from fleetops.emulator.site import Site

ROOM_HUMIDITY = 0.45
Noise = Callable[[int, float], Floats]
"""So many draws of that deviation."""


class RackSensors:
    """Reads power and coolant; what registers and controllers tell beside is theirs."""

    def __init__(
        self,
        site: Site,
        state: State,
        noise: Noise,
        flow_gain: Floats,
        registers: RegisterSensors,
        controllers: ControllerSensors,
    ) -> None:
        """``flow_gain`` is (loops,): of each coolant unit's flow meter."""
        self._site = site
        self._state = state
        self._noise = noise
        self._flow_gain = flow_gain
        self._registers = registers
        self._controllers = controllers
        self._liquid = is_liquid(site)

    def power_units(self, table: Table, effects: Effects) -> None:
        """Supplies first, then batteries, then supplies of switches: see :func:`rosters`."""
        power, supplies = self._state.power, len(self._site.supplies)
        reported = power.output_watts * effects["supply_misreport"]
        of_supply: dict[str, Floats] = {
            "input_voltage_volts": np.maximum(
                power.input_volts[self._site.shelf_of_supply] + self._noise(supplies, 0.4), 0.0
            ),
            "input_power_watts": power.input_watts,
            "input_current_amperes": power.input_watts
            / np.maximum(power.input_volts[self._site.shelf_of_supply], 1.0),
            "output_voltage_volts": np.maximum(
                power.output_volts + self._noise(supplies, 0.02) * power.working, 0.0
            ),
            "output_power_watts": reported,
            "output_current_amperes": reported / np.maximum(power.output_volts, 1.0),
            "input_energy_joules": np.floor(power.energy_joules),
            "efficiency_ratio": power.efficiency,
            "load_ratio": reported / power.rated_watts,
            "frequency_hertz": np.full(supplies, 60.0),
            "inlet_temperature_celsius": np.full(supplies, AMBIENT_CELSIUS)
            + self._noise(supplies, 0.2),
            "outlet_temperature_celsius": AMBIENT_CELSIUS
            + 4.0
            + power.celsius_rise
            + self._noise(supplies, 0.3),
            "fan_speed_ratio": np.clip(
                0.3 + 0.5 * power.output_watts / power.rated_watts, 0.0, 1.0
            ),
        }
        for metric, values in of_supply.items():
            table.lay(metric, slice(0, supplies), values)
        batteries: dict[str, Floats] = {
            "charge_ratio": power.charge_ratio,
            "state_of_health_ratio": effects["battery_health"],
            "output_power_watts": power.battery_watts,
        }
        for metric, values in batteries.items():
            table.lay(metric, slice(supplies, supplies + len(values)), values)
        table.present[:supplies] = effects["supply_gone"] < 1.0
        self._registers.power_units(table, power, effects)
        self._controllers.power_units(table, power, effects)

    def coolant_units(self, table: Table, effects: Effects) -> None:
        """Units, then pumps, then detectors of units, then those of trays: see :func:`rosters`."""
        coolant, site = self._state.coolant, self._site
        units, pumps = len(site.loops), len(site.pumps)
        noise = self._noise(units, 1.0)
        supply = coolant.supply_celsius + 0.04 * noise
        back = coolant.return_celsius + 0.04 * self._noise(units, 1.0)
        flow = coolant.litres_per_minute * self._flow_gain * effects["flow_sensor"]
        of_unit: dict[str, Floats] = {
            "supply_temperature_celsius": supply,
            "return_temperature_celsius": back,
            "flow_litres_per_minute": flow,
            "rated_flow_litres_per_minute": coolant.rated_litres_per_minute,
            "supply_pressure_kilopascals": coolant.return_kilopascals
            + coolant.pressure_kilopascals
            + 0.3 * noise,
            "return_pressure_kilopascals": coolant.return_kilopascals,
            # as a real unit does it: from its own flow and temperature sensors
            "heat_removed_watts": heat_flow_watts_per_kelvin(flow) * np.maximum(back - supply, 0.0),
            "primary_supply_temperature_celsius": coolant.primary_celsius,
            "primary_return_temperature_celsius": coolant.primary_return_celsius,
            "primary_flow_litres_per_minute": coolant.primary_litres_per_minute,
            "valve_position_ratio": coolant.valve_ratio,
            "reservoir_level_ratio": 0.85 * effects["reservoir"],
            "humidity_ratio": np.full(units, ROOM_HUMIDITY),
        }
        for metric, values in of_unit.items():
            table.lay(metric, slice(0, units), values)
        of_pump: dict[str, Floats] = {
            "pump_speed_ratio": np.maximum(
                coolant.pump_speed_ratio + self._noise(pumps, 0.002), 0.0
            ),
            "pump_speed_rpm": coolant.pump_rpm,
            "pump_power_watts": coolant.pump_watts,
        }
        for metric, values in of_pump.items():
            table.lay(metric, slice(units, units + pumps), values)
        self._detectors(table, effects, units + pumps)
        self._registers.coolant_units(table, coolant, effects)
        self._controllers.coolant_units(table, coolant, effects)

    def _detectors(self, table: Table, effects: Effects, first: int) -> None:
        """Leak detectors, of units and then of trays, from row ``first`` on."""
        wet = np.flatnonzero(self._liquid)
        of_units, sound_units = self._registers.detectors(effects["loop_leak"])
        level = np.concatenate([of_units, effects["leak"][wet]])
        sound = np.concatenate([sound_units, 1.0 - effects["leak_detector_failed"][wet]])
        rows = slice(first, first + len(level))
        table.lay("leak_state", rows, np.where(sound == 0.0, np.nan, level))
        table.lay("leak_detector_ok", rows, sound)
