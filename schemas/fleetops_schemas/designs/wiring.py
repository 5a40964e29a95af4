"""How many switches and ports a cluster's fabric takes, and which of its links carry light."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from fleetops_schemas.clusters import Cluster, HostGroup
from fleetops_schemas.designs.racks import hosts_per_rack
from fleetops_schemas.platforms import Adapter, Platform, Switch
from fleetops_schemas.profiles import load_profile

LEAST_SPINES = 4
"""A fabric has so many, as far as a leaf has uplinks, so that one may fail."""

Place = Literal["host", "leaf", "spine"]


class Ends(NamedTuple):
    """Equal ends of links: where they are, and whether a fibre or a copper cable is in them."""

    place: Place
    gigabits_per_second: float
    number: int
    is_optical: bool


@dataclass(frozen=True, slots=True)
class Wiring:
    """A cluster's backend fabric at full size."""

    leaves: int
    spines: int
    """As many as the uplinks fill, or :data:`LEAST_SPINES`."""
    uplinks: int
    ends: tuple[Ends, ...]
    """Hosts' ports, leaves' ports down, leaves' ports up, spines' ports."""

    @property
    def host_ports(self) -> int:
        """Backend ports of all hosts."""
        return sum(one.number for one in self.ends if one.place == "host")


class GroupRacks(NamedTuple):
    """A group of hosts and its racks, numbered from 1 over the whole cluster."""

    group: HostGroup
    platform: Platform
    racks: range


def racks_of(cluster: Cluster) -> Iterator[GroupRacks]:
    """The groups' racks, one group after the other."""
    first = 1
    for group in cluster.groups:
        platform = load_profile(Platform, group.platform)
        count = math.ceil(int(group.hosts) / hosts_per_rack(platform))
        yield GroupRacks(group, platform, range(first, first + count))
        first += count


def backend(platform: Platform) -> tuple[Adapter, ...]:
    """A platform's adapters that the fabric joins."""
    return tuple(adapter for adapter in platform.adapters if adapter.role == "backend")


def wiring(cluster: Cluster) -> Wiring:
    """The fabric of all of a cluster's hosts."""
    fabric, leaves, ends = cluster.fabric, set[int](), list[Ends]()
    for group, platform, racks in racks_of(cluster):
        adapters = backend(platform)
        if adapters:
            leaves |= {(rack - 1) // int(fabric.racks_per_leaf) for rack in racks}
        for adapter in adapters:
            count = int(group.hosts) * int(adapter.count)
            rate, lit = float(adapter.gigabits_per_second), adapter.optics is not None
            ends += [Ends("host", rate, count, lit), Ends("leaf", rate, count, lit)]
    uplinks = len(leaves) * int(fabric.uplinks_per_leaf)
    if uplinks:
        rate = float(load_profile(Switch, fabric.leaf).gigabits_per_second)
        ends += [Ends("leaf", rate, uplinks, True), Ends("spine", rate, uplinks, True)]
    filled = math.ceil(uplinks / int(load_profile(Switch, fabric.spine).ports))
    spines = max(filled, min(LEAST_SPINES, int(fabric.uplinks_per_leaf)))
    return Wiring(len(leaves), spines, uplinks, tuple(ends))


def accelerators(cluster: Cluster) -> int:
    """Accelerators of all hosts."""
    return sum(
        int(group.hosts) * load_profile(Platform, group.platform).accelerators
        for group in cluster.groups
    )


def it_watts(cluster: Cluster) -> float:
    """Rated power of all hosts and switches; switches without their optics."""
    hosts = sum(
        int(group.hosts) * load_profile(Platform, group.platform).rated_watts
        for group in cluster.groups
    )
    built = wiring(cluster)
    leaf = float(load_profile(Switch, cluster.fabric.leaf).busy_watts)
    spine = float(load_profile(Switch, cluster.fabric.spine).busy_watts)
    return hosts + built.leaves * leaf + built.spines * spine
