"""rackmond's dumps, old and new: values, times, stale devices, alarms out of its history."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fleetops.core.errors import InputError
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.rackmon.alarms import Alarms
from fleetops_collectors.rackmon.collector import RackmonCollector
from fleetops_collectors.rackmon.dump import read_dump
from fleetops_collectors.rackmon.dumped_devices import DumpReader
from fleetops_collectors.rackmon.map_json import read_rackmond_map
from fleetops_collectors.rackmon.rows import rows_of_source
from fleetops_schemas.readings import Quality, Reading
from fleetops_schemas.records import Severity
from fleetops_schemas.register_maps import load_register_maps
from tests.contract.collector_contract import check_readings
from tests.unit.collectors.rackmon_data import dumped, entry, flags_entry

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
T = int(NOW.timestamp())


def reader(host: str = "", port_name: str = "") -> DumpReader:
    alarms = Alarms(timedelta(seconds=300))
    maps = load_register_maps()
    return DumpReader("r01", maps, alarms, host=host, port_name=port_name)


def read(*devices: dict[str, Any], by: DumpReader | None = None, now: datetime = NOW) -> Decoded:
    decoded = (by or reader()).read(read_dump(list(devices), "dump"), now)
    check_readings(decoded.readings)
    return decoded


def by_metric(decoded: Decoded) -> dict[str, Reading]:
    return {reading.metric: reading for reading in decoded.readings}


def test_json_within_a_json_text_is_read_as_the_first_rest_service_gave_it(tmp_path: Path) -> None:
    reading = {"begin": 79, "readings": [{"time": T, "data": "c800"}]}
    device = {"addr": 200, "deviceType": "ORV3_PSU", "baudrate": 19200, "ranges": [reading]}
    data = json.dumps(json.dumps([device])).encode()
    (row,) = rows_of_source(data, load_register_maps()["orv3_psu"], "x").rows
    assert (row.register, row.value.value) == (79, 50.0)
    (tmp_path / "registers.json").write_bytes(data)
    decoded = RackmonCollector.decode_recording(tmp_path / "registers.json", "r01", NOW)
    assert by_metric(decoded)["output_voltage_volts"].value == 50.0
    with pytest.raises(InputError, match="no JSON"):
        rows_of_source(b'"no JSON in it"', None, "x")


def test_the_newest_of_a_history_counts_wherever_the_ring_begins() -> None:
    history = [entry(T - 10, "floatValue", 50.1), entry(T - 600, "floatValue", 40.0)]
    history.append({"type": "FLOAT", "timestamp": 0, "value": {"floatValue": 99.0}})
    found = by_metric(read(dumped("ORV3_PSU", 200, {(79, "PSU_Output_Voltage"): history})))
    voltage = found["output_voltage_volts"]
    assert (voltage.device, voltage.value) == ("r01/orv3-psu-200", 50.1)
    assert voltage.time == NOW - timedelta(seconds=10)


def test_whole_numbers_are_decoded_again_and_scaled_ones_taken() -> None:
    """Old maps gave deci-kelvin, volts and mA as they came; newer ones scale them."""
    old = dumped(
        "ORV3_HPR_BBU",
        48,
        {
            (90, "Temp1"): [entry(T, "intValue", 2981)],
            (91, "Temp2"): [entry(T, "intValue", 0)],
            (96, "Battery_Voltage"): [entry(T, "intValue", 48_120)],
            (97, "Battery_Current"): [entry(T, "floatValue", -12_340.0)],
            (142, "SOH"): [entry(T, "intValue", 97)],
        },
    )
    found = by_metric(read(old))
    assert found["hotspot_temperature_celsius"].value == 24.95
    assert found["battery_voltage_volts"].value == 48.12
    assert found["battery_current_amperes"].value == pytest.approx(-12.34)
    assert found["state_of_health_ratio"].value == 0.97
    new = dumped("ORV3_BBU", 70, {(122, "Temp1"): [entry(T, "floatValue", 24.95)]})
    assert by_metric(read(new))["hotspot_temperature_celsius"].value == 24.95


@pytest.mark.parametrize("kelvin", [-273.15, 6280.35, None, float("nan")])
def test_a_scaled_number_that_stands_for_none_is_none(kelvin: float | None) -> None:
    """-273.15 is raw 0, 6280.35 is raw 0xFFFF."""
    found = read(dumped("ORV3_BBU", 70, {(122, "Temp1"): [entry(T, "floatValue", kelvin)]}))
    reading = by_metric(found)["hotspot_temperature_celsius"]
    assert reading.value is None
    assert reading.quality in {Quality.SENTINEL, Quality.MISSING}


@pytest.mark.parametrize("raw", [0xFFFF, -1])
def test_all_bits_one_is_no_speed(raw: int) -> None:
    found = read(dumped("ORV3_PSU", 200, {(67, "PSU_RPM_Fan0"): [entry(T, "intValue", raw)]}))
    assert by_metric(found)["fan_speed_rpm"].quality is Quality.OUT_OF_RANGE


def test_old_readings_are_stale_but_old_flags_are_not() -> None:
    old = T - 2000
    decoded = read(
        dumped(
            "ORV3_PSU",
            200,
            {
                (79, "V"): [entry(old, "floatValue", 50.0)],
                (80, "I"): [entry(1000, "floatValue", 1.0)],
                (60, "Alarm"): [flags_entry(old, 1 << 11)],
            },
        )
    )
    found = by_metric(decoded)
    assert found["output_voltage_volts"].quality is Quality.STALE
    assert found["output_current_amperes"].quality is Quality.STALE
    assert found["alarm_flags"].value == 2048
    assert found["health"].value == 1


def test_a_clock_that_runs_ahead_dates_nothing() -> None:
    found = read(dumped("ORV3_PSU", 200, {(79, "V"): [entry(T + 4000, "floatValue", 50.0)]}))
    voltage = by_metric(found)["output_voltage_volts"]
    assert (voltage.value, voltage.time) == (50.0, None)


def test_a_dormant_device_says_nothing_any_more() -> None:
    device = dumped(
        "ORV3_PSU",
        200,
        {(79, "V"): [entry(T, "floatValue", 50.0)], (60, "A"): [flags_entry(T, 1)]},
        mode="DORMANT",
    )
    decoded = read(device)
    values = [one for one in decoded.readings if one.metric != "bus_errors_total"]
    assert {reading.quality for reading in values} == {Quality.STALE}
    assert decoded.events == []
    assert decoded.problems == ["r01/orv3-psu-200: dormant: it no longer answers rackmond"]


def test_one_address_at_two_rates_is_two_devices() -> None:
    volts = {(79, "V"): [entry(T, "floatValue", 50.0)]}
    hpr = dumped("ORV3_HPR_PSU", 160, volts, baudrate=115200, uniqueDevAddress=(2 << 8) | 160)
    orv2 = dumped("ORV2_PSU", 160, {(138, "V"): [entry(T, "floatValue", 12.6)]})
    decoded = read(hpr, orv2)
    assert {r.device: r.value for r in decoded.readings if r.metric.startswith("output_v")} == {
        "r01/orv3-hpr-psu-160": 50.0,
        "r01/orv2-psu-160": 12.6,
    }


def test_what_rackmond_counts_of_a_device() -> None:
    device = dumped("ORV3_PSU", 200, {}, crcErrors=3, timeouts=4, miscErrors=5)
    assert by_metric(read(device))["bus_errors_total"].value == 12


def test_identity_is_port_address_and_rate() -> None:
    serial = {(24, "PSU_MFR_Serial"): [entry(T, "strValue", "SN42 ")]}
    device = dumped("ORV3_PSU", 200, serial, uniqueDevAddress=(2 << 8) | 200)
    (identity,) = read(device, by=reader(port_name="/run/rackmond.sock", host="n1")).identities
    assert (identity.serial, identity.host) == ("SN42", "n1")
    assert identity.address == "/run/rackmond.sock:2:200@19200"


def test_a_type_without_a_map_is_told_and_counted() -> None:
    decoded = read(dumped("MINIUPS", 11, {(266, "Model"): [], (300, "Volts"): []}))
    assert decoded.unmapped == {"Model": 1, "Volts": 1}
    assert "no map for its type 'MINIUPS'" in decoded.problems[0]


def test_what_has_no_column_is_counted_by_name() -> None:
    decoded = read(dumped("ORV3_PSU", 200, {(83, "PSU_Bulk_Cap_Voltage"): []}))
    assert decoded.unmapped == {"PSU_Bulk_Cap_Voltage": 1}


class TestAlarms:
    def events(self, by: DumpReader, *history: dict[str, Any], now: datetime = NOW) -> list[Any]:
        device = dumped("ORV3_PSU", 200, {(60, "Alarm"): list(history)})
        return [
            (event.attributes["flag"], event.time, event.severity, event.id)
            for event in read(device, by=by, now=now).events
        ]

    def test_a_transition_in_the_history_has_its_own_time(self) -> None:
        found = self.events(
            reader(), flags_entry(T - 60, 0), flags_entry(T - 30, 1 << 11), flags_entry(T, 1 << 11)
        )
        assert [one[:3] for one in found] == [
            ("Fan_Alarm", NOW - timedelta(seconds=30), Severity.WARNING)
        ]

    def test_no_event_comes_twice_and_the_next_one_comes(self) -> None:
        by = reader()
        history = [flags_entry(T - 60, 0), flags_entry(T - 30, 1)]
        first = self.events(by, *history)
        assert [one[0] for one in first] == ["PFC"]
        assert self.events(by, *history) == []
        history += [flags_entry(T, 0), flags_entry(T + 30, 1)]
        second = self.events(by, *history, now=NOW + timedelta(seconds=60))
        assert [one[0] for one in second] == ["PFC"]
        assert first[0][3] != second[0][3]

    def test_a_standing_alarm_is_told_once_and_is_the_same_after_a_restart(self) -> None:
        by = reader()
        found = self.events(by, flags_entry(T, 1))
        again = self.events(by, flags_entry(T + 180, 1), now=NOW + timedelta(seconds=180))
        restarted = self.events(reader(), flags_entry(T + 200, 1), now=NOW + timedelta(seconds=200))
        assert len(found) == 1
        assert again == []
        assert [one[3] for one in restarted] == [found[0][3]]

    def test_what_came_and_went_before_the_lookback_is_no_event(self) -> None:
        history = [flags_entry(T - 9000, 1), flags_entry(T - 8000, 0)]
        assert self.events(reader(), *history) == []


def rpu_leak(bits: int) -> Decoded:
    return read(dumped("ORV3_RPU", 12, {(37378, "Leakage"): [flags_entry(T, bits)]}))


def test_leaks_are_states_with_two_levels_and_faults_of_detectors_apart() -> None:
    decoded = rpu_leak(1 << 4 | 1 << 8 | 1 << 9 | 1 << 13)
    states = {
        (r.device.rpartition("/")[2], r.metric): (r.value, r.quality) for r in decoded.readings
    }
    assert states["leak_internal", "leak_state"] == (1, Quality.GOOD)
    assert states["leak_pan", "leak_state"] == (2, Quality.GOOD)
    assert states["leak_floor", "leak_state"] == (None, Quality.MISSING)
    assert states["leak_floor", "leak_detector_ok"] == (0, Quality.GOOD)
    assert states["leak_pan", "leak_detector_ok"] == (1, Quality.GOOD)
    assert states["leak_external", "leak_state"] == (0, Quality.GOOD)
    assert {(e.device.rpartition("/")[2], e.kind, e.severity) for e in decoded.events} == {
        ("leak_internal", "coolant_leak", Severity.WARNING),
        ("leak_pan", "coolant_leak", Severity.CRITICAL),
        ("leak_floor", "coolant_leak_detector_fault", Severity.WARNING),
    }


def test_a_sensor_that_the_unit_calls_broken_is_not_believed() -> None:
    registers = {
        (36864, "Flow"): [entry(T, "floatValue", 50.5)],
        (36866, "In"): [entry(T, "floatValue", 41.0)],
        (37376, "Sensors"): [flags_entry(T, 1 << 4)],
    }
    found = by_metric(read(dumped("ORV3_RPU", 12, registers)))
    assert found["flow_litres_per_minute"].quality is Quality.MISSING
    assert found["return_temperature_celsius"].value == 41.0


def test_health_is_unknown_while_an_alarm_register_cannot_be_read() -> None:
    empty: dict[tuple[int, str], list[Any]] = {
        (60, "A"): [flags_entry(T, 0)],
        (61, "B"): [],
    }
    assert by_metric(read(dumped("ORV3_PSU", 200, empty)))["health"].quality is Quality.MISSING
    known: dict[tuple[int, str], list[Any]] = {
        (60, "A"): [],
        (61, "B"): [flags_entry(T, 1 << 8)],
    }
    assert by_metric(read(dumped("ORV3_PSU", 200, known)))["health"].value == 2


RAW = [
    {
        **{"addr": 200, "crc_fails": 1, "timeouts": 2, "misc_fails": 0, "mode": "ACTIVE"},
        **{"baudrate": 19200, "deviceType": "ORV3_PSU", "now": T},
        "ranges": [
            {"begin": 79, "readings": [{"time": T - 5, "data": "c800"}]},
            {"begin": 60, "readings": [{"time": T, "data": "0800"}, {"time": 0, "data": "ffff"}]},
            {"begin": 24, "readings": [{"time": T, "data": "534e3432" + "0000" * 14}]},
            {"begin": 67, "readings": []},
        ],
    }
]


def test_the_raw_answer_is_decoded_by_our_map() -> None:
    decoded = read(*RAW)
    found = by_metric(decoded)
    assert found["output_voltage_volts"].value == 50.0
    assert found["alarm_flags"].value == 2048
    assert found["fan_speed_rpm"].quality is Quality.MISSING
    assert decoded.identities[0].serial == "SN42"


def test_thrift_numbers_its_types() -> None:
    device = dumped("ORV3_PSU", 200, {(79, "V"): [entry(T, "floatValue", 50.0)]})
    device["devInfo"].update(deviceType=1, mode=0)
    assert by_metric(read(device))["output_voltage_volts"].value == 50.0


MAP = read_rackmond_map(
    {
        **{"name": "M", "baudrate": 19200},
        "registers": [
            {"begin": 60, "length": 1, "name": "Alarm", "format": "FLAGS", "flags": [[11, "Fan"]]},
            {"begin": 79, "length": 1, "name": "V", "format": "FLOAT", "precision": 10}
            | {"unit": "Volts"},
            {"begin": 90, "length": 1, "name": "Speed", "format": "INTEGER"},
            {"begin": 95, "length": 2, "name": "Count", "format": "INTEGER"},
        ],
    },
    "m",
).map


def test_rows_of_a_dump() -> None:
    device = dumped(
        "X",
        200,
        {
            (60, "Alarm"): [flags_entry(T - 1, 0, 2), flags_entry(T, 0b10, 2)],
            (79, "V"): [entry(T, "floatValue", 50.0)],
            (90, "Speed"): [entry(T, "intValue", 65535)],
            (95, "Count"): [entry(T, "intValue", -1)],
            (91, "Blob"): [entry(T, "rawValue", [0, -1])],
            (92, "Never"): [],
            (93, "Long"): [entry(T, "longValue", 2**40)],
        },
    )
    rows = rows_of_source(json.dumps([device]).encode(), MAP, "dump").rows
    assert [(r.name, r.value.value, r.unit, r.value.quality.value) for r in rows] == [
        ("Alarm", 2, "", "good"),
        ("V", 50.0, "Volts", "good"),
        ("Speed", 65535, "", "good"),
        ("Count", None, "", "sentinel"),
        ("Blob", "00ff", "", "good"),
        ("Never", None, "", "missing"),
        ("Long", 2**40, "", "good"),
    ]
    assert rows[0].value.flags == {"b0": False, "b1": True}
    assert "device" not in rows[0].as_dict()
    two = rows_of_source(json.dumps({"status": "SUCCESS", "data": [device] * 2}).encode(), None, "")
    assert two.rows[0].as_dict()["device"] == "200@19200"


def test_a_map_is_for_devices_of_its_kind() -> None:
    """The same register of a battery is no output voltage of a supply."""
    psu = load_register_maps()["orv3_psu"]
    words = {"begin": 79, "readings": [{"time": T, "data": "c800"}]}
    kinds = [("ORV3_PSU", 200, 19200), ("ORV3_BBU", 64, 19200), ("", 201, 19200)]
    kinds += [("", 64, 19200), ("", 201, 115200)]
    devices = [
        {"addr": address, "deviceType": kind, "baudrate": rate, "ranges": [words]}
        for kind, address, rate in kinds
    ]
    found = rows_of_source(json.dumps(devices).encode(), psu, "dump")
    assert [row.value.value for row in found.rows] == [50.0, "c800", 50.0, "c800", "c800"]
    assert found.warnings() == [
        "3 devices are of another kind than orv3_psu; told as rackmond has them"
    ]
    # where nothing speaks for the map, whoever named it knows better
    found = rows_of_source(json.dumps([devices[1], devices[3]]).encode(), psu, "dump")
    assert ([row.value.value for row in found.rows], found.warnings()) == ([50.0, 50.0], [])


def test_rows_of_a_raw_dump() -> None:
    rows = rows_of_source(json.dumps(RAW).encode(), MAP, "dump").rows
    assert {r.name: r.value.value for r in rows if r.name} == {"V": 50.0, "Alarm": 2048}
    assert rows[1].value.flags == {"Fan": True}


def test_unknown_fields_are_counted_and_bad_entries_told() -> None:
    device = dumped("X", 1, {(1, "A"): [{"type": "BCD", "timestamp": T, "value": {"bcdValue": 1}}]})
    device["devInfo"]["future"] = 1
    found = rows_of_source(json.dumps([device]).encode(), None, "dump")
    assert found.warnings() == [
        "[0].regList[0].history[0]: no value of a kind that is known",
        "1 unknown fields ignored: devInfo.future",
    ]


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"status": "ERR_TIMEOUT"}, "rackmond answers ERR_TIMEOUT"),
        ({"data": 5, "status": "SUCCESS"}, "lists no devices"),
        ([{"devInfo": 5}], "devInfo: is no object"),
        ([{"devInfo": {"devAddress": "x"}}], "names no device address"),
    ],
)
def test_what_is_no_dump_says_why(document: object, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_dump(document, "dump")


def test_recordings_are_read_by_the_same_code(tmp_path: Path) -> None:
    path = tmp_path / "dump.json"
    path.write_text(json.dumps({"status": "SUCCESS", "data": RAW}))
    decoded = RackmonCollector.decode_recording(path, "r07", NOW)
    assert {reading.device for reading in decoded.readings} == {"r07/orv3-psu-200"}
    assert [event.kind for event in decoded.events] == ["fan_fault"]
