"""Which devices a fault works on, and which ones it may move in consequence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from fleetops.emulator.fault_places import Extent, Place, Places
from fleetops.emulator.fault_signature import Devices, Within
from fleetops.emulator.groups import NONE, Indices, indices
from fleetops.emulator.model.effects import Scope
from fleetops.emulator.model.tables import Roster

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


SEEN = (
    Scope.HOST,
    Scope.ACCELERATOR,
    Scope.LOOP,
    Scope.PUMP,
    Scope.SHELF,
    Scope.SUPPLY,
    Scope.BATTERY,
    Scope.PORT,
    Scope.SWITCH,
)
"""Scopes whose devices stand in tables."""
LEAK = "leak"


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


def rows_of(places: Places, extent: Extent, mark: Devices, roster: Roster) -> Indices:
    """Rows of the devices that a signature means, in the table of their class."""
    if mark is Devices.RANKS:
        return _rows(roster, places.rank_names(extent[Scope.ACCELERATOR]))
    if mark in {Devices.LEAK_DETECTORS, Devices.LOOP_LEAK_DETECTORS}:
        scope = Scope.HOST if mark is Devices.LEAK_DETECTORS else Scope.LOOP
        owners = set(_names(places, extent, (scope,)))
        return indices(
            row
            for row, device in enumerate(roster.devices)
            if device.partition("/")[0] in owners and LEAK in device.partition("/")[2]
        )
    return _rows(roster, _names(places, extent, (Scope(mark.value),)))


def rows_reached(places: Places, extent: Extent, roster: Roster) -> Indices:
    """Rows of devices that are in an extent, or parts of one that is."""
    names = set(_names(places, extent, SEEN))
    names |= set(places.rank_names(extent[Scope.ACCELERATOR]))
    return indices(
        row for row, device in enumerate(roster.devices) if not names.isdisjoint(_wholes(device))
    )


def _wholes(device: str) -> Iterator[str]:
    """The device and everything it is a part of: ``r01/shelf1/psu2``, ``r01/shelf1``, ``r01``."""
    while device:
        yield device
        device = device.rpartition("/")[0]


def _rows(roster: Roster, names: Iterable[str]) -> Indices:
    return np.sort(indices(roster.index[name] for name in names if name in roster.index))


def _names(places: Places, extent: Extent, scopes: Iterable[Scope]) -> Iterator[str]:
    for scope in scopes:
        names = places.site.names(scope.value)
        yield from (names[index] for index in extent[scope])


def _with_parts(places: Places, extent: Extent, within: Within) -> Extent:
    kept = _KEPT[within]
    return _WITHIN[within](places, extent).only(*kept)


def _loaded(places: Places, reached: Extent) -> Extent:
    """Power, coolant and fabric of the hosts reached so far, and who shares their coolant."""
    site = places.site
    hosts = np.union1d(reached[Scope.HOST], site.host_of_accelerator[reached[Scope.ACCELERATOR]])
    of_hosts = places.extent(Scope.HOST, indices(hosts))
    sharing = places.extent(Scope.LOOP, of_hosts[Scope.LOOP])
    shared = sharing.only(Scope.HOST, Scope.LOOP, Scope.SHELF)
    switches = places.everything().extent[Scope.SWITCH]
    fabric = Extent(
        {Scope.SWITCH: switches, Scope.PORT: np.flatnonzero(site.ports.switch_of != NONE)}
    )
    return of_hosts.only(Scope.HOST, Scope.SHELF) | shared | fabric


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
    Within.RACK: (*_IN_HOSTS, Scope.SHELF),
    Within.LOOP: (*_IN_HOSTS, Scope.LOOP, Scope.PUMP),
    Within.JOB: _IN_HOSTS,
    Within.POWER: (Scope.SHELF,),
    Within.PEER: (Scope.PORT,),
    Within.SITE: tuple(Scope),
}
"""What a fault may move of those that it reaches."""
