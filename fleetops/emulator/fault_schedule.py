"""Faults in time, on the fleet's own clock: what is wrong at each tick, and what it writes in logs.

    schedule = FaultSchedule(options)
    schedule.add(Fault(kind="leak", target=Target(host_index=3), at_seconds=60))
    fleet = Fleet(options, schedule.disturb)

A schedule draws from its own seed, never from the fleet's: two runs of one seed differ by their
faults alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from pydantic import Field

from fleetops.core.errors import ConfigError
from fleetops.emulator.fault_kinds import (
    Effect,
    FaultKind,
    fault_kind,
    holds,
)
from fleetops.emulator.fault_logs import LogWriter, PlannedLog
from fleetops.emulator.fault_places import Place, Places
from fleetops.emulator.fault_reach import devices_within
from fleetops.emulator.fault_shapes import Course, number_of
from fleetops.emulator.fault_suits import check_suits
from fleetops.emulator.fault_targets import Model, Target, resolve
from fleetops.emulator.fault_truth import Judgement
from fleetops.emulator.groups import Indices, indices
from fleetops.emulator.log_lines import LogLine
from fleetops.emulator.model.effects import Effects
from fleetops.emulator.model.fleet import FleetOptions
from fleetops.emulator.model.jobs import Jobs

MAX_SECONDS = 400 * 86_400.0
SECONDS_PER_HOUR = 3600.0
HARNESS_KINDS = ("collector_outage",)
"""Kinds that whoever runs a scenario can strike, by ending a collector."""


class Fault(Model):
    """One fault of a scenario, one injected by hand, or one that chance made."""

    kind: str
    target: Target = Target()
    parameters: dict[str, float | str] = Field(default_factory=dict)
    at_seconds: Annotated[float, Field(ge=0.0, le=MAX_SECONDS)] = 0.0
    """After the scenario's start; for one injected by hand, after now."""
    duration_seconds: Annotated[float, Field(gt=0.0, le=MAX_SECONDS)] | None = None
    """It lasts until the end without one."""
    harness: bool = False
    """Struck by whoever runs the scenario (a collector that is killed), not by the emulator."""


@dataclass(frozen=True, slots=True)
class _Stroke:
    """An effect on devices, in numbers."""

    effect: Effect
    devices: Indices
    value: float
    course: Course


@dataclass(slots=True)
class ScheduledFault:
    """A checked fault on the fleet's own clock."""

    id: str
    number: int
    fault: Fault
    kind: FaultKind
    words: dict[str, float | str]
    """Every parameter, defaults filled in."""
    place: Place
    begins_at: float
    ends_at: float | None
    strokes: tuple[_Stroke, ...]
    logs: list[PlannedLog] = field(default_factory=list)
    begun: bool = False

    @property
    def truth(self) -> Judgement:
        """What is true of it."""
        return self.kind.truth.of(self.words)

    def is_active(self, now: float) -> bool:
        """Whether it holds at ``now``, in the fleet's seconds."""
        return self.begins_at <= now and (self.ends_at is None or now < self.ends_at)


class FaultSchedule:
    """All faults of a fleet's life."""

    def __init__(self, options: FleetOptions) -> None:
        """Empty; for the fleet that is made from the same options."""
        jobs = Jobs(options.site, options.seed, options.first_job_id)
        self.places = Places(options.site, jobs)
        self.faults: list[ScheduledFault] = []
        self.on_begin: list[Callable[[ScheduledFault], None]] = []
        """Told of each fault once, when it begins."""
        self.on_line: list[Callable[[LogLine], None]] = []
        """Told of every line that faults leave in logs, in order of time."""
        self._seed = options.seed
        self._tick_seconds = options.tick_seconds
        self._writer = LogWriter(self.places, options.seed, options.tick_seconds)
        self._waiting: list[tuple[float, int]] = []
        self._active: list[ScheduledFault] = []

    def add(self, fault: Fault, now: float = 0.0) -> ScheduledFault:
        """Schedules a fault ``at_seconds`` after ``now``.

        Raises:
            ConfigError: an unknown kind or parameter, or a place that is missing or not there.
        """
        kind = fault_kind(fault.kind)
        words = kind.check(fault.parameters)
        try:
            place = resolve(self.places, kind.target, fault.target)
            check_suits(self.places, place, kind.only)
        except ConfigError as error:
            raise ConfigError(f"fault {fault.kind}: {error}") from error
        numbers = kind.numbers(words)
        begins = now + fault.at_seconds
        number = len(self.faults)
        scheduled = ScheduledFault(
            id=f"fault-{number + 1}",
            number=number,
            fault=fault,
            kind=kind,
            words=words,
            place=place,
            begins_at=begins,
            ends_at=self._end(begins, fault.duration_seconds),
            strokes=tuple(
                self._stroke(kind, effect, place, numbers)
                for effect in kind.effects
                if holds(effect.when, words)
            ),
        )
        scheduled.logs = [
            self._writer.plan((number, position), log, place, numbers, kind.shape.given(numbers))
            for position, log in enumerate(kind.logs)
            if holds(log.when, words)
        ]
        self.faults.append(scheduled)
        heapq.heappush(self._waiting, (begins, number))
        return scheduled

    def disturb(self, now: float, effects: Effects) -> None:
        """Lays everything that is wrong at ``now`` over the effects; the ``disturb`` of a fleet."""
        while self._waiting and self._waiting[0][0] <= now:
            _, number = heapq.heappop(self._waiting)
            self._begin(self.faults[number])
        lines: list[LogLine] = []
        for scheduled in self._active:
            if scheduled.is_active(now):
                self._strike(scheduled, now, effects)
            lines += self._writer.due(scheduled.logs, scheduled.begins_at, scheduled.ends_at, now)
        self._active = [one for one in self._active if one.ends_at is None or now < one.ends_at]
        for line in sorted(lines, key=lambda one: one.at_seconds):
            if line.xid:
                effects.apply("xid", indices([line.accelerator]), float(line.xid), 1.0)
            for tell in self.on_line:
                tell(line)

    def active(self, now: float) -> list[ScheduledFault]:
        """The faults that hold at ``now``."""
        return [one for one in self.faults if one.is_active(now)]

    def _begin(self, scheduled: ScheduledFault) -> None:
        scheduled.begun = True
        self._active.append(scheduled)
        for tell in self.on_begin:
            tell(scheduled)

    def _end(self, begins_at: float, duration_seconds: float | None) -> float | None:
        """A fault lasts a tick at least, so that one tick sees it."""
        if duration_seconds is None:
            return None
        return begins_at + max(duration_seconds, self._tick_seconds)

    def _stroke(
        self, kind: FaultKind, effect: Effect, place: Place, numbers: dict[str, float]
    ) -> _Stroke:
        extent = devices_within(self.places, place, effect.within)
        given = effect.value if effect.count is None else effect.count
        return _Stroke(
            effect=effect,
            devices=extent[effect.scope],
            value=number_of(0.0 if given is None else given, numbers),
            course=(effect.shape or kind.shape).given(numbers),
        )

    def _strike(self, scheduled: ScheduledFault, now: float, effects: Effects) -> None:
        since, tick = now - scheduled.begins_at, self._tick_seconds
        for stroke in scheduled.strokes:
            effect, value = stroke.effect, stroke.value
            if effect.count is not None:
                if since >= tick:
                    continue
                value *= SECONDS_PER_HOUR / tick
            progress = stroke.course.progress(since, tick)
            if progress <= 0.0 or not len(stroke.devices):
                continue
            devices = stroke.devices
            if effect.pick == "one":
                devices = self._one(devices, scheduled.number, stroke.course.pulse(since, tick))
            effects.apply(effect.channel, devices, value, progress)

    def _one(self, devices: Indices, number: int, pulse: int) -> Indices:
        chosen = np.random.default_rng([self._seed, number, pulse]).integers(len(devices))
        return devices[chosen : chosen + 1]


def check_fault(fault: Fault) -> None:
    """Checks all that can be without a fleet.

    Raises:
        ConfigError: an unknown kind or parameter, or a target that is missing.
    """
    kind = fault_kind(fault.kind)
    if fault.harness and fault.kind not in HARNESS_KINDS:
        raise ConfigError(
            f"harness fault {fault.kind!r} is unknown; there are: {', '.join(HARNESS_KINDS)}"
        )
    kind.check(fault.parameters)
    for name in kind.needs:
        if not fault.target.has(name):
            raise ConfigError(f"fault {fault.kind}: target.{name} is missing; add it")
