"""The rackmon interface: which devices stand on which bus, and what comes through."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, ClassVar, NamedTuple

import numpy as np
from typing_extensions import override

from fleetops.core.errors import ConfigError
from fleetops.emulator.interfaces.base import (
    LOOPBACK,
    Carried,
    Selection,
    ServedInterface,
    Surroundings,
)
from fleetops.emulator.interfaces.rackmon.bank import Bank
from fleetops.emulator.interfaces.rackmon.bus import Bus, Device, SerialLine, TcpGateway
from fleetops.emulator.model.register_devices import (
    RegisterDevices,
    coolant_devices,
    power_devices,
)
from fleetops.emulator.registers import BUS_ERRORS
from fleetops_schemas.platforms import Interface
from fleetops_schemas.register_maps import RegisterMap

SLOTS = 8
"""Device addresses of one shelf: the lowest three bits count them (facebook/openbmc, rackmon2)."""


class Slot(NamedTuple):
    """Where a device stands: shelf of the rack and place in it, counted from 0."""

    rack: str
    shelf: int
    number: int


class Transport(StrEnum):
    """How a rack's bus is reached."""

    TCP = "tcp"
    """A gateway a rack."""
    RTU = "rtu"
    """A serial line a rack, of two ptys."""


class RackmonInterface(ServedInterface):
    """The buses of all racks that have devices with registers; its variants are transports."""

    interface: ClassVar[Interface] = Interface.RACKMON
    transport: ClassVar[Transport] = Transport.TCP
    """Without a variant."""

    def __init__(self, surroundings: Surroundings, selection: Selection) -> None:
        """Gives every device its address.

        Raises:
            ConfigError: a rack has more shelves or units than a register map has addresses.
        """
        super().__init__(surroundings, selection)
        self._devices = [*self._power(), *self._coolant()]
        self._entries: dict[str, list[dict[str, Any]]] = {}
        buses: dict[str, dict[int, Device]] = {}
        slots = dict(self._slots())
        for devices in self._devices:
            bank, one = self._bank(devices), devices.told.map
            for row, name in enumerate(devices.names):
                address, rack = address_of(one, slots[name]), slots[name].rack
                buses.setdefault(rack, {})[address] = Device(bank, row)
                self._entries.setdefault(rack, []).append(
                    {"address": address, "map": one.name, "name": name}
                )
        self._transport = self.variant(self.transport)
        kind = TcpGateway if self._transport is Transport.TCP else SerialLine
        self._lines = {rack: kind(Bus(devices)) for rack, devices in buses.items()}

    @override
    def carries(self) -> Mapping[str, Carried]:
        carried = {}
        for device_class in dict.fromkeys(one.told.map.device_class for one in self._devices):
            mine = [one for one in self._devices if one.told.map.device_class == device_class]
            rows = np.sort(np.concatenate([one.all_rows for one in mine]))
            metrics = {name for one in mine for part in one.told.metrics.values() for name in part}
            # counted by whoever reads: a device that was away for a while leaves errors behind
            tolerances = {BUS_ERRORS: math.inf}
            for measured in (measured for one in mine for measured in one.told.measured):
                known = tolerances.get(measured.metric, 0.0)
                tolerances[measured.metric] = max(known, measured.step / 2.0)
            carried[device_class] = Carried(rows, tuple(sorted(metrics)), tolerances)
        return carried

    @override
    def collectors(self) -> list[dict[str, Any]]:
        """One target a bus. A gateway needs no pause between a question and the next."""
        pause = {"min_delay_seconds": 0.0} if self._transport is Transport.TCP else {}
        targets = [
            {"name": f"{rack}-bus", "url": line.url, "rack": rack, "devices": self._entries[rack]}
            for rack, line in self._lines.items()
        ]
        return [{"kind": "rackmon", "name": "rackmon", "targets": targets} | pause]

    @override
    async def start(self) -> None:
        for line in self._lines.values():
            await line.open(LOOPBACK)

    @override
    async def close(self) -> None:
        for line in self._lines.values():
            await line.close()

    def _power(self) -> list[RegisterDevices]:
        if not self.selection.shelves:
            return []
        return power_devices(self.site, self.selection.shelves, self.table("power_unit").roster)

    def _coolant(self) -> list[RegisterDevices]:
        if not self.selection.loops:
            return []
        return coolant_devices(self.site, self.selection.loops, self.table("coolant_unit").roster)

    def _bank(self, devices: RegisterDevices) -> Bank:
        device_class = devices.told.map.device_class
        return Bank(devices, lambda: self.table(device_class))

    def _slots(self) -> Iterator[tuple[str, Slot]]:
        """Where every device stands, by name."""
        units: Counter[str] = Counter()
        for loop in (self.site.loops[index] for index in self.selection.loops):
            yield loop.name, Slot(loop.rack, units[loop.rack], 0)
            units[loop.rack] += 1
        shelves: Counter[str] = Counter()
        for shelf in (self.site.shelves[index] for index in self.selection.shelves):
            for names in (self.site.supplies[shelf.supplies], self.site.batteries[shelf.batteries]):
                for number, name in enumerate(names):
                    yield name, Slot(shelf.rack, shelves[shelf.rack], number)
            shelves[shelf.rack] += 1


def address_of(one: RegisterMap, slot: Slot) -> int:
    """The address of a device that stands there.

    A map's ranges are shelf after shelf; one that is longer than a shelf holds several.

    Raises:
        ConfigError: the map has no address left.
    """
    shelves = [
        range(start, min(start + SLOTS, last + 1))
        for first, last in one.addresses
        for start in range(first, last + 1, SLOTS)
    ]
    if slot.shelf >= len(shelves) or slot.number >= len(shelves[slot.shelf]):
        raise ConfigError(
            f"{slot.rack}: register map {one.name} has no address for device {slot.number + 1} of "
            f"shelf {slot.shelf + 1}; it has {len(shelves)} shelves"
        )
    return shelves[slot.shelf][slot.number]
