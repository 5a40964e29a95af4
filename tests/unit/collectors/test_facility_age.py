"""How old values are: what is not sent again, heartbeats, clocks that are off."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from fleetops_schemas.readings import Quality
from tests.mqtt_testbed import CDU, value_body
from tests.unit.collectors.facility_hall import BEAT, FLOW, NOW, flow_hall


def test_a_value_that_is_not_sent_again_goes_stale() -> None:
    hall = flow_hall().said(FLOW, 61.5).later(249)
    assert hall.one() == (61.5, Quality.GOOD)
    assert hall.later(2).one() == (None, Quality.STALE)
    assert hall.said(FLOW, 61.5).one() == (61.5, Quality.GOOD)
    # a retained value of yesterday
    assert flow_hall().said(FLOW, 1, at=NOW - timedelta(days=1)).one() == (None, Quality.STALE)


def test_a_late_copy_of_an_older_message_changes_nothing() -> None:
    hall = flow_hall().said(FLOW, 61.5).said(FLOW, 20, at=NOW - timedelta(seconds=5))
    assert hall.one() == (61.5, Quality.GOOD)
    assert hall.said(FLOW, 61.5).one() == (61.5, Quality.GOOD)
    # a clock that was set back by an hour is no late copy: the newest message counts
    assert hall.said(FLOW, 20, at=NOW - timedelta(hours=1)).one() == (None, Quality.STALE)


def test_a_missing_heartbeat_makes_everything_stale() -> None:
    hall = flow_hall().described(BEAT, objectId="BMS", objectName="BMS").beat().later(10).beat()
    hall.said(FLOW, 61.5).later(29)
    assert hall.one() == (61.5, Quality.GOOD)
    hall.later(2)
    assert hall.facility.is_dead(hall.now)
    assert hall.one() == (None, Quality.STALE)
    hall.beat()
    assert not hall.facility.is_dead(hall.now)
    assert hall.one() == (None, Quality.STALE), "it may have changed while nobody could tell"
    assert hall.said(FLOW, 61.5).one() == (61.5, Quality.GOOD)


def test_a_heartbeat_that_stands_still_is_none() -> None:
    hall = flow_hall().described(BEAT, objectId="BMS", objectName="BMS").beat().later(10).beat()
    for _ in range(4):
        hall.later(10).said(BEAT, int(NOW.timestamp() * 1000) + 10_000)
    assert hall.facility.is_dead(hall.now)


def test_an_announced_heartbeat_that_never_comes_is_missing() -> None:
    hall = flow_hall().described(BEAT, objectId="BMS", objectName="BMS").said(FLOW, 61.5)
    assert hall.one() == (61.5, Quality.GOOD)
    assert hall.later(31).one() == (None, Quality.STALE)


def test_what_a_replaced_publisher_left_behind_is_no_missing_heartbeat() -> None:
    hall = flow_hall().described(f"{BEAT}/old", objectId="OLD").described(BEAT, objectId="BMS")
    for _ in range(5):
        hall.beat().later(10)
    hall.said(FLOW, 61.5)
    assert hall.facility.silent(hall.now) == []
    assert hall.one() == (61.5, Quality.GOOD)


COVERING = ("BMS/v1/PUB/Value/CDU/#", "BMS/v1/PUB/+/CDU/#", "BMS/v1/PUB/Value/+/+/c1/#", "c1/")


@pytest.mark.parametrize("scope", [*COVERING, "CDU", "BMS/v1/PUB/+/none", "c", "C1", "the lot"])
def test_a_heartbeat_stands_for_its_scope(scope: str) -> None:
    temperature = "CDU/LiquidTemperature/c1/t"
    hall = flow_hall().described(temperature, engUnit="C", processArea=["Supply"], **CDU)
    hall.described(BEAT, objectId="A").described(f"{BEAT}2", objectId="B", scope=scope)
    for _ in range(5):
        hall.beat().later(10)
    hall.said(FLOW, 61.5).said(temperature, 30)
    (silent,) = hall.facility.silent(hall.now)
    assert silent.name == "B"
    assert not hall.facility.is_dead(hall.now)
    found = {one.device: one.quality for one in hall.readings()}
    covered = Quality.STALE if scope in {*COVERING, "CDU"} else Quality.GOOD
    assert found == {"P1-A-01/manifold": Quality.GOOD, "cdu1": covered}


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_publishers_clock_that_is_off_is_told_and_reckoned_with(hours: float) -> None:
    hall = flow_hall().described(BEAT, objectId="BMS", objectName="BMS")
    off = timedelta(hours=hours)
    for _ in range(2):
        hall.later(10).said(BEAT, int((hall.now + off).timestamp() * 1000))
    hall.said(FLOW, 61.5, at=hall.now + off)
    assert hall.one() == (61.5, Quality.GOOD)
    assert hall.warnings() == [f"its clock is 18000 s {'behind' if hours < 0 else 'ahead'}"]


@pytest.mark.parametrize("scope", ["", "#", "BMS/v1/PUB/#", "BMS/v1/PUB/Value/#"])
def test_a_heartbeat_of_everything(scope: str) -> None:
    hall = flow_hall().described(BEAT, objectId="B", scope=scope).said(FLOW, 61.5).later(31)
    assert hall.one() == (None, Quality.STALE)


def test_a_heartbeat_of_the_older_shape() -> None:
    body = {"objectType": "System", "pointType": "HeartbeatTimestampBms", "objectName": "BMS"}
    hall = flow_hall().raw("BMS/v1/bms/beat/Metadata", json.dumps(body))
    for _ in range(5):
        hall.later(10).raw("BMS/v1/bms/beat/Value", value_body(hall.now.timestamp(), hall.now))
    assert hall.said(FLOW, 61.5).one() == (61.5, Quality.GOOD)
    assert not hall.facility.is_dead(hall.now)
    assert hall.facility.is_dead(hall.later(31).now)
