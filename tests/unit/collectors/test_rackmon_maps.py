"""Register maps: every dialect, every fixture, and those that are shipped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fleetops.core.errors import ConfigError, InputError
from fleetops_collectors.rackmon.map_files import read_map, read_own_map
from fleetops_collectors.rackmon.map_json import ReadMap, read_rackmond_map
from fleetops_collectors.rackmon.rows import rows_of_source
from fleetops_collectors.rackmon.units import unit_of_name
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.faults import load_faults
from fleetops_schemas.readings import Quality
from fleetops_schemas.register_maps import Parity, RegisterFormat, load_register_maps
from tests.support import fixtures

PLAIN = {"begin": 1, "length": 1, "name": "R", "format": "INTEGER"}


def parsed(**document: object) -> ReadMap:
    return read_rackmond_map({"name": "M", "baudrate": 19200, "registers": [PLAIN], **document}, "")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"address_range": [[1, 3], [6, 7]]}, ((1, 3), (6, 7))),
        ({"address_range": [160, 191]}, ((160, 191),)),
        ({}, ()),
    ],
)
def test_address_ranges_old_and_new(document: dict[str, Any], expected: object) -> None:
    read = parsed(**document)
    assert (read.map.addresses, read.problems) == (expected, [])


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"baudrate": 115200}, 115200),
        ({"baudrate": None, "default_baudrate": 19200, "preferred_baudrate": 38400}, 38400),
        ({"baudrate": None, "default_baudrate": 57600}, 57600),
    ],
)
def test_baud_rates_old_and_new(document: dict[str, Any], expected: int) -> None:
    read = parsed(**document)
    assert (read.map.baud_rate, read.problems) == (expected, [])


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"probe_register": 104}, 104),
        ({"probe": [{"register": 36864}]}, 36864),
        ({}, None),
    ],
)
def test_probe_registers_old_and_new(document: dict[str, Any], expected: int | None) -> None:
    read = parsed(**document)
    assert (read.map.probe_register, read.problems) == (expected, [])


def test_parity_span_and_what_would_write() -> None:
    read = parsed(
        parity="NONE",
        max_span_length=16,
        special_handlers=[{"reg": 298, "len": 2, "action": "write", "info": {"shell": "rm -rf /"}}],
        time_sync={"reg": 298, "period": 3600},
        baud_config={"reg": 163, "baud_value_map": [[19200, 1]]},
    )
    assert (read.map.parity, read.map.max_span_words) == (Parity.NONE, 16)
    assert not read.problems
    assert not read.unknown


def test_one_bad_register_costs_itself_alone() -> None:
    bad = [
        {"length": 1, "name": "no begin", "format": "INTEGER"},
        {"begin": 2, "length": 0, "name": "no words"},
        {"begin": 2, "length": 5, "name": "too long", "format": "INTEGER"},
        {"begin": 2, "length": 1, "name": "odd", "format": "BCD"},
        {"begin": 2, "length": 1, "name": "scale", "format": "FLOAT", "scale": "ten"},
        {"begin": 65535, "length": 2, "name": "over the end"},
        "text",
    ]
    read = parsed(registers=[*bad, PLAIN])
    assert [register.name for register in read.map.registers] == ["R"]
    assert read.problems == [
        "registers[0] no begin: begin: None is no whole number",
        "registers[1] no words: words: Input should be greater than or equal to 1",
        "registers[2] too long: too long: 5 words are no number of 64 bits or fewer",
        "registers[3] odd: unknown format 'BCD'",
        "registers[4] scale: scale: 'ten' is no number",
        "registers[5] over the end: over the end: ends at 65536; the last register is 65535",
        "registers: entries that are no objects were left out",
    ]


def test_one_bad_flag_costs_itself_alone() -> None:
    flags = [[0, "Good"], [16, "Beyond"], ["x", "Odd"], [3], 7]
    entry = {"begin": 1, "length": 1, "name": "F", "format": "FLAGS", "flags": flags}
    read = parsed(registers=[entry])
    assert [flag.name for flag in read.map.registers[0].flags] == ["Good"]
    assert len(read.problems) == 4
    assert "bit 16 is outside 1 words" in read.problems[0]


def test_unknown_keys_are_ignored_and_counted() -> None:
    read = parsed(future={"a": 1}, registers=[{**PLAIN, "colour": "red"}, {**PLAIN, "colour": 1}])
    assert read.unknown == {"map.future": 1, "register.colour": 2}
    assert len(read.map.registers) == 2


def test_the_first_maps_wrote_formats_small_and_raw_words_as_hex() -> None:
    registers = [
        {"begin": 1, "length": 2, "name": "Words", "format": "hex"},
        {"begin": 3, "length": 1, "name": "Volts", "format": "float", "precision": 10},
        {"begin": 4, "length": 1, "name": "Alarms", "format": "flags", "flags": [[3, "Fan"]]},
        {"begin": 5, "length": 1, "name": "Nameless words"},
    ]
    read = parsed(registers=registers)
    assert read.problems == []
    source = {"registers": [{"address": 1, "words": [0x12, 0xAB, 51_200, 8, 0xFF]}]}
    rows = rows_of_source(json.dumps(source).encode(), read.map, "x").rows
    assert [row.value.value for row in rows] == ["001200ab", 50.0, 8, "00ff"]
    assert rows[2].value.flags == {"Fan": True}


def test_older_profiles_call_fixed_point_floating(tmp_path: Path) -> None:
    profile = {
        **{"DeviceType": "Valve", "DeviceModel": "M", "Parity": "None", "BaudRate": 9600},
        "ProbeRegister": {"Offset": 1, "Size": 1, "ExpectedValue": 1},
        "SensorRegisters": [
            {
                **{"Name": "Inlet", "Type": "Temperature", "Offset": "0x12C", "Size": 1},
                **{"Format": "FloatingPoint", "Precision": 2, "Scale": 0.5, "Shift": 10.0},
                "IsSigned": True,
            }
        ],
    }
    path = tmp_path / "valve.json"
    path.write_text(json.dumps(profile))
    read = read_map(str(path))
    assert (read.problems, read.unknown.total()) == ([], 0)
    source = {"registers": [{"address": 300, "words": [0xFFD8]}]}
    (row,) = rows_of_source(json.dumps(source).encode(), read.map, "x").rows
    assert (row.value.value, row.unit) == (5.0, "DegreesC")


def test_two_registers_at_one_address_are_both_told() -> None:
    """orv3_rpu2.json really has two at 37899."""
    read = parsed(registers=[{**PLAIN, "name": "A"}, {**PLAIN, "name": "B"}])
    found = rows_of_source(b'{"registers": [{"address": 1, "words": [5]}]}', read.map, "")
    assert [(row.name, row.value.value) for row in found.rows] == [("A", 5), ("B", 5)]


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("RPU_Coolant_Flow_Rate_LPM", "LPM"),
        ("RPU_Coolant_Outlet_Pressure_kPa", "kPa"),
        ("RPU_Coolant_Outlet_Temp_C", "DegreesC"),
        ("RPU_Pump1_TACH_RPM", "RPM"),
        ("RPU_Pump_PWM_Pct", "Percent"),
        ("AALC_Total_Power_W", "Watts"),
        ("HEX_Input_Volt_V", "Volts"),
        ("HEX_Input_Current_V", ""),
        ("PSU_Output_Voltage", ""),
        ("Vitamin_C", ""),
        ("W", ""),
    ],
)
def test_units_of_names(name: str, unit: str) -> None:
    assert unit_of_name(name) == unit


def test_a_unit_that_is_given_is_kept_as_it_is() -> None:
    read = parsed(registers=[{**PLAIN, "name": "Power_W", "unit": "Kilowatts"}])
    assert read.map.registers[0].unit == "Kilowatts"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no JSON"),
        ("<html>", "no JSON"),
        ("[1]", "a JSON list, not an object"),
        ("{}", "no register map"),
        ('{"registers": []}', "no register map"),
        ('{"registers": [{"begin": "x"}]}', r"registers\[0\]"),
        ('{"DeviceType": "Valve"}', "no device profile: it has no registers"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_what_is_no_map_says_why(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "map.json"
    path.write_text(content)
    with pytest.raises(InputError, match=words) as caught:
        read_map(str(path))
    assert str(path) in str(caught.value)


def test_a_map_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.json.*No such file.*orv3_psu"):
        read_map(str(tmp_path / "none.json"))


def test_an_own_map_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("name: own\nregisters: [{address: 1, name: R, wordz: 2}]\n")
    with pytest.raises(ConfigError, match=r"own\.yaml: registers\.0\.wordz: unknown key"):
        read_own_map(path)
    path.write_text("name: own\nregisters: [{address: 1, name: R, fraction_bits: 3}]\n")
    assert read_own_map(path).registers[0].fraction_bits == 3


FBOSS = {"orv2_psu": (98, 155), "orv3_psu": (50, 46), "orv3_bbu": (106, 133)}
PROFILES = {
    "Artesyn7000552480000PowerSupplyUnit": (16, 36),
    "Artesyn7000552531000PowerShelf": (17, 0),
    "Artesyn7000555240000PowerMonitorModule": (8, 22),
    "BelimoEV200ARXEValve": (16, 19),
    "Danfoss003Z8540Valve": (16, 9),
    "DeltaBBUBC100AE000PowerMonitorModule": (8, 22),
    "DeltaBBUBS723AE000PowerShelf": (71, 0),
    "DeltaBBUBU123AE000BatteryBackupUnit": (16, 62),
    "DeltaECD17020037PowerSupplyUnit": (16, 36),
    "DeltaECD27010006CapacitorBankUnit": (12, 32),
    "DeltaECD68000047PowerShelf": (71, 0),
    "DeltaECD68000049PowerShelf": (17, 0),
    "DeltaECD70000017PowerMonitorModule": (8, 22),
    "DeltaECD70000020PowerMonitorModule": (8, 22),
    "DeltaRDF040DSS5193E0ReservoirPumpUnit": (9, 4),
    "PanasonicBJA3C0002ABatteryBackupUnit": (16, 62),
    "PanasonicBJBPM103APowerMonitorModule": (8, 22),
    "PanasonicBJBSB103APowerShelf": (71, 0),
}


@pytest.mark.fixtures
@pytest.mark.parametrize("folder", ["fboss", "phosphor-modbus"])
def test_every_map_of_the_fixtures_is_read_whole_and_decodes(folder: str) -> None:
    expected = FBOSS if folder == "fboss" else PROFILES
    found = {}
    for path in sorted((fixtures() / "rackmon" / folder).glob("*.json")):
        if path.stem in {"rackmon_interface", "rackmon_pls", "device_profile"}:
            continue  # interfaces, sirens, and the schema itself
        read = read_map(str(path))
        assert (read.problems, read.unknown) == ([], {}), path.name
        found[path.stem] = (
            len(read.map.registers),
            sum(len(register.flags) for register in read.map.registers),
        )
        blocks = [{"address": r.address, "words": [0x1234] * r.words} for r in read.map.registers]
        rows = rows_of_source(json.dumps({"registers": blocks}).encode(), read.map, path.name)
        assert rows.warnings() == []
        assert len(rows.rows) == len(read.map.registers)
        assert {row.value.quality for row in rows.rows} == {Quality.GOOD}
    assert found == expected


@pytest.mark.fixtures
def test_values_of_real_maps() -> None:
    folder = fixtures() / "rackmon"
    psu = read_map(str(folder / "fboss" / "orv3_psu.json")).map
    blocks = [{"address": 60, "words": [0x0800]}, {"address": 79, "words": [51200]}]
    blocks.append({"address": 69, "words": [0xFF80]})
    found = {
        row.name: row.value
        for row in rows_of_source(json.dumps({"registers": blocks}).encode(), psu, "").rows
    }
    assert found["PSU_Output_Voltage"].value == 50.0
    assert found["PSU_Temp0_Inlet"].value == -1.0
    flags = found["General_Alarm_Status_Register"].flags
    assert [name for name, is_set in flags.items() if is_set] == ["Fan_Alarm"]
    bbu = read_map(str(folder / "fboss" / "orv2_psu.json")).map
    swapped = rows_of_source(b'{"registers": [{"address": 109, "words": [4110]}]}', bbu, "").rows
    assert swapped[0].value.value == 3600  # 0x100e is 0x0e10 mV: the battery's block is swapped
    valve = read_map(str(folder / "phosphor-modbus" / "Danfoss003Z8540Valve.json")).map
    floats = b'{"registers": [{"address": 33218, "words": [16840, 0]}]}'
    assert rows_of_source(floats, valve, "").rows[0].as_dict() == {
        **{"register": 33218, "name": "SUPPLY_TEMP", "value": 25.0, "unit": "DegreesC"},
        **{"flags": {}, "quality": "good"},
    }


SHIPPED = {
    "orv2_psu": (22, 16, 19_200),
    "orv3_bbu": (17, 35, 19_200),
    "orv3_hpr_bbu": (18, 35, 115_200),
    "orv3_hpr_pmm_bbu": (6, 9, 115_200),
    "orv3_hpr_pmm_psu": (6, 9, 115_200),
    "orv3_hpr_psu": (23, 36, 115_200),
    "orv3_power_tether": (17, 20, 19_200),
    "orv3_psu": (21, 34, 19_200),
    "orv3_rpu": (20, 56, 19_200),
}


def test_the_shipped_maps_agree_with_catalog_and_faults() -> None:
    sources = load_catalog().by_source("rackmon")
    faults = load_faults()
    found = {}
    for name, one in load_register_maps().items():
        found[name] = (
            len(one.registers),
            sum(len(register.flags) for register in one.registers),
            one.baud_rate,
        )
        assert one.source
        assert one.device_types
        assert one.probe_register is not None
        catalog_class = load_catalog()[one.device_class]
        for register in one.registers:
            if not register.identity and not register.flags:
                assert one.device_class in {place[0].name for place in sources[register.name]}
                assert register.unit, register.name
            for flag in register.flags:
                assert not flag.kind or flag.kind in faults.kinds, flag.kind
                assert not flag.metric or catalog_class.has_metric(flag.metric), flag.metric
    assert found == SHIPPED


def test_units_of_the_shipped_maps_are_those_of_the_catalog() -> None:
    sources = load_catalog().by_source("rackmon")
    for one in load_register_maps().values():
        for register in one.registers:
            if register.flags or register.identity:
                continue
            _, metric, source = sources[register.name][0]
            assert register.unit == ("%" if source.scale == 0.01 else metric.unit), register.name


@pytest.mark.fixtures
@pytest.mark.parametrize("name", ["orv2_psu", "orv3_psu", "orv3_bbu"])
def test_the_shipped_maps_read_registers_as_the_fixtures_do(name: str) -> None:
    real = read_map(str(fixtures() / "rackmon" / "fboss" / f"{name}.json")).map
    theirs = {register.address: register for register in real.registers}
    shipped = load_register_maps()[name]
    assert (shipped.baud_rate, shipped.parity) == (real.baud_rate, real.parity)
    assert (shipped.probe_register, shipped.addresses) == (real.probe_register, real.addresses)
    for register in shipped.registers:
        other = theirs[register.address]
        assert register.words == other.words
        assert (register.signed, register.little_endian) == (other.signed, other.little_endian)
        assert register.fraction_bits == other.fraction_bits
        assert {flag.bit for flag in register.flags} <= {flag.bit for flag in other.flags}
        if other.format is RegisterFormat.FIXED_POINT:
            assert (register.scale, register.offset) == (other.scale, other.offset)


def test_addresses_that_two_maps_share_differ_by_rate() -> None:
    maps = load_register_maps()
    shared = set(maps["orv2_psu"].device_addresses()) & set(maps["orv3_hpr_psu"].device_addresses())
    assert len(shared) == 24
    assert maps["orv2_psu"].baud_rate != maps["orv3_hpr_psu"].baud_rate
