"""Power and heat of hosts and accelerators: clocks follow temperature, power follows clocks.

Lumped and first order. A host's boundary is its chassis: all the power that it draws leaves it as
heat, into coolant (accelerators and processors of a liquid-cooled host) or air (the rest), but for
what its chips hold while they warm or cool. Sources:

* heat transfer of plates and fins grows with flow to the power 0.8 (Dittus-Boelter, turbulent);
* clock event reasons are bits of NVML: 1 idle, 4 power cap, 8 hardware slowdown, 0x20 and 0x40
  thermal, 0x80 power brake;
* fans follow the affinity laws: air as speed, power as its cube.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fleetops.emulator.model.coolant import LEAST_FLOW_RATIO, Coolant
from fleetops.emulator.model.effects import Effects, Floats
from fleetops.emulator.model.parameters import by_accelerator, by_host, is_liquid, towards
from fleetops.emulator.model.spread import Spread
from fleetops.emulator.site import Site
from fleetops_schemas.platforms import Cooling

POWER_CLOCK_EXPONENT = 2.0
"""Dynamic power against clock: between 1 (fixed voltage) and 3 (voltage follows the clock)."""
CONVECTION_EXPONENT = 0.8
CLOCK_LOSS_PER_KELVIN = 0.05
MINIMUM_CLOCK_RATIO = 0.3
CLOCK_SECONDS = 2.0
"""Time constant of the clock's control."""
HARDWARE_SLOWDOWN_KELVIN = 3.0
"""Above the first slowdown the hardware itself acts."""
SHUT_OFF_KELVIN, SHUT_OFF_SPAN_KELVIN = 15.0, 10.0
"""Above slowdown boards take power away to save themselves: from there, and all of it so much later
(assumed; makers' shut-off is a step)."""
PROCESSOR_SHUT_OFF_CELSIUS = 105.0
LEAST_AIR_RATIO = 0.15
"""Of the air at full fan speed, what moves where no fan turns (assumed)."""
LEAST_FAN_RATIO = 0.3
FAN_SPAN = 0.5
"""Fans follow the host's load from LEAST_FAN_RATIO by so much; the rest is reserve."""
FAN_KELVIN = 12.0
"""Below slowdown, where fans begin to use their reserve."""
FAN_SECONDS = 15.0
AIR_SECONDS = 20.0
MEMORY_SECONDS = 10.0
"""Time constant of memory stacks against the die beside them (assumed)."""
REASON_IDLE, REASON_POWER_CAP, REASON_HARDWARE = 0x01, 0x04, 0x08
REASON_SOFTWARE_THERMAL, REASON_HARDWARE_THERMAL, REASON_POWER_BRAKE = 0x20, 0x40, 0x80


class Heat:
    """True power and temperatures. Arrays are (accelerators,) or (hosts,)."""

    def __init__(self, site: Site, coolant: Coolant, spread: Spread) -> None:
        """Idle and at the temperature of coolant or air."""
        hosts = len(site.hosts)
        self._host_of = site.host_of_accelerator
        self._coolant = coolant
        self._liquid = is_liquid(site)
        self._spread = spread
        self._set_accelerators(site)
        self._set_hosts(site)

        self.inlet_celsius: Floats = self._inlet + spread.inlet_kelvin
        self.outlet_celsius: Floats = self.inlet_celsius.copy()
        start = coolant.tray_supply(self.inlet_celsius)
        self.temperature_celsius: Floats = start[self._host_of]
        self.memory_celsius: Floats = self.temperature_celsius + self._memory_rest
        self.clock_ratio: Floats = np.ones(len(self._host_of))
        self.watts: Floats = self._idle.copy()
        self.power_limit_watts: Floats = self._tdp.copy()
        self.throttle_reasons: NDArray[np.int64] = np.zeros(len(self._host_of), dtype=np.int64)
        self.energy_joules: Floats = spread.accelerator_energy_joules.copy()
        self.thermal_violation_seconds: Floats = np.zeros(len(self._host_of))
        self.power_violation_seconds: Floats = np.zeros(len(self._host_of))
        self.processor_watts: Floats = self._sockets * self._processor_idle
        self.processor_celsius: Floats = start + self._processor_resistance * self._processor_idle
        self.board_watts: Floats = self._board_idle.copy()
        self.fan_ratio: Floats = np.full(hosts, LEAST_FAN_RATIO)
        self._fan_power: Floats = np.zeros(hosts)
        self.host_watts: Floats = np.zeros(hosts)
        self.host_energy_joules: Floats = spread.host_energy_joules.copy()
        self.liquid_watts: Floats = np.zeros(hosts)
        """Heat that goes into each host's coolant."""
        self.air_watts: Floats = np.zeros(hosts)
        """Heat that goes into the air through each host."""

    def _set_accelerators(self, site: Site) -> None:
        self._tdp = by_accelerator(site, lambda one: float(one.tdp_watts))
        self._idle = (
            by_accelerator(site, lambda one: float(one.idle_watts)) * self._spread.idle_factor
        )
        self._conduction = by_accelerator(site, lambda one: float(one.conduction_kelvin_per_watt))
        self._convection = by_accelerator(site, lambda one: float(one.convection_kelvin_per_watt))
        self._capacity = by_accelerator(
            site, lambda one: float(one.heat_capacity_joules_per_kelvin)
        )
        self._slowdown = by_accelerator(site, lambda one: float(one.slowdown_celsius))
        self._memory_resistance = by_accelerator(
            site, lambda one: float(one.memory_kelvin_per_watt)
        )
        self._memory_rest = by_accelerator(site, lambda one: float(one.memory_rest_kelvin))
        self._downstream = _downstream(site)

    def _set_hosts(self, site: Site) -> None:
        self._sockets = by_host(site, lambda one: float(one.processors.sockets))
        self._processor_idle = by_host(site, lambda one: float(one.processors.idle_watts))
        self._processor_busy = by_host(site, lambda one: float(one.processors.busy_watts))
        self._processor_resistance = by_host(
            site, lambda one: float(one.processors.kelvin_per_watt)
        )
        self._processor_seconds = by_host(
            site, lambda one: float(one.processors.time_constant_seconds)
        )
        self._board_idle = by_host(site, lambda one: float(one.board.idle_watts))
        self._board_busy = by_host(site, lambda one: float(one.board.busy_watts))
        self._fan_watts = by_host(site, lambda one: float(one.board.fan_watts))
        self._air = by_host(site, lambda one: float(one.board.air_watts_per_kelvin))
        hall = site.cluster.inlet_celsius
        self._inlet = by_host(site, lambda one: float(hall or one.cooling.inlet_celsius))
        self._rated = by_host(site, lambda one: one.rated_watts)

    def step(
        self, seconds: float, power: Floats, load: Floats, room_kelvin: float, effects: Effects
    ) -> None:
        """Moves on by ``seconds``, at most a few: the clock's control must follow.

        Args:
            seconds: to move on by.
            power: (accelerators,) share of the span from idle to rated power that work asks for.
            load: (hosts,) of the processors, 0 to 1.
            room_kelvin: that the room's air is off its design temperature.
            effects: what is wrong.
        """
        self._spend(seconds, power, load, effects)
        given = self._warm(seconds, effects)
        self.liquid_watts = np.where(self._liquid, given, 0.0)
        self.air_watts = np.where(self._liquid, 0.0, given) + self.board_watts + self._fan_power
        self._blow(seconds, room_kelvin, effects)
        self._coolant.warm(seconds, self.liquid_watts, room_kelvin, effects)

    def _spend(self, seconds: float, power: Floats, load: Floats, effects: Effects) -> None:
        """Clocks by temperature and power limit, power by work and clocks."""
        on = 1.0 - effects["down"]
        works = (1.0 - effects["gone"]) * on[self._host_of]
        hot = np.maximum(self.temperature_celsius - self._slowdown, 0.0)
        cap = np.maximum(1.0 - CLOCK_LOSS_PER_KELVIN * hot, MINIMUM_CLOCK_RATIO)
        self.power_limit_watts = np.rint(self._tdp * effects["power_cap"])
        span = (self._tdp - self._idle) * power * self._spread.power_factor
        allowed = np.maximum(self.power_limit_watts - self._idle, 1.0)
        by_power = np.minimum(
            (allowed / np.maximum(span, 1e-9)) ** (1.0 / POWER_CLOCK_EXPONENT), 1.0
        )
        braked = np.minimum(effects["clock_cap"], by_power)
        self.clock_ratio = towards(
            self.clock_ratio,
            np.minimum(cap, braked) * effects["part_clock"],
            seconds / CLOCK_SECONDS,
        )
        # a board enforces its limit at once, only the thermal control takes its time
        self.clock_ratio = np.minimum(self.clock_ratio, braked)
        saved = _share_left(hot - SHUT_OFF_KELVIN)
        self.watts = (self._idle + span * self.clock_ratio**POWER_CLOCK_EXPONENT) * works * saved
        self.energy_joules = self.energy_joules + self.watts * seconds
        limited = (by_power < 1.0) & (effects["power_cap"] < 1.0)
        self.thermal_violation_seconds = self.thermal_violation_seconds + seconds * (hot > 0.0)
        self.power_violation_seconds = self.power_violation_seconds + seconds * limited
        self.throttle_reasons = (
            (power <= 0.0) * REASON_IDLE
            | limited * REASON_POWER_CAP
            | (hot > 0.0) * REASON_SOFTWARE_THERMAL
            | (hot > HARDWARE_SLOWDOWN_KELVIN) * (REASON_HARDWARE_THERMAL | REASON_HARDWARE)
            | (effects["clock_cap"] < 1.0) * (REASON_POWER_BRAKE | REASON_HARDWARE)
        ).astype(np.int64)

        load = np.clip(load + effects["processor_load"], 0.0, 1.0)
        self.processor_watts = (
            self._sockets
            * (self._processor_idle + (self._processor_busy - self._processor_idle) * load)
            * _share_left(self.processor_celsius - PROCESSOR_SHUT_OFF_CELSIUS)
            * on
        )
        self.board_watts = (
            self._board_idle + (self._board_busy - self._board_idle) * load + effects["board_watts"]
        ) * on
        self._fan_power = self._fan_watts * self.fan_ratio**3 * on
        accelerators = np.bincount(self._host_of, self.watts, minlength=len(on))
        self.host_watts = accelerators + self.processor_watts + self.board_watts + self._fan_power
        self.host_energy_joules = self.host_energy_joules + self.host_watts * seconds

    def _blow(self, seconds: float, room_kelvin: float, effects: Effects) -> None:
        """Fans follow load, and in need the hottest accelerator; air warms by the balance."""
        load = self.host_watts / self._rated
        margin = np.full(len(load), -np.inf)
        np.maximum.at(margin, self._host_of, self.temperature_celsius - self._slowdown)
        need = np.clip((margin + FAN_KELVIN) / FAN_KELVIN, 0.0, 1.0)
        need = np.where(self._liquid, 0.0, need)
        wanted = np.clip(LEAST_FAN_RATIO + FAN_SPAN * load + 0.3 * need, LEAST_FAN_RATIO, 1.0)
        self.fan_ratio = towards(self.fan_ratio, wanted, seconds / FAN_SECONDS)
        self.inlet_celsius = (
            self._inlet + self._spread.inlet_kelvin + room_kelvin + effects["inlet_kelvin"]
        )
        settled = self.inlet_celsius + self.air_watts / self.air_watts_per_kelvin(effects)
        self.outlet_celsius = towards(self.outlet_celsius, settled, seconds / AIR_SECONDS)

    def air_watts_per_kelvin(self, effects: Effects) -> Floats:
        """(hosts,) heat that the host's air carries for each kelvin it warms by."""
        moved: Floats = self._air * np.maximum(self.fan_ratio * effects["airflow"], LEAST_AIR_RATIO)
        return moved

    def _warm(self, seconds: float, effects: Effects) -> Floats:
        """Chips approach the temperature that power and resistance give.

        Returns:
            (hosts,) heat that the chips of each host give off: their power less what they keep.
        """
        warming = self.outlet_celsius - self.inlet_celsius
        air_half = self.inlet_celsius + warming / 2.0
        coolant = self._coolant
        liquid_half = (coolant.tray_supply(air_half) + coolant.tray_return_celsius) / 2.0
        around = np.where(self._liquid, liquid_half, air_half)
        rated = coolant.rated_tray_litres_per_minute
        flow = np.where(
            self._liquid,
            coolant.tray_litres_per_minute / np.maximum(rated, 1e-9),
            np.maximum(self.fan_ratio * effects["airflow"], LEAST_AIR_RATIO),
        )
        moved = np.maximum(flow, LEAST_FLOW_RATIO)[self._host_of]
        resistance = (
            self._conduction * effects["conduction"]
            + self._convection * moved**-CONVECTION_EXPONENT
        ) * self._spread.resistance_factor
        target = (around[self._host_of] + self._downstream * warming[self._host_of]) + (
            resistance * self.watts
        )
        before = self.temperature_celsius
        self.temperature_celsius = towards(before, target, seconds / (resistance * self._capacity))
        kept = self._capacity * (self.temperature_celsius - before) / seconds
        self.memory_celsius = towards(
            self.memory_celsius,
            self.temperature_celsius + self._memory_rest + self._memory_resistance * self.watts,
            seconds / MEMORY_SECONDS,
        )
        given = np.bincount(self._host_of, self.watts - kept, minlength=len(around))
        return given.astype(np.float64) + self._warm_processors(seconds, around)

    def _warm_processors(self, seconds: float, around: Floats) -> Floats:
        """(hosts,) heat that the processors give off."""
        sockets = np.maximum(self._sockets, 1.0)
        before = self.processor_celsius
        self.processor_celsius = towards(
            before,
            around + self._processor_resistance * self.processor_watts / sockets,
            seconds / self._processor_seconds,
        )
        capacity = sockets * self._processor_seconds / self._processor_resistance
        given: Floats = (
            self.processor_watts - capacity * (self.processor_celsius - before) / seconds
        )
        return given


def _share_left(kelvin: Floats) -> Floats:
    """Of its power, what a chip is left that is so much hotter than where it is taken away."""
    left: Floats = np.clip(1.0 - kelvin / SHUT_OFF_SPAN_KELVIN, 0.0, 1.0)
    return left


def _downstream(site: Site) -> Floats:
    """(accelerators,) how far down the air's way each stands, from the middle of it.

    A share of the air's whole warming: with two rows the first breathes a quarter, the second three
    quarters of it. 0 under cold plates, which are fed side by side.
    """
    shares = np.zeros(len(site.accelerators))
    for group in site.groups:
        part = group.platform.accelerator
        if part is not None and group.platform.cooling.medium is Cooling.AIR:
            count, rows = group.platform.accelerators, int(part.rows)
            row = np.arange(count) * rows // count
            shares[group.accelerators] = np.tile(
                (row + 0.5) / rows - 0.5, group.hosts.stop - group.hosts.start
            )
    return shares
