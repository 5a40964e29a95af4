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
from tests.unit.collectors.gnmi_messages import STAMP, decode, elems, pygnmi, split

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


def gnmic_json(path: str, value: object) -> dict[str, object]:
    names = "/".join(part.partition("[")[0] for part in split(path))
    return {
        **{"source": "10.0.0.1:6030", "subscription-name": "s", "timestamp": STAMP},
        **{"time": "2026-11-21T12:00:00Z", "prefix": "openconfig:/"},
        "updates": [{"Path": path, "values": {names: value}}],
    }


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
    "gnmic json, polled": "\nreceived sync response 'true' from '10.0.0.1:6030'\n".join(
        json.dumps(gnmic_json(*one), indent=2) for one in ALL
    ),
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


PORT = {"name": "Ethernet1/1", "state": {"oper-status": "UP", "counters": {"in-octets": "81"}}}
TREE = {"openconfig-interfaces:interfaces": {"interface": [PORT]}}


@pytest.mark.parametrize(
    "document",
    [
        TREE,
        [TREE],
        {"interfaces": {"interface": [PORT]}, "components": {}},
        {"openconfig-interfaces:interface": [PORT]},
        [{"openconfig-interfaces:interface": [PORT]}],
        {"ietf-restconf:data": TREE},
        {"response": [{"path": "interfaces", "val": {"interface": [PORT]}}]},
        {"leaf1": {"result": {"notification": [{"update": [{"path": "/", "val": TREE}]}]}}},
    ],
)
def test_the_data_alone_and_what_is_wrapped(document: object, tmp_path: Path) -> None:
    decoded = decode(tmp_path, json.dumps(document))
    assert {(one.device, one.metric, one.value) for one in decoded.readings} == {
        ("leaf1/Ethernet1-1", "link_state", 1),
        ("leaf1/Ethernet1-1", "receive_bytes_total", 81),
    }
    assert decoded.problems == []


def test_events_that_leave_the_keys_where_they_are(tmp_path: Path) -> None:
    name = "/interfaces/interface[name=Ethernet1/1]/state/oper-status"
    event = {"timestamp": STAMP, "tags": {"source": "leaf1"}, "values": {name: "UP"}}
    (reading,) = decode(tmp_path, json.dumps([event])).readings
    assert (reading.device, reading.value) == ("leaf1/Ethernet1-1", 1)


@pytest.mark.parametrize("target", ["OC-YANG", "COUNTERS_DB"])
def test_a_datastore_of_sonic_names_no_switch(target: str, tmp_path: Path) -> None:
    path = "interfaces/interface[name=Ethernet0]/state/oper-status"
    message = {**gnmic_json(path, "UP"), "target": target, "source": "leaf3:8080"}
    of = decode(tmp_path, json.dumps(message), host=None)
    assert [one.device for one in of.readings] == ["leaf3/Ethernet0"]
