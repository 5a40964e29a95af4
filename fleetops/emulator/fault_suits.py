"""Whether a place can have a fault: liquid to leak, a spine to die, a module to age."""

from __future__ import annotations

from fleetops.core.errors import ConfigError
from fleetops.emulator.fault_kinds import Suits
from fleetops.emulator.fault_places import Place, Places
from fleetops.emulator.groups import NONE
from fleetops.emulator.model.effects import Scope
from fleetops.emulator.site import Site
from fleetops_schemas.platforms import Cooling


def host_suits(site: Site, host: int, only: Suits) -> bool:
    """Whether a host is cooled and equipped as it has to be."""
    platform = site.group_of(host).platform
    wet = bool(site.loop_of_host[host] != NONE)
    vendor = platform.accelerator.vendor if platform.accelerator else None
    links = platform.scale_up.kind if platform.scale_up else None
    return (
        (only.cooling is None or wet == (only.cooling is Cooling.LIQUID))
        and only.vendor in {None, vendor}
        and only.scale_up in {None, links}
    )


def switch_suits(site: Site, switch: int, only: Suits) -> bool:
    """Whether a switch is where it has to be."""
    return only.tier is None or site.switches[switch].is_leaf == (only.tier == "leaf")


def port_suits(site: Site, port: int, only: Suits) -> bool:
    """Whether a port has a module, where it has to."""
    return not only.module or bool(site.ports.optics[port])


def check_suits(places: Places, place: Place, only: Suits) -> None:
    """Checks a target.

    Raises:
        ConfigError: it cannot have the fault; says what could.
    """
    site = places.site
    if place.scope in {Scope.HOST, Scope.ACCELERATOR}:
        for host in place.extent[Scope.HOST].tolist():
            if not host_suits(site, host, only):
                wanted = ", ".join(map(str, only.model_dump(exclude_defaults=True).values()))
                raise ConfigError(f"{place.name} cannot have it; name one with {wanted}")
    for device in place.devices.tolist():
        if place.scope is Scope.SWITCH and not switch_suits(site, device, only):
            raise ConfigError(f"{place.name} is no {only.tier}; name one")
        if place.scope is Scope.PORT and not port_suits(site, device, only):
            raise ConfigError(f"{place.name} has no optical module; name a port with one")
