"""The backend fabric of a site: the hosts' ports, leaf switches over racks, spines over leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fleetops.emulator.groups import NONE, Group, Indices, indices
from fleetops_schemas.clusters import Cluster
from fleetops_schemas.platforms import Adapter, Switch
from fleetops_schemas.profiles import load_profile
from fleetops_schemas.topology import HostPlacement

MAX_SPINES = 4
"""Emulated spines; a leaf's uplinks are spread over them."""


@dataclass(frozen=True, slots=True)
class FabricSwitch:
    """A switch: a run of port indices."""

    name: str
    rack: str
    profile: Switch
    ports: slice
    is_leaf: bool


@dataclass(frozen=True, slots=True)
class Ports:
    """All fabric ports, hosts' first, then switches'; arrays are (ports,)."""

    names: tuple[str, ...]
    owner: tuple[str, ...]
    """Host or switch that the port is in."""
    host_of: Indices
    """:data:`NONE` for a switch's port."""
    accelerator_of: Indices
    """The accelerator whose traffic a host's backend port carries; :data:`NONE` for others."""
    switch_of: Indices
    """:data:`NONE` for a host's port."""
    peer: Indices
    """The port at the other end; :data:`NONE` where that is not emulated."""
    gigabits_per_second: NDArray[np.float64]
    optics: tuple[str, ...]
    """Optics profile; "" for copper."""
    is_backend: NDArray[np.bool_]


def build_fabric(
    cluster: Cluster, groups: Sequence[Group], standing: Sequence[HostPlacement]
) -> tuple[tuple[FabricSwitch, ...], Ports]:
    """Switches and ports of the emulated hosts; ``standing`` is by host index.

    Raises:
        ProfileError: the cluster names a switch that does not exist.
    """
    return _FabricBuilder(cluster, groups, standing).build()


@dataclass(slots=True)
class _Port:
    name: str
    owner: str
    gigabits: float
    optics: str
    host: int = NONE
    accelerator: int = NONE
    switch: int = NONE
    backend: bool = True
    peer: int = NONE


@dataclass(slots=True)
class _Leaf:
    name: str
    rack: str
    down: list[int] = field(default_factory=list)
    """Hosts' ports that it serves."""


class _FabricBuilder:
    def __init__(
        self, cluster: Cluster, groups: Sequence[Group], standing: Sequence[HostPlacement]
    ) -> None:
        self._fabric = cluster.fabric
        self._groups = groups
        self._standing = standing
        self._ports: list[_Port] = []
        self._switches: list[FabricSwitch] = []
        self._leaves: dict[str, _Leaf] = {}

    def build(self) -> tuple[tuple[FabricSwitch, ...], Ports]:
        for group in self._groups:
            for host in range(group.hosts.start, group.hosts.stop):
                self._add_host(host, group)
        uplinks = [self._add_leaf(leaf) for leaf in self._leaves.values()]
        self._add_spines(uplinks)
        return tuple(self._switches), self._arrays()

    def _add_host(self, host: int, group: Group) -> None:
        placement = self._standing[host]
        per_host = group.platform.accelerators
        first = group.accelerators.start + (host - group.hosts.start) * per_host
        numbers = {"backend": 0, "frontend": 0}
        for adapter in group.platform.adapters:
            count = int(adapter.count)
            for _ in range(count):
                number = numbers[adapter.role]
                numbers[adapter.role] += 1
                port = self._host_port(placement.host, host, adapter, number)
                if adapter.role == "backend":
                    port.accelerator = first + number * per_host // count if per_host else NONE
                    self._leaf_of(placement).down.append(len(self._ports))
                self._ports.append(port)

    def _host_port(self, name: str, host: int, adapter: Adapter, number: int) -> _Port:
        backend = adapter.role == "backend"
        return _Port(
            name=f"{name}/mlx5_{number}" if backend else f"{name}/eth{number}",
            owner=name,
            gigabits=float(adapter.gigabits_per_second),
            optics=adapter.optics or "",
            host=host,
            backend=backend,
        )

    def _leaf_of(self, placement: HostPlacement) -> _Leaf:
        name = str(placement.leaf_switch)
        return self._leaves.setdefault(name, _Leaf(name, placement.rack))

    def _add_leaf(self, leaf: _Leaf) -> list[int]:
        """Adds the leaf and its ports; the indices of its uplinks."""
        profile, index = load_profile(Switch, self._fabric.leaf), len(self._switches)
        first = len(self._ports)
        for number, below in enumerate(leaf.down):
            port = self._ports[below]
            up = self._switch_port(leaf.name, index, number, port.gigabits, port.optics)
            port.peer, up.peer = len(self._ports), below
            self._ports.append(up)
        uplinks = []
        for number in range(int(self._fabric.uplinks_per_leaf)):
            uplinks.append(len(self._ports))
            rate = float(profile.gigabits_per_second)
            self._ports.append(
                self._switch_port(
                    leaf.name, index, len(leaf.down) + number, rate, self._fabric.optics
                )
            )
        run = slice(first, len(self._ports))
        self._switches.append(FabricSwitch(leaf.name, leaf.rack, profile, run, is_leaf=True))
        return uplinks

    def _add_spines(self, uplinks: Sequence[Sequence[int]]) -> None:
        """Uplink number n of every leaf goes to spine n modulo their number."""
        profile = load_profile(Switch, self._fabric.spine)
        count = min(MAX_SPINES, max((len(of_leaf) for of_leaf in uplinks), default=0))
        for spine in range(count):
            name, index, first = f"spine{spine + 1}", len(self._switches), len(self._ports)
            for of_leaf in uplinks:
                for below in of_leaf[spine::count]:
                    port = self._ports[below]
                    number = len(self._ports) - first
                    down = self._switch_port(name, index, number, port.gigabits, port.optics)
                    port.peer, down.peer = len(self._ports), below
                    self._ports.append(down)
            run = slice(first, len(self._ports))
            self._switches.append(FabricSwitch(name, "spines", profile, run, is_leaf=False))

    def _switch_port(
        self, switch: str, index: int, number: int, gigabits: float, optics: str
    ) -> _Port:
        return _Port(f"{switch}/eth{number + 1}", switch, gigabits, optics, switch=index)

    def _arrays(self) -> Ports:
        ports = self._ports
        return Ports(
            names=tuple(port.name for port in ports),
            owner=tuple(port.owner for port in ports),
            host_of=indices(port.host for port in ports),
            accelerator_of=indices(port.accelerator for port in ports),
            switch_of=indices(port.switch for port in ports),
            peer=indices(port.peer for port in ports),
            gigabits_per_second=np.array([port.gigabits for port in ports], dtype=np.float64),
            optics=tuple(port.optics for port in ports),
            is_backend=np.array([port.backend for port in ports], dtype=np.bool_),
        )
