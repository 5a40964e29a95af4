"""What a served interface is: one class in one module, and one line in the registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray
from starlette.routing import BaseRoute

from fleetops.core.clock import Clock
from fleetops.core.errors import ConfigError
from fleetops.emulator.groups import Group
from fleetops.emulator.log_lines import LogLine
from fleetops.emulator.model.fleet import Fleet
from fleetops.emulator.model.tables import Rows, Table
from fleetops.emulator.scheduler import EmulatedScheduler
from fleetops.emulator.site import Site
from fleetops_schemas.clusters import COMPUTE
from fleetops_schemas.platforms import Interface
from fleetops_schemas.topology import host_of

LOOPBACK = "127.0.0.1"
AnyVariant = TypeVar("AnyVariant", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Selection:
    """The things that speak an interface, by index."""

    hosts: tuple[int, ...] = ()
    loops: tuple[int, ...] = ()
    shelves: tuple[int, ...] = ()
    switches: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.hosts or self.loops or self.shelves or self.switches)


def select(site: Site, interface: Interface) -> Selection:
    """What of a site speaks the interface, as its profiles say.

    Building management sees every coolant unit, whatever else that speaks; a scheduler the hosts
    that take jobs.
    """
    if interface in site.cluster.unwatched:
        return Selection()
    sees_all = interface is Interface.FACILITY
    return Selection(
        hosts=tuple(
            host
            for group in site.groups
            if group.platform.speaks(interface) or _is_scheduled(site, group, interface)
            for host in range(group.hosts.start, group.hosts.stop)
        ),
        loops=tuple(
            index
            for index, loop in enumerate(site.loops)
            if sees_all or loop.unit.interface is interface
        ),
        shelves=tuple(
            index for index, shelf in enumerate(site.shelves) if shelf.power.interface is interface
        ),
        switches=tuple(
            index
            for index, switch in enumerate(site.switches)
            if switch.profile.interface is interface
        ),
    )


def _is_scheduled(site: Site, group: Group, interface: Interface) -> bool:
    named = site.cluster.scheduler == interface.value
    return named and group.role in COMPUTE and group.platform.accelerators > 0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an interface is given to serve with."""

    fleet: Fleet
    state_dir: Path
    """For files: sysfs trees, kernel logs, sockets, passwords."""
    base_url: str
    """Of the HTTP server that all :meth:`ServedInterface.routes` share."""
    clock: Clock
    variants: Mapping[Interface, str] = field(default_factory=dict)
    """Which of its shapes an interface takes, where it has several."""
    scheduler: EmulatedScheduler | None = None
    """Of the fleet's nodes, where one is emulated."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What of one table comes through an interface."""

    rows: Rows
    metrics: tuple[str, ...]
    """Those of the table's columns that the protocol can carry; a device may lack some."""
    tolerances: Mapping[str, float] = field(default_factory=dict)
    """By metric, in its unit: how far the protocol rounds. 0 where it is not named."""

    def expected(self, table: Table) -> tuple[int, int]:
        """(devices, metrics) that arrive in one round: devices with at least one reading."""
        values = np.array([~np.isnan(table[name][self.rows]) for name in self._given(table)])
        values &= table.present[self.rows]
        return int(values.any(axis=0).sum()), int(values.any(axis=1).sum())

    def _given(self, table: Table) -> list[str]:
        return [name for name in self.metrics if name in table.columns]


class ServedInterface(ABC):
    """One interface of a fleet: its servers, and how collectors are pointed at them.

    Servers show ``surroundings.fleet.tables`` as they are when asked; an interface that pushes, or
    that writes files, does so in :meth:`refresh`.
    """

    interface: ClassVar[Interface]
    settle_seconds: ClassVar[float] = 0.0
    """After :meth:`refresh`, until what is pushed has arrived at whoever listens."""

    def __init__(self, surroundings: Surroundings, selection: Selection) -> None:
        """Prepares what never changes; opens nothing."""
        self.surroundings = surroundings
        self.selection = selection

    @property
    def site(self) -> Site:
        """Where everything stands."""
        return self.surroundings.fleet.site

    def table(self, device_class: str) -> Table:
        """The class as of the last tick."""
        return self.surroundings.fleet.tables[device_class]

    @abstractmethod
    def carries(self) -> Mapping[str, Carried]:
        """By device class: what comes through."""

    def answering(self, device_class: str) -> NDArray[np.bool_]:
        """By row of the class: whether the device answers over this interface at this tick.

        A device may be there, and the server that speaks for it down.
        """
        return self.table(device_class).present

    @abstractmethod
    def collectors(self) -> list[dict[str, Any]]:
        """Entries for the ``collectors`` of a configuration; valid once started."""

    def routes(self) -> Sequence[BaseRoute]:
        """Paths on the shared HTTP server."""
        return ()

    async def start(self) -> None:  # noqa: B027  many need nothing
        """Opens servers of its own.

        Raises:
            FleetOpsError: what it needs (a broker, a Redis) is not there; says what to install.
        """

    async def refresh(self) -> None:  # noqa: B027  many need nothing
        """The tables have moved on by a tick."""

    def tell(self, line: LogLine) -> None:  # noqa: B027  most have no log
        """Something writes a line into a log of the fleet."""

    async def close(self) -> None:  # noqa: B027  many need nothing
        """Ends what :meth:`start` began."""

    def variant(self, default: AnyVariant) -> AnyVariant:
        """Which of its shapes it takes: that of its surroundings, else ``default``.

        Raises:
            ConfigError: it has no such shape.
        """
        kinds = type(default)
        named = self.surroundings.variants.get(self.interface, default)
        if named not in list(kinds):
            raise ConfigError(f"{self.interface}: no {named!r}; there are: {', '.join(kinds)}")
        return kinds(named)

    def rows_of_hosts(self, device_class: str) -> Rows:
        """Rows of a class that stand in the selected hosts."""
        hosts = {self.site.hosts[index] for index in self.selection.hosts}
        roster = self.table(device_class).roster
        found = (row for row, device in enumerate(roster.devices) if host_of(device) in hosts)
        return np.array(list(found), dtype=np.intp)
