"""Which device a value is of, and what it is worth: OpenConfig's traps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from fleetops_collectors.decoded import Decoded
from fleetops_collectors.gnmi import NewestValues, decode_gnmi
from fleetops_collectors.gnmi.notifications import Notification
from fleetops_collectors.gnmi.paths import Path, parse_path
from fleetops_schemas.readings import Quality, Reading
from tests.contract.collector_contract import check_readings

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PORT = "/interfaces/interface[name=Ethernet1/1]"
MODULE = "/components/component[name=Ethernet1/1-Transceiver]"
LANES = f"{MODULE}/transceiver/physical-channels"


def decode(
    values: Mapping[str, object], time: datetime | None = NOW, arrived: datetime = NOW
) -> Decoded:
    table = NewestValues()
    updates = [(parse_path(path), value) for path, value in values.items()]
    table.apply(Notification(time, updates, []), arrived)
    decoded = decode_gnmi(table, switch="leaf1", now=NOW, stale_after_seconds=180)
    check_readings(decoded.readings)
    return decoded


def cells(decoded: Decoded) -> dict[str, dict[str, object]]:
    """By device and metric: the value, or the quality where there is none."""
    found: dict[str, dict[str, object]] = {}
    for one in decoded.readings:
        value = one.quality if one.value is None else one.value
        found.setdefault(one.device, {})[one.metric] = value
    return found


def only(decoded: Decoded) -> Reading:
    (reading,) = decoded.readings
    return reading


@pytest.mark.parametrize(
    ("oper", "admin", "state"),
    [
        ("UP", "UP", 1),
        ("DOWN", "UP", 0),
        ("openconfig-interfaces:LOWER_LAYER_DOWN", "UP", 0),
        ("DORMANT", "UP", 2),
        ("DOWN", "DOWN", 4),
        ("UP", None, 1),
        ("NOT_PRESENT", "UP", Quality.ABSENT),
        ("UNKNOWN", "UP", Quality.MISSING),
        (None, "DOWN", 4),
        (None, "UP", Quality.MISSING),
    ],
)
def test_link_states(oper: str | None, admin: str | None, state: object) -> None:
    said = {f"{PORT}/state/oper-status": oper, f"{PORT}/state/admin-status": admin}
    found = cells(decode({path: word for path, word in said.items() if word}))
    assert found == {"leaf1/Ethernet1-1": {"link_state": state}}


@pytest.mark.parametrize(
    ("word", "rate"),
    [
        ("SPEED_800GB", 800),
        ("openconfig-if-ethernet:SPEED_2500MB", 2.5),
        ("SPEED_UNKNOWN", Quality.MISSING),
        ("", Quality.MISSING),
    ],
)
def test_speeds(word: str, rate: object) -> None:
    found = cells(decode({f"{PORT}/ethernet/state/port-speed": word}))
    assert found["leaf1/Ethernet1-1"]["rate_gigabits_per_second"] == rate


def test_lanes_become_columns() -> None:
    lanes = [
        {"index": 0, "state": {"input-power": {"instant": "0.00"}, "output-power": {"avg": 1}}},
        {"index": 1, "state": {"input-power": {"instant": "-10"}, "output-power": {"avg": "3"}}},
        {"index": 2, "state": {"laser-bias-current": {"instant": 8.5}}},
        {"index": 3, "state": {"laser-bias-current": {"instant": "9.25"}}},
    ]
    found = cells(decode({f"{PORT}/state/oper-status": "UP", LANES: {"channel": lanes}}))
    assert found["leaf1/Ethernet1-1"] == {
        "link_state": 1,
        "optics_receive_power_milliwatts": pytest.approx(0.1),
        "optics_transmit_power_milliwatts": pytest.approx(10**0.1),
        "optics_bias_milliamperes": 9.25,
        "optics_dark_lanes": 0,
    }


@pytest.mark.parametrize("floor", ["-40.00", -40, "-inf", "-60.5"])
def test_dark_lanes_are_counted_and_have_no_power(floor: object) -> None:
    dark = {"index": 0, "state": {"input-power": {"instant": floor}}}
    lit = {"index": 1, "state": {"input-power": {"instant": "0.0"}}}
    one = cells(decode({LANES: {"channel": [dark, lit]}}))["leaf1/Ethernet1-1-Transceiver"]
    assert one == {"optics_receive_power_milliwatts": 1, "optics_dark_lanes": 1}
    both = cells(decode({LANES: {"channel": [dark, {**dark, "index": 1}]}}))
    assert both["leaf1/Ethernet1-1-Transceiver"] == {
        "optics_receive_power_milliwatts": Quality.SENTINEL,
        "optics_dark_lanes": 2,
    }


def test_an_average_does_not_stand_for_light_that_is_gone() -> None:
    power = {"instant": "-40.00", "avg": "-12.0"}
    lane = {"index": 0, "state": {"input-power": power, "laser-bias-current": {"avg": "7.5"}}}
    assert cells(decode({LANES: {"channel": [lane]}}))["leaf1/Ethernet1-1-Transceiver"] == {
        "optics_receive_power_milliwatts": Quality.SENTINEL,
        "optics_bias_milliamperes": 7.5,
        "optics_dark_lanes": 1,
    }


def test_a_module_of_two_ports_gives_each_its_lanes_and_both_its_temperature() -> None:
    lanes = [
        {"index": n, "state": {"input-power": {"instant": power}}}
        for n, power in enumerate(("0", "-1", "-2", "-3"))
    ]
    found = cells(
        decode(
            {
                "/interfaces/interface[name=Ethernet1/1]/state": {
                    "transceiver": "slot1",
                    "physical-channel": [0, 1],
                },
                "/interfaces/interface[name=Ethernet1/2]/state": {
                    "transceiver": "slot1",
                    "physical-channel": ["2", "3"],
                },
                "/components/component[name=slot1]": {
                    "state": {"temperature": {"instant": "51.0"}},
                    "transceiver": {"physical-channels": {"channel": lanes}},
                },
            }
        )
    )
    for port, dbm in (("Ethernet1-1", -1), ("Ethernet1-2", -3)):
        of = found[f"leaf1/{port}"]
        assert of["optics_temperature_celsius"] == 51
        assert of["optics_receive_power_milliwatts"] == pytest.approx(10 ** (dbm / 10))


@pytest.mark.parametrize(
    ("interface", "component", "extra"),
    [
        ("Ethernet1/1", "Ethernet1/1-Transceiver", {}),
        ("Ethernet1/1", "Ethernet1/1", {}),
        ("ethernet-1/1", "transceiver-ethernet-1/1", {}),
        ("HundredGigE0/0/0/1", "Optics0/0/0/1", {}),
        ("et-0/0/0", "FPC0:PIC0:PORT0:Xcvr0", {"parent": "PORT0", "hardware-port": "PORT0"}),
    ],
)
def test_modules_find_their_port(interface: str, component: str, extra: Mapping[str, str]) -> None:
    values: dict[str, object] = {
        f"/interfaces/interface[name={interface}]/state/oper-status": "UP",
        f"/components/component[name={component}]/state/type": "openconfig-platform:TRANSCEIVER",
        f"/components/component[name={component}]/state/temperature/instant": 40.0,
    }
    if extra:
        values[f"/interfaces/interface[name={interface}]/state/hardware-port"] = extra[
            "hardware-port"
        ]
        values[f"/components/component[name={component}]/state/parent"] = extra["parent"]
    (found,) = cells(decode(values)).values()
    assert found == {"link_state": 1, "optics_temperature_celsius": 40}


def test_an_external_laser_is_a_device_below_its_port() -> None:
    laser = "/components/component[name=ELSFP-3]"
    bias = {"index": 0, "state": {"laser-bias-current": {"instant": 310.0}}}
    decoded = decode(
        {
            f"{PORT}/state/transceiver": "OE-3",
            "/components/component[name=OE-3]/state/type": "TRANSCEIVER",
            "/components/component[name=OE-3]/state/temperature/instant": 55.0,
            f"{laser}/state": {"parent": "OE-3", "serial-no": "L81", "type": "TRANSCEIVER"},
            f"{laser}/state/temperature/instant": 49.5,
            f"{laser}/transceiver/physical-channels": {"channel": [bias]},
        }
    )
    assert cells(decoded) == {
        "leaf1/Ethernet1-1": {"optics_temperature_celsius": 55},
        "leaf1/Ethernet1-1/laser3": {
            "optics_temperature_celsius": 49.5,
            "optics_bias_milliamperes": 310,
        },
    }
    (identity,) = decoded.identities
    assert (identity.device, identity.serial) == ("leaf1/Ethernet1-1/laser3", "L81")


def test_a_module_that_is_out_is_absent() -> None:
    values = {
        f"{MODULE}/transceiver/state/present": "NOT_PRESENT",
        f"{MODULE}/state/temperature/instant": "0",
        f"{PORT}/state/oper-status": "DOWN",
    }
    assert cells(decode(values))["leaf1/Ethernet1-1"] == {
        "link_state": 0,
        "optics_temperature_celsius": Quality.ABSENT,
    }


def test_error_correction_and_queues() -> None:
    fec = {
        "fec-uncorrectable-blocks": "7",
        "fec-uncorrectable-words": "9",
        "fec-corrected-blocks": "100",
        "pre-fec-ber": {"instant": "0.000000012", "avg": "0.5"},
        "post-fec-ber": {"instant": "0"},
    }
    queue = "/qos/interfaces/interface[interface-id=Ethernet1/1]/output/queues/queue"
    found = cells(
        decode(
            {
                f"{PORT}/state/oper-status": "UP",
                f"{MODULE}/transceiver/state": fec,
                f"{queue}[name=UC0]/state": {"dropped-pkts": "4", "ecn-marked-pkts": "10"},
                f"{queue}[name=UC3]/state": {"dropped-pkts": "5", "ecn-marked-pkts": "11"},
            }
        )
    )
    assert found["leaf1/Ethernet1-1"] == {
        "link_state": 1,
        "fec_uncorrectable_total": 7,
        "fec_corrected_total": 100,
        "pre_fec_bit_error_rate": pytest.approx(1.2e-8),
        "bit_error_rate": 0,
        "queue_dropped_total": 9,
        "ecn_marked_total": 21,
    }


def test_interfaces_without_a_port_are_left_out() -> None:
    values: dict[str, object] = {}
    for name, kind in (
        ("Ethernet1", "iana-if-type:ethernetCsmacd"),
        ("Loopback0", "iana-if-type:softwareLoopback"),
        ("Port-Channel1", "ieee8023adLag"),
    ):
        values[f"/interfaces/interface[name={name}]/state"] = {"type": kind, "oper-status": "UP"}
    assert set(cells(decode(values))) == {"leaf1/Ethernet1"}


def test_ages() -> None:
    old, long_ago = NOW - timedelta(seconds=181), NOW - timedelta(days=30)
    octets, oper = f"{PORT}/state/counters/in-octets", f"{PORT}/state/oper-status"
    assert only(decode({octets: 1}, NOW - timedelta(seconds=179))).quality is Quality.GOOD
    assert only(decode({octets: 1}, old)).quality is Quality.STALE
    assert only(decode({octets: 1}, old)).time == old
    assert only(decode({oper: "UP"}, long_ago)).value == 1, "told on change: it still holds"
    assert only(decode({oper: "UP"}, NOW, arrived=old)).quality is Quality.STALE
    assert only(decode({octets: 1}, None)).quality is Quality.GOOD
    epoch = datetime(1970, 1, 1, 0, 5, tzinfo=UTC)
    assert only(decode({octets: 1}, epoch))[3:] == (None, "By", Quality.STALE, None)


def test_what_is_told_on_change_holds_while_the_target_says_anything() -> None:
    table = NewestValues()
    said = {"oper-status": "UP", "counters/in-octets": 1}
    before = NOW - timedelta(minutes=10)
    for leaf, word in said.items():
        path = parse_path(f"{PORT}/state/{leaf}")
        table.apply(Notification(before, [(path, word)], []), before)
    out = parse_path(f"{PORT}/state/counters/out-octets")
    table.apply(Notification(NOW, [(out, 5)], []), NOW)
    found = cells(decode_gnmi(table, switch="leaf1", now=NOW, stale_after_seconds=180))
    assert found["leaf1/Ethernet1-1"] == {
        "link_state": 1,
        "receive_bytes_total": Quality.STALE,
        "transmit_bytes_total": 5,
    }


def test_a_clock_that_is_wrong_is_told() -> None:
    octets = f"{PORT}/state/counters/in-octets"
    behind = decode({octets: 1}, NOW - timedelta(hours=2))
    assert only(behind).quality is Quality.STALE
    assert behind.problems == [
        "the newest value is 7200 seconds behind; check the switch's clock (NTP)"
    ]
    ahead = decode({octets: 1}, NOW + timedelta(hours=2))
    assert only(ahead)[3:] == (1, "By", Quality.GOOD, None), "a time to come is left out"
    assert "7200 seconds ahead" in ahead.problems[0]


def test_the_switch_itself() -> None:
    component = "/components/component"
    supply = {"input-voltage": "231.5", "enabled": True}
    decoded = decode(
        {
            f"{component}[name=PSU 1]/power-supply/state": supply,
            f"{component}[name=PSU 1]/state": {
                "type": "POWER_SUPPLY",
                "temperature": {"instant": 41},
            },
            f"{component}[name=PSU 1]/power-supply/state/output-power": b"\x44\x02\x20\x00",
            f"{component}[name=Fan1/1]/fan/state/speed": 9000,
            f"{component}[name=Fan1/2]/fan/state/speed": 8200,
            f"{component}[name=NPU0]/state": {
                "type": "openconfig-platform-types:INTEGRATED_CIRCUIT",
                "temperature": {"instant": "71.5"},
            },
            f"{component}[name=CPU0]/state": {"type": "CPU", "temperature": {"instant": "50"}},
            f"{component}[name=Inlet sensor]/state/temperature/instant": "24.5",
            f"{component}[name=Board]/state/temperature/instant": "39",
        }
    )
    assert cells(decoded) == {
        "leaf1/psu1": {
            "output_power_watts": 520.5,
            "input_voltage_volts": 231.5,
            "hotspot_temperature_celsius": 41,
        },
        "leaf1": {
            "fan_speed_rpm": 8200,
            "asic_temperature_celsius": 71.5,
            "cpu_temperature_celsius": 50,
            "inlet_temperature_celsius": 24.5,
            "board_temperature_celsius": 39,
        },
    }


def test_identities() -> None:
    state = {"serial-no": " S1 ", "part-no": "PN", "mfg-name": "Acme", "firmware-version": "2.1"}
    decoded = decode(
        {f"{MODULE}/state": {**state, "type": "TRANSCEIVER"}, f"{PORT}/state/oper-status": "UP"}
    )
    (identity,) = decoded.identities
    assert identity.device == "leaf1/Ethernet1-1"
    assert identity.address == "Ethernet1/1-Transceiver", "the way back to the switch's own name"
    said = (identity.serial, identity.part_number, identity.manufacturer, identity.firmware)
    assert said == ("S1", "PN", "Acme", "2.1")


def test_the_table_is_bounded() -> None:
    table = NewestValues(max_leaves=10)
    for number in range(2000):
        port = parse_path(f"/interfaces/interface[name=Ethernet{number}]/state")
        values: list[tuple[Path, object]] = [((*port, *parse_path("oper-status")), "UP")]
        values.append(((*port, *parse_path(f"leaf{number}")), "x"))
        table.apply(Notification(NOW, values, []), NOW)
    assert len(table) == 10
    assert table.left_out == 1990
    assert len(table.unmapped) <= 1001
    decoded = decode_gnmi(table, switch="leaf1", now=NOW, stale_after_seconds=180)
    assert "1990 values beyond max_leaves were left out" in decoded.problems
    table.begin_round()
    late = parse_path("/interfaces/interface[name=late]/state/oper-status")
    table.apply(Notification(NOW, [(late, "UP")], []), NOW)
    decoded = decode_gnmi(table, switch="leaf1", now=NOW, stale_after_seconds=180)
    assert decoded.problems == ["1 values beyond max_leaves were left out"], "of one round"


def test_a_tree_that_is_too_deep_ends() -> None:
    deep: object = "1"
    for _ in range(500):
        deep = {"state": deep}
    assert not decode({PORT: deep}).readings
