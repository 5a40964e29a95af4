"""What values of building management say: good, none, of the older shape, of several points."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from fleetops_collectors.facility import Limits
from fleetops_schemas.readings import Quality
from tests.mqtt_testbed import RACK, value_body
from tests.unit.collectors.facility_hall import FLOW, LEAK, NOW, Hall, flow_hall


@pytest.mark.parametrize(
    ("payload", "quality"),
    [
        ({"value": 61.5, "quality": 1}, Quality.GOOD),
        ({"value": "61.5", "quality": 1}, Quality.GOOD),
        ({"value": 61.5, "quality": "1"}, Quality.GOOD),
        ({"value": 61.5, "quality": "0"}, Quality.MISSING),
        ({"value": 61.5, "quality": "bad"}, Quality.MISSING),
        ({"value": 61.5, "quality": [1]}, Quality.MISSING),
        ({"value": None, "quality": 1}, Quality.MISSING),
        ({"value": "nan", "quality": 1}, Quality.MISSING),
        ({"value": 61.5, "quality": 0}, Quality.MISSING),
        ({"value": 61.5, "quality": 192}, Quality.MISSING),
        ({"value": 61.5, "quality": None}, Quality.MISSING),
        ({"value": 61.5}, Quality.MISSING),
        ({"value": 4294967295, "quality": 1}, Quality.SENTINEL),
        ({"value": -5, "quality": 1}, Quality.OUT_OF_RANGE),
        ({"value": 61.5, "quality": 1, "timestamp": 0}, Quality.STALE),
        ({"value": 61.5, "quality": 1, "timestamp": 1_700_000_000_000}, Quality.STALE),
    ],
)
def test_values_that_are_none(payload: dict[str, object], quality: Quality) -> None:
    body = {"timestamp": int(NOW.timestamp() * 1000), **payload}
    hall = flow_hall().raw(f"BMS/v1/PUB/Value/{FLOW}", json.dumps(body))
    assert hall.one() == (61.5 if quality is Quality.GOOD else None, quality)


@pytest.mark.parametrize(
    ("raw", "quality"), [(-1, "sentinel"), (2, "out_of_range"), (0.5, "out_of_range")]
)
def test_states_have_two_numbers(raw: float, quality: str) -> None:
    assert Hall().described(LEAK, **RACK).said(LEAK, raw).one() == (None, quality)


def test_the_older_shape() -> None:
    body = {"objectType": "Rack", "pointType": "LeakDetectRack", "rackName": "R1", "rackID": "r 1"}
    hall = Hall().raw("BMS/v1/s/r1/leak/Value", '{"value": 1.0, "timestamp": 1795262400}')
    hall.raw("BMS/v1/s/r1/leak/Metadata", json.dumps(body))
    (reading,) = hall.readings()
    assert (reading.device, reading.metric, reading.value) == ("r-1/leak", "leak_state", 2)
    assert reading.time == datetime(2026, 11, 21, 12, tzinfo=UTC)
    hall.raw("BMS/v1/s/r1/leak/Value", '{"value": 0, "timestamp": 1795262400, "quality": 0}')
    assert hall.one() == (None, Quality.MISSING)


def test_values_before_their_metadata_wait_for_it() -> None:
    hall = Hall().said(FLOW, 61.5)
    assert hall.readings() == []
    assert hall.warnings() == ["1 values have no metadata yet"]
    assert hall.described(FLOW, engUnit="LPM", **RACK).one() == (61.5, Quality.GOOD)
    assert hall.warnings() == []


def test_values_count_only_from_whom_the_metadata_names() -> None:
    point = "Rack/RackLiquidIsolationRequest/a1/request"
    hall = Hall().described(point, integration="NICO", **RACK).said(point, 1)
    assert hall.readings() == []
    hall.raw(f"BMS/v1/OTHER/Value/{point}", value_body(1, NOW))
    assert hall.readings() == []
    assert hall.raw(f"BMS/v1/NICO/Value/{point}", value_body(0, NOW)).one() == (0, Quality.GOOD)
    hall.raw(f"BMS/v1/NICO/Value/{point}", value_body(-1, NOW))
    assert hall.one() == (None, Quality.SENTINEL)


def test_the_worse_of_several_leak_sensors_counts() -> None:
    second = "Rack/RackLeakDetect/a1/rope"
    hall = Hall().described(LEAK, **RACK).described(second, **RACK)
    assert hall.said(LEAK, 0).said(second, 0).one() == (0, Quality.GOOD)
    assert hall.said(LEAK, None).one() == (None, Quality.MISSING)
    assert hall.said(second, 1).one() == (2, Quality.GOOD)
    assert hall.said(LEAK, 0).one() == (2, Quality.GOOD)


def test_a_second_point_of_one_column_is_counted() -> None:
    hall = flow_hall().described(f"{FLOW}2", engUnit="LPM", **RACK)
    assert hall.said(FLOW, 61.5).said(f"{FLOW}2", 20).one() == (61.5, Quality.GOOD)
    assert "a second point" in hall.warnings()[0]


def test_an_empty_message_takes_back_what_was_said() -> None:
    hall = flow_hall().said(FLOW, 61.5).raw(f"BMS/v1/PUB/Metadata/{FLOW}", b"")
    assert hall.readings() == []


def test_what_cannot_be_read_is_counted_and_told_once() -> None:
    hall = flow_hall(Limits(max_payload_bytes=256)).said(FLOW, 61.5)
    for payload in ("<html>", "[1]", '{"no": 1}', "x" * 257, b"\xff\xfe"):
        hall.raw(f"BMS/v1/PUB/Value/{FLOW}", payload)
    hall.raw("zigbee/kitchen", "{}")
    assert hall.one() == (61.5, Quality.GOOD)
    hall.raw("zigbee/kitchen", "{}")
    assert hall.warnings() == ["1 messages could not be used: not a topic of building management"]
    assert hall.warnings() == []


def test_points_are_bounded() -> None:
    hall = Hall(Limits(max_points=2))
    for number in range(5):
        hall.described(f"{FLOW}{number}", engUnit="LPM", **RACK).said(f"{FLOW}{number}", 1)
    assert "6 messages could not be used: more points than max_points" in hall.warnings()
