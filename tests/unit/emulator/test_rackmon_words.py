"""Words of registers: what is written is what a reader decodes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetops.emulator.interfaces.rackmon.words import flag_words, number_words, text_words
from fleetops_collectors.rackmon.words import decode_words
from fleetops_schemas.readings import Quality
from fleetops_schemas.register_maps import Register, RegisterFormat, load_register_maps

NUMBERS = tuple(
    (name, register)
    for name, one in load_register_maps().items()
    for register in one.registers
    if not register.flags and not register.identity
)


def register_of(name: str, address: int) -> Register:
    (found,) = (one for one in load_register_maps()[name].registers if one.address == address)
    return found


def step_of(register: Register) -> float:
    if register.format is RegisterFormat.INTEGER:
        return 1.0
    return float(register.scale / 2**register.fraction_bits)


@pytest.mark.parametrize(
    ("name", "address", "value", "word"),
    [
        ("orv3_psu", 79, 50.0, 51_200),  # fixed point, 10 bits after the point
        ("orv3_psu", 69, -1.5, 0xFF40),  # signed, 7 bits
        ("orv3_hpr_bbu", 90, 24.95, 2981),  # tenths of a kelvin
        ("orv3_hpr_bbu", 97, -110.25, 0xD4EF),  # signed tens of milliamperes
        ("orv2_psu", 129, 12.345, 0x3930),  # millivolts, the low byte first
        ("orv3_rpu", 36865, 40.2, 402),
        ("orv3_psu", 82, 9000.0, 0xFFFE),  # more than the register holds
        ("orv3_psu", 67, 11_250.4, 11_250),
    ],
)
def test_known_words(name: str, address: int, value: float, word: int) -> None:
    assert number_words(register_of(name, address), np.array([value])).tolist() == [[word]]


@given(st.sampled_from(NUMBERS), st.floats(0.0, 1.0))
def test_what_is_written_is_what_is_read(named: tuple[str, Register], share: float) -> None:
    _, register = named
    step, bits = step_of(register), 16 * register.words
    least, most = (-(1 << (bits - 1)) + 2, (1 << (bits - 1)) - 2) if register.signed else (
        1, (1 << bits) - 2
    )  # fmt: skip
    value = register.offset + step * (least + share * (most - least))
    (words,) = number_words(register, np.array([value])).tolist()
    decoded = decode_words(register, words)
    assert decoded.quality is Quality.GOOD
    assert isinstance(decoded.value, int | float)
    assert abs(decoded.value - value) <= step / 2 + 1e-9 * abs(value)


@pytest.mark.parametrize("words", [2, 4])
@pytest.mark.parametrize("little_endian", [False, True])
def test_long_numbers(words: int, little_endian: bool) -> None:
    register = Register(
        address=0, words=words, name="n", scale=0.001, signed=True, little_endian=little_endian
    )
    values = np.array([-123_456.789, 0.0, 123_456.789])
    for value, row in zip(values, number_words(register, values).tolist(), strict=True):
        assert decode_words(register, row).value == pytest.approx(value, abs=0.0005)


@pytest.mark.parametrize("little_endian", [False, True])
def test_floats(little_endian: bool) -> None:
    register = Register(
        address=0,
        words=2,
        name="f",
        format=RegisterFormat.FLOAT32,
        offset=-273.15,
        little_endian=little_endian,
    )
    (row,) = number_words(register, np.array([24.5])).tolist()
    assert decode_words(register, row).value == pytest.approx(24.5, abs=1e-4)


@pytest.mark.parametrize(("name", "address"), [("orv3_psu", 79), ("orv3_hpr_bbu", 90)])
def test_a_sensor_that_is_not_there(name: str, address: int) -> None:
    register = register_of(name, address)
    (row,) = number_words(register, np.array([np.nan])).tolist()
    assert decode_words(register, row).quality is Quality.SENTINEL


def test_a_signed_sensor_that_is_not_there_is_out_of_any_range() -> None:
    (row,) = number_words(register_of("orv3_psu", 69), np.array([np.nan])).tolist()
    assert decode_words(register_of("orv3_psu", 69), row).value == -256.0


def test_texts_are_cut_and_filled() -> None:
    register = register_of("orv3_psu", 8)
    assert text_words(register, "AB").tolist() == [0x4142] + [0] * 7
    assert decode_words(register, text_words(register, "X" * 99).tolist()).value == "X" * 16


def test_flags_of_two_words_begin_in_the_last() -> None:
    register = Register(address=0, words=2, name="f", format=RegisterFormat.FLAGS)
    words = flag_words(register, np.array([1 | 1 << 17], dtype=np.uint64))
    assert words.tolist() == [[2, 1]]
    assert decode_words(register, words[0].tolist()).value == 1 | 1 << 17
