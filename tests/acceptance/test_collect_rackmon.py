"""Rack power through the command: the documented configuration, and registers by any map."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.commands import answer, fleetops, one_error
from tests.support import ROOT, fixtures
from tests.unit.collectors.http_server import unused_url
from tests.unit.collectors.modbus_server import serving_rtu, serving_tcp
from tests.unit.collectors.rackmon_data import (
    dumped,
    entry,
    flags_entry,
    framed,
    serving_rackmond,
    words_of,
)

EXAMPLE = ROOT / "docs" / "examples" / "rackmon.yaml"
ROW = ["register", "name", "value", "unit", "flags", "quality"]
DEVICES = {
    200: words_of("orv3_psu", r79=51200, r69=128 * 25, r60=1 << 11, r80=0xFFFF),
    12: words_of("orv3_rpu", r36864=505, r37378=1 << 8 | 1 << 9 | 1 << 13),
}
NEW_MAP: dict[str, Any] = {
    "name": "ORV9_WIDGET",
    "address_range": [[30, 31]],
    "probe_register": 60,
    "baudrate": 19200,
    "future_key": {"a": 1},
    "registers": [
        {"begin": 60, "length": 1, "name": "Alarm", "format": "FLAGS"}
        | {"flags": [[0, "Hot"], [3, "Wet"]], "keep": 10, "changes_only": True},
        {"begin": 61, "length": 2, "name": "Count", "format": "INTEGER", "endian": "L"},
        {"begin": 63, "length": 1, "name": "T", "format": "FLOAT", "precision": 0}
        | {"scale": 0.1, "shift": -273.15, "unit": "DegreesC", "colour": "red"},
        {"begin": 70, "length": 4, "name": "Serial", "format": "STRING"},
    ],
}
NEW_WORDS = {60: 8, 61: 0x0100, 62: 0, 63: 2981, 70: 0x534E, 71: 0x3432, 72: 0, 73: 0}
NEW_ROWS = [
    (60, "Alarm", 8, "", {"Hot": False, "Wet": True}, "good"),
    (61, "Count", 1, "", {}, "good"),
    (63, "T", 24.95, "DegreesC", {}, "good"),
    (70, "Serial", "SN42", "", {}, "good"),
]


@pytest.fixture
def new_map(tmp_path: Path) -> Path:
    path = tmp_path / "widget.json"
    path.write_text(json.dumps(NEW_MAP))
    return path


def rows(found: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    for row in found:
        assert [*row] == ROW
    return [tuple(row.values()) for row in found]


def collected(url: str) -> dict[str, Any]:
    done = fleetops(
        *("collect", "once", "-o", "json"), config=EXAMPLE, environ={"RACKMON_URL": url}
    )
    assert done.returncode == 0, done.stderr
    (scrape,) = json.loads(done.stdout)
    found: dict[str, Any] = scrape
    return found


@pytest.mark.parametrize("serve", [serving_tcp, serving_rtu])
def test_the_documented_configuration_reads_a_rack(serve: Any) -> None:  # noqa: ANN401
    with serve(DEVICES) as bench:
        scrape = collected(bench.url)
    found = {
        (one["device"].removeprefix("r012/"), one["metric"]): (one["value"], one["quality"])
        for one in scrape["readings"]
    }
    assert found["shelf1/psu1", "output_voltage_volts"] == (50.0, "good")
    assert found["shelf1/psu1", "inlet_temperature_celsius"] == (25.0, "good")
    assert found["shelf1/psu1", "output_current_amperes"] == (None, "sentinel")
    assert found["shelf1/psu1", "alarm_flags"] == (2048, "good")
    assert found["rpu", "flow_litres_per_minute"] == (50.5, "good")
    assert found["rpu/leak_pan", "leak_state"] == (2, "good")
    assert found["rpu/leak_floor", "leak_state"] == (None, "missing")
    assert found["rpu/leak_floor", "leak_detector_ok"] == (0, "good")
    assert {(e["device"], e["kind"]) for e in scrape["events"]} == {
        ("r012/shelf1/psu1", "fan_fault"),
        ("r012/rpu/leak_pan", "coolant_leak"),
        ("r012/rpu/leak_floor", "coolant_leak_detector_fault"),
    }
    assert [line for line in scrape["warnings"] if "psu2" in line]


def test_the_documented_configuration_reads_rackmond(tmp_path: Path) -> None:
    psu = dumped("ORV3_PSU", 200, {(60, "Alarm"): [flags_entry(1_795_000_000, 1)]})
    reply = framed({"status": "SUCCESS", "data": [psu]})
    with serving_rackmond(tmp_path, lambda _: reply) as url:
        scrape = collected(url)
    assert {one["device"] for one in scrape["readings"]} == {"r012/shelf1/psu1"}


def test_a_map_that_nobody_has_seen_over_recorded_registers(new_map: Path, tmp_path: Path) -> None:
    path = tmp_path / "registers.json"
    blocks = [{"address": at, "words": [word]} for at, word in NEW_WORDS.items()]
    path.write_text(json.dumps({"registers": blocks, "taken_at": "today"}))
    done = fleetops("decode", "rackmon", "--map", new_map, path, "-o", "json")
    assert done.returncode == 0, done.stderr
    assert rows(json.loads(done.stdout)) == NEW_ROWS
    assert "2 unknown fields ignored: map.future_key, register.colour" in done.stderr
    piped = answer("decode", "rackmon", "--map", new_map, "-", stdin=path.read_bytes())
    assert rows(piped) == NEW_ROWS


@pytest.mark.parametrize("serve", [serving_tcp, serving_rtu])
def test_a_map_that_nobody_has_seen_over_a_live_device(serve: Any, new_map: Path) -> None:  # noqa: ANN401
    with serve({31: NEW_WORDS}) as bench:
        source = bench.url.removeprefix("tcp://")
        done = fleetops("decode", "rackmon", "--map", new_map, source, "-o", "json")
    assert done.returncode == 0, done.stderr
    assert rows(json.loads(done.stdout)) == NEW_ROWS
    assert "device 31 answered" in done.stderr


@pytest.mark.parametrize(("unit", "options"), [(1, ()), (7, ("--address", "7"))])
def test_a_server_of_one_device_outside_of_the_maps_addresses(
    unit: int, options: tuple[str, ...], new_map: Path
) -> None:
    with serving_tcp({unit: {**NEW_WORDS}}) as bench:
        bench.refused = {(unit, 63)}
        source = bench.url.removeprefix("tcp://")
        found = answer("decode", "rackmon", "--map", new_map, source, *options)
    assert rows(found) == [
        NEW_ROWS[0],
        NEW_ROWS[1],
        (63, "T", None, "DegreesC", {}, "absent"),
        NEW_ROWS[3],
    ]


def test_a_dump_with_and_without_a_map(tmp_path: Path) -> None:
    path = tmp_path / "dump.json"
    registers: dict[tuple[int, str], list[Any]] = {
        (60, "General_Alarm_Status_Register"): [flags_entry(9, 0, 2), flags_entry(20, 2, 2)],
        (79, "PSU_Output_Voltage"): [entry(20, "floatValue", 49.9), entry(10, "floatValue", 1.0)],
        (80, "PSU_Output_Current"): [entry(20, "intValue", 65535)],
    }
    path.write_text(json.dumps([dumped("ORV3_PSU", 200, registers)]))
    expected = [
        (60, "General_Alarm_Status_Register", 2, "", {"b0": False, "b1": True}, "good"),
        (79, "PSU_Output_Voltage", 49.9, "V", {}, "good"),
        (80, "PSU_Output_Current", None, "A", {}, "sentinel"),
    ]
    assert rows(answer("decode", "rackmon", "--map", "orv3_psu", path)) == expected
    bare = rows(answer("decode", "rackmon", path))
    assert bare[1] == (79, "PSU_Output_Voltage", 49.9, "", {}, "good")


@pytest.mark.fixtures
def test_real_maps_of_three_makers() -> None:
    folder = fixtures() / "rackmon"
    words = b'{"registers": [{"address": 60, "words": [2560]}, {"address": 69, "words": [3200]}]}'
    fboss = answer(
        "decode", "rackmon", "--map", folder / "fboss" / "orv3_psu.json", "-", stdin=words
    )
    assert rows(fboss)[1] == (69, "PSU_Temp0_Inlet", 25.0, "", {}, "good")
    assert {name for name, is_set in fboss[0]["flags"].items() if is_set} == {
        "Fan_Alarm",
        "DCDC_Converter_Failure",
    }
    profile = folder / "phosphor-modbus" / "DeltaECD17020037PowerSupplyUnit.json"
    delta = answer("decode", "rackmon", "--map", profile, "-", stdin=words)
    assert [(row["name"], row["value"], row["unit"]) for row in delta] == [
        ("INLET_SENSOR0_TEMP", 25.0, "DegreesC"),
        ("GENERAL_ALARM", 2560, ""),
    ]


def test_the_table_names_the_flags_that_are_set(new_map: Path) -> None:
    words = b'{"registers": [{"address": 60, "words": [8]}]}'
    done = fleetops("decode", "rackmon", "--map", new_map, "-", stdin=words)
    assert done.returncode == 0
    assert "Wet" in done.stdout
    assert "Hot" not in done.stdout
    assert "3 registers of the map are not in the source" in done.stderr


def test_what_cannot_be_decoded_is_one_line_each(new_map: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text('{"hello": 1}')
    port = unused_url().rpartition(":")[2].rstrip("/")
    for arguments, words in (
        (("--map", str(new_map), str(bad)), "neither recorded registers nor a dump"),
        (("--map", str(bad), str(bad)), "no register map"),
        (("--map", "orv9", str(bad)), "orv3_psu"),
        (("--map", str(new_map), str(tmp_path / "none.json")), "no such file"),
        (("--map", str(new_map), f"127.0.0.1:{port}"), f"cannot open 127.0.0.1:{port}"),
        (("127.0.0.1:502",), "name --map"),
        (("--map", str(new_map), "gopher://x"), "no address of a bus"),
    ):
        one_error(fleetops("decode", "rackmon", *arguments), 1, words)
