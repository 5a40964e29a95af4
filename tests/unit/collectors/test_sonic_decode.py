"""What the tables of a SONiC switch say, and what they do not."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from fleetops_schemas.readings import Quality
from tests.unit.collectors.sonic_tables import NOW, OID, PORT_MAP, cells, decode

QUEUE = "oid:0x15000000000099"


def port(counters: dict[str, object]) -> dict[str, object]:
    return cells(decode({**PORT_MAP, f"COUNTERS:{OID}": counters})).get("Ethernet0", {})


def test_counters_of_a_port() -> None:
    stat = "SAI_PORT_STAT_"
    counters: dict[str, object] = {
        f"{stat}IF_IN_OCTETS": "12345678901234567890",
        f"{stat}IF_OUT_OCTETS": 7,
        f"{stat}IF_IN_ERRORS": "0",
        f"{stat}IF_IN_FEC_NOT_CORRECTABLE_FRAMES": "3",
        **{f"{stat}PFC_{n}_RX_PKTS": str(n) for n in range(8)},
        **{f"{stat}PFC_{n}_TX_PKTS": "N/A" for n in range(8)},
        f"{stat}PFC_3_RX_PAUSE_DURATION_US": "1500000",
        "EST_PORT_STAT_PFC_3_RX_PAUSE_DURATION_US": "99",
        "EST_PORT_STAT_PFC_4_TX_PAUSE_DURATION_US": "250000",
        f"{stat}IF_IN_FEC_CODEWORD_ERRORS_S0": "100000",
        f"{stat}IF_IN_FEC_CODEWORD_ERRORS_S7": "2",
        f"{stat}IF_IN_FEC_CODEWORD_ERRORS_S9": "0",
        f"{stat}IF_IN_FEC_CODEWORD_ERRORS_S10": "N/A",
    }
    assert port(counters) == {
        "receive_bytes_total": 12345678901234567890,
        "transmit_bytes_total": 7,
        "receive_errors_total": 0,
        "fec_uncorrectable_total": 3,
        "pfc_receive_total": 28,
        "pfc_transmit_total": Quality.MISSING,
        "pfc_receive_seconds_total": 1.5,
        "pfc_transmit_seconds_total": 0.25,
        "fec_tail_symbols": 7,
    }


def test_saturated_counters_and_sums() -> None:
    stat = "SAI_PORT_STAT_"
    found = port(
        {
            f"{stat}IF_IN_OCTETS": "18446744073709551615",
            f"{stat}IF_OUT_DISCARDS": "4294967295",
            f"{stat}PFC_0_RX_PKTS": "5",
            f"{stat}PFC_1_RX_PKTS": "18446744073709551615",
            f"{stat}IF_IN_ERRORS": "-1",
            f"{stat}IF_IN_FEC_CODEWORD_ERRORS_S0": "N/A",
        }
    )
    assert found == {
        "receive_bytes_total": Quality.SATURATED,
        "transmit_discards_total": Quality.SATURATED,
        "pfc_receive_total": Quality.SATURATED,
        "receive_errors_total": Quality.OUT_OF_RANGE,
        "fec_tail_symbols": Quality.MISSING,
    }


def test_queues_are_summed_by_port() -> None:
    names = {f"Ethernet0:{n}": f"{QUEUE}{n}" for n in range(3)}
    stats = {
        f"COUNTERS:{QUEUE}{n}": {
            "SAI_QUEUE_STAT_WRED_ECN_MARKED_PACKETS": str(n + 1),
            "SAI_QUEUE_STAT_DROPPED_PACKETS": "N/A" if n else "4",
            "SAI_QUEUE_STAT_PACKETS": "9",
        }
        for n in range(3)
    }
    decoded = decode({**PORT_MAP, "COUNTERS_QUEUE_NAME_MAP": names, **stats})
    assert cells(decoded) == {"Ethernet0": {"ecn_marked_total": 6, "queue_dropped_total": 4}}
    assert decoded.unmapped == {"QUEUE.SAI_QUEUE_STAT_PACKETS": 3}


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"oper_status": "up", "admin_status": "up"}, 1),
        ({"oper_status": "down", "admin_status": "up"}, 0),
        ({"oper_status": "down", "admin_status": "down"}, 4),
        ({"netdev_oper_status": "up"}, 1),
        ({"oper_status": "N/A"}, Quality.MISSING),
    ],
)
def test_link_states(fields: dict[str, str], state: object) -> None:
    for key in ("PORT_TABLE:Ethernet0", "PORT_TABLE|Ethernet0"):
        decoded = decode({key: fields})
        assert cells(decoded)["Ethernet0"] == {"link_state": state}
        assert not decoded.unmapped, "what somebody set is a part of the state"


def test_what_orchagent_says_of_a_port() -> None:
    fields = {"oper_status": "up", "speed": "400000", "flap_count": "3", "mtu": "9100"}
    found = cells(
        decode({"PORT_TABLE:Ethernet0": fields, "PORT_TABLE:PortConfigDone": {"count": 1}})
    )
    assert found == {
        "Ethernet0": {"link_state": 1, "rate_gigabits_per_second": 400, "link_transitions_total": 3}
    }


@pytest.mark.parametrize("unit", ["", "dBm"])
def test_lanes_of_a_module(unit: str) -> None:
    fields = {
        **{"temperature": f"41.5{'C' if unit else ''}", "voltage": "3.3"},
        **{"rx1power": f"0{unit}", "rx2power": f"-10.0{unit}", "rx3power": f"-40{unit}"},
        **{"rx4power": "-inf", "tx1power": f"3{unit}", "tx2power": "N/A"},
        **{"tx1bias": "6.75", "tx2bias": f"7.5{'mA' if unit else ''}", "laser_temperature": "N/A"},
        "rx_los": "N/A",
    }
    assert cells(decode({"TRANSCEIVER_DOM_SENSOR|Ethernet0": fields}))["Ethernet0"] == {
        "optics_temperature_celsius": 41.5,
        "optics_supply_voltage_volts": 3.3,
        "optics_receive_power_milliwatts": pytest.approx(0.1),
        "optics_transmit_power_milliwatts": pytest.approx(10**0.3),
        "optics_bias_milliamperes": 7.5,
        "laser_temperature_celsius": Quality.MISSING,
        "optics_dark_lanes": 2,
    }


def test_a_module_that_says_nothing_has_no_dark_lanes() -> None:
    copper = {f"rx{n}power": "N/A" for n in range(1, 9)}
    assert cells(decode({"TRANSCEIVER_DOM_SENSOR|Ethernet0": copper}))["Ethernet0"] == {
        "optics_receive_power_milliwatts": Quality.MISSING
    }


def test_error_rates_and_lasers_of_a_module() -> None:
    vdm = {
        "prefec_ber_curr_media_input1": "1e-9",
        "prefec_ber_curr_media_input2": "3.5e-7",
        "prefec_ber_avg_media_input1": "0.5",
        "laser_temperature_media1": "48.5",
        "laser_temperature_media2": "N/A",
        "esnr_media_input1": "20.1",
    }
    decoded = decode({"TRANSCEIVER_VDM_REAL_VALUE|Ethernet0": vdm})
    assert cells(decoded)["Ethernet0"] == {
        "pre_fec_bit_error_rate": 3.5e-7,
        "laser_temperature_celsius": 48.5,
    }
    assert decoded.unmapped == {"TRANSCEIVER_VDM_REAL_VALUE.esnr_media_input*": 1}


def test_error_rates_among_the_sensors_of_old_releases() -> None:
    dom = {"prefec_ber": "4.5E-04", "postfec_ber_avg": "0"}
    found = cells(decode({"TRANSCEIVER_DOM_SENSOR|Ethernet0": dom}))
    assert found["Ethernet0"] == {"pre_fec_bit_error_rate": 4.5e-4}


def test_identities_of_old_releases() -> None:
    info = {"serialnum": "S1", "manufacturename": "Acme", "modelname": "M1", "hardwarerev": "A3"}
    (identity,) = decode({"TRANSCEIVER_INFO|Ethernet0": info}).identities
    assert (identity.serial, identity.manufacturer, identity.model) == ("S1", "Acme", "M1")
    cmis = {"serial": "S2", "model": "M2", "active_firmware": "61.20"}
    (identity,) = decode({"TRANSCEIVER_INFO|Ethernet0": cmis}).identities
    assert identity.firmware == "61.20"


def test_a_module_that_was_taken_out_is_absent() -> None:
    found = cells(decode({"TRANSCEIVER_STATUS_SW|Ethernet0": {"status": "0", "error": "N/A"}}))
    assert found == {"Ethernet0": {"optics_temperature_celsius": Quality.ABSENT}}


@pytest.mark.parametrize("prefix", ["", "els_"])
def test_an_external_laser_is_a_device_below_its_port(prefix: str) -> None:
    table = "TRANSCEIVER_DOM_SENSOR" if prefix else "TRANSCEIVER_ELS_DOM_SENSOR"
    fields = {
        f"{prefix}temperature": "32.8",
        f"{prefix}voltage": "3.3000",
        f"{prefix}bias_current_monitor1": "85.0",
        f"{prefix}bias_current_monitor2": "310.5",
        f"{prefix}opt_power_monitor1": "120.5",
        f"{prefix}opt_power_monitor2": "118.25",
        f"{prefix}icc": "0.42",
    }
    info = {"serial": "L81", "manufacturer": "Acme", "model": "ELS-8"}
    decoded = decode({f"{table}|Ethernet0": fields, "TRANSCEIVER_ELS_INFO|Ethernet0": info})
    assert cells(decoded)["Ethernet0/laser1"] == {
        "optics_transmit_power_milliwatts": 118.25,
        "optics_temperature_celsius": 32.8,
        "optics_supply_voltage_volts": 3.3,
        "optics_bias_milliamperes": 310.5,
    }
    (identity,) = decoded.identities
    assert (identity.device, identity.serial) == ("leaf1/Ethernet0/laser1", "L81")
    assert identity.address == "Ethernet0"


@pytest.mark.parametrize(
    ("fields", "state", "works"),
    [
        ({"leak_status": "Yes"}, 2, None),
        ({"leak_status": "No"}, 0, None),
        ({"leak_status": "N/A"}, Quality.MISSING, None),
        ({"leaking": "Yes", "leak_severity": "MINOR", "leak_sensor_status": "OK"}, 1, 1),
        ({"leaking": "YES", "leak_severity": "CRITICAL", "leak_sensor_status": "Good"}, 2, 1),
        ({"leaking": "No", "leak_status": "No", "leak_sensor_status": "OK"}, 0, 1),
        ({"leaking": "Yes", "severity": "MINOR", "leak_sensor_status": "Good"}, 1, 1),
        ({"leaking": "Yes", "leak_sensor_status": "FAULTY"}, Quality.MISSING, 0),
    ],
)
def test_leaks(fields: dict[str, str], state: object, works: object) -> None:
    found = cells(decode({"LIQUID_COOLING_INFO|leakage1": fields}))["leakage1"]
    expected = {"leak_state": state} | ({} if works is None else {"leak_detector_ok": works})
    assert found == expected


def test_supplies_fans_and_temperatures() -> None:
    decoded = decode(
        {
            "PSU_INFO|PSU 1": {
                **{"presence": "true", "status": "true", "power": "102.7", "voltage": "12.19"},
                **{"temp": "None", "power_overload": "False", "serial": "P1", "model": "M"},
            },
            "PSU_INFO|PSU 2": {"presence": "false", "status": "false", "power": "0.0"},
            "PSU_INFO|PSU 3": {"presence": "true", "status": "False", "power": "N/A"},
            "FAN_INFO|fan1": {"presence": "True", "speed": "40"},
            "FAN_INFO|fan2": {"presence": "True", "speed": "25"},
            "FAN_INFO|fan3": {"presence": "False", "speed": "0"},
            "TEMPERATURE_INFO|ASIC": {"temperature": "61.5", "high_threshold": "105"},
            "TEMPERATURE_INFO|CPU Pack Temp": {"temperature": "44"},
            "TEMPERATURE_INFO|CPU Core 0 Temp": {"temperature": "47"},
            "TEMPERATURE_INFO|Inlet": {"temperature": "N/A"},
            "TEMPERATURE_INFO|xSFP module 1 Temp": {"temperature": "55"},
            "TEMPERATURE_INFO|Board left": {"temperature": "30.5"},
        }
    )
    assert cells(decoded) == {
        "psu1": {
            "health": 0,
            "output_power_watts": 102.7,
            "output_voltage_volts": 12.19,
            "hotspot_temperature_celsius": Quality.MISSING,
        },
        "psu2": {"health": Quality.ABSENT, "output_power_watts": Quality.ABSENT},
        "psu3": {"health": 2, "output_power_watts": Quality.MISSING},
        "": {
            "fan_speed_ratio": 0.25,
            "asic_temperature_celsius": 61.5,
            "cpu_temperature_celsius": 47,
            "inlet_temperature_celsius": Quality.MISSING,
            "board_temperature_celsius": 30.5,
        },
    }
    assert [one.device for one in decoded.identities] == ["leaf1/psu1"]
    assert decoded.problems == ["FAN_INFO|fan3: no fan there"]


def test_rows_that_were_not_written_for_long_are_stale() -> None:
    old = "Sat Nov 21 11:40:00 2026"
    dom = {"temperature": "41", "rx1power": "-40", "last_update_time": old}
    hot = {"temperature": "61", "timestamp": "20261121 14:00:00"}
    document = {"TRANSCEIVER_DOM_SENSOR|Ethernet0": dom, "TEMPERATURE_INFO|ASIC": hot}
    found = cells(decode(document, stale_after_seconds=900))
    assert found["Ethernet0"] == {
        "optics_temperature_celsius": Quality.STALE,
        "optics_receive_power_milliwatts": Quality.STALE,
        "optics_dark_lanes": Quality.STALE,
    }
    assert found[""] == {"asic_temperature_celsius": 61}, "a time to come says nothing"
    at_home = decode(document, stale_after_seconds=900, zone=ZoneInfo("Europe/Athens"))
    (asic,) = [one for one in at_home.readings if one.device == "leaf1"]
    assert (asic.value, asic.time) == (61, NOW), "14:00 in Athens is noon"
    as_they_are = decode(document)
    assert {one.quality for one in as_they_are.readings} == {Quality.GOOD, Quality.SENTINEL}
    assert as_they_are.readings[0].time == datetime(2026, 11, 21, 11, 40, tzinfo=UTC)


@pytest.mark.parametrize("stamp", ["00010101 00:00:00", "99991231 23:59:59", "2026", "x" * 5000])
def test_times_that_are_none(stamp: str) -> None:
    hot = {"TEMPERATURE_INFO|ASIC": {"temperature": "61", "timestamp": stamp}}
    (reading,) = decode(hot, zone=ZoneInfo("Pacific/Auckland")).readings
    assert (reading.value, reading.time) == (61, None)
