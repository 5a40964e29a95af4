"""What gNMI tools write down: one switch in every shape gives the same readings."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fleetops.core.errors import InputError
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.gnmi import GnmiCollector
from fleetops_schemas.readings import Quality
from tests.contract.collector_contract import check_readings

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
STAMP = 1_795_262_400_000_000_000
"""2026-11-21 12:00 UTC in nanoseconds."""
TIME = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
EXPECTED = {
    ("link_state", 1),
    ("receive_bytes_total", 12_345_678_901_234_567_890),
    ("rate_gigabits_per_second", 400),
    ("optics_temperature_celsius", 41.5),
    ("optics_bias_milliamperes", 7.25),
    ("optics_dark_lanes", 1),
}
LEAVES: dict[str, Any] = {
    "interfaces/interface[name=Ethernet1/1]/state/oper-status": "UP",
    "interfaces/interface[name=Ethernet1/1]/state/transceiver": "xcvr-1/1",
    "interfaces/interface[name=Ethernet1/1]/state/counters/in-octets": "12345678901234567890",
    "interfaces/interface[name=Ethernet1/1]/ethernet/state/port-speed": (
        "openconfig-if-ethernet:SPEED_400GB"
    ),
    "components/component[name=xcvr-1/1]/state/temperature/instant": "41.5",
}
LANES = {
    "openconfig-platform-transceiver:channel": [
        {
            "index": 0,
            "state": {
                "input-power": {"instant": "-3.0"},
                "laser-bias-current": {"instant": "7.25"},
            },
        },
        {"index": 1, "state": {"input-power": {"instant": "-40.00"}}},
    ]
}
LANES_AT = "components/component[name=xcvr-1/1]/transceiver/physical-channels"


def decode(tmp_path: Path, text: str | bytes, host: str | None = "leaf1") -> Decoded:
    path = tmp_path / "recording"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    decoded = GnmiCollector.decode_recording(path, host, NOW)
    check_readings(decoded.readings)
    return decoded


def gnmic_json(path: str, value: object) -> dict[str, object]:
    names = "/".join(part.partition("[")[0] for part in split(path))
    return {
        **{"source": "10.0.0.1:6030", "subscription-name": "s", "timestamp": STAMP},
        **{"time": "2026-11-21T12:00:00Z", "prefix": "openconfig:/"},
        "updates": [{"Path": path, "values": {names: value}}],
    }


def split(path: str) -> list[str]:
    """At slashes outside of brackets, where the keys of these samples hold one."""
    found, inside = [""], False
    for char in path:
        inside = char == "[" or (inside and char != "]")
        if char == "/" and not inside:
            found.append("")
        else:
            found[-1] += char
    return found


def gnmic_event(path: str, values: dict[str, object]) -> dict[str, object]:
    tags = {"source": "10.0.0.1:6030", "subscription-name": "s"}
    for part in split(path):
        name, _, key = part.partition("[")
        if key:
            tags[f"{name}_name"] = key.rstrip("]").partition("=")[2]
    return {"name": "s", "timestamp": STAMP, "tags": tags, "values": values}


def event_lines() -> str:
    events = []
    for path, value in LEAVES.items():
        names = "/".join(part.partition("[")[0] for part in split(path))
        events.append(gnmic_event(path, {f"openconfig-platform:/{names}": value}))
    top = "/components/component/transceiver/physical-channels/channel"
    flat: dict[str, object] = {
        f"{top}.0/index": 0,
        f"{top}.0/state/input-power/instant": "-3.0",
        f"{top}.0/state/laser-bias-current/instant": "7.25",
        f"{top}.1/index": 1,
        f"{top}.1/state/input-power/instant": "-40.00",
    }
    events.append(gnmic_event(LANES_AT, flat))
    return "\n".join(json.dumps([event]) for event in events)


def pygnmi(path: str, value: object) -> dict[str, object]:
    return {"update": {"update": [{"path": path, "val": value}], "timestamp": STAMP, "prefix": ""}}


def elems(path: str) -> dict[str, object]:
    found: list[dict[str, object]] = []
    for part in split(path):
        name, _, key = part.partition("[")
        found.append({"name": name})
        if key:
            found[-1]["key"] = dict([key.rstrip("]").split("=", 1)])
    return {"elem": found}


def protobuf(path: str, value: object, *, snake: bool = False) -> dict[str, object]:
    text = base64.b64encode(json.dumps(value).encode()).decode()
    kind = "json_ietf_val" if snake else "jsonIetfVal"
    return {
        "update": {
            "timestamp": str(STAMP),
            "prefix": {"target": "leaf7"},
            "update": [{"path": elems(path), "val": {kind: text}}],
        }
    }


ALL = [*LEAVES.items(), (LANES_AT, LANES)]
SHAPES = {
    "gnmic json, indented": "\n".join(json.dumps(gnmic_json(*one), indent=2) for one in ALL),
    "gnmic json, lines": "\n".join(json.dumps(gnmic_json(*one)) for one in ALL),
    "gnmic get": json.dumps([gnmic_json(*one) for one in ALL]),
    "gnmic event": event_lines(),
    "pygnmi": json.dumps([*(pygnmi(*one) for one in ALL), {"sync_response": True}]),
    "pygnmi get": json.dumps(
        {
            "notification": [
                {"timestamp": STAMP, "prefix": None, "alias": None, "atomic": False}
                | {"update": [{"path": path, "val": value}]}
                for path, value in ALL
            ]
        }
    ),
    "protobuf": "\n".join(json.dumps(protobuf(*one)) for one in ALL) + '\n{"syncResponse": true}',
    "protobuf, its own names": json.dumps([protobuf(*one, snake=True) for one in ALL]),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_says_the_same(shape: str, tmp_path: Path) -> None:
    decoded = decode(tmp_path, SHAPES[shape])
    assert {one.device for one in decoded.readings} == {"leaf1/Ethernet1-1"}
    values = {(one.metric, one.value) for one in decoded.readings}
    assert values >= EXPECTED
    power = next(r for r in decoded.readings if r.metric == "optics_receive_power_milliwatts")
    assert power.value == pytest.approx(10**-0.3)
    assert {one.time for one in decoded.readings} == {TIME}
    assert decoded.problems == []
    assert not decoded.unmapped


def test_flat_output_has_no_times(tmp_path: Path) -> None:
    lines = "\n".join(f"/{path}: {value}" for path, value in LEAVES.items())
    whole = json.dumps({f"/{path}": value for path, value in LEAVES.items()})
    for text in (lines, whole):
        decoded = decode(tmp_path, text)
        assert {(r.metric, r.value) for r in decoded.readings} == {
            one for one in EXPECTED if "optics_b" not in one[0] and "dark" not in one[0]
        }
        assert {one.time for one in decoded.readings} == {None}


def test_the_switch_is_named_by_the_recording_where_nobody_names_it(tmp_path: Path) -> None:
    of = decode(tmp_path, SHAPES["protobuf"], host=None)
    assert {one.device for one in of.readings} == {"leaf7/Ethernet1-1"}
    of = decode(tmp_path, SHAPES["gnmic json, lines"], host=None)
    assert {one.device for one in of.readings} == {"10.0.0.1/Ethernet1-1"}
    of = decode(tmp_path, SHAPES["gnmic event"], host=None)
    assert {one.device for one in of.readings} == {"10.0.0.1/Ethernet1-1"}


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


@pytest.mark.parametrize(
    "text",
    [
        "[" * 900 + "]" * 900,
        "",
        "<html>",
        "{}",
        "[]",
        "null",
        '{"update": 5}',
        '[{"path": "x"}]',
        '{"a": [[',
        "81",
    ],
)
def test_what_is_none_is_refused_by_name(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="recording"):
        decode(tmp_path, text)


def test_recordings_need_no_grpc(tmp_path: Path) -> None:
    (tmp_path / "recording").write_text(SHAPES["gnmic json, lines"])
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['grpc', 'pygnmi', 'redis', 'google']));"
        "from fleetops.cli.main import run; run()"
    )
    command = [sys.executable, "-c", code, "decode", "gnmi", str(tmp_path / "recording")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "link_state" in done.stdout


def test_values_without_a_column_are_counted(tmp_path: Path) -> None:
    state = "interfaces/interface[name=Ethernet1]/state"
    counters = {"counters": {"in-octets": 1, "in-unicast-pkts": "5"}}
    text = json.dumps([pygnmi(state, counters), pygnmi(state, counters)])
    assert dict(decode(tmp_path, text).unmapped) == {
        "interfaces/interface/state/counters/in-unicast-pkts": 2
    }
