"""What the structures of an FBOSS switch say, and what they do not."""

from __future__ import annotations

import base64
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fleetops.core.errors import InputError
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.fboss import FbossCollector, decode_fboss
from fleetops_collectors.fboss.structs import structs_of
from fleetops_schemas.readings import Quality
from tests.contract.collector_contract import check_readings
from tests.support import fixtures

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
STAMP = int(NOW.timestamp())


def decode(document: object, **options: Any) -> Decoded:  # noqa: ANN401
    decoded = decode_fboss(structs_of(document), switch="leaf1", now=NOW, **options)
    check_readings(decoded.readings)
    return decoded


def cells(decoded: Decoded) -> dict[str, dict[str, object]]:
    """By device and metric: the value, or the quality where there is none."""
    found: dict[str, dict[str, object]] = {}
    for one in decoded.readings:
        value = one.quality if one.value is None else one.value
        found.setdefault(one.device.removeprefix("leaf1").lstrip("/"), {})[one.metric] = value
    return found


def channel(number: int, **sensors: float) -> dict[str, object]:
    return {
        "channel": number,
        "sensors": {name: {"value": value} for name, value in sensors.items()},
    }


STATS = {
    "inBytes_": 81,
    "outBytes_": 9_007_199_254_740_993,
    "inErrors_": 0,
    "outErrors_": -1,
    "outDiscards_": 9_223_372_036_854_775_807,
    "inPfc_": {"2": 5, "3": 6},
    "outPfc_": {},
    "outPfcCtrl_": 4,
    "rxPfcDurationUsec_": {"2": 1_500_000},
    "queueEcnMarkedPackets_": {"0": 1, "3": 20},
    "queueOutDiscardPackets_": {"0": -1, "3": 2},
    "fecUncorrectableErrors": 7,
    "fecCodewords_": {"0": 100, "4": 3, "15": 0},
    "inUnicastPkts_": 5,
    "timestamp_": STAMP,
    "portName_": "eth1/1/1",
}


def test_counters_of_a_port() -> None:
    decoded = decode({"hwPortStats": {"eth1/1/1": STATS}})
    assert cells(decoded) == {
        "eth1-1-1": {
            "receive_bytes_total": 81,
            "transmit_bytes_total": 9_007_199_254_740_993,
            "receive_errors_total": 0,
            "transmit_errors_total": Quality.SENTINEL,
            "transmit_discards_total": Quality.SATURATED,
            "pfc_receive_total": 11,
            "pfc_transmit_total": 4,
            "pfc_receive_seconds_total": 1.5,
            "ecn_marked_total": 21,
            "queue_dropped_total": 2,
            "fec_uncorrectable_total": 7,
            "fec_tail_symbols": 4,
        }
    }
    assert {one.time for one in decoded.readings} == {NOW}
    assert decoded.unmapped == {"HwPortStats.inUnicastPkts_": 1}


def test_a_counter_that_the_hardware_does_not_have_is_no_minus_one() -> None:
    stats = {name: -1 for name, value in STATS.items() if isinstance(value, int)}
    decoded = decode({"eth1/1/1": stats})
    assert {one.quality for one in decoded.readings} == {Quality.SENTINEL}


MODULE = {
    "tcvrState": {
        "present": True,
        "port": 0,
        "vendor": {"name": "Acme", "partNumber": "PN1", "serialNumber": "S1 ", "rev": "A"},
        "status": {"fwStatus": {"version": "1.2"}},
        "portNameToMediaLanes": {"eth1/1/1": [0, 1], "eth1/1/5": [2, 3]},
    },
    "tcvrStats": {
        "sensor": {"temp": {"value": 51.5, "flags": {}}, "vcc": {"value": 3.3}},
        "channels": [
            channel(0, rxPwr=0.9, rxPwrdBm=-0.46, txPwr=1.1, txBias=7.0),
            channel(1, rxPwr=0.5, rxPwrdBm=-3.0, txPwr=1.2, txBias=8.5),
            channel(2, rxPwr=0.0, rxPwrdBm=-40, txPwr=1.3, txBias=9.0),
            channel(3, rxPwr=0.0001, rxPwrdBm=-40, txPwr=1.4, txBias=6.0, rxSnr=20.5),
        ],
        "vdmDiagsStats": {"preFecBerMediaMax": 2e-7, "preFecBerMediaCur": 1e-8},
        "timeCollected": STAMP,
    },
}
LEFT = {
    "optics_temperature_celsius": 51.5,
    "optics_supply_voltage_volts": 3.3,
    "optics_receive_power_milliwatts": 0.5,
    "optics_transmit_power_milliwatts": 1.1,
    "optics_bias_milliamperes": 8.5,
    "optics_dark_lanes": 0,
    "pre_fec_bit_error_rate": 1e-8,
}
RIGHT = {
    **LEFT,
    "optics_receive_power_milliwatts": Quality.SENTINEL,
    "optics_transmit_power_milliwatts": 1.3,
    "optics_bias_milliamperes": 9,
    "optics_dark_lanes": 2,
}


def test_a_module_gives_each_of_its_ports_their_own_lanes() -> None:
    decoded = decode({"0": MODULE})
    assert cells(decoded) == {"eth1-1-1": LEFT, "eth1-1-5": RIGHT}
    first, second = decoded.identities
    assert (first.device, first.serial, first.manufacturer) == ("leaf1/eth1-1-1", "S1", "Acme")
    assert (first.address, first.firmware) == ("eth1/1/1", "1.2")
    assert second.device == "leaf1/eth1-1-5"
    assert decoded.unmapped == {"ChannelSensors.rxSnr": 1}


def test_each_port_has_the_error_rate_of_its_own_light() -> None:
    """``vdmDiagsStats`` has the whole module's; newer services leave it out."""
    rates = {"min": 0, "max": 4e-8, "avg": 1e-8, "cur": 2e-8}
    perf = {
        "mediaPortVdmStats": {"eth1/1/1": {"datapathBER": rates, "fecTailCurr": 4}},
        "hostPortVdmStats": {"eth1/1/1": {"datapathBER": {"cur": 0.5}}},
        "statsCollectionTme": STAMP,
    }
    stats = {**MODULE["tcvrStats"], "vdmPerfMonitorStats": perf}
    found = cells(decode({"0": {**MODULE, "tcvrStats": stats}}))
    assert found == {"eth1-1-1": {**LEFT, "pre_fec_bit_error_rate": 2e-8}, "eth1-1-5": RIGHT}


@pytest.mark.parametrize("in_base64", [False, True])
def test_contents_of_fsdb(in_base64: bool) -> None:
    inside = json.dumps({"eth1/1/1": STATS}).encode()
    contents = (base64.b64encode(inside) if in_base64 else inside).decode()
    document = {"leaf1": {"contents": contents, "protocol": 2, "metadata": {}}}
    assert cells(decode(document)) == cells(decode({"eth1/1/1": STATS}))
    assert not decode({"contents": "\u00e9 [", "protocol": 3}).readings


def test_the_same_module_from_other_places() -> None:
    state, stats = MODULE["tcvrState"], MODULE["tcvrStats"]
    for document in (
        {
            "qsfp_service": {
                "stats": {"tcvrStats": {"0": stats}},
                "state": {"tcvrStates": {"0": state}},
            }
        },
        [{"tcvrStats": {"0": stats}}, {"tcvrStates": {"0": state}}],
        {"leaf1.example": {"transceivers": {"0": MODULE}}},
        {"0": {**stats, **state}},  # TransceiverInfo before it was taken apart
    ):
        assert cells(decode(document)) == {"eth1-1-1": LEFT, "eth1-1-5": RIGHT}


def test_modules_without_ports_absent_ones_and_copper() -> None:
    bare = {"channels": [channel(0, rxPwrdBm=-40.0)], "sensor": {"temp": {"value": 30}}}
    found = cells(
        decode(
            {
                "tcvrStats": {"4": bare, "5": {**bare}, "6": {"channels": []}},
                "tcvrStates": {
                    "5": {"present": False, "port": 5},
                    "6": {"present": True, "port": 6, "cable": {"transmitterTech": 1}},
                },
            }
        )
    )
    assert found == {
        "transceiver4": {
            "optics_temperature_celsius": 30,
            "optics_receive_power_milliwatts": Quality.SENTINEL,
        },
        "transceiver5": {"optics_temperature_celsius": Quality.ABSENT},
    }
    copper = {
        **MODULE,
        "tcvrState": {**MODULE["tcvrState"], "cable": {"transmitterTech": "COPPER"}},
    }
    assert "optics_dark_lanes" not in cells(decode({"0": copper}))["eth1-1-5"]


def test_an_external_laser_is_a_device_below_its_port() -> None:
    laser = {
        "sensor": {"temp": {"value": 48.0}},
        "channels": [channel(0, txPwr=120.0, txBias=310.0), channel(1, txPwr=118.0, txBias=305.0)],
        "vendor": {"serialNumber": "L81"},
        "timeCollected": STAMP,
    }
    stats = {**MODULE["tcvrStats"], "elsfp": laser}
    decoded = decode({"0": {**MODULE, "tcvrStats": stats}})
    assert cells(decoded)["eth1-1-1/laser1"] == {
        "optics_temperature_celsius": 48,
        "optics_transmit_power_milliwatts": 118,
        "optics_bias_milliamperes": 310,
    }
    assert cells(decoded)["eth1-1-1"] == LEFT
    assert "L81" in {one.serial for one in decoded.identities}


def test_the_tables_of_fboss2() -> None:
    detail = {
        **{"name": "eth1/1/1", "isUp": True, "isPresent": True, "vendor": "Acme"},
        **{"serial": "S1", "partNumber": "PN1", "temperature": 41.2, "voltage": 3.3},
        **{"currentMA": [7.1, 7.3], "txPower": [0.0, -1.0], "rxPower": [-3.0, -40.0]},
    }
    gone = {**detail, "name": "eth1/2/1", "isUp": False, "isPresent": False}
    hw = {"ingressBytes": 9, "inPfcPackets": 2, "outDiscardPkts": 1}
    port = {"name": "eth1/1/1", "adminState": "Enabled", "linkState": "Up", "speed": "400G"}
    off = {"name": "eth1/3/1", "adminState": "Disabled", "linkState": "Down", "speed": "?"}
    counters = {"interfaceName": "eth1/4/1", "inputBytes": 5, "outputBytes": 6}
    decoded = decode(
        {
            "leaf1": {
                "transceivers": {"1": detail, "2": gone},
                "portEntries": [{**port, "hwPortStats": hw}, off],
                "int_counters": [counters],
            }
        }
    )
    assert cells(decoded) == {
        "eth1-1-1": {
            "link_state": 1,
            "optics_temperature_celsius": 41.2,
            "optics_supply_voltage_volts": 3.3,
            "optics_bias_milliamperes": 7.3,
            "optics_transmit_power_milliwatts": pytest.approx(10**-0.1),
            "optics_receive_power_milliwatts": pytest.approx(10**-0.3),
            "optics_dark_lanes": 1,
            "rate_gigabits_per_second": 400,
            "receive_bytes_total": 9,
            "pfc_receive_total": 2,
            "transmit_discards_total": 1,
        },
        "eth1-2-1": {"link_state": 0, "optics_temperature_celsius": Quality.ABSENT},
        "eth1-4-1": {"receive_bytes_total": 5, "transmit_bytes_total": 6},
        "eth1-3-1": {"link_state": 4, "rate_gigabits_per_second": Quality.MISSING},
    }


SENSORS = [
    {"name": "SMB_TH5_TEMP", "value": 71.5, "timeStamp": STAMP, "sensorType": 3},
    {"name": "CPU_CORE0_TEMP", "value": 44, "sensorType": "TEMPERTURE"},
    {"name": "CPU_CORE1_TEMP", "value": 47},
    {"name": "SMB_INLET_TEMP", "sensorType": 3},
    {"name": "SMB_BEHIND_TH5_U39_TEMP", "value": 38.0, "sensorType": 3},
    {"name": "DIMM1_TEMP", "value": 35.5, "sensorType": 3},
    {"name": "FAN1_F_RPM", "value": 9000.0, "sensorType": 4},
    {"name": "FAN1_R_RPM", "value": 8200.0, "sensorType": 4},
    {"name": "PSU1_L_VIN", "value": 230.5, "sensorType": 1},
    {"name": "PSU1_L_12V_MAIN_POUT", "value": 812.0, "sensorType": 0},
    {"name": "PSU1_L_12V_STBY_IOUT", "value": 1.5, "sensorType": 2},
    {"name": "PSU1_TEMP1", "value": 40.0, "sensorType": 3},
    {"name": "PSU1_TEMP2", "value": 52.0, "sensorType": 3},
    {"name": "PSU1_FAN_F_RPM", "value": 7000.0, "sensorType": 4},
    {"name": "PSU2_R_PIN", "value": -5.0, "sensorType": 0},
    {"name": "SMB_VDDC_VRM_POUT", "value": 300.0, "sensorType": 0},
]


@pytest.mark.parametrize("shape", ["list", "map"])
def test_sensors_of_the_switch(shape: str) -> None:
    sensors: object = SENSORS
    if shape == "map":
        sensors = {str(one["name"]): one for one in SENSORS}
    decoded = decode({"timeStamp": STAMP, "sensorData": sensors})
    assert cells(decoded) == {
        "": {
            "asic_temperature_celsius": 71.5,
            "cpu_temperature_celsius": 47,
            "inlet_temperature_celsius": Quality.MISSING,
            "board_temperature_celsius": 38,
            "memory_temperature_celsius": 35.5,
            "fan_speed_rpm": 8200,
        },
        "psu1": {
            "input_voltage_volts": 230.5,
            "output_power_watts": 812,
            "standby_output_current_amperes": 1.5,
            "hotspot_temperature_celsius": 52,
            "fan_speed_rpm": 7000,
        },
        "psu2": {"input_power_watts": Quality.OUT_OF_RANGE},
    }
    assert decoded.unmapped == {"SensorData.SMB_VDDC_VRM_POUT": 1}
    times = {one.metric: one.time for one in decoded.readings}
    assert times["cpu_temperature_celsius"] == NOW, "the answer's time where it has none of its own"
    assert times["inlet_temperature_celsius"] is None, "a read that failed has none"


def test_ages() -> None:
    def one(stamp: object) -> tuple[object, datetime | None]:
        sensor = {"name": "SMB_TH5_TEMP", "value": 71.5, "timeStamp": stamp}
        (reading,) = decode({"sensorData": [sensor]}, stale_after_seconds=600).readings
        return reading.value if reading.value is not None else reading.quality, reading.time

    assert one(STAMP - 500) == (71.5, NOW - timedelta(seconds=500))
    assert one(STAMP - 700) == (Quality.STALE, NOW - timedelta(seconds=700))
    assert one(0) == (Quality.STALE, None), "never set"
    for odd in (-1, None, "x", STAMP + 9999, STAMP * 1000, 10**30, True):
        assert one(odd) == (71.5, None)
    as_it_is = decode({"hwPortStats": {"eth1/1/1": {**STATS, "timestamp_": 1_600_000_000}}})
    assert Quality.STALE not in {reading.quality for reading in as_it_is.readings}


@pytest.mark.parametrize(
    "text",
    ["", "<html>", "{}", "[]", '{"sensorData": 5}', '{"a": {"b": [1]}}', '{"inBytes_": ', "9"],
)
def test_what_is_none_is_refused_by_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "leaf1.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"leaf1\.json"):
        FbossCollector.decode_recording(path, None, NOW)


def test_a_document_that_is_too_deep_ends() -> None:
    deep: object = {"inBytes_": 5}
    for _ in range(200):
        deep = {"x": deep}
    assert not structs_of(deep)


PLATFORMS = {
    "darwin48v": {"host": 4, "power_unit": 8},
    "icecube800banw": {"host": 3},
    "meru800bfa": {"host": 7, "power_unit": 32},
    "meru800bia": {"host": 7, "power_unit": 16},
    "minipack3n": {"host": 6, "power_unit": 22},
    "montblanc": {"host": 7, "power_unit": 22},
}
"""Columns by device class; minipack3n asks its ASIC by a command beside the sensors."""


@pytest.mark.fixtures
@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_sensor_of_a_real_platform_has_its_place(platform: str) -> None:
    """Values are made up (no capture is public); names and types are the platform's own."""
    path = fixtures() / "fabric" / "fboss" / f"{platform}.sensor_service.json"
    units = json.loads(path.read_bytes())["pmUnitSensorsList"]
    named = {
        one["name"]: one["type"]
        for unit in units
        for one in (
            *unit["sensors"],
            *(s for version in unit.get("versionedSensors", ()) for s in version["sensors"]),
        )
    }
    data = [{"name": name, "value": 12.5, "sensorType": kind} for name, kind in named.items()]
    decoded = decode({"timeStamp": STAMP, "sensorData": data})
    assert {one.quality for one in decoded.readings} == {Quality.GOOD}
    temperatures = [name for name, kind in named.items() if kind == 3]
    fans = [name for name, kind in named.items() if kind == 4]
    told = {name.removeprefix("SensorData.") for name in decoded.unmapped}
    assert not told & {*temperatures, *fans}, "none is lost"
    counts = Counter(one.device_class for one in decoded.readings)
    assert counts == PLATFORMS[platform]
    metrics = {one.metric for one in decoded.readings if one.device == "leaf1"}
    assert ("asic_temperature_celsius" in metrics) == (platform != "minipack3n")
