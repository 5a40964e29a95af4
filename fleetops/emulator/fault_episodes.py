"""Faults by chance, for long runs: how many, which, where, when and how long, all from the seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Annotated, Self

import numpy as np
import yaml
from pydantic import Field, ValidationError, model_validator

from fleetops.core.config import describe
from fleetops.core.errors import ConfigError
from fleetops.emulator.fault_kinds import FaultKind, fault_kind, fault_kinds
from fleetops.emulator.fault_places import Places
from fleetops.emulator.fault_schedule import Fault
from fleetops.emulator.fault_suits import host_suits, port_suits, switch_suits
from fleetops.emulator.fault_targets import Model, Target, TargetKind
from fleetops.emulator.groups import NONE
from fleetops.emulator.model.effects import COLLECTORS
from fleetops.emulator.model.fleet import DAY_SECONDS, FleetOptions
from fleetops.emulator.model.jobs import Jobs

MIX_FILE = "fault_mix.yaml"
LETTERS = "abcdefghijklmnopqrstuvwxyz"
STREAM = 17
"""Of the seed: apart from those of the fleet and of single faults."""
NOISE_KIND, LEMON_KIND = "xid_noise", "lemon_host"
Rate = Annotated[float, Field(ge=0.0)]


class Frequency(Model):
    """How often something comes."""

    rate: Rate
    source: str


class Group(Frequency):
    """Kinds that share a rate, by their counts."""

    counts: dict[str, Rate]


class Mix(Model):
    """A mix of faults; ``fault_mix.yaml`` is the one that is shipped."""

    sources: dict[str, str]
    per_thousand_node_days: dict[str, Group]
    per_job_day: dict[str, Frequency]
    per_fleet_day: dict[str, Frequency]
    lemon_share: Frequency
    codes_per_thousand_node_days: Frequency
    parameters: dict[str, dict[str, tuple[float | str, ...]]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _names_what_there_is(self) -> Self:
        kinds = {kind for group in self.per_thousand_node_days.values() for kind in group.counts}
        kinds |= set(self.per_job_day) | set(self.per_fleet_day) | set(self.parameters)
        if unknown := kinds - set(fault_kinds()):
            raise ValueError(f"no fault kinds {', '.join(sorted(unknown))}")
        frequencies = (
            *self.per_thousand_node_days.values(),
            *self.per_job_day.values(),
            *self.per_fleet_day.values(),
        )
        if unlisted := {one.source for one in frequencies} - set(self.sources):
            raise ValueError(f"sources that are not listed: {', '.join(sorted(unlisted))}")
        for name, choices in self.parameters.items():
            for parameter, values in choices.items():
                for value in values:
                    fault_kind(name).check({parameter: value})
        return self

    def scaled(self, factor: float) -> Mix:
        """The same with hard faults, slow ones and those of the facility so many times as often."""
        groups = {
            name: group.model_copy(update={"rate": group.rate * factor})
            for name, group in self.per_thousand_node_days.items()
        }
        return self.model_copy(update={"per_thousand_node_days": groups})


@cache
def default_mix() -> Mix:
    """The mix that is shipped.

    Raises:
        ConfigError: its file is wrong.
    """
    text = (files("fleetops.emulator") / MIX_FILE).read_text("utf-8")
    try:
        return Mix.model_validate(yaml.safe_load(text))
    except (ValidationError, yaml.YAMLError) as error:
        problem = describe(error, MIX_FILE) if isinstance(error, ValidationError) else str(error)
        raise ConfigError(problem) from error


def sample_faults(options: FleetOptions, seconds: float, mix: Mix | None = None) -> list[Fault]:
    """Faults for a run of a fleet, in order of time.

    Episodes of one thing never overlap. What a site has no place for is left out: an air-cooled
    fleet has no leaks, and its other faults are as frequent as ever.

    Args:
        options: of the fleet; its seed makes the faults.
        seconds: length of the run.
        mix: what comes how often.
    """
    return _Sampler(options, seconds, mix or default_mix()).run()


class _Sampler:
    def __init__(self, options: FleetOptions, seconds: float, mix: Mix) -> None:
        self._mix = mix
        self._seconds = seconds
        self._places = Places(options.site, Jobs(options.site, options.seed, options.first_job_id))
        self._rng = np.random.default_rng([options.seed, STREAM])
        self._hosts = len(options.site.hosts)
        self._taken: dict[str, list[tuple[float, float]]] = {}

    def run(self) -> list[Fault]:
        days = self._seconds / DAY_SECONDS
        node_days, jobs = self._hosts * days / 1000.0, len(self._places.jobs.jobs)
        faults: list[Fault] = []
        for group in self._mix.per_thousand_node_days.values():
            faults += self._of_group(group, node_days)
        for per, frequencies in (
            (days * jobs, self._mix.per_job_day),
            (days, self._mix.per_fleet_day),
        ):
            for kind, one in frequencies.items():
                faults += self._some(fault_kind(kind), self._rng.poisson(one.rate * per))
        faults += self._lemons()
        faults += self._noise()
        return sorted(faults, key=lambda fault: (fault.at_seconds, fault.kind))

    def _of_group(self, group: Group, node_days: float) -> Iterator[Fault]:
        """Kinds for which the site has no place are left out, not replaced."""
        total = sum(group.counts.values())
        for kind, count in group.counts.items():
            expected = group.rate * node_days * count / total
            yield from self._some(fault_kind(kind), int(self._rng.poisson(expected)))

    def _some(self, kind: FaultKind, count: int) -> Iterator[Fault]:
        for _ in range(count):
            target = _CHOICES[kind.target](self, kind)
            at = float(self._rng.uniform(0.0, self._seconds))
            duration = kind.duration.draw(self._rng)
            parameters = {
                name: values[self._rng.integers(len(values))]
                for name, values in self._mix.parameters.get(kind.kind, {}).items()
            }
            if target is not None and self._is_free(kind, target, at, duration):
                yield Fault(
                    kind=kind.kind,
                    target=target,
                    parameters=parameters,
                    at_seconds=at,
                    duration_seconds=duration,
                )

    def _is_free(self, kind: FaultKind, target: Target, at: float, duration: float | None) -> bool:
        """Whether nothing of that sort holds the target then; if so, it is taken."""
        end = self._seconds if duration is None else at + duration
        key = f"{kind.category}:{target.model_dump_json(exclude_none=True)}"
        taken = self._taken.setdefault(key, [])
        if any(at < other_end and begin < end for begin, other_end in taken):
            return False
        taken.append((at, end))
        return True

    def _lemons(self) -> Iterator[Fault]:
        """Lemons are so for good: from the beginning."""
        count = int(self._rng.binomial(self._hosts, self._mix.lemon_share.rate))
        for host in np.sort(self._rng.choice(self._hosts, count, replace=False)):
            if self._with_accelerators(int(host)):
                yield Fault(kind=LEMON_KIND, target=Target(host_index=int(host)))

    def _noise(self) -> Iterator[Fault]:
        a_day = self._mix.codes_per_thousand_node_days.rate * self._hosts / 1000.0
        if a_day > 0.0 and len(self._places.site.accelerators):
            every = max(DAY_SECONDS / a_day, 1.0)
            yield Fault(kind=NOISE_KIND, parameters={"every_seconds": min(every, 2.592e6)})

    def _with_accelerators(self, host: int) -> bool:
        return bool(self._places.site.group_of(host).platform.accelerators)

    def _one(self, count: int) -> int:
        """An index below ``count``; draws once, whatever it is."""
        return int(self._rng.integers(max(count, 1)))

    def _host(self, kind: FaultKind) -> Target | None:
        """A host with accelerators, cooled as the kind wants it."""
        at = self._one(self._hosts)
        fits = host_suits(self._places.site, at, kind.only)
        return Target(host_index=at) if fits and self._with_accelerators(at) else None

    def _accelerator(self, kind: FaultKind) -> Target | None:
        site = self._places.site
        at = self._one(len(site.accelerators))
        if not len(site.accelerators):
            return None
        host = int(site.host_of_accelerator[at])
        if not host_suits(site, host, kind.only):
            return None
        number = at - int(np.searchsorted(site.host_of_accelerator, host))
        return Target(host_index=host, accelerator=number)

    def _port(self, kind: FaultKind) -> Target | None:
        """A back-end port of a host, or any with a module where that is asked for."""
        site = self._places.site
        ports = site.ports
        wanted = ports.peer != NONE if kind.only.module else ports.accelerator_of != NONE
        own = [at for at in np.flatnonzero(wanted).tolist() if port_suits(site, at, kind.only)]
        at = self._one(len(own))
        return Target(port=ports.names[own[at]]) if own else None

    def _switch(self, kind: FaultKind) -> Target | None:
        site = self._places.site
        fitting = [
            one.name
            for index, one in enumerate(site.switches)
            if switch_suits(site, index, kind.only)
        ]
        at = self._one(len(fitting))
        return Target(switch=fitting[at]) if fitting else None

    def _part(self, owner: str, part: str, names: tuple[str, ...]) -> Target | None:
        at = self._one(len(names))
        if not names:
            return None
        whole, _, tail = names[at].rpartition("/")
        return Target.model_validate({owner: whole, part: int(tail.lstrip(LETTERS))})

    def _named(self, field: str, names: tuple[str, ...]) -> Target | None:
        at = self._one(len(names))
        return Target.model_validate({field: names[at]}) if names else None

    def _stage(self, _kind: FaultKind) -> Target | None:
        jobs = self._places.jobs.jobs
        at = self._one(len(jobs))
        return Target(job=jobs[at].id, stage=-1) if jobs and jobs[at].stages > 1 else None


Choice = Callable[[_Sampler, FaultKind], Target | None]
_CHOICES: Mapping[TargetKind, Choice] = {
    TargetKind.HOST: _Sampler._host,
    TargetKind.ACCELERATOR: _Sampler._accelerator,
    TargetKind.PORT: _Sampler._port,
    TargetKind.SWITCH: _Sampler._switch,
    TargetKind.STAGE: _Sampler._stage,
    TargetKind.RACK: lambda self, _: self._named("rack", self._places.site.racks),
    TargetKind.ROW: lambda self, _: self._named(
        "row", tuple(dict.fromkeys(str(place.row) for place in self._places.site.standing))
    ),
    TargetKind.COOLANT_UNIT: lambda self, _: self._named(
        "coolant_unit", self._places.site.names("loops")
    ),
    TargetKind.POWER_SHELF: lambda self, _: self._named(
        "power_shelf", self._places.site.names("shelves")
    ),
    TargetKind.PUMP: lambda self, _: self._part("coolant_unit", "pump", self._places.site.pumps),
    TargetKind.SUPPLY: lambda self, _: self._part(
        "power_shelf", "supply", self._places.site.supplies
    ),
    TargetKind.BATTERY: lambda self, _: self._part(
        "power_shelf", "battery", self._places.site.batteries
    ),
    TargetKind.JOB: lambda self, _: self._named(
        "job", tuple(job.id for job in self._places.jobs.jobs)
    ),
    TargetKind.COLLECTOR: lambda self, _: self._named("collector", COLLECTORS),
    TargetKind.SITE: lambda _self, _: Target(),
}
