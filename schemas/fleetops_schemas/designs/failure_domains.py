"""What stops when one part of a cluster fails: how many hosts and accelerators share its fate."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fleetops_schemas.clusters import COMPUTE, Cluster
from fleetops_schemas.designs.racks import (
    flow_ratio_without_a_pump,
    hosts_per_rack,
    rack_watts,
    shelf_can_fail,
    supply_watts,
)
from fleetops_schemas.designs.wiring import GroupRacks, backend, racks_of, wiring
from fleetops_schemas.platforms import CoolantUnit, RackPower
from fleetops_schemas.profiles import load_profile


@dataclass(frozen=True, slots=True)
class Domain:
    """One kind of part."""

    part: str
    parts: int
    """In the group that is looked at."""
    hosts: int
    """That stop with one of them."""
    accelerators: int
    note: str = ""


def main_group(cluster: Cluster) -> GroupRacks:
    """The group with most accelerators, or else with most hosts."""
    return max(
        racks_of(cluster),
        key=lambda one: (
            one.group.role in COMPUTE,
            int(one.group.hosts) * one.platform.accelerators,
            int(one.group.hosts),
        ),
    )


def failure_domains(cluster: Cluster) -> tuple[Domain, ...]:
    """Domains of the main group, smallest first."""
    main = main_group(cluster)
    found = [*_in_host(main), *_power(main), *_coolant(main), *_fabric(cluster, main)]
    rack = hosts_per_rack(main.platform)
    found.append(_domain(main, "rack", len(main.racks), rack, "its busbar or its feed"))
    rows = math.ceil(len(main.racks) / cluster.racks_per_row)
    if rows > 1:
        found.append(_domain(main, "row", rows, rack * cluster.racks_per_row, "its feed"))
    return tuple(sorted(found, key=lambda one: (one.accelerators, one.hosts)))


def _domain(main: GroupRacks, part: str, parts: int, hosts: int, note: str = "") -> Domain:
    hosts = min(hosts, int(main.group.hosts))
    return Domain(part, parts, hosts, hosts * main.platform.accelerators, note)


def _in_host(main: GroupRacks) -> list[Domain]:
    hosts, platform = int(main.group.hosts), main.platform
    found = [_domain(main, "host", hosts, 1)]
    if platform.accelerators > 1:
        count = hosts * platform.accelerators
        found.append(Domain("accelerator", count, 0, 1, "its host is drained to replace it"))
    return found


def _power(main: GroupRacks) -> list[Domain]:
    platform, racks = main.platform, len(main.racks)
    power = load_profile(RackPower, platform.rack.power)
    shelves = int(platform.rack.shelves)
    supplies = int(power.supplies.per_shelf)
    whole = hosts_per_rack(platform)
    spare = supply_watts(platform) >= rack_watts(platform)
    found = [
        _domain(
            main,
            "power supply",
            racks * shelves * supplies,
            0 if spare else whole,
            "the others of its shelf carry the rack" if spare else "the rack is braked",
        )
    ]
    if not power.in_hosts:
        spare = shelf_can_fail(platform)
        dark = "at once" if power.batteries is None else "after its batteries"
        note = "the other shelves carry the rack" if spare else f"the rack is dark {dark}"
        found.append(_domain(main, "power shelf", racks * shelves, 0 if spare else whole, note))
    return found


def _coolant(main: GroupRacks) -> list[Domain]:
    cooling = main.platform.cooling
    if cooling.unit is None:
        return []
    unit = load_profile(CoolantUnit, cooling.unit)
    racks = cooling.racks_per_unit if unit.kind == "liquid_to_liquid" else 1
    units = math.ceil(len(main.racks) / racks)
    pumps = int(unit.pumps)
    left = min(flow_ratio_without_a_pump(unit), 1.0)
    return [
        _domain(main, "coolant unit", units, racks * hosts_per_rack(main.platform)),
        _domain(main, "pump", units * pumps, 0, f"the others give {left:.0%} of rated flow"),
    ]


def _fabric(cluster: Cluster, main: GroupRacks) -> list[Domain]:
    if not backend(main.platform):
        return []
    built, per_leaf = wiring(cluster), int(cluster.fabric.racks_per_leaf)
    hosts = per_leaf * hosts_per_rack(main.platform)
    found = [_domain(main, "leaf switch", built.leaves, hosts, "they lose the fabric, not power")]
    if built.spines:
        note = f"the fabric keeps {1.0 - 1.0 / built.spines:.1%} of its width"
        found.append(_domain(main, "spine switch", built.spines, 0, note))
    return found
