"""A fleet run beside the clock, with a scenario whose time starts on request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fleetops.core.clock import Clock
from fleetops.emulator.fault_schedule import Fault, FaultSchedule, ScheduledFault
from fleetops.emulator.model.fleet import Fleet
from fleetops.emulator.scheduler import EmulatedScheduler, follow

MAX_TICKS_AT_ONCE = 40
"""Behind by more (a suspended process), the fleet lets the lost time go."""


class Emulation:
    """Keeps fleet time beside the clock, and knows the truth."""

    def __init__(
        self,
        fleet: Fleet,
        schedule: FaultSchedule,
        scheduler: EmulatedScheduler,
        faults: Sequence[Fault],
        clock: Clock,
    ) -> None:
        """Not started: the fleet runs, healthy, and no fault comes.

        Args:
            fleet: made with the schedule's ``disturb``.
            schedule: of what is wrong.
            scheduler: of the fleet's nodes.
            faults: that come after :meth:`start`; some may be struck by whoever starts it.
            clock: paces the fleet.

        Raises:
            ConfigError: a fault cannot be on this fleet.
        """
        trial = FaultSchedule(fleet.options)
        for fault in faults:
            if not fault.harness:
                trial.add(fault)
        self.fleet = fleet
        self.schedule = schedule
        self.scheduler = scheduler
        self._faults = tuple(faults)
        self._clock = clock
        self._due = clock.monotonic()
        self._started_seconds = 0.0
        self.started_at: datetime | None = None

    def catch_up(self) -> int:
        """Takes the ticks that the clock owes; how many."""
        owed = int((self._clock.monotonic() - self._due) / self.fleet.tick_seconds)
        self._due += owed * self.fleet.tick_seconds
        taken = min(owed, MAX_TICKS_AT_ONCE)
        for _ in range(taken):
            self.fleet.tick()
        if taken:
            follow(self.scheduler, self.fleet)
        return taken

    @property
    def wait_seconds(self) -> float:
        """Until the next tick is due."""
        return max(self._due + self.fleet.tick_seconds - self._clock.monotonic(), 0.0)

    def start(self) -> bool:
        """Begins the scenario's clock; False if it had begun already."""
        if self.started_at is not None:
            return False
        for fault in self._faults:
            if not fault.harness:
                self.inject(fault)
        self.started_at = self._clock.now()
        self._started_seconds = self.fleet.seconds
        return True

    def inject(self, fault: Fault) -> ScheduledFault:
        """Strikes a fault, ``at_seconds`` from now.

        Raises:
            ConfigError: the fault cannot be.
        """
        return self.schedule.add(fault, self.fleet.seconds)

    @property
    def elapsed_seconds(self) -> float | None:
        """Fleet seconds since the scenario's start; None before it."""
        if self.started_at is None:
            return None
        return self.fleet.seconds - self._started_seconds

    def truth(self) -> dict[str, Any]:
        """What is really so. For evaluation only: nothing that is judged may read it."""
        return {
            "started_at": self.started_at.isoformat() if self.started_at else None,
            "elapsed_seconds": self.elapsed_seconds,
            "faults": [self._describe(scheduled) for scheduled in self.schedule.faults],
            "harness_faults": [
                fault.model_dump(mode="json", exclude_defaults=True)
                for fault in self._faults
                if fault.harness
            ],
            "drained": self.scheduler.drained,
            "scheduler_calls": [
                {"verb": one.verb, "node": one.node, "reason": one.reason, "at": one.at.isoformat()}
                for one in self.scheduler.calls
            ],
        }

    def _describe(self, scheduled: ScheduledFault) -> dict[str, Any]:
        target = scheduled.fault.target.model_dump(mode="json", exclude_none=True)
        if scheduled.fault.target.host_index is not None:
            target["host"] = self.fleet.site.hosts[scheduled.fault.target.host_index]
        truth = scheduled.truth
        return {
            "id": scheduled.id,
            "kind": scheduled.fault.kind,
            "title": scheduled.kind.title,
            "target": target,
            "place": scheduled.place.name,
            "begins_in_seconds": scheduled.begins_at - self.fleet.seconds,
            "active": scheduled.is_active(self.fleet.seconds),
            "verdict": str(truth.verdict),
            "blame": "" if truth.blame == "nobody" else f"{truth.blame} of {scheduled.place.name}",
            "expected": list(truth.expected),
            "drain": truth.drain,
        }
