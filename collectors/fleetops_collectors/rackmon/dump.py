"""What rackmond says of its devices: its decoded answer, its raw one, and Thrift's JSON of both.

Written to ``ModbusDevice.cpp`` and ``Register.cpp`` (OpenBMC) and ``rackmonsvc.thrift`` (FBOSS).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from fleetops.core.errors import InputError
from fleetops_collectors.json_input import parse_json
from fleetops_collectors.rackmon.values import Json, count_unknown, objects, text, whole

DEVICE_KEYS = frozenset({"devInfo", "regList"})
INFO_KEYS = frozenset(
    {
        *("devAddress", "uniqueDevAddress", "deviceType", "baudrate", "mode"),
        *("crcErrors", "timeouts", "miscErrors"),
    }
)
RAW_KEYS = frozenset(
    {
        *("addr", "uniqueDevAddress", "deviceType", "baudrate", "mode", "now", "ranges"),
        *("crc_fails", "timeouts", "misc_fails"),
    }
)
REGISTER_KEYS = frozenset({"regAddress", "name", "unit", "history"})
RANGE_KEYS = frozenset({"begin", "readings"})
ENTRY_KEYS = frozenset({"type", "timestamp", "value"})
READING_KEYS = frozenset({"time", "data"})
CONTENTS = frozenset(
    {"intValue", "longValue", "floatValue", "strValue", "flagsValue", "rawValue", "data"}
)
THRIFT_TYPES = (
    *("ORV2_PSU", "ORV3_PSU", "ORV3_RPU", "ORV3_BBU", "ORV3_POWER_TETHER", "ORV3_HPR_PSU"),
    *("ORV3_HPR_BBU", "ORV3_HPR_PMM_PSU", "ORV3_HPR_PMM_BBU", "ORV3_HPR_CBU"),
    *("ORV3_HPR_PMM_CBU", "MINIUPS"),
)
"""``ModbusDeviceType`` of rackmonsvc.thrift by its number."""
FAILURES = ("crc_fails", "timeouts", "misc_fails", "crcErrors", "miscErrors")
LAST_CREDIBLE = 4_102_444_800
"""Seconds; 2100. Later times are none."""


class Entry(NamedTuple):
    """One reading of one register."""

    time: datetime | None
    kind: str
    """What holds it: ``intValue`` ... ``rawValue``, or ``data`` for hexadecimal words."""
    content: object


@dataclass(frozen=True, slots=True)
class DumpedRegister:
    """One register with its history, oldest first; never empty of meaning, maybe of entries."""

    address: int
    name: str
    unit: str
    history: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class DumpedDevice:
    """One device as rackmond knows it."""

    address: int
    port: int | None
    device_type: str
    baud_rate: int | None
    dormant: bool
    """It no longer answers: what is told of it is old."""
    failures: int | None
    """CRC errors, timeouts and others since rackmond started; None where it does not say."""
    registers: tuple[DumpedRegister, ...]

    @property
    def identity(self) -> str:
        """``port:address@baud``; what rackmond does not say is left out."""
        port = "" if self.port is None else f"{self.port}:"
        return f"{port}{self.address}" + (f"@{self.baud_rate}" if self.baud_rate else "")


@dataclass(slots=True)
class Dump:
    """Every device of an answer, and what of it could not be used."""

    devices: list[DumpedDevice] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    unknown: Counter[str] = field(default_factory=Counter)


def read_document(data: bytes, where: str) -> object:
    """The JSON of a file; what the first REST service of OpenBMC gave is JSON within a JSON text.

    Raises:
        InputError: it is none.
    """
    document = parse_json(data, where)
    return parse_json(document.encode(), where) if isinstance(document, str) else document


def devices_in(document: object) -> Sequence[object] | None:
    """The list of devices of an answer or dump; None where the document is no such thing."""
    if isinstance(document, dict):
        if "devInfo" in document or "ranges" in document:
            return [document]
        document = document.get("data")
    if isinstance(document, list) and all(isinstance(one, dict) for one in document):
        known = [one for one in document if one.keys() & {"devInfo", "regList", "ranges"}]
        return document if known or not document else None
    return None


def read_dump(document: object, where: str) -> Dump:
    """The devices of an answer of rackmond.

    Raises:
        InputError: it is none, or rackmond reports an error in it.
    """
    if isinstance(document, dict) and text(document.get("status")) not in {"", "SUCCESS"}:
        raise InputError(f"{where}: rackmond answers {document['status']}; look at its log")
    devices = devices_in(document)
    if devices is None:
        raise InputError(f"{where}: no answer of rackmond: it lists no devices")
    dump = Dump()
    for index, found in enumerate(objects(list(devices))):
        _device(found, f"[{index}]", dump)
    if devices and not dump.devices:
        raise InputError(f"{where}: no answer of rackmond: {dump.problems[0]}")
    return dump


def _device(found: Json, place: str, dump: Dump) -> None:
    raw = "ranges" in found
    info = found if raw else found.get("devInfo")
    if not isinstance(info, dict):
        dump.problems.append(f"{place}.devInfo: is no object")
        return
    count_unknown(info, RAW_KEYS if raw else INFO_KEYS, "devInfo", dump.unknown)
    if not raw:
        count_unknown(found, DEVICE_KEYS, "device", dump.unknown)
    address = whole(info.get("addr" if raw else "devAddress"))
    unique = whole(info.get("uniqueDevAddress")) or 0
    if address is None:
        dump.problems.append(f"{place}: names no device address")
        return
    read = _range if raw else _register
    registers = []
    for index, entry in enumerate(objects(found.get("ranges" if raw else "regList"))):
        register = read(entry, f"{place}.{'ranges' if raw else 'regList'}[{index}]", dump)
        if register is not None:
            registers.append(register)
    counts = [count for key in FAILURES if (count := whole(info.get(key))) is not None]
    dump.devices.append(
        DumpedDevice(
            address=address & 0xFF,
            port=unique >> 8 or None,
            device_type=_device_type(info.get("deviceType")),
            baud_rate=whole(info.get("baudrate")),
            dormant=info.get("mode") in ("DORMANT", "dormant", 1),
            failures=sum(counts) if counts else None,
            registers=tuple(registers),
        )
    )


def _register(found: Json, place: str, dump: Dump) -> DumpedRegister | None:
    count_unknown(found, REGISTER_KEYS, "register", dump.unknown)
    address = whole(found.get("regAddress"))
    if address is None:
        dump.problems.append(f"{place}: names no register address")
        return None
    entries = []
    for index, entry in enumerate(objects(found.get("history"))):
        count_unknown(entry, ENTRY_KEYS, "history", dump.unknown)
        value = entry.get("value")
        told = value if isinstance(value, dict) else {}
        kind = next((kind for kind in told if kind in CONTENTS), None)
        if kind is None:
            dump.problems.append(f"{place}.history[{index}]: no value of a kind that is known")
        else:
            entries.append((entry.get("timestamp"), kind, told[kind]))
    return DumpedRegister(
        address, text(found.get("name")), text(found.get("unit")), _history(entries)
    )


def _range(found: Json, place: str, dump: Dump) -> DumpedRegister | None:
    count_unknown(found, RANGE_KEYS, "ranges", dump.unknown)
    address = whole(found.get("begin"))
    if address is None:
        dump.problems.append(f"{place}: names no register address")
        return None
    entries = []
    for reading in objects(found.get("readings")):
        count_unknown(reading, READING_KEYS, "readings", dump.unknown)
        entries.append((reading.get("time"), "data", reading.get("data")))
    return DumpedRegister(address, "", "", _history(entries))


def _history(entries: Iterable[tuple[object, str, object]]) -> tuple[Entry, ...]:
    """Oldest first.

    The list is a ring and may begin anywhere; an entry of time 0 is an empty place of it.
    """
    found = [
        (stamp, Entry(_time(stamp), kind, content))
        for stamp, kind, content in entries
        if whole(stamp) != 0
    ]
    found.sort(key=lambda item: whole(item[0]) or 0)
    return tuple(entry for _, entry in found)


def _time(stamp: object) -> datetime | None:
    seconds = whole(stamp)
    if seconds is None or not 0 < seconds < LAST_CREDIBLE:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _device_type(found: object) -> str:
    index = whole(found)
    if index is not None and not isinstance(found, str):
        return THRIFT_TYPES[index] if 0 <= index < len(THRIFT_TYPES) else f"type {index}"
    return text(found)
