"""Where a fault strikes that nobody gave a target: somewhere it can be watched."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from fleetops.core.errors import ConfigError
from fleetops.emulator.fault_kinds import Suits, fault_kind
from fleetops.emulator.fault_schedule import Fault
from fleetops.emulator.fault_suits import host_suits, port_suits, switch_suits
from fleetops.emulator.fault_targets import NEEDS, Target, TargetKind
from fleetops.emulator.model.jobs import Jobs
from fleetops.emulator.site import Site

FIFTH = 5
"""A host a fifth into the first job: neither its first nor its last."""


def with_target(fault: Fault, site: Site, jobs: Jobs) -> Fault:
    """The fault, with whatever its kind needs to be told and it does not say.

    Raises:
        ConfigError: there is no such kind, or the fleet has nothing that it could strike.
    """
    struck = fault_kind(fault.kind)
    kind = struck.target
    given = fault.target.model_dump(exclude_none=True)
    # a job may be left out where there is one: here is told that there is none
    needed = ("job",) if kind is TargetKind.JOB else NEEDS[kind]
    if all(fault.target.has(name) for name in needed):
        return fault
    try:
        found = _ANY[kind](site, jobs, struck.only)
    except IndexError:
        raise ConfigError(
            f"fault {fault.kind}: {site.cluster.name} has no {kind.value.replace('_', ' ')} that "
            "can have it; choose another cluster or another fault"
        ) from None
    target = Target.model_validate({**found, **given})
    return fault.model_copy(update={"target": target})


def _host(site: Site, jobs: Jobs, only: Suits) -> int:
    held = jobs.jobs[0].hosts.tolist() if jobs.jobs else []
    fitting = [host for host in held or range(len(site.hosts)) if host_suits(site, host, only)]
    return fitting[len(fitting) // FIFTH]


def _port(site: Site, jobs: Jobs, only: Suits) -> dict[str, object]:
    """A back-end port of a host; a port of its leaf where only modules will do and it has none."""
    ports = site.ports
    own = np.flatnonzero((ports.host_of == _host(site, jobs, only)) & ports.is_backend)
    leaf = ports.switch_of[ports.peer[own[:1]]]
    candidates = [*own.tolist(), *np.flatnonzero(np.isin(ports.switch_of, leaf)).tolist()]
    fitting = [port for port in candidates if port_suits(site, port, only)]
    return {"port": ports.names[fitting[0]]}


def _switch(site: Site, _jobs: Jobs, only: Suits) -> dict[str, object]:
    fitting = [one.name for at, one in enumerate(site.switches) if switch_suits(site, at, only)]
    return {"switch": fitting[0]}


def _loop(site: Site, _jobs: Jobs, _only: Suits) -> dict[str, object]:
    return {"coolant_unit": site.loops[0].name}


def _shelf(site: Site, _jobs: Jobs, _only: Suits) -> dict[str, object]:
    return {"power_shelf": site.shelves[0].name}


def _accelerator(site: Site, jobs: Jobs, only: Suits) -> dict[str, object]:
    host = _host(site, jobs, only)
    own = np.flatnonzero(site.host_of_accelerator == host)
    return {"host_index": host, "accelerator": [*range(len(own))][len(own) // 2]}


def _supply(site: Site, jobs: Jobs, only: Suits) -> dict[str, object]:
    return {**_shelf(site, jobs, only), "supply": 1}


def _battery(site: Site, _jobs: Jobs, _only: Suits) -> dict[str, object]:
    shelf = next((one for one in site.shelves if one.power.batteries is not None), None)
    if shelf is None:
        raise IndexError
    return {"power_shelf": shelf.name, "battery": 1}


_ANY: Mapping[TargetKind, Callable[[Site, Jobs, Suits], dict[str, object]]] = {
    TargetKind.HOST: lambda site, jobs, only: {"host_index": _host(site, jobs, only)},
    TargetKind.ACCELERATOR: _accelerator,
    TargetKind.RACK: lambda site, jobs, only: {"rack": site.standing[_host(site, jobs, only)].rack},
    TargetKind.ROW: lambda site, jobs, only: {"row": site.standing[_host(site, jobs, only)].row},
    TargetKind.COOLANT_UNIT: _loop,
    TargetKind.PUMP: lambda site, jobs, only: {**_loop(site, jobs, only), "pump": 1},
    TargetKind.POWER_SHELF: _shelf,
    TargetKind.SUPPLY: _supply,
    TargetKind.BATTERY: _battery,
    TargetKind.SWITCH: _switch,
    TargetKind.PORT: _port,
    TargetKind.JOB: lambda _site, jobs, _only: {"job": jobs.jobs[0].id},
    TargetKind.STAGE: lambda _site, jobs, _only: {"job": jobs.jobs[0].id, "stage": -1},
    TargetKind.COLLECTOR: lambda _site, _jobs, _only: {"collector": "dcgm"},
    TargetKind.SITE: lambda _site, _jobs, _only: {},
}
