"""Registers as ``fleetops decode rackmon`` prints them: one row a register, nothing left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from fleetops.core.errors import InputError
from fleetops_collectors.rackmon.dump import (
    Dump,
    DumpedDevice,
    devices_in,
    read_document,
    read_dump,
)
from fleetops_collectors.rackmon.dumped_values import entry_value
from fleetops_collectors.rackmon.memory import Memory, read_memory
from fleetops_collectors.rackmon.words import MISSING, RegisterValue
from fleetops_schemas.readings import Quality
from fleetops_schemas.register_maps import RegisterMap

MAX_WARNINGS = 20


@dataclass(frozen=True, slots=True)
class RegisterRow:
    """One decoded register."""

    register: int
    name: str
    value: RegisterValue
    unit: str
    device: str = ""
    """``port:address@baud``, where the source speaks of several devices."""

    def as_dict(self) -> dict[str, Any]:
        """The row as JSON's types."""
        return {
            **({"device": self.device} if self.device else {}),
            "register": self.register,
            "name": self.name,
            "value": self.value.value,
            "unit": self.unit,
            "flags": dict(self.value.flags),
            "quality": self.value.quality.value,
        }


@dataclass(slots=True)
class Rows:
    """Every row, and what could not be used."""

    rows: list[RegisterRow] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)
    unmapped_words: int = 0
    """Words of the source that no register of the map holds."""
    absent: int = 0
    """Registers of the map of which the source has nothing."""

    def warnings(self) -> list[str]:
        """What could not be used, for people."""
        lines = self.problems[:MAX_WARNINGS]
        if len(self.problems) > MAX_WARNINGS:
            lines.append(f"{len(self.problems) - MAX_WARNINGS} more problems")
        if self.unknown:
            names = ", ".join(sorted(self.unknown)[:8])
            lines.append(f"{self.unknown.total()} unknown fields ignored: {names}")
        if self.unmapped_words:
            lines.append(f"{self.unmapped_words} words are in no register of the map")
        if self.absent:
            lines.append(f"{self.absent} registers of the map are not in the source")
        return lines


def rows_of_source(data: bytes, one: RegisterMap | None, where: str) -> Rows:
    """The rows of recorded registers or of a dump.

    Args:
        data: ``{"registers": [{"address": 60, "words": [0, ...]}]}``, or an answer of rackmond.
        one: the map; without it only rackmond's own words can be told.
        where: names the source in errors.

    Raises:
        InputError: it is neither, or needs a map.
    """
    document = read_document(data, where)
    if devices_in(document) is not None or (isinstance(document, dict) and "status" in document):
        return rows_of_dump(read_dump(document, where), one)
    entries = document.get("registers") if isinstance(document, dict) else document
    if not isinstance(entries, list):
        raise InputError(
            f"{where}: neither recorded registers nor a dump of rackmond; write "
            '{"registers": [{"address": 60, "words": [0]}]}'
        )
    memory = read_memory(entries)
    if entries and not memory.words:
        raise InputError(f"{where}: no recorded registers: {(*memory.problems, 'no words')[0]}")
    if one is None:
        raise InputError(f"{where}: recorded registers mean nothing without a map; name --map")
    return rows_of_memory(memory, one)


def rows_of_memory(memory: Memory, one: RegisterMap) -> Rows:
    """The rows of the map's registers that the memory holds."""
    rows = [
        RegisterRow(register.address, register.name, value, register.unit)
        for register, value in memory.values(one)
    ]
    return Rows(
        rows,
        list(memory.problems),
        Counter(memory.unknown),
        memory.beyond(one),
        len(one.registers) - len(rows),
    )


def rows_of_dump(dump: Dump, one: RegisterMap | None) -> Rows:
    """The newest value of every register of every device in the dump."""
    found = Rows(problems=list(dump.problems), unknown=Counter(dump.unknown))
    # whoever names a map for one kind alone, or for none that is told, means what there is
    suited = [one is None or _is_of(device, one) for device in dump.devices]
    others = suited.count(False) if any(suited) else 0
    for device, suits in zip(dump.devices, suited, strict=True):
        name = device.identity if len(dump.devices) > 1 else ""
        found.rows += _device_rows(device, one if suits or not others else None, name)
    if one is not None and others:
        found.problems.append(
            f"{others} devices are of another kind than {one.name}; told as rackmond has them"
        )
    return found


def _is_of(device: DumpedDevice, one: RegisterMap) -> bool:
    """Whether the map is for a device: by rackmond's type, else by its address and rate."""
    if device.device_type.upper() in {one.name.upper(), *one.device_types}:
        return True
    if not one.addresses:
        return not device.device_type
    at_rate = device.baud_rate in {None, one.baud_rate}
    return at_rate and any(first <= device.address <= last for first, last in one.addresses)


def _device_rows(device: DumpedDevice, one: RegisterMap | None, name: str) -> list[RegisterRow]:
    known = {register.address: register for register in one.registers} if one else {}
    rows = []
    for dumped in device.registers:
        register = known.get(dumped.address)
        value = entry_value(dumped.history[-1], register) if dumped.history else MISSING
        if device.dormant and value.quality is Quality.GOOD:
            value = RegisterValue(None, Quality.STALE)
        unit = dumped.unit or (register.unit if register else "")
        label = dumped.name or (register.name if register else "")
        rows.append(RegisterRow(dumped.address, label, value, unit, name))
    return rows
