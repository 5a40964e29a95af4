"""Parts of switches that are devices of their own: supplies, and the external lasers of ports."""

from __future__ import annotations

import numpy as np

from fleetops.emulator.fabric import FabricSwitch, Ports
from fleetops.emulator.groups import NONE, Indices
from fleetops.emulator.site import Site
from fleetops_schemas.optics import Optics
from fleetops_schemas.profiles import load_profile

LASER = "laser1"
"""A port has at most one external laser source."""


def supplies_of(switch: FabricSwitch) -> tuple[str, ...]:
    """Names of the supplies of a switch."""
    count = int(switch.profile.supplies)
    return tuple(f"{switch.name}/psu{number}" for number in range(1, count + 1))


def supplies_of_all(site: Site) -> tuple[str, ...]:
    """Names of the supplies of all switches, one switch after the other."""
    return tuple(name for switch in site.switches for name in supplies_of(switch))


def laser_ports(ports: Ports) -> Indices:
    """Ports of switches whose light comes from an external laser."""
    kinds = {name: load_profile(Optics, name) for name in set(ports.optics) if name}
    co_packaged = {name for name, optics in kinds.items() if optics.kind == "co_packaged"}
    external = np.array([optics in co_packaged for optics in ports.optics], dtype=np.bool_)
    return np.flatnonzero(external & (ports.switch_of != NONE))


def lasers_of_all(ports: Ports) -> tuple[str, ...]:
    """Names of the external lasers, by the order of :func:`laser_ports`."""
    return tuple(f"{ports.names[port]}/{LASER}" for port in laser_ports(ports))
