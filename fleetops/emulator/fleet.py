"""The emulated fleet: physics, job, faults, logs and scheduler, moved on together tick by tick."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fleetops.core.clock import Clock
from fleetops.emulator.faults import Fault, FaultSchedule, ScheduledFault
from fleetops.emulator.job import TrainingJob
from fleetops.emulator.kernel import KernelLogs
from fleetops.emulator.management_log import ManagementLogs
from fleetops.emulator.physics import Physics
from fleetops.emulator.scheduler import EmulatedScheduler
from fleetops.emulator.sensors import Readings, Sensors
from fleetops.emulator.topology import FleetLayout

TICK_SECONDS = 0.25
WARM_UP_SECONDS = 90.0
"""Fifteen thermal time constants: the fleet is found in its steady state."""
JOB_SHARE = 0.75
"""Of the hosts, the first; the rest are spares."""


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """What a fleet is made from. The same options give the same readings, tick by tick."""

    layout: FleetLayout
    seed: int
    job_id: str = "81"


class Fleet:
    """One seeded fleet. Time is the number of ticks taken; nothing here looks at a clock for it."""

    def __init__(self, options: FleetOptions, kernel_folder: Path, clock: Clock) -> None:
        """A fleet in its steady state. ``clock`` only stamps log lines and scheduler records."""
        self.layout = options.layout
        self._hosts = len(options.layout.placements)
        streams = np.random.default_rng(options.seed).spawn(4)
        job_hosts = max(1, int(self._hosts * JOB_SHARE))
        self.job = TrainingJob(options.job_id, job_hosts, streams[0])
        self.physics = Physics(options.layout, streams[1])
        self.sensors = Sensors(options.layout, self.physics, streams[2])
        self.kernel = KernelLogs(kernel_folder, options.layout.hosts, clock, streams[3])
        self.logs = ManagementLogs(options.layout, clock)
        self.scheduler = EmulatedScheduler(
            options.layout.hosts, options.job_id, options.layout.hosts[:job_hosts], clock
        )
        self.faults = FaultSchedule(options.layout, self.job.stages)
        self.ticks = 0
        self.readings: Readings = self._advance()
        for _ in range(round(WARM_UP_SECONDS / TICK_SECONDS)):
            self._advance()

    @property
    def seconds(self) -> float:
        """Fleet time."""
        return self.ticks * TICK_SECONDS

    def tick(self) -> None:
        """Moves on by :data:`TICK_SECONDS`."""
        self._advance()
        self.kernel.tick(TICK_SECONDS)

    def inject(self, fault: Fault) -> ScheduledFault:
        """Schedules a fault ``at_seconds`` from now.

        Raises:
            ConfigError: the fault cannot be (see FaultSchedule.add).
        """
        return self.faults.add(fault, self.seconds)

    def _advance(self) -> Readings:
        self.ticks += 1
        effects = self.faults.effects(self.seconds, self._begin)
        self.job.advance(TICK_SECONDS, self.physics.clock_ratio, effects)
        activity = self.job.activity(self._hosts)
        busy = self.job.holds(self._hosts)
        self.physics.step(TICK_SECONDS, activity, busy, effects)
        self.logs.watch(effects, self.physics)
        self.readings = self.sensors.read(TICK_SECONDS, activity, busy, effects)
        return self.readings

    def _begin(self, scheduled: ScheduledFault) -> None:
        code = scheduled.kind.xid()
        if code is not None:
            place = scheduled.place
            self.kernel.write_xid(place.host, place.accelerator, code)
            self.sensors.last_xid[place.host, place.accelerator] = code
