"""Places of a site: some devices, and what stands in them, hangs on them or holds them.

An :class:`Extent` has, by scope, the indices of all that belongs to some devices: of a rack its
hosts, their accelerators and ports, its supplies; of an accelerator its host, its port, its job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from fleetops.emulator.groups import NONE, Indices, indices
from fleetops.emulator.model.effects import COLLECTORS, Scope
from fleetops.emulator.model.jobs import Jobs
from fleetops.emulator.site import Site
from fleetops_schemas.topology import host_of


class Extent:
    """Devices by scope; immutable, and made by :class:`Places`."""

    def __init__(self, parts: Mapping[Scope, Iterable[int]]) -> None:
        """A scope that is not given has none."""
        self._parts: dict[Scope, Indices] = {
            scope: np.unique(indices(parts.get(scope, ()))) for scope in Scope
        }

    def __getitem__(self, scope: Scope) -> Indices:
        """Indices of a scope, sorted."""
        return self._parts[scope]

    def only(self, *scopes: Scope) -> Extent:
        """The same without other scopes."""
        return Extent({scope: self._parts[scope] for scope in scopes})

    def __or__(self, other: Extent) -> Extent:
        return Extent({scope: (*self._parts[scope], *other[scope]) for scope in Scope})


@dataclass(frozen=True, slots=True)
class Place:
    """Devices of one scope, and all that belongs to them."""

    scope: Scope | None
    """None for the whole site."""
    devices: Indices
    name: str
    extent: Extent


class Places:
    """Finds places of a site and its jobs."""

    def __init__(self, site: Site, jobs: Jobs) -> None:
        """Keeps both; ``jobs`` are only asked who holds what."""
        self.site = site
        self.jobs = jobs
        self._found: dict[tuple[Scope, bytes], Place] = {}
        self._ranks = _ranks(site, jobs)
        self._stage_of = _stages(jobs, len(site.accelerators))

    def place(self, scope: Scope, devices: Indices) -> Place:
        """Some devices with all that belongs to them."""
        key = (scope, devices.tobytes())
        if key not in self._found:
            extent = self.extent(scope, devices)
            self._found[key] = Place(scope, devices, self._name(scope, devices), extent)
        return self._found[key]

    def everything(self) -> Place:
        """The whole site."""
        parts: dict[Scope, Iterable[int]] = {
            Scope.JOB: range(len(self.jobs.jobs)),
            Scope.STAGE: range(self.jobs.stages),
            Scope.COLLECTOR: range(len(COLLECTORS)),
        }
        for scope in Scope:
            if scope not in parts:
                parts[scope] = range(len(self.site.names(scope.value)))
        return Place(None, indices([]), "site", Extent(parts))

    def extent(self, scope: Scope, devices: Indices) -> Extent:
        """What belongs to devices of a scope: above, below and beside them."""
        if scope is Scope.COLLECTOR:
            return Extent({scope: devices})
        parts: dict[Scope, Indices] = {scope: devices}
        hosts = parts.setdefault(Scope.HOST, _HOSTS[scope](self, devices))
        parts.setdefault(Scope.ACCELERATOR, self._accelerators_of(scope, devices, hosts))
        parts.setdefault(Scope.PORT, self._ports_of(scope, devices, hosts))
        self._add_shared(parts, hosts)
        self._add_jobs(parts)
        return Extent(parts)

    def rank_names(self, accelerators: Indices) -> list[str]:
        """The ranks that run on some accelerators, as tables call them."""
        return [self._ranks[index] for index in accelerators.tolist() if index in self._ranks]

    def _name(self, scope: Scope, devices: Indices) -> str:
        if scope is Scope.COLLECTOR:
            return ",".join(COLLECTORS[device] for device in devices)
        if scope is Scope.JOB:
            return ",".join(f"job{self.jobs.jobs[device].id}" for device in devices)
        if scope is Scope.STAGE:
            return ",".join(self._stage_name(int(device)) for device in devices)
        names = self.site.names(scope.value)
        return ",".join(names[device] for device in devices)

    def _stage_name(self, stage: int) -> str:
        for job in self.jobs.jobs:
            if stage < job.stages:
                return f"job{job.id}/stage{stage}"
            stage -= job.stages
        return f"stage{stage}"

    def _hosts_below(self, switches: Indices) -> Indices:
        """Hosts that hang on switches, over leaves where those are spines."""
        ports = self.site.ports
        below = _known(ports.peer[_where(ports.switch_of, switches)])
        leaves = _known(ports.switch_of[below])
        further = _known(ports.peer[_where(ports.switch_of, leaves)])
        return np.unique(_known(ports.host_of[np.append(below, further)]))

    def _accelerators_of(self, scope: Scope, devices: Indices, hosts: Indices) -> Indices:
        ports = self.site.ports
        if scope is Scope.PORT:
            both = _known(np.append(devices, ports.peer[devices]))
            return _known(ports.accelerator_of[both])
        if scope is Scope.STAGE:
            return _where(self._stage_of, devices)
        return _where(self.site.host_of_accelerator, hosts)

    def _ports_of(self, scope: Scope, devices: Indices, hosts: Indices) -> Indices:
        ports = self.site.ports
        if scope is Scope.SWITCH:
            return _where(ports.switch_of, devices)
        if scope is Scope.ACCELERATOR:
            return _where(ports.accelerator_of, devices)
        return _where(ports.host_of, hosts)

    def _add_shared(self, parts: dict[Scope, Indices], hosts: Indices) -> None:
        """Racks, shelves, loops and leaves of the hosts."""
        site = self.site
        racks = parts.setdefault(Scope.RACK, site.rack_of_host[hosts])
        shelves = parts.setdefault(Scope.SHELF, _where(site.rack_of_shelf, racks))
        parts.setdefault(Scope.SUPPLY, _where(site.shelf_of_supply, shelves))
        parts.setdefault(Scope.BATTERY, _where(site.shelf_of_battery, shelves))
        loops = _known(site.loop_of_host[hosts])
        if Scope.PUMP in parts:
            loops = site.loop_of_pump[parts[Scope.PUMP]]
        loops = parts.setdefault(Scope.LOOP, loops)
        parts.setdefault(Scope.PUMP, _where(site.loop_of_pump, loops))
        above = _known(site.ports.peer[parts[Scope.PORT]])
        parts.setdefault(Scope.SWITCH, _known(site.ports.switch_of[above]))

    def _add_jobs(self, parts: dict[Scope, Indices]) -> None:
        """Jobs that run there, and their stages."""
        jobs = self.jobs
        if Scope.JOB in parts:
            accelerators = np.concatenate([jobs.jobs[job].accelerators for job in parts[Scope.JOB]])
            parts[Scope.ACCELERATOR] = accelerators
        accelerators = parts[Scope.ACCELERATOR]
        parts.setdefault(Scope.JOB, _known(jobs.job_of_accelerator[accelerators]))
        parts.setdefault(Scope.STAGE, _known(self._stage_of[accelerators]))


_HOSTS: Mapping[Scope, Callable[[Places, Indices], Indices]] = {
    Scope.HOST: lambda _places, devices: devices,
    Scope.ACCELERATOR: lambda places, devices: places.site.host_of_accelerator[devices],
    Scope.RACK: lambda places, devices: _where(places.site.rack_of_host, devices),
    Scope.LOOP: lambda places, devices: _where(places.site.loop_of_host, devices),
    Scope.PUMP: lambda places, devices: _where(
        places.site.loop_of_host, places.site.loop_of_pump[devices]
    ),
    Scope.SHELF: lambda places, devices: _where(
        places.site.rack_of_host, places.site.rack_of_shelf[devices]
    ),
    Scope.SUPPLY: lambda places, devices: _HOSTS[Scope.SHELF](
        places, places.site.shelf_of_supply[devices]
    ),
    Scope.BATTERY: lambda places, devices: _HOSTS[Scope.SHELF](
        places, places.site.shelf_of_battery[devices]
    ),
    Scope.PORT: lambda places, devices: _known(
        places.site.ports.host_of[_known(np.append(devices, places.site.ports.peer[devices]))]
    ),
    Scope.SWITCH: lambda places, devices: places._hosts_below(devices),
    Scope.JOB: lambda places, devices: np.concatenate(
        [places.jobs.jobs[job].hosts for job in devices]
    ),
    Scope.STAGE: lambda places, devices: np.unique(
        places.site.host_of_accelerator[_where(places._stage_of, devices)]
    ),
}
"""By scope, the hosts that belong to its devices."""


def _where(owners: Indices, wanted: Indices) -> Indices:
    """Indices of the things whose owner is among ``wanted``."""
    return np.flatnonzero(np.isin(owners, wanted)).astype(np.intp)


def _known(found: Indices) -> Indices:
    known: Indices = found[found != NONE].astype(np.intp)
    return known


def _ranks(site: Site, jobs: Jobs) -> dict[int, str]:
    """By accelerator, the name of the rank that runs on it."""
    return {
        int(accelerator): f"{host_of(site.accelerators[accelerator])}/job{job.id}/rank{rank}"
        for job in jobs.jobs
        if job.trains
        for rank, accelerator in enumerate(job.accelerators)
    }


def _stages(jobs: Jobs, accelerators: int) -> Indices:
    """(accelerators,) the stage that runs on each, among those of all jobs."""
    stages, before = np.full(accelerators, NONE, dtype=np.intp), 0
    for job in jobs.jobs:
        stages[job.accelerators] = before + job.stage_of
        before += job.stages
    return stages
