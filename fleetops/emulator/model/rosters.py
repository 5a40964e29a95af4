"""The devices of a site by class, in the order in which its tables list them."""

from __future__ import annotations

from collections.abc import Iterable

from fleetops.emulator.groups import Indices, indices
from fleetops.emulator.model.jobs import Jobs
from fleetops.emulator.model.parameters import is_liquid
from fleetops.emulator.model.tables import Roster
from fleetops.emulator.registers import told_by
from fleetops.emulator.site import Loop, Site
from fleetops.emulator.switch_parts import lasers_of_all, supplies_of_all
from fleetops_schemas.platforms import Interface
from fleetops_schemas.topology import host_of


def rosters(site: Site, jobs: Jobs) -> dict[str, Roster]:
    """A roster a class; a class without devices is left out.

    Of power units supplies come first, then batteries, then supplies of switches, then the shelves
    that tell of themselves. Of coolant units the units themselves, then pumps, then the units' leak
    detectors, then those of the trays. Switches come after hosts, external lasers after ports.
    """
    racks = {placement.host: placement.rack for placement in site.standing}
    wet = [host for host, liquid in zip(site.hosts, is_liquid(site), strict=True) if liquid]
    switch_racks = {switch.name: switch.rack for switch in site.switches}
    unit_racks = {loop.name: loop.rack for loop in site.loops}
    shelf_racks = {shelf.name: shelf.rack for shelf in site.shelves}
    units = [
        *unit_racks,
        *site.pumps,
        *(f"{loop.name}/{detector}" for loop in site.loops for detector in detectors(loop)),
        *(f"{host}/leak0" for host in wet),
    ]
    supplies = (*site.supplies, *site.batteries, *supplies_of_all(site))
    lasers = lasers_of_all(site.ports)
    shelves = [site.shelves[index].name for index in told_shelves(site)]
    ranks = [
        (f"{host_of(site.accelerators[accelerator])}/job{job.id}/rank{rank}")
        for job in jobs.jobs
        if job.trains
        for rank, accelerator in enumerate(job.accelerators)
    ]
    made = (
        _roster("accelerator", site.accelerators, racks, {}),
        _roster("host", (*site.hosts, *switch_racks), racks, switch_racks),
        _roster("fabric_port", (*site.ports.names, *lasers), racks, switch_racks),
        _roster("power_unit", (*supplies, *shelves), {}, shelf_racks | switch_racks),
        _roster("coolant_unit", units, racks, unit_racks),
        _roster("training_rank", ranks, racks, {}),
    )
    return {roster.device_class: roster for roster in made if roster.devices}


def told_shelves(site: Site) -> Indices:
    """The shelves that have a controller of their own, which tells of the shelf as a whole."""
    return indices(
        index
        for index, shelf in enumerate(site.shelves)
        if shelf.power.interface is Interface.REDFISH
    )


def detectors(loop: Loop) -> tuple[str, ...]:
    """The leak detectors of a unit, by the names that its own interface gives them."""
    if loop.unit.interface is Interface.RACKMON:
        told = told_by(loop.unit.register_map)
        return tuple(part for part in told.parts if "leak_state" in told.metrics[part])
    return ("leak",) if loop.unit.interface is Interface.FACILITY else ("leak0",)


def _roster(
    device_class: str,
    devices: Iterable[str],
    racks_of_hosts: dict[str, str],
    racks_of_others: dict[str, str],
) -> Roster:
    """``racks_of_others`` are of things beside hosts, by the beginning of their devices' names."""
    names = tuple(devices)
    hosts, racks = [], []
    for name in names:
        host = host_of(name)
        if host in racks_of_hosts:
            hosts.append(host)
            racks.append(racks_of_hosts[host])
        else:
            hosts.append("")
            racks.append(_rack(name, racks_of_others))
    return Roster(device_class, names, tuple(hosts), tuple(racks))


def _rack(name: str, racks: dict[str, str]) -> str:
    while name not in racks and "/" in name:
        name = name.rpartition("/")[0]
    return racks.get(name, name)
