"""What the words of one register mean. Pure; the rules are those of rackmond's ``Register.cpp``."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fleetops_collectors.quality import SATURATED_NUMBERS
from fleetops_schemas.readings import Quality
from fleetops_schemas.register_maps import Register, RegisterFormat

WORD_BITS = 16
LONG_WORDS = 2
ABSOLUTE_ZERO_CELSIUS = -273.15
SCALED_DIGITS, SHIFTED_DIGITS = 15, 12
"""Digits that mean anything after a scale, and after an offset: 2981 * 0.1 - 273.15 is 24.95, not
24.950000000000045."""

Scalar = int | float | str | None


class RegisterValue(NamedTuple):
    """What a register says. ``value`` is null unless ``quality`` is good."""

    value: Scalar
    quality: Quality = Quality.GOOD
    flags: Mapping[str, bool] = {}
    """By name, of a flags register; its ``value`` is all bits as one number."""


MISSING = RegisterValue(None, Quality.MISSING)


def decode_words(register: Register, words: Sequence[int | None]) -> RegisterValue:
    """The value in the words, first word first; a word that was not read is None."""
    known = [word for word in words if word is not None]
    if len(known) != register.words:
        return MISSING
    match register.format:
        case RegisterFormat.RAW:
            return RegisterValue("".join(f"{word:04x}" for word in known))
        case RegisterFormat.TEXT:
            return decode_text(b"".join(word.to_bytes(2, "big") for word in known))
        case RegisterFormat.FLAGS:
            return flags_value(register, _whole(known))
        case RegisterFormat.FLOAT32:
            return _float32(register, known)
        case _:
            ordered = [_swap(word) for word in reversed(known)] if register.little_endian else known
            return number_value(register, _whole(ordered))


def number_value(register: Register, bits: int) -> RegisterValue:
    """The number whose bits these are, in the register's unit.

    All bits one is what unfitted sensors and counters at their end give, so it is no measurement
    and no unsigned number of 32 bits and more; nor is the largest signed one of them. A whole
    number of one word is left alone: 65,535 errors are also an honest count.
    """
    width = WORD_BITS * register.words
    top = (1 << width) - 1
    is_long = register.words >= LONG_WORDS
    blank = bits == top and (is_long or register.format is RegisterFormat.FIXED_POINT)
    if register.signed:
        blank = is_long and bits == top >> 1
        bits -= bits >> (width - 1) << width
    if blank or bits in SATURATED_NUMBERS:
        return RegisterValue(None, Quality.SENTINEL)
    if register.format is RegisterFormat.INTEGER:
        return RegisterValue(bits)
    return scaled_value(register, bits / 2**register.fraction_bits, blank=bits == 0)


def scaled_value(register: Register, number: float, *, blank: bool = False) -> RegisterValue:
    """The number after scale and offset.

    Args:
        register: whose scale and offset they are.
        number: before them.
        blank: whether the raw number is 0, which is no temperature in a register that counts from
            absolute zero, but a sensor without a value.
    """
    if blank and register.offset <= ABSOLUTE_ZERO_CELSIUS:
        return RegisterValue(None, Quality.SENTINEL)
    value = register.offset + register.scale * number
    if not math.isfinite(value):
        return MISSING
    if register.scale != 1 or register.offset:
        digits = SHIFTED_DIGITS if register.offset else SCALED_DIGITS
        value = float(f"{value:.{digits}g}")
    return RegisterValue(value)


def flags_value(register: Register, mask: int) -> RegisterValue:
    """The flags in a mask, by name; a name that comes again is told by its bit."""
    flags: dict[str, bool] = {}
    for flag in register.flags:
        name = flag.name if flag.name not in flags else f"{flag.name} (bit {flag.bit})"
        flags[name] = bool(mask >> flag.bit & 1) != flag.active_low
    return RegisterValue(mask, flags=flags)


def decode_text(data: bytes) -> RegisterValue:
    """Text up to the first NUL, trimmed; erased memory (all bytes 0xff) is no text."""
    data = data.split(b"\0", 1)[0]
    if data and not data.strip(b"\xff"):
        return RegisterValue(None, Quality.SENTINEL)
    text = data.decode("utf-8", "replace").strip()
    return RegisterValue(text) if text else MISSING


def _float32(register: Register, words: Sequence[int]) -> RegisterValue:
    ordered = [_swap(word) for word in reversed(words)] if register.little_endian else words
    number: float = struct.unpack(">f", struct.pack(">HH", *ordered))[0]
    return scaled_value(register, number)


def _whole(words: Sequence[int]) -> int:
    whole = 0
    for word in words:
        whole = whole << WORD_BITS | word
    return whole


def _swap(word: int) -> int:
    return word >> 8 | (word & 0xFF) << 8
