"""The registers of all devices of one map: worked out once a tick, when somebody reads."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Final

import numpy as np

from fleetops.emulator.groups import NONE
from fleetops.emulator.interfaces.rackmon.words import Words, flag_words, number_words, text_words
from fleetops.emulator.model.register_devices import RegisterDevices
from fleetops.emulator.model.tables import Table
from fleetops.emulator.registers import Measured
from fleetops_schemas.register_maps import Register

MAKER: Final = "Emulated"
FIRMWARE: Final = "1.00"


class Bank:
    """Words of (devices, registers). A register that no metric of the table fills is not there."""

    def __init__(self, devices: RegisterDevices, table: Callable[[], Table]) -> None:
        """Prepares texts and places; ``table`` gives that of the last tick."""
        self._devices = devices
        self._table = table
        self._seen: Table | None = None
        self._measured = [one for one in devices.told.measured if self._fills(one).any()]
        flagged = [register for register in devices.told.map.registers if register.flags]
        texts = [register for register in devices.told.map.registers if register.identity]
        served = [one.register for one in self._measured] + flagged + texts
        self._flagged = flagged
        addresses = sorted({at for one in served for at in range(one.address, one.end)})
        self._column = {address: column for column, address in enumerate(addresses)}
        self._words: Words = np.zeros((len(devices.names), len(addresses)), dtype=np.uint16)
        self._there = np.ones(self._words.shape, dtype=np.bool_)
        for one in self._measured:
            self._there[:, self._columns(one.register)] = self._fills(one)[:, np.newaxis]
        for register in texts:
            for device, name in enumerate(devices.names):
                text = _identity(register, name, devices.told.map.name)
                self._words[device, self._columns(register)] = text_words(register, text)

    def answers(self, device: int) -> bool:
        """Whether the device is there to be asked."""
        return bool(self._table().present[self._devices.rows[""][device]])

    def read(self, device: int, address: int, count: int) -> list[int] | None:
        """Words of a device from an address on; None where not all of them are registers."""
        first = self._column.get(address, NONE)
        last = self._column.get(address + count - 1, NONE)
        if count < 1 or first == NONE or last != first + count - 1:
            return None
        if not self._there[device, first : last + 1].all():
            return None
        self._work_out()
        words: list[int] = self._words[device, first : last + 1].tolist()
        return words

    def _work_out(self) -> None:
        table = self._table()
        if table is self._seen:
            return
        for one in self._measured:
            rows = self._devices.rows[one.register.part]
            values = np.where(rows == NONE, np.nan, table[one.metric][rows])
            self._put(one.register, number_words(one.register, (values - one.offset) / one.scale))
        for register in self._flagged:
            masks = np.zeros(len(self._devices.names), dtype=np.uint64)
            for flag in register.flags:
                is_one = self._devices.are_set(table, flag) != flag.active_low
                masks |= is_one.astype(np.uint64) << np.uint64(flag.bit)
            self._put(register, flag_words(register, masks))
        self._seen = table

    def _put(self, register: Register, words: Words) -> None:
        self._words[:, self._columns(register)] = words

    def _columns(self, register: Register) -> slice:
        first = self._column[register.address]
        return slice(first, first + register.words)

    def _fills(self, one: Measured) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """(devices,) whether the table has the value: it never comes or goes with a fault."""
        rows, table = self._devices.rows[one.register.part], self._table()
        if one.metric not in table.columns:
            return np.zeros(len(rows), dtype=np.bool_)
        filled: np.ndarray[tuple[int], np.dtype[np.bool_]] = (rows != NONE) & ~np.isnan(
            table[one.metric][rows]
        )
        return filled


def _identity(register: Register, device: str, map_name: str) -> str:
    serial = uuid.uuid5(uuid.NAMESPACE_DNS, f"{device}.emulated").hex[:12].upper()
    texts = {
        "serial": serial,
        "model": map_name.upper(),
        "manufacturer": MAKER,
        "part_number": f"EM-{map_name.upper()}",
        "firmware": FIRMWARE,
    }
    return texts[register.identity]
