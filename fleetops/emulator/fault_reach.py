"""Which devices a fault works on, and which ones it may move in consequence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from fleetops.emulator.fault_places import Extent, Place, Places
from fleetops.emulator.fault_signature import Devices, Within
from fleetops.emulator.groups import NONE, Indices, indices
from fleetops.emulator.model.effects import Scope

PARTS: Mapping[Scope, tuple[Scope, ...]] = {
    Scope.HOST: (Scope.ACCELERATOR, Scope.PORT),
    Scope.ACCELERATOR: (Scope.PORT,),
    Scope.RACK: (Scope.HOST, Scope.ACCELERATOR, Scope.PORT, Scope.SUPPLY, Scope.BATTERY),
    Scope.LOOP: (Scope.PUMP,),
    Scope.SHELF: (Scope.SUPPLY, Scope.BATTERY),
    Scope.SWITCH: (Scope.PORT,),
    Scope.JOB: (Scope.HOST, Scope.ACCELERATOR, Scope.PORT, Scope.STAGE),
    Scope.STAGE: (Scope.ACCELERATOR,),
}
"""What stands in a device, and goes with it."""


def devices_within(places: Places, place: Place, within: Within) -> Extent:
    """All that belongs to a place, or to what it names.

    Raises:
        KeyError: ``within`` is :attr:`Within.LOAD`, which is no place.
    """
    return _WITHIN[within](places, place.extent)


def reach_of(places: Places, place: Place, reach: Iterable[Within]) -> Extent:
    """The devices that a fault at a place may move: the target with its parts, and its reach."""
    if place.scope is None:
        return place.extent
    reached = place.extent.only(place.scope, *PARTS.get(place.scope, ()))
    for within in reach:
        if within is Within.LOAD:
            reached = reached | _loaded(places, reached)
        else:
            reached = reached | _with_parts(places, place.extent, within)
    return reached


def rows_of(places: Places, extent: Extent, devices: Devices) -> Indices:
    """Rows of devices in the table of their class, in the order of the rosters."""
    if devices in _ROWS:
        return _ROWS[devices](places, extent)
    return extent[Scope(devices.value)]


def rows_by_class(places: Places, extent: Extent) -> dict[str, Indices]:
    """Every row that devices stand in, by class."""
    found: dict[str, Indices] = {}
    for devices in Devices:
        before = found.get(devices.device_class, indices([]))
        found[devices.device_class] = np.union1d(before, rows_of(places, extent, devices))
    return found


def _with_parts(places: Places, extent: Extent, within: Within) -> Extent:
    kept = _KEPT[within]
    return _WITHIN[within](places, extent).only(*kept)


def _loaded(places: Places, reached: Extent) -> Extent:
    """Power, coolant and fabric of the hosts reached so far, and who shares their coolant."""
    site = places.site
    hosts = np.union1d(reached[Scope.HOST], site.host_of_accelerator[reached[Scope.ACCELERATOR]])
    of_hosts = places.extent(Scope.HOST, indices(hosts))
    sharing = places.extent(Scope.LOOP, of_hosts[Scope.LOOP])
    shared = sharing.only(
        Scope.HOST, Scope.ACCELERATOR, Scope.LOOP, Scope.PUMP, Scope.SUPPLY, Scope.BATTERY
    )
    switches = places.everything().extent[Scope.SWITCH]
    fabric = Extent(
        {Scope.SWITCH: switches, Scope.PORT: np.flatnonzero(site.ports.switch_of != NONE)}
    )
    ports = of_hosts.only(Scope.PORT)
    return of_hosts.only(Scope.SUPPLY, Scope.BATTERY, Scope.ACCELERATOR) | shared | fabric | ports


def _around(scope: Scope) -> Callable[[Places, Extent], Extent]:
    def around(places: Places, extent: Extent) -> Extent:
        return places.extent(scope, extent[scope])

    return around


def _peers(places: Places, extent: Extent) -> Extent:
    peers = places.site.ports.peer[extent[Scope.PORT]]
    return Extent({Scope.PORT: peers[peers != NONE]})


_WITHIN: Mapping[Within, Callable[[Places, Extent], Extent]] = {
    Within.TARGET: lambda _places, extent: extent,
    Within.HOST: _around(Scope.HOST),
    Within.RACK: _around(Scope.RACK),
    Within.LOOP: _around(Scope.LOOP),
    Within.JOB: _around(Scope.JOB),
    Within.POWER: _around(Scope.RACK),
    Within.PEER: _peers,
    Within.SITE: lambda places, _extent: places.everything().extent,
}
_IN_HOSTS = (Scope.HOST, Scope.ACCELERATOR, Scope.PORT)
_KEPT: Mapping[Within, tuple[Scope, ...]] = {
    Within.TARGET: (),
    Within.HOST: _IN_HOSTS,
    Within.RACK: (*_IN_HOSTS, Scope.SUPPLY, Scope.BATTERY),
    Within.LOOP: (*_IN_HOSTS, Scope.LOOP, Scope.PUMP),
    Within.JOB: _IN_HOSTS,
    Within.POWER: (Scope.SUPPLY, Scope.BATTERY),
    Within.PEER: (Scope.PORT,),
    Within.SITE: tuple(Scope),
}
"""What a fault may move of those that it reaches."""


def _tray_detectors(places: Places, extent: Extent) -> Indices:
    site = places.site
    wet = np.flatnonzero(site.loop_of_host != NONE)
    order = np.searchsorted(wet, np.intersect1d(wet, extent[Scope.HOST]))
    return indices(order + 2 * len(site.loops) + len(site.pumps))


_ROWS: Mapping[Devices, Callable[[Places, Extent], Indices]] = {
    Devices.SWITCHES: lambda places, extent: extent[Scope.SWITCH] + len(places.site.hosts),
    Devices.BATTERIES: lambda places, extent: extent[Scope.BATTERY] + len(places.site.supplies),
    Devices.PUMPS: lambda places, extent: extent[Scope.PUMP] + len(places.site.loops),
    Devices.LOOP_LEAK_DETECTORS: lambda places, extent: (
        extent[Scope.LOOP] + len(places.site.loops) + len(places.site.pumps)
    ),
    Devices.LEAK_DETECTORS: _tray_detectors,
    Devices.RANKS: lambda places, extent: places.ranks(extent[Scope.ACCELERATOR]),
}
"""Of the devices whose row is not their index; see :func:`rosters`."""
