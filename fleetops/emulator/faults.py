"""Faults: what can go wrong, where, and how it comes on.

A fault kind is one model here: its parameters, the places it needs, and what it does to
:class:`Effects`. What is *seen* of a fault comes out of the physics and the firmware alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from typing_extensions import override

from fleetops.core.config import describe
from fleetops.core.errors import ConfigError
from fleetops.emulator.effects import Effects
from fleetops.emulator.topology import (
    ACCELERATORS_PER_HOST,
    PUMPS_PER_LOOP,
    SUPPLIES_PER_SHELF,
    FleetLayout,
)

Ratio = Annotated[float, Field(ge=0.0, le=1.0)]
Factor = Annotated[float, Field(ge=0.1, le=10.0)]
XID_OFF_BUS = 79


class Model(BaseModel):
    """Base of what scenarios are written in: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Target(Model):
    """Where a fault strikes. Hosts by index (any host names) or by name; the rest by number."""

    host_index: Annotated[int, Field(ge=0)] | None = None
    host: str | None = None
    accelerator: Annotated[int, Field(ge=0, lt=ACCELERATORS_PER_HOST)] | None = None
    coolant_unit: str | None = None
    pump: Annotated[int, Field(ge=1, le=PUMPS_PER_LOOP)] | None = None
    power_shelf: str | None = None
    supply: Annotated[int, Field(ge=1, le=SUPPLIES_PER_SHELF)] | None = None
    stage: Annotated[int, Field(ge=-4, lt=4)] | None = None
    """Pipeline stage; negative ones count from the last."""
    collector: str | None = None


class Fault(Model):
    """One fault of a scenario, or one injected by hand."""

    kind: str
    target: Target = Target()
    parameters: dict[str, Any] = {}
    at_seconds: Annotated[float, Field(ge=0.0, le=86_400.0)] = 0.0
    """After the scenario's start; for one injected by hand, after now."""
    duration_seconds: Annotated[float, Field(gt=0.0, le=86_400.0)] | None = None
    """It lasts until the end without one."""
    harness: bool = False
    """Struck by whoever runs the scenario (a collector that is killed), not by the emulator."""


@dataclass(frozen=True, slots=True)
class Place:
    """A target, resolved to indices."""

    host: int = 0
    accelerator: int = 0
    loop: int = 0
    pump: int = 0
    supply: int = 0
    stage: int = 0


class FaultKind(Model, ABC):
    """Parameters of a kind of fault, and what it does."""

    needs: ClassVar[tuple[str, ...]]
    """Fields of :class:`Target` that must be given (``host`` means either way of naming one)."""
    ramp_seconds: Annotated[float, Field(ge=0.0, le=3600.0)] = 0.0
    """Time from onset to full effect, linear."""

    @abstractmethod
    def apply(self, effects: Effects, place: Place, progress: float) -> None:
        """Lays the fault over ``effects``; ``progress`` goes from 0 (onset) to 1 (full)."""

    def xid(self) -> int | None:
        """The XID that the driver writes at the onset, if any."""
        return None


class ColdPlateClog(FaultKind):
    """A host's coolant path narrows: less flow, hotter plates, lower clocks, slow ranks."""

    needs = ("host",)
    flow_ratio: Ratio = 0.15
    """Hydraulic conductance left."""
    ramp_seconds: Annotated[float, Field(ge=0.0, le=3600.0)] = 4.0

    @override
    def apply(self, effects: Effects, place: Place, progress: float) -> None:
        """Narrows the tray's path."""
        effects.flow_conductance[place.host] *= 1.0 - progress * (1.0 - self.flow_ratio)


class PumpDegraded(FaultKind):
    """A pump loses speed; through its worn check valve the other's flow runs back."""

    needs = ("coolant_unit", "pump")
    speed_ratio: Ratio = 0.1
    check_valve_leak_ratio: Ratio = 0.5
    ramp_seconds: Annotated[float, Field(ge=0.0, le=3600.0)] = 8.0

    @override
    def apply(self, effects: Effects, place: Place, progress: float) -> None:
        """Slows the pump and opens the way back."""
        effects.pump_speed[place.loop, place.pump] *= 1.0 - progress * (1.0 - self.speed_ratio)
        effects.check_valve_leak[place.loop] += progress * self.check_valve_leak_ratio


class Xid(FaultKind):
    """The driver reports an XID; with 79 the accelerator is gone and the job hangs."""

    needs = ("host", "accelerator")
    code: Annotated[int, Field(ge=1, le=999)] = XID_OFF_BUS

    @override
    def apply(self, effects: Effects, place: Place, progress: float) -> None:
        """Takes the accelerator away where the code says so."""
        if self.code == XID_OFF_BUS:
            effects.off_bus[place.host, place.accelerator] = True

    @override
    def xid(self) -> int | None:
        """The code."""
        return self.code


class SlowRank(FaultKind):
    """One accelerator computes slower, cool and at full clock (a bad link, a sick driver)."""

    needs = ("host", "accelerator")
    factor: Factor = 1.35

    @override
    def apply(self, effects: Effects, place: Place, progress: float) -> None:
        """Stretches the rank's compute time."""
        effects.slowness[place.host, place.accelerator] *= 1.0 + progress * (self.factor - 1.0)


class StageImbalance(FaultKind):
    """The job's own change makes one pipeline stage longer: no hardware is at fault."""

    needs = ("stage",)
    factor: Factor = 1.3

    @override
    def apply(self, effects: Effects, place: Place, progress: float) -> None:
        """Stretches the stage's compute time."""
        effects.stage_factor[place.stage] *= 1.0 + progress * (self.factor - 1.0)


class Leak(FaultKind):
    """Coolant on a host's tray."""

    needs = ("host",)
    level: Literal["warning", "critical"] = "warning"

    @override
    def apply(self, effects: Effects, place: Place, progress: float) -> None:
        """Raises the detector's level; a larger leak hides a smaller one."""
        level = 1 if self.level == "warning" else 2
        effects.leak_level[place.host] = max(int(effects.leak_level[place.host]), level)


class SupplyFailed(FaultKind):
    """A supply of a power shelf stops; the others take its load."""

    needs = ("power_shelf", "supply")

    @override
    def apply(self, effects: Effects, place: Place, progress: float) -> None:
        """Takes the supply away."""
        effects.supply_failed[place.loop, place.supply] = True


KINDS: Mapping[str, type[FaultKind]] = {
    "cold_plate_clog": ColdPlateClog,
    "pump_degraded": PumpDegraded,
    "xid": Xid,
    "slow_rank": SlowRank,
    "stage_imbalance": StageImbalance,
    "leak": Leak,
    "supply_failed": SupplyFailed,
}
HARNESS_KINDS = ("collector_outage",)


@dataclass(slots=True)
class ScheduledFault:
    """A checked fault on the fleet's own clock."""

    id: str
    fault: Fault
    kind: FaultKind
    place: Place
    begins_at: float
    begun: bool = False

    def is_active(self, now: float) -> bool:
        """Whether it holds at ``now``, in the fleet's seconds."""
        duration = self.fault.duration_seconds
        return now >= self.begins_at and (duration is None or now < self.begins_at + duration)

    def progress(self, now: float) -> float:
        """0 at the onset, 1 at full effect."""
        ramp = self.kind.ramp_seconds
        return min((now - self.begins_at) / ramp, 1.0) if ramp > 0 else 1.0


class FaultSchedule:
    """All faults of the emulator's life."""

    def __init__(self, layout: FleetLayout, stages: int) -> None:
        """Empty. ``stages`` are the job's pipeline stages."""
        self._layout = layout
        self._stages = stages
        self.faults: list[ScheduledFault] = []

    def add(self, fault: Fault, now: float) -> ScheduledFault:
        """Schedules a fault ``at_seconds`` after ``now``.

        Raises:
            ConfigError: an unknown kind or parameter, or a place that is missing or not there.
        """
        scheduled = ScheduledFault(
            id=f"fault-{len(self.faults) + 1}",
            fault=fault,
            kind=_kind_of(fault),
            place=self._resolve(fault),
            begins_at=now + fault.at_seconds,
        )
        self.faults.append(scheduled)
        return scheduled

    def effects(self, now: float, on_begin: Callable[[ScheduledFault], None]) -> Effects:
        """What is wrong at ``now``; ``on_begin`` hears of each fault once."""
        effects = Effects.none(self._layout, self._stages)
        for scheduled in self.faults:
            if scheduled.is_active(now):
                if not scheduled.begun:
                    scheduled.begun = True
                    on_begin(scheduled)
                scheduled.kind.apply(effects, scheduled.place, scheduled.progress(now))
        return effects

    def _resolve(self, fault: Fault) -> Place:
        target = fault.target
        stage = target.stage or 0
        return Place(
            host=self._host(target, fault.kind),
            accelerator=target.accelerator or 0,
            loop=_position(self._layout.loops, target.coolant_unit, fault.kind)
            + _position(self._layout.shelves, target.power_shelf, fault.kind),
            pump=(target.pump or 1) - 1,
            supply=(target.supply or 1) - 1,
            stage=stage if stage >= 0 else self._stages + stage,
        )

    def _host(self, target: Target, kind: str) -> int:
        if target.host is not None:
            return self._layout.index(target.host)
        index = target.host_index or 0
        if index >= len(self._layout.placements):
            raise ConfigError(
                f"fault {kind}: host_index {index}, but the fleet has "
                f"{len(self._layout.placements)} hosts; name one below that"
            )
        return index


def check_fault(fault: Fault) -> None:
    """Checks all that can be without a fleet.

    Raises:
        ConfigError: an unknown kind or parameter, or a place that is missing.
    """
    if not fault.harness:
        _kind_of(fault)
    elif fault.kind not in HARNESS_KINDS:
        raise ConfigError(
            f"harness fault {fault.kind!r} is unknown; there are: {', '.join(HARNESS_KINDS)}"
        )


def _kind_of(fault: Fault) -> FaultKind:
    try:
        model = KINDS[fault.kind]
    except KeyError:
        raise ConfigError(
            f"fault kind {fault.kind!r} is unknown; there are: {', '.join(KINDS)}"
        ) from None
    for name in model.needs:
        given = getattr(fault.target, name) is not None
        if not given and not (name == "host" and fault.target.host_index is not None):
            raise ConfigError(f"fault {fault.kind}: target.{name} is missing; add it")
    try:
        return model.model_validate(fault.parameters)
    except ValidationError as error:
        raise ConfigError(describe(error, f"fault {fault.kind}: parameters")) from error


def _position(names: Sequence[str], name: str | None, kind: str) -> int:
    if name is None:
        return 0
    if name not in names:
        raise ConfigError(f"fault {kind}: no {name!r}; there are: {', '.join(names)}")
    return names.index(name)
