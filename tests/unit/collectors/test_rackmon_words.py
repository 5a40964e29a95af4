"""Words of a register and what they mean: the rules and the cases of rackmond's own tests."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest

from fleetops_collectors.rackmon.map_json import read_rackmond_map
from fleetops_collectors.rackmon.rows import Rows, rows_of_source
from fleetops_collectors.rackmon.words import RegisterValue, decode_words
from fleetops_schemas.readings import Quality
from fleetops_schemas.register_maps import Register, RegisterFormat


def decoded(words: list[int | None], **entry: object) -> RegisterValue:
    entry = {"begin": 0, "length": len(words), "name": "R", **entry}
    (register,) = read_rackmond_map({"baudrate": 19200, "registers": [entry]}, "m").map.registers
    return decode_words(register, words)


@pytest.mark.parametrize(
    ("words", "entry", "value"),
    [
        ([0x1234, 0x5678], {"format": "INTEGER"}, 0x12345678),
        ([0xFFFE], {"format": "INTEGER"}, 0xFFFE),
        ([0xFFFF], {"format": "INTEGER"}, 0xFFFF),
        ([0xFFFE], {"format": "INTEGER", "sign": True}, -2),
        ([0xFFFF], {"format": "INTEGER", "sign": True}, -1),
        ([0xFFFF, 0xFFFE], {"format": "INTEGER", "sign": True}, -2),
        ([0x1234, 0x5678], {"format": "INTEGER", "endian": "L"}, 0x78563412),
        ([0xFEFF], {"format": "INTEGER", "endian": "L", "sign": True}, -2),
        ([0xFEFF, 0xFFFF], {"format": "INTEGER", "endian": "L", "sign": True}, -2),
        ([0xFEFF], {"format": "INTEGER", "endian": "L"}, 0xFFFE),
        ([1, 2, 3, 4], {"format": "LONG"}, 0x0001_0002_0003_0004),
        ([0xFFFF, 0xFFFF, 0xFFFF, 0xFFFE], {"format": "LONG", "sign": True}, -2),
        ([0x0100, 0, 0], {"format": "LONG", "endian": "L"}, 1),
        ([51200], {"format": "FLOAT", "precision": 10}, 50.0),
        ([0x64FC], {"format": "FLOAT", "precision": 11}, 12.623046875),
        (
            [0x64FC],
            {"format": "FLOAT", "precision": 11, "scale": 0.1, "shift": 10.0},
            11.2623046875,
        ),
        ([0xE4FC], {"format": "FLOAT", "precision": 11, "sign": True}, -3.376953125),
        ([2981], {"format": "FLOAT", "precision": 0, "scale": 0.1, "shift": -273.15}, 24.95),
        ([0xA50B], {"format": "FLOAT", "precision": 0, "scale": 0.1, "endian": "L"}, 298.1),
        ([1, 0], {"format": "FLOAT", "precision": 31}, 65536 / 2**31),
        ([0x00FF, 0x0102], {"format": "RAW"}, "00ff0102"),
        ([0x00FF], {}, "00ff"),
        ([0x3730, 0x302D, 0x3020, 0], {"format": "STRING"}, "700-0"),
        ([0x4100, 0x4242], {"format": "STRING"}, "A"),
        ([0x41C3, 0x2842], {"format": "STRING"}, "A\N{REPLACEMENT CHARACTER}(B"),
    ],
)
def test_values(words: list[int | None], entry: dict[str, Any], value: object) -> None:
    assert decoded(words, **entry) == RegisterValue(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "entry", "quality"),
    [
        ([0xFFFF], {"format": "FLOAT", "precision": 10}, Quality.SENTINEL),
        ([0xFFFF, 0xFFFF], {"format": "INTEGER"}, Quality.SENTINEL),
        ([0, 0, 0xFFFF, 0xFFFF], {"format": "LONG"}, Quality.SENTINEL),
        ([0x7FFF, 0xFFFF], {"format": "INTEGER", "sign": True}, Quality.SENTINEL),
        # absolute zero is a sensor without a value, not a temperature
        (
            [0],
            {"format": "FLOAT", "precision": 0, "scale": 0.1, "shift": -273.15},
            Quality.SENTINEL,
        ),
        ([0xFFFF, 0xFFFF], {"format": "STRING"}, Quality.SENTINEL),
        ([0, 0x4141], {"format": "STRING"}, Quality.MISSING),
        ([0x2020], {"format": "STRING"}, Quality.MISSING),
        ([None], {"format": "INTEGER"}, Quality.MISSING),
        ([1, None], {"format": "INTEGER"}, Quality.MISSING),
    ],
)
def test_what_is_no_value(words: list[int | None], entry: dict[str, Any], quality: Quality) -> None:
    assert decoded(words, **entry) == RegisterValue(None, quality)


@pytest.mark.parametrize(
    ("bits", "value", "quality"),
    [
        (struct.pack(">f", 21.5), 21.5, Quality.GOOD),
        (struct.pack(">f", float("nan")), None, Quality.MISSING),
        (struct.pack(">f", float("-inf")), None, Quality.MISSING),
    ],
)
def test_float32(bits: bytes, value: float | None, quality: Quality) -> None:
    register = Register(address=0, words=2, name="R", format=RegisterFormat.FLOAT32)
    words = list(struct.unpack(">HH", bits))
    assert decode_words(register, words) == RegisterValue(value, quality)


def test_flags_are_counted_from_the_lowest_bit_of_all_words() -> None:
    flags = [[0, "HELLO"], [31, "WORLD"], [32, "HELLO2"], [63, "WORLD2"]]
    found = decoded([0x8000, 0, 0, 1], format="FLAGS", flags=flags)
    assert found.value == 0x8000_0000_0000_0001
    assert found.flags == {"HELLO": True, "WORLD": False, "HELLO2": False, "WORLD2": True}


def test_flags_of_one_name_are_both_there() -> None:
    found = decoded([0b10], format="FLAGS", flags=[[0, "Fault"], [1, "Fault"]])
    assert found.flags == {"Fault": False, "Fault (bit 1)": True}


def test_all_flags_set_is_an_honest_answer() -> None:
    assert decoded([0xFFFF], format="FLAGS", flags=[[15, "A"]]).flags == {"A": True}


def rows(registers: list[dict[str, Any]], recorded: object) -> Rows:
    read = read_rackmond_map({"name": "M", "baudrate": 19200, "registers": registers}, "m")
    return rows_of_source(json.dumps(recorded).encode(), read.map, "file")


TWO = [
    {"begin": 60, "length": 1, "name": "Alarms", "format": "FLAGS", "flags": [[11, "Fan"]]},
    {"begin": 61, "length": 2, "name": "Count", "format": "INTEGER"},
]


def test_a_row_has_the_promised_keys() -> None:
    found = rows(TWO, {"registers": [{"address": 60, "words": [2048, 0, 7]}]})
    assert [row.as_dict() for row in found.rows] == [
        {
            **{"register": 60, "name": "Alarms", "value": 2048, "unit": ""},
            **{"flags": {"Fan": True}, "quality": "good"},
        },
        {
            **{"register": 61, "name": "Count", "value": 7, "unit": ""},
            **{"flags": {}, "quality": "good"},
        },
    ]
    assert found.warnings() == []


def test_blocks_may_hold_many_registers_parts_of_one_or_none() -> None:
    recorded = {"registers": [{"address": 62, "words": [9, 1, 2]}], "when": "now"}
    found = rows(TWO, recorded)
    assert [(r.register, r.value.value, r.value.quality) for r in found.rows] == [
        (61, None, Quality.MISSING)
    ]
    assert found.warnings() == [
        "2 words are in no register of the map",
        "1 registers of the map are not in the source",
    ]


def test_bad_words_cost_their_register_and_unknown_keys_are_counted() -> None:
    recorded = [
        {"address": 60, "words": [70000], "comment": "x"},
        {"address": "0x3D", "words": [0, 1]},
        {"address": -1, "words": [1]},
        {"address": 5, "words": "text"},
        "nonsense",
    ]
    found = rows(TWO, {"registers": recorded})
    assert [(r.register, r.value.value) for r in found.rows] == [(60, None), (61, 1)]
    assert found.warnings() == [
        "registers[0].words: 70000 is no word of 16 bits",
        "registers[2].address: -1 is no register",
        "registers[3].words: is no list of words",
        "registers[4]: is no object",
        "1 unknown fields ignored: registers.comment",
    ]
