"""Coolant: pumps, the flow of loops and trays, and the heat that they carry.

PG25, ``Q = V rho cp dT``: OCP network hardware specification, R-LCOOL-100 and -110. Pumps work
where their curve meets that of the loop: a pump lifts less the more it gives, the loop takes the
square of its flow; by the affinity laws a pump's lift goes with the square of its speed, its power
with the cube. What a unit takes in, the racks' heat and its pumps' power, it gives to the
facility's water (to the room's air where it has none) or keeps in the loop's coolant. Where only
some of a unit's racks are emulated it is so much smaller: its flow, its pumps' power, its coolant.
"""

from __future__ import annotations

import numpy as np

from fleetops.emulator.model.effects import Effects, Floats
from fleetops.emulator.model.parameters import by_host, is_liquid, towards
from fleetops.emulator.site import Site
from fleetops_schemas.platforms import Platform

DENSITY_KILOGRAMS_PER_LITRE = 1.03
SPECIFIC_HEAT_JOULES_PER_KILOGRAM_KELVIN = 3970.0
WATER_JOULES_PER_LITRE_KELVIN = 4186.0
LEAST_FLOW_RATIO = 0.05
"""What is left when a path is closed: natural circulation (assumed)."""
TRAY_SECONDS = 3.0
"""For rated flow to change the coolant that a tray and its hoses hold."""
VALVE_SECONDS = 20.0
"""Time constant of the control that holds the supply's temperature."""
PRIMARY_RESERVE = 1.25
"""Most flow of the facility's water against what rated heat needs."""
LEAST_PRIMARY_RISE_KELVIN = 1.0
SHUT_OFF_RATIO = 4.0 / 3.0
"""Lift of a pump that gives nothing, against that at rated flow (assumed: centrifugal pumps)."""
LIFT_STEPS = 30
"""Halvings that find a loop's working point: to a billionth."""


def heat_flow_watts_per_kelvin(litres_per_minute: Floats) -> Floats:
    """V rho cp of a PG25 flow: the heat it carries for each kelvin it warms by."""
    return (
        litres_per_minute
        / 60.0
        * DENSITY_KILOGRAMS_PER_LITRE
        * SPECIFIC_HEAT_JOULES_PER_KILOGRAM_KELVIN
    )


class Coolant:
    """All coolant loops. Arrays are (hosts,), (loops,) or (pumps,); air-cooled hosts have none."""

    def __init__(self, site: Site) -> None:
        """Rated flow, everything at the supply's temperature."""
        units = [loop.unit for loop in site.loops]
        loops = len(units)
        self._loop_of_pump = site.loop_of_pump
        self._liquid = np.flatnonzero(is_liquid(site))
        self._loop_of = site.loop_of_host[self._liquid]
        rated = by_host(site, rated_litres_per_minute)
        self.rated_tray_litres_per_minute: Floats = rated
        self.rated_litres_per_minute: Floats = self._by_loop(rated[self._liquid], loops)
        self._rated_watts = self._by_loop(by_host(site, _liquid_watts)[self._liquid], loops)
        self.setpoint_celsius = np.array([float(unit.supply_celsius) for unit in units])
        self._pump_ratio = np.array([float(unit.pump_speed_ratio) for unit in units])
        self._pumps = np.array([float(unit.pumps) for unit in units])
        part = self._emulated_part(site)
        self._pump_watts = np.array([float(unit.pump_rated_watts) for unit in units]) * part
        self._pump_rpm = np.array([float(unit.pump_rated_rpm) for unit in units])
        self._rated_pressure = np.array([float(unit.pressure_kilopascals) for unit in units])
        self.return_kilopascals = np.array([float(unit.return_kilopascals) for unit in units])
        self._approach = np.array([float(unit.approach_kelvin) for unit in units])
        self._primary = np.array([float(unit.primary_celsius) for unit in units])
        self._joules_per_kelvin = (
            np.array([float(unit.volume_litres) for unit in units])
            * part
            * DENSITY_KILOGRAMS_PER_LITRE
            * SPECIFIC_HEAT_JOULES_PER_KILOGRAM_KELVIN
        )

        self.supply_celsius: Floats = self.setpoint_celsius.copy()
        self.return_celsius: Floats = self.setpoint_celsius.copy()
        self.litres_per_minute: Floats = self.rated_litres_per_minute.copy()
        self.pressure_kilopascals: Floats = self._rated_pressure.copy()
        self.pump_setpoint_ratio: Floats = self._pump_ratio.copy()
        self.pump_speed_ratio: Floats = self._pump_ratio[site.loop_of_pump]
        self.valve_ratio: Floats = np.full(loops, 1.0 / PRIMARY_RESERVE)
        self._most_primary = self._most_primary_flow()
        self.primary_celsius: Floats = self._primary.copy()
        self.primary_return_celsius: Floats = self._primary + LEAST_PRIMARY_RISE_KELVIN
        self.primary_litres_per_minute: Floats = np.zeros(loops)
        self.primary_watts: Floats = np.zeros(loops)
        """Heat that the unit gives to the primary: the racks', and its pumps'."""
        self.run_seconds = 0.0
        """Since the model began."""
        self._by_air = np.array([unit.kind == "liquid_to_air" for unit in units], dtype=np.float64)
        self.tray_litres_per_minute: Floats = rated.copy()
        self.tray_return_celsius: Floats = self.tray_supply(np.zeros(len(site.hosts)))

    def tray_supply(self, air: Floats) -> Floats:
        """(hosts,) supply temperature of each host's coolant; ``air`` where there is none."""
        supply = air.copy()
        supply[self._liquid] = self.supply_celsius[self._loop_of]
        return supply

    @property
    def rated_primary_litres_per_minute(self) -> Floats:
        """(loops,) what rated heat needs of the primary."""
        return self._most_primary / PRIMARY_RESERVE

    @property
    def pump_watts(self) -> Floats:
        """(pumps,) electrical power, by the cube of speed."""
        watts: Floats = self._pump_watts[self._loop_of_pump] * self.pump_speed_ratio**3
        return watts

    @property
    def pump_rpm(self) -> Floats:
        """(pumps,) speed."""
        rpm: Floats = self._pump_rpm[self._loop_of_pump] * self.pump_speed_ratio
        return rpm

    @property
    def heat_removed_watts(self) -> Floats:
        """(loops,) heat that the coolant carries off, by its own energy balance."""
        warming = self.return_celsius - self.supply_celsius
        return heat_flow_watts_per_kelvin(self.litres_per_minute) * warming

    def move(self, effects: Effects) -> None:
        """Pumps give each loop its flow, trays share it by their conductance."""
        loops = len(self.supply_celsius)
        sound = np.clip(effects["pump_speed"], 0.0, 1.0)
        # the sound pump is driven harder to make up, as far as its reserve goes
        reached = np.maximum(self._by_pump_sum(sound), 1e-3)
        wanted = self._pumps * self._pump_ratio / reached
        self.pump_setpoint_ratio = np.clip(wanted, self._pump_ratio, 1.0)
        self.pump_speed_ratio = self.pump_setpoint_ratio[self._loop_of_pump] * sound
        rated = self.rated_tray_litres_per_minute[self._liquid]
        weight = rated * np.maximum(effects["conductance"][self._liquid], LEAST_FLOW_RATIO)
        total = self._by_loop(weight, loops)
        openness = total / self.rated_litres_per_minute * effects["filter_conductance"]
        openness = np.maximum(openness, LEAST_FLOW_RATIO)
        through = self._working_point(openness, effects["check_valve_leak"])
        self.litres_per_minute = self.rated_litres_per_minute * through
        self.pressure_kilopascals = self._rated_pressure * (through / openness) ** 2
        share = weight / total[self._loop_of]
        self.tray_litres_per_minute[self._liquid] = self.litres_per_minute[self._loop_of] * share

    def _working_point(self, openness: Floats, leak: Floats) -> Floats:
        """(loops,) flow against rated flow, where the pumps' curves meet the loop's.

        With rated flow and lift as units each of m pumps at speed n gives
        ``sqrt((S n^2 - lift) / (S - 1)) / m``, S its lift at no flow; one whose lift is less than
        the others' gives nothing. The loop lets ``openness * sqrt(lift)`` through.
        """
        speed = self.pump_speed_ratio / self._pump_ratio[self._loop_of_pump]
        most = SHUT_OFF_RATIO * speed**2
        kept = 1.0 - np.clip(leak, 0.0, 1.0)
        low, high = np.zeros(len(openness)), np.full(len(openness), most.max(initial=1.0))
        for _ in range(LIFT_STEPS):
            lift = (low + high) / 2.0
            spare = np.maximum(most - lift[self._loop_of_pump], 0.0)
            given = self._by_pump_sum(np.sqrt(spare / (SHUT_OFF_RATIO - 1.0))) / self._pumps
            more = given * kept > openness * np.sqrt(lift)
            low, high = np.where(more, lift, low), np.where(more, high, lift)
        return np.maximum(openness * np.sqrt(low), LEAST_FLOW_RATIO)

    def warm(
        self, seconds: float, tray_watts: Floats, room_kelvin: float, effects: Effects
    ) -> None:
        """Trays warm the coolant, the unit cools it.

        Args:
            seconds: to move on by.
            tray_watts: (hosts,) heat that accelerators and processors give to the coolant.
            room_kelvin: that the room's air is off its design temperature.
            effects: what is wrong.
        """
        self.run_seconds += seconds
        if not len(self.supply_celsius):
            return
        flow = self.tray_litres_per_minute[self._liquid]
        supply = self.supply_celsius[self._loop_of]
        settled = supply + tray_watts[self._liquid] / heat_flow_watts_per_kelvin(flow)
        changed = flow / self.rated_tray_litres_per_minute[self._liquid]
        self.tray_return_celsius[self._liquid] = towards(
            self.tray_return_celsius[self._liquid], settled, seconds / TRAY_SECONDS * changed
        )
        mixed = self._by_loop(flow * self.tray_return_celsius[self._liquid], len(self._pumps))
        self.return_celsius = mixed / self._by_loop(flow, len(self._pumps))
        self._cool(seconds, room_kelvin, effects)

    def _cool(self, seconds: float, room_kelvin: float, effects: Effects) -> None:
        """The valve lets in as much of the primary's flow as holds the supply's temperature.

        What the primary cannot take stays in the loop's coolant and warms it.
        """
        self.primary_celsius = (
            self._primary + effects["primary_kelvin"] + self._by_air * room_kelvin
        )
        self.primary_return_celsius = np.maximum(
            self.return_celsius - self._approach, self.primary_celsius + LEAST_PRIMARY_RISE_KELVIN
        )
        gained = self.heat_removed_watts + self._by_pump_sum(self.pump_watts)
        wanted = np.maximum(
            self.setpoint_celsius + effects["supply_kelvin"],
            self.primary_celsius + self._approach,
        )
        surplus = (self.supply_celsius - wanted) * self._joules_per_kelvin
        asked = np.maximum(gained - surplus * np.expm1(-seconds / VALVE_SECONDS) / seconds, 0.0)
        rise = self.primary_return_celsius - self.primary_celsius
        watts_per_litre = rise * WATER_JOULES_PER_LITRE_KELVIN / 60.0
        most = np.maximum(self._most_primary * np.clip(effects["primary_flow"], 0.0, 2.0), 1e-9)
        self.primary_litres_per_minute = np.minimum(asked / watts_per_litre, most)
        self.primary_watts = self.primary_litres_per_minute * watts_per_litre
        self.valve_ratio = np.clip(asked / watts_per_litre / most, 0.0, 1.0)
        left = gained - self.primary_watts
        self.supply_celsius = self.supply_celsius + left * seconds / self._joules_per_kelvin

    def _emulated_part(self, site: Site) -> Floats:
        """(loops,) rated flow against that of all the racks that the unit is made for."""
        whole = by_host(site, _unit_litres_per_minute)
        most = np.full(len(site.loops), 1e-9)
        np.maximum.at(most, self._loop_of, whole[self._liquid])
        part: Floats = np.minimum(self.rated_litres_per_minute / most, 1.0)
        return part

    def _most_primary_flow(self) -> Floats:
        """(loops,) L/min of the primary with the valve open, by what rated heat needs."""
        rated = self._rated_watts + self._by_pump_sum(self.pump_watts)
        warming = self._rated_watts / heat_flow_watts_per_kelvin(self.rated_litres_per_minute)
        back = self.setpoint_celsius + warming - self._approach
        rise = np.maximum(back - self._primary, LEAST_PRIMARY_RISE_KELVIN)
        most: Floats = PRIMARY_RESERVE * rated / (rise * WATER_JOULES_PER_LITRE_KELVIN / 60.0)
        return most

    def _by_loop(self, values: Floats, loops: int) -> Floats:
        total: Floats = np.bincount(self._loop_of, values, minlength=loops).astype(np.float64)
        return total

    def _by_pump_sum(self, values: Floats) -> Floats:
        total: Floats = np.bincount(self._loop_of_pump, values, minlength=len(self._pumps)).astype(
            np.float64
        )
        return total


def _liquid_watts(platform: Platform) -> float:
    """Rated heat of a host that coolant carries: accelerators and processors."""
    accelerators = (
        float(platform.accelerator.tdp_watts) * platform.accelerators
        if platform.accelerator
        else 0.0
    )
    return accelerators + float(platform.processors.busy_watts) * float(platform.processors.sockets)


def rated_litres_per_minute(platform: Platform) -> float:
    """Rated coolant flow of a host; 0 for one that air cools."""
    per_kilowatt = platform.cooling.litres_per_minute_per_kilowatt
    return 0.0 if per_kilowatt is None else float(per_kilowatt) * _liquid_watts(platform) / 1e3


def _unit_litres_per_minute(platform: Platform) -> float:
    """Rated flow of a coolant unit with all of its racks."""
    hosts = float(platform.rack.hosts) * platform.cooling.racks_per_unit
    return rated_litres_per_minute(platform) * hosts
