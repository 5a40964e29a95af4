"""All devices of the fleet that answer Redfish."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fleetops.core.clock import Clock
from fleetops.emulator.fleet import Fleet
from fleetops.emulator.servers.redfish.coolant_unit import coolant_unit_tree
from fleetops.emulator.servers.redfish.host import host_tree
from fleetops.emulator.servers.redfish.power_shelf import power_shelf_tree
from fleetops.emulator.servers.redfish.sessions import SessionStore
from fleetops.emulator.servers.redfish.tree import Tree


@dataclass(frozen=True, slots=True)
class Device:
    """One management controller."""

    name: str
    kind: Literal["host", "coolant_unit", "power_shelf"]
    rack: str
    tree: Tree
    sessions: SessionStore


def build_devices(fleet: Fleet, clock: Clock) -> list[Device]:
    """Hosts first, then coolant units, then power shelves."""
    layout = fleet.layout
    devices = [
        Device(place.host, "host", place.rack, host_tree(fleet, index, clock), SessionStore(clock))
        for index, place in enumerate(layout.placements)
    ]
    for loop, name in enumerate(layout.loops):
        tree = coolant_unit_tree(fleet, loop, clock)
        rack = layout.rack_of_loop(loop)
        devices.append(Device(name, "coolant_unit", rack, tree, SessionStore(clock)))
    for shelf, name in enumerate(layout.shelves):
        tree = power_shelf_tree(fleet, shelf, clock)
        rack = layout.rack_of_loop(shelf)
        devices.append(Device(name, "power_shelf", rack, tree, SessionStore(clock)))
    return devices
