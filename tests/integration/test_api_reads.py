"""What the API shows, over real HTTP, a real local bus and a real embedded store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from fleetops.api.models import HistoryEntry, HistoryType, NodeStatus
from fleetops.core.errors import InputError, NotFoundError
from fleetops_schemas.records import (
    IncidentStatus,
    Severity,
)
from tests.integration.api_fleet import fill, store_telemetry
from tests.integration.api_server import (
    NOW,
    ApiRig,
    api_rig,
    eventually,
)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiRig]:
    with api_rig(tmp_path_factory.mktemp("api")) as made:
        fill(made)
        yield made


def test_nodes_show_state_ownership_and_open_incidents(rig: ApiRig) -> None:
    with rig.client("viewer") as client:
        nodes = {node.name: node for node in client.all_nodes()}
    assert [*nodes] == ["node001", "node002", "node003", "node004"]
    assert [node.status for node in nodes.values()] == [
        NodeStatus.BUSY,
        NodeStatus.DRAINED,
        NodeStatus.DRAINED,
        NodeStatus.IDLE,
    ]
    assert nodes["node002"].drained_by_fleetops
    assert not nodes["node003"].drained_by_fleetops
    assert nodes["node003"].reason == "replacing a fan"
    assert [ref.id for ref in nodes["node001"].incidents] == ["inc-0001"]  # the open one
    assert nodes["node001"].severity is Severity.CRITICAL
    assert nodes["node004"].severity is None


def test_nodes_are_filtered_and_paged(rig: ApiRig) -> None:
    with rig.client("viewer") as client:
        assert [n.name for n in client.all_nodes(rack="r02")] == ["node003", "node004"]
        assert [n.name for n in client.all_nodes(job="81")] == ["node001"]
        assert [n.name for n in client.all_nodes(state=NodeStatus.IDLE)] == ["node004"]
        first = client.nodes(limit=3)
        second = client.nodes(limit=3, cursor=first.next_cursor)
        with pytest.raises(InputError, match="cursor"):
            client.nodes(cursor="bogus")
    assert [n.name for n in (*first.items, *second.items)] == [f"node00{n}" for n in range(1, 5)]
    assert second.next_cursor is None


def test_a_nodes_detail_gathers_what_concerns_it(rig: ApiRig) -> None:
    with rig.client("viewer") as client:
        detail = client.node("node001")
    assert [one.id for one in detail.incidents] == ["inc-0001", "inc-0003"]
    assert [one.id for one in detail.actions] == ["act-0002", "act-0001"]
    assert [job.name for job in detail.jobs] == ["train"]
    assert [parent.device for parent in detail.parents] == ["cdu1", "leaf1", "r01"]
    assert [target.target for target in detail.collectors[0].targets] == ["https://bmc1"]


def test_the_inventory_by_host_by_conflict_and_by_name(rig: ApiRig) -> None:
    with rig.client("viewer") as client:
        eventually(lambda: len(client.devices(host="node001").items) == 3, "the inventory")
        assert client.devices(host="node002").items == ()
        page = client.devices(limit=2)
        assert [one.device for one in page.items] == ["node001/gpu0", "node001/gpu1"]
        following = client.devices(limit=2, cursor=page.next_cursor)
        assert [one.device for one in following.items] == ["node001/gpu2"]
        (contradicted,) = client.devices(conflicts=True).items
        assert contradicted == client.device("node001/gpu1")
        assert contradicted.conflicts == ("uuid: nvml GPU-1, redfish 2",)
        with pytest.raises(NotFoundError, match="no device 'node001/gpu9' in the inventory"):
            client.device("node001/gpu9")


def test_the_fleet_in_one_answer(rig: ApiRig) -> None:
    store_telemetry(rig)  # fresh rows, however long the other tests took
    with rig.client("viewer") as client:
        eventually(lambda: not client.fleet().racks[0].hosts[1].stale, "fresh telemetry")
        fleet = client.fleet()
    assert [rack.name for rack in fleet.racks] == ["r01", "r02"]
    by_name = {host.name: host for rack in fleet.racks for host in rack.hosts}
    hot = by_name["node001"]
    assert (hot.hottest_device, hot.hottest_celsius) == ("node001/gpu0", 69.0)
    assert hot.suspect
    assert hot.age_seconds is not None
    assert hot.age_seconds < 60
    silent = by_name["node002"]
    assert silent.stale
    assert silent.hottest_celsius is None
    assert fleet.counts.by_status[NodeStatus.DRAINED] == 2
    assert fleet.counts.incidents_open == {
        Severity.INFO: 0,
        Severity.WARNING: 1,
        Severity.CRITICAL: 1,
    }
    assert fleet.counts.actions_pending_approval == 2
    assert (fleet.counts.collectors, fleet.counts.collectors_up) == (1, 1)
    assert {(p.kind.value, p.device, p.hosts) for p in fleet.parents} == {
        ("coolant_loop", "cdu1", 4),
        ("leaf_switch", "leaf1", 4),
    }
    assert fleet.breaker is None
    assert fleet.warnings == ()


def test_series_are_columns_with_nulls_where_nothing_was_measured(rig: ApiRig) -> None:
    with rig.client("viewer") as client:
        series = client.node_series(
            "node001", "accelerator", metrics=["temperature_celsius", "power_watts"]
        )
        every = client.series("node001/gpu1", "accelerator")
    assert [one.device for one in series.series] == ["node001/gpu0", "node001/gpu1"]
    temperatures = series.series[0].values["temperature_celsius"]
    assert max(value for value in temperatures if value is not None) <= 69.0
    assert set(series.series[0].values["power_watts"]) == {None}
    assert len(temperatures) == len(series.series[0].times)
    assert series.units == {"temperature_celsius": "Cel", "power_watts": "W"}
    # unasked, a metric that nobody measured is left out
    assert sorted(every.units) == ["energy_joules", "temperature_celsius"]


def test_extremes_show_what_a_mean_hides(rig: ApiRig) -> None:
    with rig.client("viewer") as client:
        series = client.series(
            "node001/gpu0", "accelerator", metrics=["temperature_celsius"], points=90, extremes=True
        )
    [one] = series.series
    lowest, highest = one.lowest["temperature_celsius"], one.highest["temperature_celsius"]
    for low, mean, high in zip(lowest, one.values["temperature_celsius"], highest, strict=True):
        assert low is not None
        assert mean is not None
        assert high is not None
        assert low <= mean <= high
    assert max(value for value in highest if value is not None) == 69.0


def test_series_never_exceed_the_points_asked_for(rig: ApiRig) -> None:
    with rig.client("viewer") as client:
        series = client.node_series("node001", "accelerator", points=4)
    assert series.step_seconds == 240  # 15 min / 4, on whole minutes: the one-minute table
    assert all(len(one.times) <= 5 for one in series.series)


@pytest.mark.parametrize(
    ("device_class", "metrics", "said"),
    [
        ("toaster", [], "no device class 'toaster'; there are: accelerator"),
        ("accelerator", ["vibes"], "no metric 'vibes'"),
        ("accelerator", ["temperature_celsius) FROM system.users --"], "no metric"),
    ],
)
def test_unknown_series_are_named(
    rig: ApiRig, device_class: str, metrics: list[str], said: str
) -> None:
    with rig.client("viewer") as client, pytest.raises(NotFoundError, match=said):
        client.node_series("node001", device_class, metrics=metrics)


def test_a_window_upside_down_is_refused(rig: ApiRig) -> None:
    with rig.client("viewer") as client, pytest.raises(InputError, match="must come before"):
        client.series("node001/gpu0", "accelerator", start=NOW, end=NOW - timedelta(hours=1))


def test_history_merges_store_and_bus_and_pages_without_loss(rig: ApiRig) -> None:
    with rig.client("viewer") as client:
        whole = client.history("node001").items
        paged: list[HistoryEntry] = []
        cursor: str | None = None
        while True:
            page = client.history("node001", cursor=cursor, limit=2)
            assert len(page.items) <= 2
            paged += page.items
            cursor = page.next_cursor
            if cursor is None:
                break
    assert paged == [*whole]
    kinds = [entry.type for entry in whole]
    assert kinds.count(HistoryType.EVENT) == 7  # stored twice, shown once
    assert kinds.count(HistoryType.FINDING) == 1
    assert kinds.count(HistoryType.INCIDENT) == 2
    assert kinds.count(HistoryType.ACTION) == 2
    assert [entry.time for entry in whole] == sorted((e.time for e in whole), reverse=True)


def test_incidents_are_filtered(rig: ApiRig) -> None:
    with rig.client("viewer") as client:
        assert [i.id for i in client.incidents().items] == ["inc-0003", "inc-0002", "inc-0001"]
        opened = client.incidents(status=IncidentStatus.OPEN, severity=Severity.CRITICAL)
        assert [i.id for i in opened.items] == ["inc-0001"]
        assert [i.id for i in client.incidents(node="node003").items] == ["inc-0002"]
        assert client.incident("inc-0002").title == "node003/gpu0 is hot"
        with pytest.raises(NotFoundError, match="inc-none"):
            client.incident("inc-none")
