"""Where emulated things stand: hosts, accelerators, racks, coolant units, shelves, switches, ports.

Indices are the language inside the emulator (arrays are flat, one entry a device); names are what
the outside sees. A site is fixed for the emulator's life.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from fleetops.core.errors import ConfigError
from fleetops.emulator.fabric import FabricSwitch, Ports, build_fabric
from fleetops.emulator.groups import NONE, Group, Indices, indices
from fleetops_schemas.clusters import COMPUTE, Cluster, HostGroup, Role
from fleetops_schemas.platforms import CoolantUnit, Cooling, Platform, RackPower
from fleetops_schemas.profiles import load_profile
from fleetops_schemas.topology import HostPlacement

PREFIXES = {
    Role.COMPUTE_NODE: "node",
    Role.HEAD_NODE: "node",
    Role.STORAGE_CACHE: "store",
    Role.DATA_INGESTION: "ingest",
}


@dataclass(frozen=True, slots=True)
class Loop:
    """A coolant unit and its pumps."""

    name: str
    rack: str
    unit: CoolantUnit
    pumps: slice


@dataclass(frozen=True, slots=True)
class Shelf:
    """A power shelf: runs of supply and of battery indices."""

    name: str
    rack: str
    power: RackPower
    supplies: slice
    batteries: slice


@dataclass(frozen=True, slots=True)
class Site:
    """Everything that is emulated, by name and by index."""

    cluster: Cluster
    groups: tuple[Group, ...]
    placements: tuple[HostPlacement, ...]
    """Of every host of the cluster, emulated or not."""
    hosts: tuple[str, ...]
    """Emulated hosts."""
    standing: tuple[HostPlacement, ...]
    """Placements of the emulated hosts, by index."""
    racks: tuple[str, ...]
    accelerators: tuple[str, ...]
    loops: tuple[Loop, ...]
    shelves: tuple[Shelf, ...]
    switches: tuple[FabricSwitch, ...]
    ports: Ports
    rack_of_host: Indices
    loop_of_host: Indices
    """:data:`NONE` for an air-cooled host."""
    rack_of_shelf: Indices
    host_of_accelerator: Indices
    loop_of_pump: Indices
    shelf_of_supply: Indices
    shelf_of_battery: Indices
    pumps: tuple[str, ...]
    supplies: tuple[str, ...]
    batteries: tuple[str, ...]

    def group_of(self, host: int) -> Group:
        """The group that a host belongs to."""
        return next(group for group in self.groups if host < group.hosts.stop)

    def index(self, kind: str, name: str) -> int:
        """The index of a named thing; ``kind`` is a field: hosts, accelerators, loops ...

        Raises:
            ConfigError: there is none of that name.
        """
        names = self.names(kind)
        try:
            return names.index(name)
        except ValueError:
            shown = f"{names[0]} to {names[-1]}" if names else "none"
            raise ConfigError(
                f"no {name!r} among the emulated {kind}; there are: {shown}"
            ) from None

    def names(self, kind: str) -> tuple[str, ...]:
        """The names of all things of a kind, by index."""
        things = self.ports.names if kind == "ports" else getattr(self, kind)
        return tuple(thing if isinstance(thing, str) else thing.name for thing in things)


def build_site(
    cluster: Cluster, hosts: int | None = None, host_names: Sequence[str] | None = None
) -> Site:
    """A site of a cluster.

    Args:
        cluster: its profile.
        hosts: about how many hosts to emulate, whole racks first, each role in its proportion and
            at least one of each; all of them without it.
        host_names: of the compute hosts that are emulated, instead of node001 ...

    Raises:
        ConfigError: a number below 1, or another number of names than compute hosts.
        ProfileError: the cluster names a profile that does not exist.
    """
    return _Builder(cluster, hosts, host_names).build()


class _Builder:
    def __init__(
        self, cluster: Cluster, hosts: int | None, host_names: Sequence[str] | None
    ) -> None:
        if hosts is not None and hosts < 1:
            raise ConfigError(f"{hosts} hosts is no fleet; give 1 or more")
        self._cluster = cluster
        self._wanted = hosts
        self._given_names = list(host_names) if host_names else None
        self._placements: list[HostPlacement] = []
        self._standing: list[HostPlacement] = []
        self._hosts: list[str] = []
        self._racks: list[str] = []
        self._rack_of_host: list[int] = []
        self._loop_of_host: list[int] = []
        self._accelerators: list[str] = []
        self._host_of_accelerator: list[int] = []
        self._groups: list[Group] = []
        self._loops: list[Loop] = []
        self._pumps: list[str] = []
        self._shelves: list[Shelf] = []
        self._supplies: list[str] = []
        self._batteries: list[str] = []
        self._next_rack = 1
        self._unit_numbers: dict[int, int] = {}
        """Of coolant units in the row, by the first rack that each serves."""

    def build(self) -> Site:
        total = sum(int(group.hosts) for group in self._cluster.groups)
        for group in self._cluster.groups:
            share = int(group.hosts) / total
            wanted = int(group.hosts) if self._wanted is None else round(self._wanted * share)
            self._add_group(group, min(max(wanted, 1), int(group.hosts)))
        switches, ports = build_fabric(self._cluster, self._groups, self._standing)
        return Site(
            cluster=self._cluster,
            groups=tuple(self._groups),
            placements=tuple(self._placements),
            hosts=tuple(self._hosts),
            standing=tuple(self._standing),
            racks=tuple(self._racks),
            accelerators=tuple(self._accelerators),
            loops=tuple(self._loops),
            shelves=tuple(self._shelves),
            switches=switches,
            ports=ports,
            rack_of_host=indices(self._rack_of_host),
            loop_of_host=indices(self._loop_of_host),
            rack_of_shelf=indices(self._racks.index(shelf.rack) for shelf in self._shelves),
            host_of_accelerator=indices(self._host_of_accelerator),
            loop_of_pump=_owners(loop.pumps for loop in self._loops),
            shelf_of_supply=_owners(shelf.supplies for shelf in self._shelves),
            shelf_of_battery=_owners(shelf.batteries for shelf in self._shelves),
            pumps=tuple(self._pumps),
            supplies=tuple(self._supplies),
            batteries=tuple(self._batteries),
        )

    def _names(self, group: HostGroup, emulated: int) -> list[str]:
        count = int(group.hosts)
        prefix = PREFIXES[group.role]
        width = max(3, len(str(count)))
        names = [f"{prefix}{number:0{width}d}" for number in range(1, count + 1)]
        if self._given_names is not None and group.role in COMPUTE:
            given = set(self._given_names)
            if len(given) != emulated or len(self._given_names) != emulated:
                raise ConfigError(
                    f"{len(given)} different host names of {len(self._given_names)} for {emulated} "
                    f"hosts; give exactly {emulated} different names, or change --scale"
                )
            names[:emulated] = self._given_names
        return names

    def _add_group(self, group: HostGroup, emulated: int) -> None:
        platform = load_profile(Platform, group.platform)
        per_rack = max(int(platform.rack.hosts), 1)
        first, first_accelerator = len(self._hosts), len(self._accelerators)
        names = self._names(group, emulated)
        base = self._next_rack
        for index, name in enumerate(names):
            rack = f"r{base + index // per_rack:02d}"
            placement = self._place(name, platform, base, index)
            self._placements.append(placement)
            if index < emulated:
                self._enter_rack(rack, platform)
                self._add_host(name, platform)
                self._standing.append(placement)
        self._next_rack = base + (len(names) - 1) // per_rack + 1
        self._groups.append(
            Group(
                group.role,
                platform,
                slice(first, len(self._hosts)),
                slice(first_accelerator, len(self._accelerators)),
            )
        )

    def _place(self, host: str, platform: Platform, base: int, index: int) -> HostPlacement:
        per_rack = max(int(platform.rack.hosts), 1)
        rack = base + index // per_rack
        return HostPlacement(
            host=host,
            row=f"row{(rack - 1) // self._cluster.racks_per_row + 1}",
            rack=f"r{rack:02d}",
            rack_position=1
            + index % per_rack // platform.rack.abreast * int(platform.rack.host_height_units),
            platform=platform.name,
            accelerators=platform.accelerators,
            coolant_loop=self._loop_name(platform, base, rack),
            power_shelf=f"r{rack:02d}/shelf1" if int(platform.rack.shelves) else None,
            leaf_switch=f"leaf{(rack - 1) // int(self._cluster.fabric.racks_per_leaf) + 1}",
        )

    def _enter_rack(self, rack: str, platform: Platform) -> None:
        """Adds the rack's shelves and, where it begins a loop, its coolant unit."""
        if self._racks and self._racks[-1] == rack:
            return
        self._racks.append(rack)
        power = load_profile(RackPower, platform.rack.power)
        for number in range(1, int(platform.rack.shelves) + 1):
            self._add_shelf(f"{rack}/shelf{number}", rack, power)
        if platform.cooling.medium is Cooling.LIQUID:
            loop = self._loop_name(platform, self._next_rack, int(rack[1:]))
            if loop and (not self._loops or self._loops[-1].name != loop):
                self._add_loop(loop, rack, platform)

    def _loop_name(self, platform: Platform, base: int, rack: int) -> str | None:
        """The coolant unit that serves a rack; None where air cools it.

        ``base`` is the group's first rack: a unit in the row serves ``racks_per_unit`` from there.
        """
        if platform.cooling.medium is not Cooling.LIQUID:
            return None
        unit = load_profile(CoolantUnit, str(platform.cooling.unit))
        if unit.kind == "liquid_to_air":
            return f"r{rack:02d}/rpu"
        served = platform.cooling.racks_per_unit
        first = base + (rack - base) // served * served
        return f"cdu{self._unit_numbers.setdefault(first, len(self._unit_numbers) + 1)}"

    def _add_shelf(self, name: str, rack: str, power: RackPower) -> None:
        first, first_battery = len(self._supplies), len(self._batteries)
        count = int(power.supplies.per_shelf)
        self._supplies += [f"{name}/psu{number}" for number in range(1, count + 1)]
        if power.batteries is not None:
            count = int(power.batteries.per_shelf)
            self._batteries += [f"{name}/bbu{number}" for number in range(1, count + 1)]
        self._shelves.append(
            Shelf(
                name,
                rack,
                power,
                slice(first, len(self._supplies)),
                slice(first_battery, len(self._batteries)),
            )
        )

    def _add_loop(self, name: str, rack: str, platform: Platform) -> None:
        unit = load_profile(CoolantUnit, str(platform.cooling.unit))
        first = len(self._pumps)
        self._pumps += [f"{name}/pump{number}" for number in range(1, int(unit.pumps) + 1)]
        self._loops.append(Loop(name, rack, unit, slice(first, len(self._pumps))))

    def _add_host(self, name: str, platform: Platform) -> None:
        host = len(self._hosts)
        self._hosts.append(name)
        self._rack_of_host.append(len(self._racks) - 1)
        liquid = platform.cooling.medium is Cooling.LIQUID
        self._loop_of_host.append(len(self._loops) - 1 if liquid else NONE)
        if platform.accelerator is not None:
            part, count = platform.accelerator.part, platform.accelerators
            self._accelerators += [f"{name}/{part}{number}" for number in range(count)]
            self._host_of_accelerator += [host] * count


def _owners(runs: Iterable[slice]) -> Indices:
    return np.array(
        [owner for owner, run in enumerate(runs) for _ in range(run.start, run.stop)],
        dtype=np.intp,
    )
