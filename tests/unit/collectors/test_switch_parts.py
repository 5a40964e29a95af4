"""What the switches' collectors share: columns, numbers, light, names, JSON of other people."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fleetops.core.errors import InputError
from fleetops_collectors.columns import Columns
from fleetops_collectors.device_names import MAX_PART, part_name
from fleetops_collectors.fec import tail_of
from fleetops_collectors.json_input import parse_documents, parse_json, read_file
from fleetops_collectors.number_text import number_of, with_unit
from fleetops_collectors.optics import from_dbm, from_milliwatts, is_dark
from fleetops_schemas.readings import Quality

NOW = datetime(2026, 11, 21, tzinfo=UTC)
FIRST = "COUNTERS.SAI_PORT_STAT_PFC_*_RX_PAUSE_DURATION_US"
SECOND = "COUNTERS.EST_PORT_STAT_PFC_*_RX_PAUSE_DURATION_US"


def test_the_first_source_with_a_number_wins() -> None:
    columns = Columns("sonic")
    columns.add("fabric_port", "a", SECOND, 9_000_000)
    columns.add("fabric_port", "a", FIRST, 1_000_000)
    columns.add("fabric_port", "a", FIRST, 500_000)
    columns.add("fabric_port", "b", FIRST, Quality.MISSING)
    columns.add("fabric_port", "b", SECOND, 9_000_000)
    found = {one.device: (one.metric, one.value, one.unit) for one in columns.readings()}
    assert found == {
        "a": ("pfc_receive_seconds_total", 1.5, "s"),
        "b": ("pfc_receive_seconds_total", 9.0, "s"),
    }


def test_a_cell_without_a_number_says_the_most_telling_reason() -> None:
    columns = Columns("sonic")
    for reason in (Quality.MISSING, Quality.STALE, Quality.SENTINEL):
        columns.put("fabric_port", "a", "optics_bias_milliamperes", reason)
    assert [one.quality for one in columns.readings()] == [Quality.STALE]


def test_a_cell_is_as_old_as_its_oldest_part() -> None:
    columns = Columns("sonic")
    for age, value in ((5, 7.0), (60, 9.0), (0, Quality.MISSING)):
        time = NOW - timedelta(seconds=age)
        columns.put("fabric_port", "a", "optics_bias_milliamperes", value, time)
    (reading,) = columns.readings()
    assert (reading.value, reading.time) == (9.0, NOW - timedelta(seconds=60))


def test_a_sum_beyond_its_column_is_none() -> None:
    columns = Columns("sonic")
    for _ in range(2):
        columns.put("fabric_port", "a", "pfc_receive_total", 10**19)
    assert [one.quality for one in columns.readings()] == [Quality.OUT_OF_RANGE]


def test_what_has_no_column_is_no_guess() -> None:
    columns = Columns("sonic")
    assert not columns.has("fabric_port", "COUNTERS.NO_SUCH_FIELD")
    with pytest.raises(KeyError):
        columns.add("fabric_port", "a", "COUNTERS.NO_SUCH_FIELD", 1)


@pytest.mark.parametrize(
    ("text", "number", "unit"),
    [
        ("12345678901234567890", 12345678901234567890, ""),
        (" -1.25dBm ", -1.25, "dBm"),
        ("3.3 Volts", 3.3, "Volts"),
        ("2.e9", 2e9, ""),
        (".5", 0.5, ""),
        ("-inf", -math.inf, ""),
        ("1e999", math.inf, ""),
        (7, 7, ""),
        (True, Quality.MISSING, ""),
        (None, Quality.MISSING, ""),
        (math.nan, Quality.MISSING, ""),
        ("N/A", Quality.MISSING, ""),
        ("1_000", Quality.MISSING, ""),
        ("٣", Quality.MISSING, ""),
        ("0x10", Quality.MISSING, ""),
        ("9" * 500, Quality.MISSING, ""),
        ([1], Quality.MISSING, ""),
    ],
)
def test_numbers_in_text(text: object, number: object, unit: str) -> None:
    assert with_unit(text) == (number, unit)
    assert number_of(text) == number


def test_light() -> None:
    assert from_dbm(0) == 1
    assert from_dbm(-39.9) == pytest.approx(1.023e-4, rel=1e-3)
    for floor in (-40, -40.0, -99.9, -math.inf):
        assert from_dbm(floor) is Quality.SENTINEL
        assert is_dark(from_dbm(floor))
    assert from_dbm(math.nan) is Quality.MISSING
    for absurd in (61, 1e308, math.inf):
        assert from_dbm(absurd) is Quality.OUT_OF_RANGE
    assert from_milliwatts(0.5) == 0.5
    assert from_milliwatts(0) is Quality.SENTINEL
    assert from_milliwatts(1e-4) is Quality.SENTINEL
    assert from_milliwatts(-1) == -1, "judged by the column's range"
    assert from_milliwatts(math.nan) is Quality.MISSING


def test_the_tail_of_codewords() -> None:
    assert tail_of({0: 5, 3: 1, 9: 0, 12: Quality.MISSING, 14: -1}) == 3
    assert tail_of({0: 0}) == 0
    assert tail_of({0: Quality.MISSING, 1: -1}) is Quality.MISSING


def test_names() -> None:
    assert part_name("Ethernet1/1") == "Ethernet1-1"
    assert part_name("et-0/0/0:1") == "et-0-0-0:1"
    assert part_name(" PSU 1 ") == "PSU_1"
    assert part_name("../../x") == "..-..-x"
    assert part_name("") == "_"
    assert len(part_name("x" * 5000)) == MAX_PART


def test_documents_behind_one_another() -> None:
    many = "".join(json.dumps({"n": n}, indent=1) + "\n" for n in range(3000))
    assert parse_documents(many.encode(), "x") == [{"n": n} for n in range(3000)]
    lines = b'{"a": 1}\n\n{"a": 2}\n'
    assert parse_documents(lines, "x") == [{"a": 1}, {"a": 2}]
    assert parse_documents(b'[{"a": 1}]', "x") == [{"a": 1}]
    assert parse_documents(b"\xef\xbb\xbf5", "x") == [5]
    for broken in (b"", b"{", b'{"a": 1}\n{"a"', b"\xff\xfe", b"[" * 100_000):
        with pytest.raises(InputError, match=r"^x: no JSON"):
            parse_documents(broken, "x")


def test_numbers_that_one_parser_refuses_cost_no_payload() -> None:
    found = parse_json(
        b'{"a": NaN, "b": ' + b"9" * 500 + b', "c": 1, "d": 18446744073709551615}', "x"
    )
    assert isinstance(found, dict)
    assert (found["b"], found["c"], found["d"]) == (math.inf, 1, 2**64 - 1)


def test_files_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(b"x" * 100)
    assert len(read_file(path, 100)) == 100
    with pytest.raises(InputError, match=r"capture: longer than 99 bytes"):
        read_file(path, 99)
    with pytest.raises(InputError, match="gone: cannot be read"):
        read_file(tmp_path / "gone")
    with pytest.raises(InputError, match="cannot be read"):
        read_file(tmp_path)
