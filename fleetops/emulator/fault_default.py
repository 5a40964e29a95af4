"""Where a fault strikes that nobody gave a target: somewhere it can be watched."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from fleetops.core.errors import ConfigError
from fleetops.emulator.fault_kinds import fault_kind
from fleetops.emulator.fault_schedule import Fault
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
    kind = fault_kind(fault.kind).target
    given = fault.target.model_dump(exclude_none=True)
    if all(fault.target.has(name) for name in NEEDS[kind]):
        return fault
    try:
        found = _ANY[kind](site, jobs)
    except IndexError:
        raise ConfigError(
            f"fault {fault.kind}: {site.cluster.name} has no {kind.value.replace('_', ' ')} to "
            "strike; choose another cluster or another fault"
        ) from None
    target = Target.model_validate({**found, **given})
    return fault.model_copy(update={"target": target})


def _host(site: Site, jobs: Jobs) -> int:
    if not jobs.jobs:
        return len(site.hosts) // FIFTH
    held = jobs.jobs[0].hosts
    return int(held[len(held) // FIFTH])


def _port(site: Site, jobs: Jobs) -> dict[str, object]:
    own = np.flatnonzero((site.ports.host_of == _host(site, jobs)) & site.ports.is_backend)
    return {"port": site.ports.names[int(own[0])]}


def _loop(site: Site, _jobs: Jobs) -> dict[str, object]:
    return {"coolant_unit": site.loops[0].name}


def _shelf(site: Site, _jobs: Jobs) -> dict[str, object]:
    return {"power_shelf": site.shelves[0].name}


def _accelerator(site: Site, jobs: Jobs) -> dict[str, object]:
    host = _host(site, jobs)
    own = np.flatnonzero(site.host_of_accelerator == host)
    return {"host_index": host, "accelerator": [*range(len(own))][len(own) // 2]}


def _supply(site: Site, jobs: Jobs) -> dict[str, object]:
    return {**_shelf(site, jobs), "supply": 1}


def _battery(site: Site, jobs: Jobs) -> dict[str, object]:
    shelf = next((one for one in site.shelves if one.power.batteries is not None), None)
    if shelf is None:
        raise IndexError
    return {"power_shelf": shelf.name, "battery": 1}


_ANY: Mapping[TargetKind, Callable[[Site, Jobs], dict[str, object]]] = {
    TargetKind.HOST: lambda site, jobs: {"host_index": _host(site, jobs)},
    TargetKind.ACCELERATOR: _accelerator,
    TargetKind.RACK: lambda site, jobs: {"rack": site.standing[_host(site, jobs)].rack},
    TargetKind.ROW: lambda site, jobs: {"row": site.standing[_host(site, jobs)].row},
    TargetKind.COOLANT_UNIT: _loop,
    TargetKind.PUMP: lambda site, jobs: {**_loop(site, jobs), "pump": 1},
    TargetKind.POWER_SHELF: _shelf,
    TargetKind.SUPPLY: _supply,
    TargetKind.BATTERY: _battery,
    TargetKind.SWITCH: lambda site, _jobs: {"switch": site.switches[0].name},
    TargetKind.PORT: _port,
    TargetKind.JOB: lambda _site, jobs: {"job": jobs.jobs[0].id},
    TargetKind.STAGE: lambda _site, jobs: {"job": jobs.jobs[0].id, "stage": -1},
    TargetKind.COLLECTOR: lambda _site, _jobs: {"collector": "dcgm"},
    TargetKind.SITE: lambda _site, _jobs: {},
}
