"""Where things stand and what they share: site, room, row, rack, host, device, and the parents.

A parent (power shelf, coolant loop, leaf switch) is a device whose fault its hosts share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from fleetops_schemas.records import Record

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$", max_length=253)]


class ParentKind(StrEnum):
    """The kinds of parent that hosts share their fate with, narrowest first."""

    COOLANT_LOOP = "coolant_loop"
    POWER_SHELF = "power_shelf"
    LEAF_SWITCH = "leaf_switch"
    RACK = "rack"


class Parent(NamedTuple):
    """A shared parent: its kind and its device name (``cdu1``, ``r01/shelf1``, ``leaf1``)."""

    kind: ParentKind
    device: str


class HostPlacement(BaseModel):
    """One host: where it stands and what it hangs on. One record of ``fleetops.inventory``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Name
    site: str = "site"
    room: str = "room"
    row: str = "row"
    rack: Name
    rack_position: int = 0
    """Position from the bottom of the rack, for drawing."""
    platform: str = "unknown"
    accelerators: int = 8
    coolant_loop: str | None = None
    """Device name of the coolant unit that feeds the host."""
    power_shelf: str | None = None
    """Device name of the power shelf that feeds the host."""
    leaf_switch: str | None = None

    def parents(self) -> Iterator[Parent]:
        """The parents that are known, narrowest first."""
        for kind, device in (
            (ParentKind.COOLANT_LOOP, self.coolant_loop),
            (ParentKind.POWER_SHELF, self.power_shelf),
            (ParentKind.LEAF_SWITCH, self.leaf_switch),
            (ParentKind.RACK, self.rack),
        ):
            if device is not None:
                yield Parent(kind, device)


class InventoryRecord(Record, HostPlacement):
    """A placement as it travels on ``fleetops.inventory``: a newer writer's fields are ignored."""

    model_config = ConfigDict(extra="ignore")


def host_of(device: str) -> str:
    """The first part of a device name: ``node001/gpu5`` stands in ``node001``."""
    return device.split("/", 1)[0]


class Topology:
    """All hosts of an installation, with look-ups both ways."""

    def __init__(self, hosts: Iterable[HostPlacement] = ()) -> None:
        """Takes the placements; a later one of the same host replaces an earlier one."""
        self._hosts: dict[str, HostPlacement] = {}
        self._children: dict[Parent, set[str]] = {}
        for placement in hosts:
            self.put(placement)

    def put(self, placement: HostPlacement) -> None:
        """Adds or replaces one host."""
        if before := self._hosts.get(placement.host):
            for parent in before.parents():
                self._children[parent].discard(placement.host)
        self._hosts[placement.host] = placement
        for parent in placement.parents():
            self._children.setdefault(parent, set()).add(placement.host)

    def __contains__(self, host: str) -> bool:
        return host in self._hosts

    def __len__(self) -> int:
        return len(self._hosts)

    def __iter__(self) -> Iterator[HostPlacement]:
        return iter(self._hosts.values())

    def get(self, host: str) -> HostPlacement | None:
        """The placement of a host, or None."""
        return self._hosts.get(host)

    def parents(self, host: str) -> tuple[Parent, ...]:
        """The parents of a host, narrowest first; empty for an unknown host."""
        placement = self._hosts.get(host)
        return tuple(placement.parents()) if placement else ()

    def children(self, parent: Parent) -> frozenset[str]:
        """The hosts below a parent."""
        return frozenset(self._children.get(parent, ()))

    def parent_named(self, device: str) -> Parent | None:
        """The parent with that device name, or None."""
        return next((parent for parent in self._children if parent.device == device), None)
