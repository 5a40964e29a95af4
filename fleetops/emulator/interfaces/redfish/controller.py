"""One management controller: a tree of resources, and the rows of the tables that it shows."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Literal, NamedTuple

from fleetops.core.clock import Clock
from fleetops.emulator.interfaces.redfish.log import ManagementLog
from fleetops.emulator.interfaces.redfish.sessions import SessionStore
from fleetops.emulator.interfaces.redfish.tree import Resource, Tree
from fleetops.emulator.model.fleet import Fleet

Kind = Literal["host", "coolant_unit", "power_shelf"]


class Part(NamedTuple):
    """One device of a controller: a row of a table."""

    device_class: str
    row: int


class Managed(NamedTuple):
    """What a controller manages, and where that stands."""

    kind: Kind
    name: str
    rack: str


class Controller:
    """Reads the fleet's tables for one tree; its first part is what it manages."""

    def __init__(
        self, managed: Managed, tree: Tree, parts: Sequence[Part], fleet: Fleet, clock: Clock
    ) -> None:
        """Nobody is logged in, and the log is empty."""
        self.kind, self.name, self.rack = managed
        self.tree = tree
        self.parts = tuple(parts)
        self.sessions = SessionStore(clock)
        self.log = ManagementLog()
        self.ticks = 0
        """Of the fleet, since it was made."""
        self.is_closing = False
        """Whether streams end."""
        self._fleet = fleet
        self._clock = clock

    @property
    def answers(self) -> bool:
        """Whether it works at all."""
        return self.is_present(0)

    @property
    def is_on(self) -> bool:
        """Whether what it manages is switched on."""
        return self.kind != "host" or self.value(0, "power_state") > 0.0

    def reports(self) -> Iterator[Resource]:
        """Its metric reports as they are now."""
        for node in self.tree:
            if node.kind == "MetricReport":
                yield node.make(self)

    def tick(self) -> None:
        """The fleet has moved on."""
        self.ticks += 1
        self.log.wake()

    def close(self) -> None:
        """Ends its streams."""
        self.is_closing = True
        self.log.wake()

    def value(self, part: int, metric: str) -> float:
        """A cell of the tables; NaN where there is nothing to read."""
        device_class, row = self.parts[part]
        table = self._fleet.tables[device_class]
        return float(table.columns[metric][row]) if table.present[row] else math.nan

    def is_present(self, part: int) -> bool:
        """Whether the part answers."""
        device_class, row = self.parts[part]
        return bool(self._fleet.tables[device_class].present[row])

    def timestamp(self, age: timedelta = timedelta()) -> str:
        """The present, as the controller's clock has it; or as long ago as ``age`` says."""
        return (self._clock.now() - age).isoformat(timespec="milliseconds")
