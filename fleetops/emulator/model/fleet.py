"""The emulated fleet: jobs, coolant, heat, power and links, moved on together tick by tick.

Time is the number of ticks taken; nothing here looks at a clock. The same site, seed and tick give
the same tables at the same tick, over the protocols and in compressed time alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from fleetops.core.errors import ConfigError
from fleetops.emulator.groups import NONE, Indices
from fleetops.emulator.model.coolant import Coolant
from fleetops.emulator.model.effects import COLLECTORS, Effects, Floats, Scope
from fleetops.emulator.model.heat import Heat
from fleetops.emulator.model.jobs import Jobs
from fleetops.emulator.model.links import Links
from fleetops.emulator.model.memory import ErrorCounters
from fleetops.emulator.model.power import Power
from fleetops.emulator.model.sensors import Sensors
from fleetops.emulator.model.spread import Spread
from fleetops.emulator.model.state import State
from fleetops.emulator.model.tables import Table
from fleetops.emulator.site import Site

HEAT_STEP_SECONDS = 5.0
"""Longest step of the thermal model: with longer ones the thermal brake on clocks hunts."""
WARM_UP_SECONDS = 300.0
WARM_UP_TICK_SECONDS = 2.5
DAY_SECONDS = 86_400.0
WARMEST_HOUR = 15.0
DAY_KELVIN = 1.5
"""Half of the day's swing of the room's air (assumed; Llama 3 saw 1 to 2 % of throughput)."""
EPOCH = datetime(2026, 1, 5, tzinfo=UTC)
"""Fleet time begins here unless told otherwise: a Monday, so that runs can be compared."""

Disturb = Callable[[float, Effects], None]
"""Lays faults over the effects of a moment, in seconds of fleet time."""


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """What a fleet is made from."""

    site: Site
    seed: int = 1
    tick_seconds: float = 10.0
    began: datetime = EPOCH
    first_job_id: int = 81
    warm_up_seconds: float = WARM_UP_SECONDS

    def __post_init__(self) -> None:
        """Checks what people give.

        Raises:
            ConfigError: the tick is no length of time.
        """
        if not 0.0 < self.tick_seconds <= DAY_SECONDS:
            raise ConfigError(f"a tick of {self.tick_seconds:g} s; give more than 0, at most a day")


class Fleet:
    """One seeded fleet in its steady state."""

    def __init__(self, options: FleetOptions, disturb: Disturb | None = None) -> None:
        """Warmed up; ``disturb`` is asked at every tick what is wrong."""
        self.options = options
        self.site = options.site
        self.tick_seconds = options.tick_seconds
        self._disturb = disturb
        site, streams = options.site, np.random.default_rng(options.seed).spawn(6)
        coolant, jobs = Coolant(site), Jobs(site, options.seed, options.first_job_id)
        self.effects = Effects(sizes(site) | jobs.sizes())
        self.state = State(
            jobs=jobs,
            coolant=coolant,
            heat=Heat(site, coolant, Spread.draw(site, streams[0])),
            power=Power(site, streams[1]),
            links=Links(site, streams[2]),
            errors=ErrorCounters(len(site.accelerators), streams[3]),
            last_xid=np.zeros(len(site.accelerators)),
            switch_load=np.zeros(len(site.switches)),
        )
        self.sensors = Sensors(site, self.state, streams[4])
        self._port_job = np.where(
            site.ports.accelerator_of == NONE,
            NONE,
            jobs.job_of_accelerator[np.maximum(site.ports.accelerator_of, 0)]
            if len(jobs.job_of_accelerator)
            else NONE,
        )
        self._uplinks, self._leaf_of_uplink = _uplinks(site)
        self.ticks = 0
        self._warm_up()
        self.tables: dict[str, Table] = self.sensors.read(self.effects)

    @property
    def seconds(self) -> float:
        """Fleet time."""
        return self.ticks * self.tick_seconds

    @property
    def time(self) -> datetime:
        """The moment of the last tick."""
        return self.options.began + timedelta(seconds=self.seconds)

    def tick(self) -> dict[str, Table]:
        """Moves on by one tick; what the sensors then say."""
        self.ticks += 1
        self.effects.reset()
        if self._disturb is not None:
            self._disturb(self.seconds, self.effects)
        self._step(self.seconds, self.tick_seconds)
        self.tables = self.sensors.read(self.effects)
        return self.tables

    def _warm_up(self) -> None:
        """Comes to the steady state, in steps that need not be as fine as ticks."""
        seconds = max(self.tick_seconds, WARM_UP_TICK_SECONDS)
        for step in range(math.ceil(self.options.warm_up_seconds / seconds)):
            self._step(step * seconds - self.options.warm_up_seconds, seconds)

    def _step(self, now: float, seconds: float) -> None:
        state, effects, site = self.state, self.effects, self.site
        clock = state.heat.clock_ratio
        share = self._link_share(state.links.capacity_ratio)
        state.jobs.advance(seconds, np.maximum(clock, 0.05), share, effects)
        self._brake(effects)
        room_kelvin = day_kelvin(self.options.began, now)
        steps = max(math.ceil(seconds / HEAT_STEP_SECONDS), 1)
        state.coolant.move(effects)
        for _ in range(steps):
            state.heat.step(
                seconds / steps, state.jobs.demand["power"], state.jobs.load, room_kelvin, effects
            )
        state.power.step(seconds, state.heat.host_watts, state.coolant.pump_watts, effects)
        self._move_traffic(seconds, effects)
        state.errors.step(seconds, effects)
        # the driver keeps its last code until its host starts anew
        booted = effects["down"][site.host_of_accelerator] <= 0.0
        state.last_xid = np.where(effects["xid"] > 0.0, effects["xid"], state.last_xid) * booted

    def _brake(self, effects: Effects) -> None:
        """A rack over its limit holds its accelerators' clocks; a dark one is down."""
        power, site = self.state.power, self.site
        for rack in np.flatnonzero(power.brake < 1.0):
            held = np.flatnonzero(site.rack_of_host[site.host_of_accelerator] == rack)
            effects.apply("clock_cap", held, float(power.brake[rack]), 1.0)
        for rack in np.flatnonzero(power.dark > 0.0):
            effects.apply("down", np.flatnonzero(site.rack_of_host == rack), 1.0, 1.0)

    def _link_share(self, works: Floats) -> Floats:
        """(accelerators,) share of its backend link's rate that each accelerator has.

        A leaf that lost uplinks has so much less for all below it: spines are non-blocking.
        """
        ports, leaf = self.site.ports, self._leaf_of_uplink
        share = np.ones(len(self.site.accelerators))
        uplinks = np.bincount(leaf, minlength=len(self.site.switches))
        up = np.bincount(leaf, works[self._uplinks], minlength=len(self.site.switches))
        through = np.where(uplinks > 0, up / np.maximum(uplinks, 1), 1.0)
        own = np.flatnonzero(ports.accelerator_of != NONE)
        above = ports.switch_of[ports.peer[own]]
        least = works[own] * np.where(ports.peer[own] == NONE, 1.0, through[above])
        np.minimum.at(share, ports.accelerator_of[own], least)
        return share

    def _move_traffic(self, seconds: float, effects: Effects) -> None:
        site, state = self.site, self.state
        ports, heat = site.ports, state.heat
        demand = np.zeros(len(ports.names))
        own = np.flatnonzero(ports.accelerator_of != NONE)
        demand[own] = state.jobs.demand["network"][ports.accelerator_of[own]]
        other = np.flatnonzero((ports.host_of != NONE) & (ports.accelerator_of == NONE))
        demand[other] = 0.2 * state.jobs.load[ports.host_of[other]]
        below = np.flatnonzero((ports.switch_of != NONE) & (ports.peer != NONE))
        hosts_side = below[ports.host_of[ports.peer[below]] != NONE]
        # what a leaf sends down is, over all, what others send up
        demand[hosts_side] = demand[ports.peer[hosts_side]]
        fabric = np.setdiff1d(np.flatnonzero(ports.switch_of != NONE), hosts_side)
        demand[fabric] = float(demand[own].mean()) if len(own) else 0.1
        air = np.full(len(ports.names), 30.0)
        in_host = np.flatnonzero(ports.host_of != NONE)
        air[in_host] = heat.outlet_celsius[ports.host_of[in_host]]
        state.links.step(seconds, demand, air, effects)
        if len(state.switch_load):
            switch = ports.switch_of[ports.switch_of != NONE]
            count = np.maximum(np.bincount(switch, minlength=len(state.switch_load)), 1)
            total = np.bincount(
                switch, demand[ports.switch_of != NONE], minlength=len(state.switch_load)
            )
            state.switch_load = total / count


def sizes(site: Site) -> dict[Scope, int]:
    """Number of devices by scope, jobs and stages apart."""
    apart = {Scope.JOB, Scope.STAGE, Scope.COLLECTOR}
    standing = {scope: len(site.names(scope.value)) for scope in Scope if scope not in apart}
    return standing | {Scope.COLLECTOR: len(COLLECTORS)}


def _uplinks(site: Site) -> tuple[Indices, Indices]:
    """Ports of leaves that lead to a spine, and the leaf of each."""
    ports = site.ports
    leaves = np.array([switch.is_leaf for switch in site.switches], dtype=np.bool_)
    linked = np.flatnonzero((ports.switch_of != NONE) & (ports.peer != NONE))
    leads_up = linked[ports.switch_of[ports.peer[linked]] != NONE]
    found = leads_up[leaves[ports.switch_of[leads_up]]] if len(leaves) else leads_up
    return found, ports.switch_of[found]


def day_kelvin(began: datetime, seconds: float) -> float:
    """How far the room's air is off its mean at that moment of the day."""
    moment = began + timedelta(seconds=seconds)
    hour = moment.hour + moment.minute / 60.0 + moment.second / 3600.0
    return DAY_KELVIN * math.cos((hour - WARMEST_HOUR) / 24.0 * 2.0 * math.pi)
