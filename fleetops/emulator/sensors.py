"""What the fleet's sensors say: the true state with each sensor's noise and offset.

Servers show readings, never the physics itself. One set of readings a tick, so that two protocols
that show the same sensor agree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleetops.emulator import physics as model
from fleetops.emulator.effects import Effects, Flags, Floats, Ints
from fleetops.emulator.physics import Physics
from fleetops.emulator.topology import SUPPLIES_PER_SHELF, FleetLayout

CLOCK_GRID_MEGAHERTZ = 15.0
MEMORY_MEGAHERTZ = 2619
FRAMEBUFFER_MEBIBYTES = 81_559
RESERVED_MEBIBYTES = 551
TRAINING_MEBIBYTES = 71_200
CORRECTABLE_ERRORS_PER_SECOND = 3e-5
"""A trickle: one corrected error in nine hours an accelerator."""

BUSBAR_VOLTS = 50.0
MAINS_VOLTS = 277.0
MAINS_HERTZ = 60.0
SHELF_EFFICIENCY = 0.955
SUPPLY_CAPACITY_WATTS = 22_000.0
"""Six supplies, five of which carry the rack pair; larger than today's 5.5 kW HPR supplies."""


@dataclass(frozen=True, slots=True)
class AcceleratorReadings:
    """In-band counters; every array is (hosts, accelerators)."""

    present: Flags
    temperature_celsius: Ints
    memory_temperature_celsius: Ints
    power_watts: Floats
    energy_millijoules: Ints
    sm_clock_megahertz: Ints
    throttle_reasons: Ints
    thermal_violation_nanoseconds: Ints
    utilization_percent: Ints
    memory_utilization_percent: Ints
    engine_active: Floats
    tensor_active: Floats
    memory_active: Floats
    pcie_bytes_per_second: Ints
    nvlink_bytes_per_second: Ints
    framebuffer_used_mebibytes: Ints
    corrected_errors: Ints
    last_xid: Ints


@dataclass(frozen=True, slots=True)
class HostReadings:
    """Out-of-band sensors; arrays are (hosts,) or (hosts, cpus)."""

    air_inlet_celsius: Floats
    air_outlet_celsius: Floats
    cpu_temperature_celsius: Floats
    cpu_power_watts: Floats
    memory_temperature_celsius: Floats
    power_watts: Floats
    energy_joules: Floats
    supply_celsius: Floats
    return_celsius: Floats
    litres_per_minute: Floats
    fan_percent: Floats
    leak_level: Ints


@dataclass(frozen=True, slots=True)
class LoopReadings:
    """Coolant units; arrays are (loops,) or (loops, pumps)."""

    supply_celsius: Floats
    return_celsius: Floats
    litres_per_minute: Floats
    rated_litres_per_minute: Floats
    supply_kilopascals: Floats
    return_kilopascals: Floats
    heat_removed_watts: Floats
    facility_supply_celsius: Floats
    facility_return_celsius: Floats
    facility_litres_per_minute: Floats
    pump_speed_percent: Floats
    pump_setpoint_percent: Floats
    pump_power_watts: Floats
    ambient_celsius: Floats


@dataclass(frozen=True, slots=True)
class ShelfReadings:
    """Power shelves; arrays are (shelves, supplies)."""

    working: Flags
    output_watts: Floats
    output_volts: Floats
    input_watts: Floats
    input_volts: Floats
    temperature_celsius: Floats
    fan_percent: Floats
    energy_kilowatt_hours: Floats


@dataclass(frozen=True, slots=True)
class Readings:
    """Everything the fleet shows at one tick."""

    accelerators: AcceleratorReadings
    hosts: HostReadings
    loops: LoopReadings
    shelves: ShelfReadings


class Sensors:
    """Turns the physics' state into readings; keeps counters and each sensor's own offset."""

    def __init__(self, layout: FleetLayout, physics: Physics, rng: np.random.Generator) -> None:
        """``rng`` gives noise and offsets."""
        self._layout = layout
        self._physics = physics
        self._rng = rng
        shape = physics.temperature_celsius.shape
        hosts, loops = len(layout.placements), len(layout.loops)
        self._temperature_offset = rng.normal(0.0, 0.4, shape)
        self._host_offset = rng.normal(0.0, 0.3, hosts)
        self._flow_gain = rng.normal(1.0, 0.005, hosts)
        self._loop_flow_gain = rng.normal(1.0, 0.003, loops)
        self._supply_share = rng.normal(1.0, 0.01, (loops, SUPPLIES_PER_SHELF))
        self._corrected: Ints = rng.poisson(2.0, shape)
        self._shelf_energy = rng.uniform(1e4, 9e4, (loops, SUPPLIES_PER_SHELF))
        self.last_xid: Ints = np.zeros(shape, dtype=np.int64)

    def read(self, seconds: float, activity: Floats, busy: Flags, effects: Effects) -> Readings:
        """The readings of this tick, ``seconds`` after the last. Shapes as in Physics.step."""
        return Readings(
            self._accelerators(seconds, activity, busy, effects),
            self._hosts(busy, effects),
            self._loops(),
            self._shelves(seconds, effects),
        )

    def _noise(self, like: Floats, deviation: float) -> Floats:
        return self._rng.normal(0.0, deviation, like.shape)

    def _accelerators(
        self, seconds: float, activity: Floats, busy: Flags, effects: Effects
    ) -> AcceleratorReadings:
        state = self._physics
        temperature = state.temperature_celsius + self._temperature_offset
        self._corrected = self._corrected + self._rng.poisson(
            CORRECTABLE_ERRORS_PER_SECOND * seconds, self._corrected.shape
        )
        works = np.broadcast_to(busy[:, None], activity.shape)
        clock = np.where(works, model.NOMINAL_MEGAHERTZ * state.clock_ratio, model.IDLE_MEGAHERTZ)
        active = np.clip(activity + self._noise(activity, 0.005), 0.0, 1.0) * works
        reasons = np.where(works, state.throttle_reasons, model.THROTTLE_IDLE)
        return AcceleratorReadings(
            present=~effects.off_bus,
            temperature_celsius=_whole(temperature + self._noise(temperature, 0.25)),
            memory_temperature_celsius=_whole(state.memory_temperature_celsius),
            power_watts=state.power_watts + self._noise(temperature, 1.5),
            energy_millijoules=_whole(state.energy_joules * 1e3),
            sm_clock_megahertz=_whole(clock / CLOCK_GRID_MEGAHERTZ) * int(CLOCK_GRID_MEGAHERTZ),
            throttle_reasons=reasons,
            thermal_violation_nanoseconds=_whole(state.thermal_violation_seconds * 1e9),
            # a spinning collective counts as a running kernel
            utilization_percent=np.where(works, 100, 0),
            memory_utilization_percent=_whole(active * 45.0),
            engine_active=np.where(works, 0.99, 0.0),
            tensor_active=active * 0.55,
            memory_active=active * 0.45,
            pcie_bytes_per_second=_whole(active * 1.1e9),
            nvlink_bytes_per_second=_whole(active * 9.0e10),
            framebuffer_used_mebibytes=np.where(works, TRAINING_MEBIBYTES, 0),
            corrected_errors=self._corrected,
            last_xid=self.last_xid,
        )

    def _hosts(self, busy: Flags, effects: Effects) -> HostReadings:
        state = self._physics
        offset = self._host_offset
        outlet = state.air_outlet_celsius + offset
        return HostReadings(
            air_inlet_celsius=state.air_inlet_celsius + self._noise(offset, 0.15),
            air_outlet_celsius=outlet + self._noise(offset, 0.2),
            cpu_temperature_celsius=state.cpu_temperature_celsius
            + self._noise(state.cpu_temperature_celsius, 0.4),
            cpu_power_watts=state.cpu_power_watts + self._noise(state.cpu_power_watts, 2.0),
            memory_temperature_celsius=outlet + np.where(busy, 9.0, 3.0),
            power_watts=state.host_power_watts * (1.0 + self._noise(offset, 0.003)),
            energy_joules=state.host_energy_joules,
            supply_celsius=state.supply_celsius[self._layout.loop_of] + self._noise(offset, 0.08),
            return_celsius=state.tray_return_celsius + self._noise(offset, 0.08),
            litres_per_minute=np.maximum(
                state.tray_litres_per_minute * self._flow_gain + self._noise(offset, 0.03), 0.0
            ),
            fan_percent=np.where(busy, 62.0, 35.0) + self._noise(offset, 0.5),
            leak_level=effects.leak_level,
        )

    def _loops(self) -> LoopReadings:
        state = self._physics
        supply = state.supply_celsius + self._noise(state.supply_celsius, 0.04)
        back = state.loop_return_celsius + self._noise(supply, 0.04)
        flow = state.loop_litres_per_minute * (self._loop_flow_gain + self._noise(supply, 0.001))
        return LoopReadings(
            supply_celsius=supply,
            return_celsius=back,
            litres_per_minute=flow,
            rated_litres_per_minute=state.rated_loop_litres_per_minute,
            supply_kilopascals=model.RETURN_PRESSURE_KILOPASCALS
            + state.loop_pressure_kilopascals
            + self._noise(supply, 0.3),
            return_kilopascals=model.RETURN_PRESSURE_KILOPASCALS + self._noise(supply, 0.3),
            # as a real unit does it: from its own flow and temperature sensors
            heat_removed_watts=model.heat_flow_watts_per_kelvin(flow) * (back - supply),
            facility_supply_celsius=model.FACILITY_SUPPLY_CELSIUS + self._noise(supply, 0.1),
            facility_return_celsius=state.facility_return_celsius + self._noise(supply, 0.1),
            facility_litres_per_minute=state.facility_litres_per_minute,
            pump_speed_percent=np.maximum(
                state.pump_speed_ratio * 100.0 + self._noise(state.pump_speed_ratio, 0.2), 0.0
            ),
            pump_setpoint_percent=state.pump_setpoint_ratio * 100.0,
            pump_power_watts=state.pump_power_watts,
            ambient_celsius=model.AIR_INLET_CELSIUS + self._noise(supply, 0.1),
        )

    def _shelves(self, seconds: float, effects: Effects) -> ShelfReadings:
        """Supplies that work share the load of the loop's hosts."""
        working = ~effects.supply_failed
        load = np.bincount(
            self._layout.loop_of, self._physics.host_power_watts, minlength=len(working)
        )
        share = self._supply_share * working
        total = np.maximum(share.sum(axis=1, keepdims=True), 1e-9)
        output = load[:, None] * share / total
        drawn = output / (SHELF_EFFICIENCY + self._noise(output, 0.001))
        self._shelf_energy = self._shelf_energy + drawn * seconds / 3.6e6
        loading = output / SUPPLY_CAPACITY_WATTS
        return ShelfReadings(
            working=working,
            output_watts=output,
            output_volts=(BUSBAR_VOLTS - 0.3 * loading + self._noise(output, 0.02)) * working,
            input_watts=drawn,
            input_volts=MAINS_VOLTS + self._noise(output, 0.5),
            temperature_celsius=30.0 + 18.0 * loading + self._noise(output, 0.3),
            fan_percent=30.0 + 50.0 * loading,
            energy_kilowatt_hours=self._shelf_energy,
        )


def _whole(values: Floats) -> Ints:
    return np.rint(values).astype(np.int64)
