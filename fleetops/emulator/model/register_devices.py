"""Devices that are read by registers, as rows of their tables, and which of their flags are set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fleetops.emulator.groups import NONE, Indices, indices
from fleetops.emulator.model.tables import Roster, Table
from fleetops.emulator.registers import ALARM_OF_FLAG, Told, told_by
from fleetops.emulator.site import Site
from fleetops_schemas.platforms import Interface
from fleetops_schemas.register_maps import Flag

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class RegisterDevices:
    """Devices of one register map."""

    told: Told
    names: tuple[str, ...]
    rows: Mapping[str, Indices]
    """By part, "" the devices themselves; :data:`NONE` for one that has no such part."""

    @property
    def all_rows(self) -> Indices:
        """Rows of devices and parts that are there."""
        every = np.concatenate(list(self.rows.values()))
        return np.sort(every[every != NONE])

    @cached_property
    def rows_by_metrics(self) -> Mapping[frozenset[str], Indices]:
        """Rows of devices and parts that tell the same metrics."""
        found: dict[frozenset[str], list[int]] = {}
        for part, rows in self.rows.items():
            found.setdefault(self.told.metrics[part], []).extend(rows[rows != NONE])
        return {metrics: indices(rows) for metrics, rows in found.items() if rows}

    def are_set(self, table: Table, flag: Flag) -> Flags:
        """(devices,) whether a flag is set: by the state that it gives, else by an alarm."""
        if flag.metric:
            rows = self.rows[flag.part]
            given: Flags = (table[flag.metric][rows] == flag.when_set) & (rows != NONE)
            return given
        alarm = ALARM_OF_FLAG.get(flag.name)
        if alarm is None or alarm not in table.alarms:
            return np.zeros(len(self.names), dtype=np.bool_)
        return table.alarms[alarm][self.rows[""]]


def power_devices(site: Site, shelves: Iterable[int], roster: Roster) -> list[RegisterDevices]:
    """Supplies and batteries of the shelves that speak registers, by map.

    The first map of a shelf's profile is that of supplies, the second that of batteries.
    """
    named: dict[str, list[str]] = {}
    for shelf in (site.shelves[index] for index in shelves):
        if shelf.power.interface is Interface.RACKMON:
            units = (site.supplies[shelf.supplies], site.batteries[shelf.batteries])
            for name, devices in zip(shelf.power.register_maps, units, strict=False):
                named.setdefault(name, []).extend(devices)
    return _devices(named, roster)


def coolant_devices(site: Site, loops: Iterable[int], roster: Roster) -> list[RegisterDevices]:
    """The coolant units that speak registers, by map."""
    named: dict[str, list[str]] = {}
    for loop in (site.loops[index] for index in loops):
        if loop.unit.interface is Interface.RACKMON:
            named.setdefault(loop.unit.register_map, []).append(loop.name)
    return _devices(named, roster)


def _devices(named: Mapping[str, list[str]], roster: Roster) -> list[RegisterDevices]:
    found = []
    for name, devices in named.items():
        told = told_by(name)
        rows = {
            part: indices(
                roster.index.get(f"{device}/{part}" if part else device, NONE) for device in devices
            )
            for part in told.metrics
        }
        if devices:
            found.append(RegisterDevices(told, tuple(devices), rows))
    return found
