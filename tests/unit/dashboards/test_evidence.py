"""Which measurements are shown for an incident, and against whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fleetops.api.models import FleetHost, FleetParent, NodeStatus
from fleetops_dashboards.charts.evidence import AFTER, BEFORE, exhibits, peers, siblings, window_of
from fleetops_schemas.records import (
    Evidence,
    Finding,
    FindingStatus,
    Incident,
    IncidentStatus,
    RecommendedAction,
    Severity,
    Verdict,
)
from fleetops_schemas.topology import ParentKind
from tests.unit.dashboards.test_rack_map import fleet

BEGAN = datetime(2026, 3, 1, 12, tzinfo=UTC)


def finding(device: str, metric: str, value: float, reference: float, seconds: float) -> Finding:
    evidence = Evidence(
        text=f"{device} {metric} {value}",
        device_class="accelerator",
        device=device,
        metric=metric,
        value=value,
        reference=reference,
    )
    return Finding(
        id=f"{device}-{metric}",
        detector="test",
        kind="accelerator_hot",
        status=FindingStatus.FIRING,
        started_at=BEGAN + timedelta(seconds=seconds),
        updated_at=BEGAN + timedelta(seconds=seconds),
        device=device,
        device_class="accelerator",
        host=device.split("/", maxsplit=1)[0],
        severity=Severity.CRITICAL,
        action=RecommendedAction.DRAIN,
        summary=evidence.text,
        evidence=(evidence, Evidence(text="in words alone")),
    )


def incident(*findings: Finding) -> Incident:
    return Incident(
        id="inc-1",
        status=IncidentStatus.OPEN,
        verdict=Verdict.HARDWARE,
        kind="accelerator_hot",
        cause_device="node003",
        cause_device_class="host",
        severity=Severity.CRITICAL,
        title="node003 is hot",
        explanation="It is.",
        action=RecommendedAction.DRAIN,
        suspect_hosts=("node003",),
        affected_hosts=("node003", "node004"),
        opened_at=BEGAN + timedelta(seconds=30),
        updated_at=BEGAN + timedelta(seconds=30),
        findings=findings,
    )


def hosts(*names: str, **facts: object) -> list[FleetHost]:
    told = {"status": NodeStatus.BUSY, "stale": False, "jobs": ("81",), **facts}
    return [FleetHost.model_validate({"name": name, **told}) for name in names]


def test_each_metric_once_in_the_order_of_onset_with_its_worst() -> None:
    shown = exhibits(
        incident(
            finding("node003/gpu0", "temperature_celsius", 90, 88, 12),
            finding("node003/gpu1", "temperature_celsius", 97, 88, 14),
            finding("node003/gpu0", "power_watts", 100, 700, 5),
        )
    )
    assert [one.metric for one in shown] == ["power_watts", "temperature_celsius"]
    assert shown[1].worst.value == 97
    assert shown[1].devices == ("node003/gpu0", "node003/gpu1")
    assert shown[1].text == "node003/gpu1 temperature_celsius 97 (and 1 more like it)"


def test_peers_do_the_same_work_and_are_neither_touched_nor_stale_nor_blamed() -> None:
    rack = [
        *hosts("node001", stale=True),
        *hosts("node002", jobs=()),
        *hosts("node003", "node004"),
        *hosts("node005", suspect=True),
        *hosts("node006", "node007"),
    ]
    assert peers(fleet(*rack), incident()) == ["node006", "node007", "node002"]


def test_the_siblings_of_a_part_are_the_same_parts_of_other_parents() -> None:
    parents = tuple(
        FleetParent(kind=kind, device=device, hosts=16)
        for kind, device in (
            (ParentKind.COOLANT_LOOP, "cdu1"),
            (ParentKind.COOLANT_LOOP, "cdu2"),
            (ParentKind.POWER_SHELF, "r01/shelf1"),
        )
    )
    room = fleet().model_copy(update={"parents": parents})
    assert siblings(room, "cdu1/pump1") == ["cdu2/pump1"]
    assert siblings(room, "r01/shelf1") == []
    assert siblings(room, "cdu17") == []


@pytest.mark.parametrize("minutes_later", [1, 600])
def test_the_window_is_about_the_onset_however_late_one_looks(minutes_later: int) -> None:
    now = BEGAN + timedelta(minutes=minutes_later)
    found = window_of(incident(finding("node003/gpu0", "power_watts", 1, 2, 0)), now)
    assert found.start == BEGAN - BEFORE
    assert BEGAN < found.end <= min(now, BEGAN + timedelta(seconds=30) + AFTER)
