"""Register maps of rackmond (OpenBMC, FBOSS), old and new, read into our own model.

Written to ``REGISTER_MAP.md`` and the parsers beside it. rackmond refuses a map for one bad entry;
here a register that cannot be understood is told and the rest is read.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from fleetops.core.errors import InputError
from fleetops_collectors.rackmon.units import unit_of_name
from fleetops_collectors.rackmon.values import Json, count_unknown, number, objects, text, whole
from fleetops_schemas.register_maps import (
    MAX_SPAN_WORDS,
    Flag,
    Parity,
    Register,
    RegisterFormat,
    RegisterMap,
)

MAP_KEYS = frozenset(
    {
        *("name", "address_range", "probe_register", "probe", "parity", "max_span_length"),
        *("baudrate", "default_baudrate", "preferred_baudrate", "baud_config"),
        *("registers", "special_handlers", "time_sync"),
    }
)
"""Keys of a map. Those that write to the device are known, and never acted upon."""
REGISTER_KEYS = frozenset(
    {
        *("begin", "length", "name", "keep", "changes_only", "interval", "format", "endian"),
        *("precision", "sign", "scale", "shift", "flags", "unit"),
    }
)
FORMATS = {
    "RAW": RegisterFormat.RAW,
    "HEX": RegisterFormat.RAW,
    "STRING": RegisterFormat.TEXT,
    "INTEGER": RegisterFormat.INTEGER,
    "LONG": RegisterFormat.INTEGER,
    "FLOAT": RegisterFormat.FIXED_POINT,
    "FLAGS": RegisterFormat.FLAGS,
}
"""In any case: the first maps of OpenBMC wrote them small, and raw words as ``hex``."""
DEFAULT_BAUD = 19_200
PAIR = 2


@dataclass(slots=True)
class ReadMap:
    """A map, and what of its file could not be used."""

    map: RegisterMap
    problems: list[str] = field(default_factory=list)
    """Each with its place."""
    unknown: Counter[str] = field(default_factory=Counter)
    """Keys that nobody here knows, by place."""


def read_rackmond_map(document: Json, where: str) -> ReadMap:
    """The map in a document that holds ``registers``.

    Raises:
        InputError: nothing in it can be used.
    """
    reader = _MapReader()
    registers = reader.registers(document.get("registers"))
    if not registers:
        why = reader.problems[0] if reader.problems else "its `registers` is no list of objects"
        raise InputError(f"{where}: no register map: {why}")
    count_unknown(document, MAP_KEYS, "map", reader.unknown)
    one = RegisterMap(
        name=text(document.get("name")) or where,
        addresses=reader.ranges(document.get("address_range")),
        probe_register=reader.probe(document),
        baud_rate=reader.baud_rate(document),
        parity=reader.parity(document.get("parity", "EVEN")),
        max_span_words=reader.span(document.get("max_span_length", MAX_SPAN_WORDS)),
        registers=registers,
    )
    return ReadMap(one, reader.problems, reader.unknown)


class _MapReader:
    """Reads the parts of one map; keeps what is wrong with them."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.unknown: Counter[str] = Counter()

    def registers(self, found: object) -> tuple[Register, ...]:
        read = []
        for index, entry in enumerate(objects(found)):
            place = f"registers[{index}]"
            count_unknown(entry, REGISTER_KEYS, "register", self.unknown)
            try:
                read.append(self._register(entry, place))
            except (ValidationError, ValueError) as error:
                self.problems.append(f"{place} {text(entry.get('name'))}: {reason_of(error)}")
        if isinstance(found, list) and len(found) != len(objects(found)):
            self.problems.append("registers: entries that are no objects were left out")
        return tuple(read)

    def _register(self, entry: Json, place: str) -> Register:
        named = entry.get("format", "RAW")
        kind = FORMATS.get(named.upper()) if isinstance(named, str) else None
        if kind is None:
            raise ValueError(f"unknown format {named!r}")
        name = text(entry.get("name")) or place
        words = _required(entry, "length")
        unit = text(entry.get("unit"))
        options: dict[str, Any] = {}
        if kind is RegisterFormat.FIXED_POINT:
            options = {
                "fraction_bits": _optional_whole(entry, "precision", 0),
                "scale": _optional_number(entry, "scale", 1.0),
                "offset": _optional_number(entry, "shift", 0.0),
            }
        elif kind is RegisterFormat.FLAGS:
            options = {"flags": self._flags(entry.get("flags"), words, place)}
        measures = kind in {RegisterFormat.INTEGER, RegisterFormat.FIXED_POINT}
        return Register(
            address=_required(entry, "begin"),
            words=words,
            name=name,
            format=kind,
            signed=_is_true(entry.get("sign", False)),
            little_endian=text(entry.get("endian")).upper() == "L",
            unit=unit or (unit_of_name(name) if measures else ""),
            interval_seconds=max(_optional_number(entry, "interval", 0.0), 0.0),
            **options,
        )

    def _flags(self, found: object, words: int, place: str) -> tuple[Flag, ...]:
        flags = []
        for pair in found if isinstance(found, list) else ():
            bit = whole(pair[0]) if isinstance(pair, list) and len(pair) == PAIR else None
            if bit is None or not isinstance(pair[1], str):
                self.problems.append(f"{place}.flags: {pair!r:.60} is no [bit, name]")
            elif not 0 <= bit < 16 * words:
                self.problems.append(
                    f"{place}.flags: {pair[1]}: bit {bit} is outside {words} words"
                )
            else:
                flags.append(Flag(bit=bit, name=pair[1]))
        if not flags:
            self.problems.append(f"{place}.flags: names no bit")
        return tuple(flags)

    def ranges(self, found: object) -> tuple[tuple[int, int], ...]:
        """``[[1, 3], [6, 7]]``, or ``[1, 3]`` as the oldest maps have it."""
        if isinstance(found, list) and len(found) == PAIR and None not in map(whole, found):
            found = [found]
        ranges = []
        for pair in found if isinstance(found, list) else ():
            ends = [whole(end) for end in pair] if isinstance(pair, list) else []
            match ends:
                case [int(first), int(last)] if 0 <= first <= last <= 255:  # noqa: PLR2004
                    ranges.append((first, last))
                case _:
                    self.problems.append(f"address_range: {pair!r:.60} is no [first, last]")
        return tuple(ranges)

    def probe(self, document: Json) -> int | None:
        """``probe_register: 8``, or ``probe: [{register: 8}]`` as newer maps have it."""
        found = document.get("probe_register")
        for entry in objects(document.get("probe")):
            found = entry.get("register") if found is None else found
        probe = whole(found)
        if probe is not None and 0 <= probe <= 65_535:  # noqa: PLR2004
            return probe
        if found is not None:
            self.problems.append(f"probe_register: {found!r:.40} is no register")
        return None

    def baud_rate(self, document: Json) -> int:
        for key in ("baudrate", "preferred_baudrate", "default_baudrate"):
            rate = whole(document.get(key))
            if rate is not None and 300 <= rate <= 4_000_000:  # noqa: PLR2004
                return rate
        self.problems.append(f"baudrate: none that can be used; {DEFAULT_BAUD} is taken")
        return DEFAULT_BAUD

    def parity(self, found: object) -> Parity:
        try:
            return Parity(text(found).lower())
        except ValueError:
            self.problems.append(f"parity: {found!r:.40} is none of EVEN, ODD, NONE; EVEN is taken")
            return Parity.EVEN

    def span(self, found: object) -> int:
        span = whole(found)
        if span is not None and 1 <= span <= MAX_SPAN_WORDS:
            return span
        self.problems.append(
            f"max_span_length: {found!r:.40} is not in 1 to {MAX_SPAN_WORDS}; "
            f"{MAX_SPAN_WORDS} is taken"
        )
        return MAX_SPAN_WORDS


def _required(entry: Json, key: str) -> int:
    found = whole(entry.get(key))
    if found is None:
        raise ValueError(f"{key}: {entry.get(key)!r:.40} is no whole number")
    return found


def _optional_whole(entry: Json, key: str, default: int) -> int:
    return default if entry.get(key) is None else _required(entry, key)


def _optional_number(entry: Json, key: str, default: float) -> float:
    found = entry.get(key)
    if found is None:
        return default
    value = number(found)
    if value is None:
        raise ValueError(f"{key}: {found!r:.40} is no number")
    return value


def _is_true(found: object) -> bool:
    return found is True or found == 1 or text(found).lower() == "true"


def reason_of(error: ValueError) -> str:
    """One line of what is wrong."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(map(str, first["loc"]))
        message = first["msg"].removeprefix("Value error, ")
        return f"{key}: {message}" if key else message
    return str(error)
