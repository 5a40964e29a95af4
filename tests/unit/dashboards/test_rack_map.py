"""What the fleet map is told."""

from __future__ import annotations

from datetime import UTC, datetime

from fleetops.api.models import Fleet, FleetCounts, FleetHost, FleetRack, NodeStatus
from fleetops_dashboards.charts.rack_map import map_data
from fleetops_schemas.records import Severity


def fleet(*hosts: FleetHost) -> Fleet:
    return Fleet(
        generated_at=datetime(2026, 3, 1, tzinfo=UTC),
        stale_after_seconds=15,
        racks=(FleetRack(name="r01", row="row1", hosts=hosts),),
        parents=(),
        counts=FleetCounts(
            hosts=len(hosts),
            by_status={},
            suspect=0,
            stale=0,
            incidents_open={},
            actions_pending_approval=0,
            collectors_up=0,
            collectors=0,
        ),
    )


def host(name: str, **facts: object) -> FleetHost:
    told = {"status": NodeStatus.BUSY, "stale": False, "hottest_celsius": 61.26, **facts}
    return FleetHost.model_validate({"name": name, **told})


def test_an_old_temperature_is_not_shown_as_a_present_one() -> None:
    found = map_data(
        fleet(host("a"), host("b", stale=True), host("c", hottest_celsius=None)),
    )["racks"][0]
    assert found["celsius"] == [61.3, None, None]
    assert found["stale"] == "010"


def test_the_blamed_are_told_from_the_affected() -> None:
    found = map_data(
        fleet(
            host("a", severity=Severity.CRITICAL, suspect=True, status=NodeStatus.DRAINING),
            host("b", severity=Severity.CRITICAL),
            host("c", status=NodeStatus.UNKNOWN),
        )
    )["racks"][0]
    assert found["severity"] == "Cc-"
    assert found["status"] == "gbu"
    assert found["hosts"] == "a b c"
