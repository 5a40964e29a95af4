"""Where the emulated fleet stands: racks of hosts, and the parents they share.

A coolant unit and a power shelf serve a rack pair, a leaf switch serves one rack. Indices are the
language inside the emulator (arrays are by host index); names are what the outside sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleetops.core.errors import ConfigError
from fleetops_schemas.topology import HostPlacement

ACCELERATORS_PER_HOST = 8
RACKS_PER_LOOP = 2
SUPPLIES_PER_SHELF = 6
PUMPS_PER_LOOP = 2
PLATFORM = "emulated-hgx-h100-liquid"

PCI_BUSES = (0x1B, 0x43, 0x52, 0x61, 0x9D, 0xC3, 0xD1, 0xDF)
"""PCI bus of accelerator 0 to 7: spread over two root complexes, as on an eight-way board."""


@dataclass(frozen=True, slots=True)
class FleetLayout:
    """The fleet's shape, fixed for the emulator's life."""

    placements: tuple[HostPlacement, ...]
    loops: tuple[str, ...]
    """Coolant units, ``cdu1`` ...; ``loop_of`` indexes it."""
    shelves: tuple[str, ...]
    """Power shelves, ``r01/shelf1`` ..., one a loop."""
    loop_of: NDArray[np.intp]
    """(hosts,) index of the coolant unit, and of the power shelf, that serves the host."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Host names in order of their index."""
        return tuple(placement.host for placement in self.placements)

    def index(self, host: str) -> int:
        """The index of a host.

        Raises:
            ConfigError: there is no such host.
        """
        try:
            return self.hosts.index(host)
        except ValueError:
            raise ConfigError(
                f"no host {host!r} in the emulated fleet; it has {self.hosts[0]} to "
                f"{self.hosts[-1]}"
            ) from None

    def rack_of_loop(self, loop: int) -> str:
        """The first rack that a coolant unit (or power shelf) serves; it stands there."""
        return self.placements[int(np.argmax(self.loop_of == loop))].rack


def build_layout(
    racks: int = 4, hosts_per_rack: int = 8, host_names: Sequence[str] | None = None
) -> FleetLayout:
    """A fleet of ``racks`` x ``hosts_per_rack`` hosts, named node001 ... unless names are given.

    Raises:
        ConfigError: a size below 1, or another number of names than hosts.
    """
    if racks < 1 or hosts_per_rack < 1:
        raise ConfigError(f"{racks} racks of {hosts_per_rack} hosts is no fleet; give 1 or more")
    count = racks * hosts_per_rack
    names = list(host_names) if host_names else [f"node{n:03d}" for n in range(1, count + 1)]
    if len(set(names)) != count:
        raise ConfigError(
            f"{len(set(names))} host names for {racks} racks x {hosts_per_rack} hosts; "
            f"give exactly {count} different names, or change --racks and --hosts-per-rack"
        )
    placements = tuple(
        _place(name, index // hosts_per_rack, index % hosts_per_rack)
        for index, name in enumerate(names)
    )
    loop_of = np.arange(count) // hosts_per_rack // RACKS_PER_LOOP
    loop_count = int(loop_of[-1]) + 1
    return FleetLayout(
        placements=placements,
        loops=tuple(_loop_name(loop) for loop in range(loop_count)),
        shelves=tuple(_shelf_name(loop) for loop in range(loop_count)),
        loop_of=loop_of,
    )


def _place(host: str, rack: int, position: int) -> HostPlacement:
    loop = rack // RACKS_PER_LOOP
    return HostPlacement(
        host=host,
        row=f"row{loop + 1}",
        rack=f"r{rack + 1:02d}",
        rack_position=position + 1,
        platform=PLATFORM,
        accelerators=ACCELERATORS_PER_HOST,
        coolant_loop=_loop_name(loop),
        power_shelf=_shelf_name(loop),
        leaf_switch=f"leaf{rack + 1}",
    )


def _loop_name(loop: int) -> str:
    return f"cdu{loop + 1}"


def _shelf_name(loop: int) -> str:
    return f"r{loop * RACKS_PER_LOOP + 1:02d}/shelf1"
