"""From rackmond's word on a register to its value.

rackmond decodes by its own map, which may be older than ours. Whole numbers and words are therefore
decoded again by the map at hand; numbers that it already scaled are taken as they are.
"""

from __future__ import annotations

from collections.abc import Callable

from fleetops_collectors.quality import SATURATED_NUMBERS
from fleetops_collectors.rackmon.dump import Entry
from fleetops_collectors.rackmon.values import number, objects, text, whole
from fleetops_collectors.rackmon.words import (
    MISSING,
    WORD_BITS,
    RegisterValue,
    decode_text,
    decode_words,
    number_value,
)
from fleetops_schemas.readings import Quality
from fleetops_schemas.register_maps import Register, RegisterFormat

NUMBERS = frozenset({RegisterFormat.INTEGER, RegisterFormat.FIXED_POINT})
MAX_FLAG_BIT = 1023


def entry_value(entry: Entry, register: Register | None) -> RegisterValue:
    """What an entry says.

    Args:
        entry: of rackmond's history.
        register: as the map at hand has it; None where that has none.
    """
    read: dict[str, Callable[[object, Register | None], RegisterValue]] = {
        "intValue": _integer,
        "longValue": _integer,
        "floatValue": _scaled,
        "strValue": lambda found, _: decode_text(text(found).encode("utf-8", "replace")),
        "flagsValue": lambda found, _: _flags(found),
        "rawValue": _bytes,
        "data": _hexadecimal,
    }
    return read[entry.kind](entry.content, register)


def _integer(found: object, register: Register | None) -> RegisterValue:
    value = whole(found)
    if value is None:
        return MISSING
    if register is not None and register.format in NUMBERS:
        width = WORD_BITS * register.words
        if -(1 << (width - 1)) <= value < 1 << width:
            # rackmond of old told unsigned words of 32 bits as signed numbers
            return number_value(register, value & ((1 << width) - 1))
    if value in SATURATED_NUMBERS:
        return RegisterValue(None, Quality.SENTINEL)
    return RegisterValue(value)


def _scaled(found: object, register: Register | None) -> RegisterValue:
    value = number(found)
    if value is None:
        return MISSING
    if register is None or register.format is not RegisterFormat.FIXED_POINT:
        return RegisterValue(value)
    value *= register.rackmond_scale
    if register.scale:
        bits = (value - register.offset) / register.scale * 2**register.fraction_bits
        top = (1 << WORD_BITS * register.words) - 1
        if -0.5 < bits < top + 0.5 and number_value(register, round(bits)).value is None:  # noqa: PLR2004
            return RegisterValue(None, Quality.SENTINEL)
    return RegisterValue(value)


def _flags(found: object) -> RegisterValue:
    mask = 0
    flags: dict[str, bool] = {}
    for flag in objects(found):
        bit, is_set = whole(flag.get("bitOffset")), flag.get("value") in (True, 1)
        name = text(flag.get("name")) or f"bit {bit}"
        flags[name if name not in flags else f"{name} (bit {bit})"] = is_set
        if bit is not None and 0 <= bit <= MAX_FLAG_BIT:
            mask |= is_set << bit
    return RegisterValue(mask, flags=flags) if flags else MISSING


def _bytes(found: object, register: Register | None) -> RegisterValue:
    octets = [whole(one) for one in found] if isinstance(found, list) else []
    # Thrift's bytes are signed
    data = bytes(one & 0xFF for one in octets if one is not None and -128 <= one <= 255)  # noqa: PLR2004
    return _words(data, register) if data and len(data) == len(octets) else MISSING


def _hexadecimal(found: object, register: Register | None) -> RegisterValue:
    try:
        data = bytes.fromhex(text(found))
    except ValueError:
        return MISSING
    return _words(data, register)


def _words(data: bytes, register: Register | None) -> RegisterValue:
    if not data or len(data) % 2:
        return MISSING
    if register is None:
        return RegisterValue(data.hex())
    words = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
    return decode_words(register, words)
