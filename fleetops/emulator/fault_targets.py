"""Targets of faults: as people write them, and as places of a site."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from fleetops.core.errors import ConfigError
from fleetops.emulator.fault_places import Place, Places
from fleetops.emulator.groups import Indices, indices
from fleetops.emulator.model.effects import COLLECTORS, Scope

Number = Annotated[int, Field(ge=0, le=100_000)]
COLLECTOR_NAMES = {
    "dcgm": "accelerator",
    "bmc": "host",
    "training": "training_rank",
    "cdu": "coolant_unit",
    "shelf": "power_unit",
}
"""What collectors are called in the demonstration, beside the classes that they read."""


class Model(BaseModel):
    """Base of what people write faults in: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TargetKind(StrEnum):
    """What a fault can strike."""

    HOST = "host"
    ACCELERATOR = "accelerator"
    RACK = "rack"
    ROW = "row"
    COOLANT_UNIT = "coolant_unit"
    PUMP = "pump"
    POWER_SHELF = "power_shelf"
    SUPPLY = "supply"
    BATTERY = "battery"
    SWITCH = "switch"
    PORT = "port"
    JOB = "job"
    STAGE = "stage"
    COLLECTOR = "collector"
    SITE = "site"


class Target(Model):
    """Where a fault strikes: hosts by index (of any names) or name, the rest by name or number."""

    host_index: Number | None = None
    host: str | None = None
    accelerator: Number | None = None
    rack: str | None = None
    row: str | None = None
    coolant_unit: str | None = None
    pump: Annotated[int, Field(ge=1, le=64)] | None = None
    power_shelf: str | None = None
    supply: Annotated[int, Field(ge=1, le=64)] | None = None
    battery: Annotated[int, Field(ge=1, le=64)] | None = None
    switch: str | None = None
    port: str | None = None
    """A port of the host (``mlx5_0``), or with its owner (``leaf1/eth3``)."""
    job: str | None = None
    """By id; the first one without it."""
    stage: Annotated[int, Field(ge=-64, lt=64)] | None = None
    """Pipeline stage; negative ones count from the last."""
    collector: str | None = None
    """By the class of devices that it reads, or as in :data:`COLLECTOR_NAMES`."""

    def has(self, field: str) -> bool:
        """Whether the field is given; ``host`` means either way of naming one."""
        if field == "host" and self.host_index is not None:
            return True
        return getattr(self, field) is not None


NEEDS: Mapping[TargetKind, tuple[str, ...]] = {
    TargetKind.HOST: ("host",),
    TargetKind.ACCELERATOR: ("host", "accelerator"),
    TargetKind.RACK: ("rack",),
    TargetKind.ROW: ("row",),
    TargetKind.COOLANT_UNIT: ("coolant_unit",),
    TargetKind.PUMP: ("coolant_unit", "pump"),
    TargetKind.POWER_SHELF: ("power_shelf",),
    TargetKind.SUPPLY: ("power_shelf", "supply"),
    TargetKind.BATTERY: ("power_shelf", "battery"),
    TargetKind.SWITCH: ("switch",),
    TargetKind.PORT: ("port",),
    TargetKind.JOB: (),
    TargetKind.STAGE: ("stage",),
    TargetKind.COLLECTOR: ("collector",),
    TargetKind.SITE: (),
}
"""Fields of a target that must be given for each kind."""


def resolve(places: Places, kind: TargetKind, target: Target) -> Place:
    """The place of a target.

    Raises:
        ConfigError: something that it names is not given or not there; says what is.
    """
    for field in NEEDS[kind]:
        if not target.has(field):
            raise ConfigError(f"target.{field} is missing; add it")
    if kind is TargetKind.SITE:
        return places.everything()
    scope, devices = _RESOLVERS[kind](places, target)
    return places.place(scope, devices)


Resolved = tuple[Scope, Indices]


def _host(places: Places, target: Target) -> int:
    if target.host is not None:
        return places.site.index("hosts", target.host)
    index = target.host_index or 0
    if index >= len(places.site.hosts):
        raise ConfigError(
            f"host_index {index}, but {len(places.site.hosts)} hosts are emulated; "
            "name one below that"
        )
    return index


def _job(places: Places, target: Target) -> int:
    ids = [job.id for job in places.jobs.jobs]
    wanted = target.job or (ids[0] if ids else "")
    if wanted not in ids:
        raise ConfigError(f"no job {wanted!r}; there are: {', '.join(ids) or 'none'}")
    return ids.index(wanted)


def _find(places: Places, scope: Scope, name: str) -> Indices:
    return indices([places.site.index(scope.value, name)])


def _accelerator(places: Places, target: Target) -> Resolved:
    host, number = _host(places, target), target.accelerator or 0
    own = np.flatnonzero(places.site.host_of_accelerator == host).astype(np.intp)
    if number >= len(own):
        raise ConfigError(
            f"accelerator {number}, but {places.site.hosts[host]} has {len(own)}; "
            "name one below that"
        )
    return Scope.ACCELERATOR, own[number : number + 1]


def _row(places: Places, target: Target) -> Resolved:
    site = places.site
    hosts = [index for index, place in enumerate(site.standing) if place.row == target.row]
    if not hosts:
        rows = sorted({place.row for place in site.standing})
        raise ConfigError(f"no row {target.row!r}; there are: {', '.join(rows)}")
    return Scope.RACK, np.unique(site.rack_of_host[indices(hosts)])


def _numbered(scope: Scope, owner: str, number: str, part: str) -> Callable[..., Resolved]:
    """Resolves ``OWNER/PARTn``: pump 2 of a unit, supply 3 of a shelf."""

    def resolve(places: Places, target: Target) -> Resolved:
        name = f"{getattr(target, owner)}/{part}{getattr(target, number)}"
        return scope, _find(places, scope, name)

    return resolve


def _named(scope: Scope, field: str) -> Callable[..., Resolved]:
    def resolve(places: Places, target: Target) -> Resolved:
        return scope, _find(places, scope, getattr(target, field))

    return resolve


def _port(places: Places, target: Target) -> Resolved:
    name = str(target.port)
    if target.has("host"):
        name = f"{places.site.hosts[_host(places, target)]}/{name}"
    return Scope.PORT, _find(places, Scope.PORT, name)


def _stage(places: Places, target: Target) -> Resolved:
    job = _job(places, target)
    held, stage = places.jobs.jobs[job], target.stage or 0
    number = stage if stage >= 0 else held.stages + stage
    if not 0 <= number < held.stages:
        raise ConfigError(f"stage {stage}, but job {held.id} has {held.stages}; name one of them")
    before = sum(other.stages for other in places.jobs.jobs[:job])
    return Scope.STAGE, indices([before + number])


def _collector(_places: Places, target: Target) -> Resolved:
    name = COLLECTOR_NAMES.get(str(target.collector), str(target.collector))
    if name not in COLLECTORS:
        raise ConfigError(f"no collector {name!r}; there are: {', '.join(COLLECTORS)}")
    return Scope.COLLECTOR, indices([COLLECTORS.index(name)])


_RESOLVERS: Mapping[TargetKind, Callable[[Places, Target], Resolved]] = {
    TargetKind.HOST: lambda places, target: (Scope.HOST, indices([_host(places, target)])),
    TargetKind.ACCELERATOR: _accelerator,
    TargetKind.RACK: _named(Scope.RACK, "rack"),
    TargetKind.ROW: _row,
    TargetKind.COOLANT_UNIT: _named(Scope.LOOP, "coolant_unit"),
    TargetKind.PUMP: _numbered(Scope.PUMP, "coolant_unit", "pump", "pump"),
    TargetKind.POWER_SHELF: _named(Scope.SHELF, "power_shelf"),
    TargetKind.SUPPLY: _numbered(Scope.SUPPLY, "power_shelf", "supply", "psu"),
    TargetKind.BATTERY: _numbered(Scope.BATTERY, "power_shelf", "battery", "bbu"),
    TargetKind.SWITCH: _named(Scope.SWITCH, "switch"),
    TargetKind.PORT: _port,
    TargetKind.JOB: lambda places, target: (Scope.JOB, indices([_job(places, target)])),
    TargetKind.STAGE: _stage,
    TargetKind.COLLECTOR: _collector,
}
