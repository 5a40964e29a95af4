"""A fleet run in real time, with a scenario whose clock starts on request."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fleetops.core.clock import Clock
from fleetops.emulator.faults import Fault, FaultSchedule, ScheduledFault
from fleetops.emulator.fleet import TICK_SECONDS, Fleet
from fleetops.emulator.scenario import Scenario

MAX_TICKS_AT_ONCE = 40
"""Behind by more (a suspended process), the fleet lets the lost time go."""


class Emulation:
    """Keeps fleet time beside the clock, and knows the truth."""

    def __init__(self, fleet: Fleet, scenario: Scenario, clock: Clock) -> None:
        """Not started: the fleet runs, healthy, and no fault comes.

        Raises:
            ConfigError: the scenario names what this fleet does not have.
        """
        trial = FaultSchedule(fleet.layout, fleet.job.stages)
        for fault in scenario.hardware_faults:
            trial.add(fault, now=0.0)
        self.fleet = fleet
        self.scenario = scenario
        self._clock = clock
        self._due = clock.monotonic()
        self.started_at: datetime | None = None
        self._started_seconds = 0.0

    def catch_up(self) -> None:
        """Takes the ticks that the clock owes."""
        owed = int((self._clock.monotonic() - self._due) / TICK_SECONDS)
        self._due += owed * TICK_SECONDS
        for _ in range(min(owed, MAX_TICKS_AT_ONCE)):
            self.fleet.tick()

    def start(self) -> bool:
        """Begins the scenario's clock; False if it had begun already."""
        if self.started_at is not None:
            return False
        for fault in self.scenario.hardware_faults:
            self.fleet.inject(fault)
        self.started_at = self._clock.now()
        self._started_seconds = self.fleet.seconds
        return True

    def inject(self, fault: Fault) -> ScheduledFault:
        """Strikes a fault by hand, ``at_seconds`` from now.

        Raises:
            ConfigError: the fault cannot be.
        """
        return self.fleet.inject(fault)

    @property
    def elapsed_seconds(self) -> float | None:
        """Fleet seconds since the scenario's start; None before it."""
        if self.started_at is None:
            return None
        return self.fleet.seconds - self._started_seconds

    def truth(self) -> dict[str, Any]:
        """What is really so. For evaluation only: nothing that is judged may read it."""
        return {
            "scenario": self.scenario.name,
            "started_at": self.started_at.isoformat() if self.started_at else None,
            "elapsed_seconds": self.elapsed_seconds,
            "faults": [self._describe(scheduled) for scheduled in self.fleet.faults.faults],
            "harness_faults": [
                fault.model_dump(mode="json", exclude_defaults=True)
                for fault in self.scenario.harness_faults
            ],
            "drained": self.fleet.scheduler.drained,
            "scheduler_calls": [
                {"verb": one.verb, "node": one.node, "reason": one.reason, "at": one.at.isoformat()}
                for one in self.fleet.scheduler.calls
            ],
        }

    def _describe(self, scheduled: ScheduledFault) -> dict[str, Any]:
        fault = scheduled.fault
        target = fault.target.model_dump(mode="json", exclude_none=True)
        if fault.target.host_index is not None:
            target["host"] = self.fleet.layout.hosts[fault.target.host_index]
        return {
            "id": scheduled.id,
            "kind": fault.kind,
            "target": target,
            "begins_in_seconds": scheduled.begins_at - self.fleet.seconds,
            "active": scheduled.is_active(self.fleet.seconds),
        }
