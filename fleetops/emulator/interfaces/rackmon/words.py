"""From values to the words of a register: the maps read backwards."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from fleetops.emulator.model.effects import Floats
from fleetops_schemas.register_maps import Register, RegisterFormat

Words = NDArray[np.uint16]
WORD_BITS: Final = 16
MOST_BITS: Final = 62
"""Of a number that is worked out in signed integers."""
ABSOLUTE_ZERO_CELSIUS: Final = -273.15


def number_words(register: Register, values: Floats) -> Words:
    """(devices, words) the words that say (devices,) values in the register's unit.

    A number that does not fit is the nearest that does. NaN is what a sensor gives that is not
    there: the least signed number, no kelvin at all, or all bits one.
    """
    if register.format is RegisterFormat.FLOAT32:
        scaled = ((values - register.offset) / register.scale).astype(">f4")
        return _ordered(register, scaled.view(">u2").reshape(-1, 2).astype(np.uint16))
    if register.format is not RegisterFormat.INTEGER:
        values = (values - register.offset) / register.scale * 2**register.fraction_bits
    bits = min(WORD_BITS * register.words, MOST_BITS)
    least, most = (-(1 << (bits - 1)) + 1, (1 << (bits - 1)) - 2) if register.signed else (
        0, (1 << bits) - 2
    )  # fmt: skip
    whole = np.clip(np.rint(np.nan_to_num(values)), least, most).astype(np.int64)
    whole[np.isnan(values)] = _blank(register, bits)
    shifts = WORD_BITS * np.arange(register.words - 1, -1, -1, dtype=np.int64)
    words = (whole[:, np.newaxis] >> shifts) & 0xFFFF
    return _ordered(register, words.astype(np.uint16))


def text_words(register: Register, text: str) -> Words:
    """(words,) a text, two characters a word, cut or filled with NUL."""
    size = 2 * register.words
    return np.frombuffer(text.encode("ascii")[:size].ljust(size, b"\0"), ">u2").astype(np.uint16)


def flag_words(register: Register, masks: NDArray[np.uint64]) -> Words:
    """(devices, words) the bits of (devices,) masks; the lowest is in the last word."""
    shifts = WORD_BITS * np.arange(register.words - 1, -1, -1, dtype=np.uint64)
    words = (masks[:, np.newaxis] >> shifts) & np.uint64(0xFFFF)
    return words.astype(np.uint16)


def _blank(register: Register, bits: int) -> int:
    if register.signed:
        return -(1 << (bits - 1))
    return 0 if register.offset <= ABSOLUTE_ZERO_CELSIUS else (1 << bits) - 1


def _ordered(register: Register, words: Words) -> Words:
    """The words as the device sends them: as they are, or the number's bytes backwards."""
    return words[:, ::-1].byteswap() if register.little_endian else words
