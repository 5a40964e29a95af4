"""Batches: one message a rack and class, checked against the catalog, never waiting too long."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from fleetops.core.clock import ManualClock
from fleetops_collectors.base import Scrape, Target
from fleetops_collectors.runner.batcher import MAX_ROWS, Batcher, checked
from fleetops_collectors.runner.outgoing import Outgoing
from fleetops_schemas.readings import Quality, Reading
from fleetops_schemas.telemetry import decode_batch
from fleetops_schemas.topology import HostPlacement, Topology
from tests.unit.collectors.collect_support import temperature

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOSTS = Topology(HostPlacement(host=f"n{n}", rack=f"r{n // 2}") for n in range(4))
TARGETS = [Target(name=f"n{n}", host=f"n{n}") for n in range(4)]


def batcher(clock: ManualClock | None = None) -> Batcher:
    return Batcher("dcgm", TARGETS, HOSTS, clock or ManualClock(), max_age_seconds=1.0)


def scrape(number: int, devices: int = 8, target: Target | None = None) -> Scrape:
    readings = [temperature(f"n{number}/gpu{gpu}", 60.0 + gpu) for gpu in range(devices)]
    return Scrape(target or TARGETS[number], NOW, readings=readings)


def rows(message: Outgoing) -> list[dict[str, object]]:
    header, batch = decode_batch(message.value, message.headers)
    assert message.topic == f"fleetops.telemetry.{header.device_class}"
    found: list[dict[str, object]] = batch.to_pylist()
    return found


def test_a_rack_leaves_when_all_its_targets_answered() -> None:
    batches = batcher()
    assert batches.add(scrape(0)) == []
    assert batches.add(scrape(2)) == []
    (message,) = batches.add(scrape(1))
    assert message.key == "r0"
    assert [row["device"] for row in rows(message)] == [
        f"n{host}/gpu{gpu}" for host in (0, 1) for gpu in range(8)
    ]
    assert {(row["host"], row["rack"]) for row in rows(message)} == {("n0", "r0"), ("n1", "r0")}
    assert rows(message)[3]["ts"] == NOW
    assert rows(message)[3]["temperature_celsius"] == 63.0


def test_nobody_waits_for_a_target_that_failed() -> None:
    batches = batcher()
    assert batches.add(scrape(0)) == []
    (message,) = batches.miss(TARGETS[1])
    assert len(rows(message)) == 8
    assert batches.miss(TARGETS[0]) == []


def test_nor_longer_than_the_oldest_row_may() -> None:
    clock = ManualClock()
    batches = batcher(clock)
    batches.add(scrape(0))
    clock.advance(0.5)
    assert batches.due() == []
    batches.add(scrape(2))
    clock.advance(0.5)
    assert [message.key for message in batches.due()] == ["r0"]
    clock.advance(0.5)
    assert [message.key for message in batches.due()] == ["r1"]
    assert batches.flush() == []


def test_messages_are_bounded_and_numbered() -> None:
    wide = Target(name="row1", rack="r9")
    batches = Batcher("dcgm", [wide, TARGETS[0]], HOSTS, ManualClock(), max_age_seconds=1.0)
    messages = batches.add(scrape(9, devices=2 * MAX_ROWS + 5, target=wide))
    assert [len(rows(message)) for message in messages] == [MAX_ROWS, MAX_ROWS, 5]
    assert [decode_batch(m.value, m.headers)[0].sequence for m in messages] == [0, 1, 2]
    assert {message.key for message in messages} == {"r9"}


def test_devices_beside_hosts_stand_in_their_targets_rack() -> None:
    target = Target(name="cdu1", rack="r7", device="cdu1")
    batches = Batcher("redfish", [target], HOSTS, ManualClock(), max_age_seconds=1.0)
    flow = Reading("coolant_unit", "cdu1", "supply_temperature_celsius", 25.0, "Cel", Quality.GOOD)
    (message,) = batches.add(Scrape(target, NOW, readings=[flow]))
    assert message.key == "r7"
    assert (rows(message)[0]["host"], rows(message)[0]["rack"]) == ("", "r7")


def test_one_target_may_speak_of_hosts_in_several_racks() -> None:
    target = Target(name="all")
    batches = Batcher("training", [target, TARGETS[0]], HOSTS, ManualClock(), max_age_seconds=1.0)
    step = [
        Reading("training_rank", f"n{n}/job81/rank{n}", "step_seconds", 2.0, "s", Quality.GOOD)
        for n in (0, 2)
    ]
    labels = {"n0/job81/rank0": {"job": "81"}, "n2/job81/rank2": {"job": "81"}}
    batches.add(Scrape(target, NOW, readings=step, labels=labels))
    messages = batches.flush()
    assert {message.key for message in messages} == {"r0", "r1"}
    assert {row["job"] for message in messages for row in rows(message)} == {"81"}


@pytest.mark.parametrize(
    ("reading", "value", "quality"),
    [
        (temperature("n0/gpu0", 61.0), 61.0, Quality.GOOD),
        (temperature("n0/gpu0", 900.0), None, Quality.OUT_OF_RANGE),
        (temperature("n0/gpu0", -300.0), None, Quality.OUT_OF_RANGE),
        (temperature("n0/gpu0", math.nan), None, Quality.MISSING),
        (temperature("n0/gpu0", math.inf), None, Quality.MISSING),
        (temperature("n0/gpu0", None), None, Quality.MISSING),
        (temperature("n0/gpu0", 61.0, Quality.STALE), None, Quality.STALE),
        (temperature("n0/gpu0", None, Quality.SENTINEL), None, Quality.SENTINEL),
    ],
)
def test_a_value_stays_only_where_it_is_good(
    reading: Reading, value: float | None, quality: Quality
) -> None:
    warnings: list[str] = []
    (kept,) = checked([reading], "dcgm", warnings)
    assert (kept.value, kept.quality) == (value, quality)
    assert warnings == []


def test_what_the_catalog_does_not_know_is_left_out_and_named() -> None:
    good = temperature("n0/gpu0")
    wrong = [good._replace(unit="K"), good._replace(metric="heat"), good._replace(unit="K")]
    warnings: list[str] = []
    assert list(checked([*wrong, good], "dcgm", warnings)) == [good]
    assert warnings == [
        "temperature_celsius: wrong_unit (K); left out",
        "heat: unknown_metric (Cel); left out",
    ]


def test_why_a_value_is_null_travels_with_the_row() -> None:
    target = Target(name="solo", host="n0")
    batches = Batcher("dcgm", [target], HOSTS, ManualClock(), max_age_seconds=1.0)
    readings = [temperature("n0/gpu0", 900.0)]
    (message,) = batches.add(Scrape(target, NOW, readings=readings))
    (row,) = rows(message)
    assert row["temperature_celsius"] is None
    assert row["nulls"] == "temperature_celsius=out_of_range"
