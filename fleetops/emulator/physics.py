"""Heat, coolant, clocks and power of the fleet, for all accelerators at once.

The model is lumped and first order; docs/emulator.md has the equations in one place. Sources:

* coolant PG25, 1.5 L/min a kW at 172 kPa, 30 Cel or warmer: OCP network hardware specification,
  R-LCOOL-100, -110, -120, -140. With rho 1.03 kg/L and cp 3.97 kJ/(kg K) that flow gives 9.8 K.
* exhaust at least 12.3 K above the inlet: the same, R-COOL-310.
* 700 W and eight to a host: NVIDIA H100 SXM. Slowdown from 87 Cel, hardware slowdown from 90 Cel,
  bits 0x20 and 0x40: NVML clock event reasons; the limits are typical of the part.
* heat transfer of a cold plate grows with flow to the power 0.8 (Dittus-Boelter, turbulent).
* pumps: flow as speed, power as its cube (affinity laws); pressure as the square of flow.
"""

from __future__ import annotations

import numpy as np

from fleetops.emulator.effects import Effects, Flags, Floats
from fleetops.emulator.topology import ACCELERATORS_PER_HOST, PUMPS_PER_LOOP, FleetLayout

# Accelerator
IDLE_WATTS = 75.0
TDP_WATTS = 700.0
NOMINAL_MEGAHERTZ = 1980.0
IDLE_MEGAHERTZ = 345.0
POWER_CLOCK_EXPONENT = 2.0
"""Dynamic power against clock: between 1 (fixed voltage) and 3 (voltage follows the clock)."""
CONDUCTION_KELVIN_PER_WATT = 0.017
"""Junction to cold plate: silicon, interface, copper. Does not depend on flow."""
CONVECTION_KELVIN_PER_WATT = 0.018
"""Cold plate to coolant at rated flow."""
CONVECTION_EXPONENT = 0.8
HEAT_CAPACITY_JOULES_PER_KELVIN = 170.0
"""Die and copper: a time constant of 6 s at rated flow."""
SLOWDOWN_CELSIUS = 87.0
HARDWARE_SLOWDOWN_CELSIUS = 90.0
CLOCK_LOSS_PER_KELVIN = 0.05
MINIMUM_CLOCK_RATIO = 0.3

# Host
CPUS_PER_HOST = 2
CPU_IDLE_WATTS = 110.0
CPU_BUSY_WATTS = 330.0
CPU_KELVIN_PER_WATT = 0.07
CPU_TIME_CONSTANT_SECONDS = 8.0
AIR_IDLE_WATTS = 550.0
AIR_BUSY_WATTS = 950.0
"""Memory, adapters, drives and fans: cooled by air."""
AIR_WATTS_PER_KELVIN = 72.0
"""Heat capacity flow of the tray's air: 13 K at full load."""
AIR_INLET_CELSIUS = 27.0
TRAY_TIME_CONSTANT_SECONDS = 3.0
"""Coolant held in the tray and its hoses."""

# Coolant
DENSITY_KILOGRAMS_PER_LITRE = 1.03
SPECIFIC_HEAT_JOULES_PER_KILOGRAM_KELVIN = 3970.0
LITRES_PER_MINUTE_PER_KILOWATT = 1.5
RATED_TRAY_KILOWATTS = (ACCELERATORS_PER_HOST * TDP_WATTS + CPUS_PER_HOST * CPU_BUSY_WATTS) / 1000.0
RATED_TRAY_LITRES_PER_MINUTE = LITRES_PER_MINUTE_PER_KILOWATT * RATED_TRAY_KILOWATTS
SUPPLY_SETPOINT_CELSIUS = 32.0
RATED_PRESSURE_KILOPASCALS = 172.0
RETURN_PRESSURE_KILOPASCALS = 120.0
LEAST_FLOW_RATIO = 0.02
"""Keeps the balance finite when a path is closed: natural circulation."""

# Coolant unit
PUMP_SPEED_RATIO = 0.8
"""Both pumps' speed at rated flow; the rest is reserve."""
PUMP_RATED_WATTS = 1500.0
PUMP_RATED_RPM = 4500.0
FACILITY_SUPPLY_CELSIUS = 22.0
APPROACH_KELVIN = 4.0
"""Between the racks' return and the facility's return, in the heat exchanger."""

THROTTLE_SOFTWARE_THERMAL = 0x20
THROTTLE_HARDWARE_THERMAL = 0x40
THROTTLE_HARDWARE_SLOWDOWN = 0x08
THROTTLE_IDLE = 0x01

DEVICE_SPREAD_RESISTANCE = 0.03
DEVICE_SPREAD_POWER = 0.012


def heat_flow_watts_per_kelvin(litres_per_minute: Floats) -> Floats:
    """V rho cp of a PG25 flow: the heat it carries for each kelvin it warms by."""
    return (
        litres_per_minute
        / 60.0
        * DENSITY_KILOGRAMS_PER_LITRE
        * SPECIFIC_HEAT_JOULES_PER_KILOGRAM_KELVIN
    )


class Physics:
    """True state of the fleet. Arrays are (hosts, accelerators), (hosts,) or (loops, ...)."""

    def __init__(self, layout: FleetLayout, rng: np.random.Generator) -> None:
        """A cold, idle fleet; ``rng`` gives each device its own character."""
        hosts, loops = len(layout.placements), len(layout.loops)
        shape = (hosts, ACCELERATORS_PER_HOST)
        self._loop_of = layout.loop_of
        self._hosts_of_loop = np.bincount(layout.loop_of, minlength=loops).astype(np.float64)
        self._resistance_factor = rng.normal(1.0, DEVICE_SPREAD_RESISTANCE, shape)
        self._power_factor = rng.normal(1.0, DEVICE_SPREAD_POWER, shape)
        self.air_inlet_celsius = rng.normal(AIR_INLET_CELSIUS, 0.6, hosts)

        self.temperature_celsius: Floats = np.full(shape, SUPPLY_SETPOINT_CELSIUS)
        self.memory_temperature_celsius: Floats = np.full(shape, SUPPLY_SETPOINT_CELSIUS)
        self.power_watts: Floats = np.full(shape, IDLE_WATTS)
        self.clock_ratio: Floats = np.ones(shape)
        self.energy_joules: Floats = rng.uniform(1e8, 4e9, shape)
        self.thermal_violation_seconds: Floats = np.zeros(shape)
        self.cpu_power_watts: Floats = np.full((hosts, CPUS_PER_HOST), CPU_IDLE_WATTS)
        self.cpu_temperature_celsius: Floats = np.full((hosts, CPUS_PER_HOST), 40.0)
        self.air_outlet_celsius: Floats = self.air_inlet_celsius.copy()
        self.host_power_watts: Floats = np.zeros(hosts)
        self.host_energy_joules: Floats = rng.uniform(1e10, 4e10, hosts)
        self.supply_celsius: Floats = np.full(loops, SUPPLY_SETPOINT_CELSIUS)
        self.tray_return_celsius: Floats = np.full(hosts, SUPPLY_SETPOINT_CELSIUS)
        self.tray_litres_per_minute: Floats = np.full(hosts, RATED_TRAY_LITRES_PER_MINUTE)
        self.loop_litres_per_minute: Floats = self.rated_loop_litres_per_minute
        self.loop_return_celsius: Floats = np.full(loops, SUPPLY_SETPOINT_CELSIUS)
        self.loop_pressure_kilopascals: Floats = np.full(loops, RATED_PRESSURE_KILOPASCALS)
        self.pump_speed_ratio: Floats = np.full((loops, PUMPS_PER_LOOP), PUMP_SPEED_RATIO)
        self.pump_setpoint_ratio: Floats = np.full(loops, PUMP_SPEED_RATIO)

    @property
    def rated_loop_litres_per_minute(self) -> Floats:
        """(loops,) flow at which every tray has its rated share."""
        return self._hosts_of_loop * RATED_TRAY_LITRES_PER_MINUTE

    @property
    def heat_removed_watts(self) -> Floats:
        """(loops,) heat the coolant carries off, by its own energy balance."""
        warming = self.loop_return_celsius - self.supply_celsius
        return heat_flow_watts_per_kelvin(self.loop_litres_per_minute) * warming

    @property
    def liquid_heat_watts(self) -> Floats:
        """(hosts,) heat that accelerators and CPUs give to the coolant: all of their power."""
        total: Floats = self.power_watts.sum(axis=1) + self.cpu_power_watts.sum(axis=1)
        return total

    @property
    def facility_return_celsius(self) -> Floats:
        """(loops,) facility water leaving the heat exchanger."""
        return np.maximum(self.loop_return_celsius - APPROACH_KELVIN, FACILITY_SUPPLY_CELSIUS + 1.0)

    @property
    def facility_litres_per_minute(self) -> Floats:
        """(loops,) facility water that the control valve lets in to hold the supply setpoint."""
        warming = self.facility_return_celsius - FACILITY_SUPPLY_CELSIUS
        return np.maximum(self.heat_removed_watts, 0.0) / (warming * 4186.0 / 60.0)

    @property
    def pump_power_watts(self) -> Floats:
        """(loops, pumps) electrical power, by the cube of speed."""
        cubed: Floats = PUMP_RATED_WATTS * self.pump_speed_ratio**3
        return cubed

    @property
    def throttle_reasons(self) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        """(hosts, accelerators) clock event reasons as a bitmask."""
        hot = self.temperature_celsius > SLOWDOWN_CELSIUS
        very_hot = self.temperature_celsius > HARDWARE_SLOWDOWN_CELSIUS
        return hot * THROTTLE_SOFTWARE_THERMAL + very_hot * (
            THROTTLE_HARDWARE_THERMAL | THROTTLE_HARDWARE_SLOWDOWN
        )

    def step(self, seconds: float, activity: Floats, busy: Flags, effects: Effects) -> None:
        """Moves on by ``seconds``.

        Args:
            seconds: the tick, well below the shortest time constant (3 s).
            activity: (hosts, accelerators) share of full dynamic power, 0 to 1.
            busy: (hosts,) whether the host works; its CPUs and fans follow.
            effects: what is wrong.
        """
        self._move_coolant(effects)
        self._spend_power(activity, busy, effects, seconds)
        self._warm(seconds)

    def _move_coolant(self, effects: Effects) -> None:
        """Pumps give the loop's flow; trays share it by conductance."""
        sound = np.clip(effects.pump_speed, 0.0, 1.0)
        # the sound pump is driven harder to make up, as far as its reserve goes
        wanted = PUMPS_PER_LOOP * PUMP_SPEED_RATIO / np.maximum(sound.sum(axis=1), 1e-3)
        self.pump_setpoint_ratio = np.clip(wanted, PUMP_SPEED_RATIO, 1.0)
        self.pump_speed_ratio = self.pump_setpoint_ratio[:, None] * sound
        through = self.pump_speed_ratio.sum(axis=1) / (PUMPS_PER_LOOP * PUMP_SPEED_RATIO)
        through = np.maximum(through * (1.0 - effects.check_valve_leak), LEAST_FLOW_RATIO)
        self.loop_litres_per_minute = self.rated_loop_litres_per_minute * through

        conductance = np.maximum(effects.flow_conductance, LEAST_FLOW_RATIO)
        total = np.bincount(self._loop_of, conductance, minlength=len(through))
        share = conductance / total[self._loop_of]
        self.tray_litres_per_minute = self.loop_litres_per_minute[self._loop_of] * share
        openness = total / self._hosts_of_loop
        self.loop_pressure_kilopascals = RATED_PRESSURE_KILOPASCALS * (through / openness) ** 2

    def _spend_power(self, activity: Floats, busy: Flags, effects: Effects, seconds: float) -> None:
        """Clocks follow temperature, power follows activity and clock."""
        excess = np.maximum(self.temperature_celsius - SLOWDOWN_CELSIUS, 0.0)
        self.clock_ratio = np.maximum(1.0 - CLOCK_LOSS_PER_KELVIN * excess, MINIMUM_CLOCK_RATIO)
        dynamic = (TDP_WATTS - IDLE_WATTS) * activity * self.clock_ratio**POWER_CLOCK_EXPONENT
        dynamic = np.where(effects.off_bus, 0.0, dynamic)
        self.power_watts = (IDLE_WATTS + dynamic) * self._power_factor
        self.energy_joules = self.energy_joules + self.power_watts * seconds
        self.thermal_violation_seconds = self.thermal_violation_seconds + seconds * (excess > 0)

        load = busy.astype(np.float64)
        cpu = CPU_IDLE_WATTS + (CPU_BUSY_WATTS - CPU_IDLE_WATTS) * load
        self.cpu_power_watts = np.repeat(cpu[:, None], CPUS_PER_HOST, axis=1)
        air = AIR_IDLE_WATTS + (AIR_BUSY_WATTS - AIR_IDLE_WATTS) * load
        self.air_outlet_celsius = self.air_inlet_celsius + air / AIR_WATTS_PER_KELVIN
        self.host_power_watts = self.liquid_heat_watts + air
        self.host_energy_joules = self.host_energy_joules + self.host_power_watts * seconds

    def _warm(self, seconds: float) -> None:
        """Coolant warms by the energy balance, chips by their resistance to it."""
        supply = self.supply_celsius[self._loop_of]
        settled = supply + self.liquid_heat_watts / heat_flow_watts_per_kelvin(
            self.tray_litres_per_minute
        )
        self.tray_return_celsius = _towards(
            self.tray_return_celsius, settled, seconds / TRAY_TIME_CONSTANT_SECONDS
        )
        weight = self.tray_litres_per_minute
        loops = len(self.loop_litres_per_minute)
        self.loop_return_celsius = (
            np.bincount(self._loop_of, weight * self.tray_return_celsius, minlength=loops)
            / self.loop_litres_per_minute
        )

        coolant = (supply + self.tray_return_celsius) / 2.0
        flow_ratio = self.tray_litres_per_minute / RATED_TRAY_LITRES_PER_MINUTE
        convection = CONVECTION_KELVIN_PER_WATT * flow_ratio**-CONVECTION_EXPONENT
        resistance = (CONDUCTION_KELVIN_PER_WATT + convection)[:, None] * self._resistance_factor
        target = coolant[:, None] + resistance * self.power_watts
        self.temperature_celsius = _towards(
            self.temperature_celsius,
            target,
            seconds / (resistance * HEAT_CAPACITY_JOULES_PER_KELVIN),
        )
        # HBM stands beside the die on the same plate and runs a little warmer under load
        self.memory_temperature_celsius = self.temperature_celsius + 0.01 * self.power_watts
        cpu_target = coolant[:, None] + CPU_KELVIN_PER_WATT * self.cpu_power_watts
        self.cpu_temperature_celsius = _towards(
            self.cpu_temperature_celsius, cpu_target, seconds / CPU_TIME_CONSTANT_SECONDS
        )


def _towards(value: Floats, target: Floats, ratio: Floats | float) -> Floats:
    """First-order approach, exact for a constant target; ``ratio`` is seconds a time constant."""
    moved: Floats = value + (target - value) * -np.expm1(-np.asarray(ratio))
    return moved
