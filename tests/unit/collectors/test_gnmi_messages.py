"""What messages say: types of values, keys, deletions, ages."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from fleetops.core.errors import InputError
from fleetops_schemas.readings import Quality
from tests.unit.collectors.gnmi_messages import STAMP, decode, elems, pygnmi


def value(tmp_path: Path, val: object, leaf: str = "in-octets") -> tuple[object, Quality]:
    path = f"interfaces/interface[name=Ethernet1]/state/counters/{leaf}"
    update = {"path": elems(path), "val": val}
    message = {"update": {"timestamp": str(STAMP), "update": [update]}}
    (reading,) = decode(tmp_path, json.dumps(message)).readings
    return reading.value, reading.quality


def test_every_type_of_value(tmp_path: Path) -> None:
    good = Quality.GOOD
    typed: object
    for typed in (
        *({"uintVal": "81"}, {"intVal": "81"}, {"uint_val": 81}, {"stringVal": "81"}),
        *({"doubleVal": 81.0}, {"floatVal": 81}, {"asciiVal": "81"}),
        {"decimalVal": {"digits": "8100", "precision": 2}},
        {"jsonVal": base64.b64encode(b"81").decode()},
        {"jsonIetfVal": base64.b64encode(b'"81"').decode()},
        {"jsonIetfVal": "81"},
        {"bytesVal": base64.b64encode(b"\x42\xa2\x00\x00").decode()},
    ):
        assert value(tmp_path, typed) == (81, good), typed
    for typed in (
        *({"stringVal": "N/A"}, {"doubleVal": "NaN"}, {"boolVal": True}, {"anyVal": {}}),
        *({"bytesVal": "AAA="}, {"leaflistVal": {"element": [{"uintVal": "1"}]}}),
        *({"decimalVal": {"digits": "1e999"}}, {"decimalVal": {"digits": "9" * 300}}),
        *({"decimalVal": {"digits": "x"}}, {"jsonIetfVal": "{"}, {"protoBytes": "!"}),
    ):
        assert value(tmp_path, typed) == (None, Quality.MISSING), typed
    saturated = (None, Quality.SATURATED)
    assert value(tmp_path, {"uintVal": "18446744073709551615"}) == saturated
    assert value(tmp_path, {"uintVal": 4294967295}) == saturated
    assert value(tmp_path, {"intVal": "-1"}) == (None, Quality.OUT_OF_RANGE)


def test_a_float_of_four_bytes_in_json(tmp_path: Path) -> None:
    path = "components/component[name=Ethernet1 transceiver]/state/temperature/instant"
    typed = json.dumps(
        [
            pygnmi("interfaces/interface[name=Ethernet1]/state/oper-status", "DOWN"),
            pygnmi("components/component[name=Ethernet1 transceiver]/state/type", "TRANSCEIVER"),
            pygnmi(path, base64.b64encode(b"\x42\x26\x00\x00").decode()),
        ]
    )
    readings = {r.metric: r for r in decode(tmp_path, typed).readings}
    assert readings["optics_temperature_celsius"].value == 41.5
    assert readings["optics_temperature_celsius"].device == "leaf1/Ethernet1"


def test_keys_hold_slashes_brackets_and_equals(tmp_path: Path) -> None:
    paths = {
        r"/interfaces/interface[name=et-0/0/0:1]/state/oper-status": "leaf1/et-0-0-0:1",
        r"/interfaces/interface[name=a\]b]/state/oper-status": "leaf1/a_b",
        r"/interfaces/interface[name=x=y]/state/oper-status": "leaf1/x_y",
        r"openconfig:/interfaces/interface[name='Ethernet 9']/state/oper-status": (
            "leaf1/Ethernet_9"
        ),
        r"openconfig-interfaces:interfaces/interface[name=lo\\]/state/oper-status": "leaf1/lo_",
    }
    for path, device in paths.items():
        decoded = decode(tmp_path, json.dumps([pygnmi(path, "UP")]))
        assert [one.device for one in decoded.readings] == [device]


def test_the_newest_value_wins_and_what_was_deleted_is_gone(tmp_path: Path) -> None:
    port = "interfaces/interface[name=Ethernet1]/state"
    messages: list[dict[str, Any]] = [
        pygnmi(f"{port}/counters/in-octets", "1"),
        pygnmi(f"{port}/counters/out-octets", "2"),
        pygnmi(f"{port}/counters/in-octets", "3"),
        pygnmi("interfaces/interface[name=Ethernet2]/state/oper-status", "UP"),
        {"update": {"update": [], "delete": [{"path": f"{port}/counters/out-octets"}]}},
        {"update": {"update": [], "delete": [{"path": "interfaces/interface[name=Ethernet2]"}]}},
    ]
    (reading,) = decode(tmp_path, json.dumps(messages)).readings
    assert (reading.device, reading.value) == ("leaf1/Ethernet1", 3)
    messages.append(
        {"update": {"update": [], "delete": [{"path": "interfaces/interface[name=*]"}]}}
    )
    with pytest.raises(InputError, match="no value of OpenConfig"):
        decode(tmp_path, json.dumps(messages))


def test_an_atomic_message_replaces_what_stands_below_its_prefix(tmp_path: Path) -> None:
    port = "interfaces/interface[name=Ethernet1]/state/counters"
    atomic = {
        "update": {
            "timestamp": STAMP,
            "atomic": True,
            "prefix": elems(port),
            "update": [{"path": elems("in-octets"), "val": {"uintVal": "5"}}],
        }
    }
    messages = [pygnmi(f"{port}/in-octets", 1), pygnmi(f"{port}/out-octets", 2), atomic]
    (reading,) = decode(tmp_path, json.dumps(messages)).readings
    assert (reading.metric, reading.value) == ("receive_bytes_total", 5)


def test_what_came_an_hour_before_the_end_is_stale_but_not_what_is_told_on_change(
    tmp_path: Path,
) -> None:
    port = "interfaces/interface[name=Ethernet1]/state"
    old = {"timestamp": STAMP - 4000 * 10**9}
    messages = [
        {"update": {"update": [{"path": f"{port}/counters/in-octets", "val": 1}], **old}},
        {"update": {"update": [{"path": f"{port}/oper-status", "val": "DOWN"}], **old}},
        pygnmi(f"{port}/counters/out-octets", 2),
    ]
    found = {
        r.metric: (r.value, r.quality) for r in decode(tmp_path, json.dumps(messages)).readings
    }
    assert found == {
        "receive_bytes_total": (None, Quality.STALE),
        "link_state": (0, Quality.GOOD),
        "transmit_bytes_total": (2, Quality.GOOD),
    }


def test_values_without_a_column_are_counted(tmp_path: Path) -> None:
    state = "interfaces/interface[name=Ethernet1]/state"
    counters = {"counters": {"in-octets": 1, "in-unicast-pkts": "5"}}
    text = json.dumps([pygnmi(state, counters), pygnmi(state, counters)])
    assert dict(decode(tmp_path, text).unmapped) == {
        "interfaces/interface/state/counters/in-unicast-pkts": 2
    }


def test_an_empty_path_deletes_nothing(tmp_path: Path) -> None:
    """Huawei's targets send one beside an update."""
    state = "interfaces/interface[name=Ethernet1]/state"
    update: dict[str, Any] = {
        "update": [{"path": f"{state}/counters/in-octets", "val": 5}],
        "delete": [{}],
    }
    decoded = decode(
        tmp_path, json.dumps([pygnmi(f"{state}/oper-status", "UP"), {"update": update}])
    )
    found = {one.metric: one.value for one in decoded.readings}
    assert found == {"link_state": 1, "receive_bytes_total": 5}


def test_values_of_nobody_are_counted(tmp_path: Path) -> None:
    """Ciena's targets leave out whose counters they are."""
    messages = [
        pygnmi("interfaces/interface/state/counters/in-octets", 7),
        pygnmi("interfaces/interface[name=Ethernet1]/state/oper-status", "UP"),
    ]
    decoded = decode(tmp_path, json.dumps(messages))
    assert [one.metric for one in decoded.readings] == ["link_state"]
    told = "interfaces/interface/state/counters/in-octets without the key of its list"
    assert dict(decoded.unmapped) == {told: 1}
    with pytest.raises(InputError, match=told):
        decode(tmp_path, json.dumps(messages[:1]))
