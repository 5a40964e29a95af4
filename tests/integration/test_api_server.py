"""The API over real HTTP, a real local bus and a real embedded store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from fleetops.api.client import Client
from fleetops.api.models import HistoryEntry, HistoryType, NodeStatus, Outlook
from fleetops.core.config import ClientConfig
from fleetops.core.errors import InputError, NotFoundError, RefusedError, TemporaryError
from fleetops.store.records import events_table, findings_table
from fleetops_schemas import topics
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.readings import Quality, Reading
from fleetops_schemas.records import (
    ActionKind,
    ActionState,
    CollectorReport,
    Event,
    Finding,
    FindingStatus,
    IncidentStatus,
    IntentKind,
    Job,
    RecommendedAction,
    Severity,
    TargetReport,
)
from fleetops_schemas.telemetry import BatchBuilder
from tests.integration.api_server import (
    NOW,
    TOKENS,
    ApiRig,
    action,
    api_rig,
    eventually,
    incident,
    node_state,
    placement,
)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiRig]:
    with api_rig(tmp_path_factory.mktemp("api")) as made:
        fill(made)
        yield made


def fill(rig: ApiRig) -> None:
    rig.publish(
        topics.INVENTORY,
        *(placement(f"node{n:03}", f"r{(n + 1) // 2:02}", n % 2) for n in range(1, 5)),
    )
    states = (
        node_state("node001", "ALLOCATED", jobs=("81",)),
        node_state("node002", "IDLE", "DRAIN", reason="fleetops:inc-0009 hot"),
        node_state("node003", "IDLE", "DRAIN", reason="replacing a fan"),
        node_state("node004"),
    )
    rig.publish(topics.NODES, *((state.node, state) for state in states))
    job = Job(
        id="81", name="train", user="ada", state="RUNNING", nodes=("node001",), observed_at=NOW
    )
    rig.publish(topics.JOBS, ("81", job))
    report = CollectorReport(
        collector="bmc",
        instance="one",
        time=datetime.now(UTC),
        interval_seconds=60,
        targets=(
            TargetReport(target="https://bmc1", host="node001", up=True),
            TargetReport(target="https://bmc2", host="node002", up=False, error="timed out"),
        ),
    )
    rig.publish(topics.COLLECTORS, ("bmc", report))
    incidents = [
        incident(1, "node001"),
        incident(2, "node003", severity=Severity.WARNING),
        incident(3, "node001", is_open=False),
    ]
    rig.publish(topics.INCIDENTS, *((one.id, one) for one in incidents))
    acts = [action(n, "node001") for n in (1, 2)] + [action(3, "node002", ActionState.DONE)]
    rig.publish(topics.ACTIONS, *((one.id, one) for one in acts))
    store_telemetry(rig)
    with rig.client("viewer") as client:
        eventually(lambda: len(client.actions().items) == 3, "the filled fleet")


def store_telemetry(rig: ApiRig) -> None:
    now = datetime.now(UTC)
    builder = BatchBuilder(load_catalog()["accelerator"])
    for second in range(10):
        for gpu, celsius in ((0, 60.0 + second), (1, 55.0)):
            readings = [
                Reading("accelerator", f"node001/gpu{gpu}", metric, value, unit, quality)
                for metric, value, unit, quality in (
                    ("temperature_celsius", celsius, "Cel", Quality.GOOD),
                    ("power_watts", None, "W", Quality.SENTINEL),
                    ("energy_joules", 100.0 * second, "J", Quality.GOOD),
                )
            ]
            builder.add(
                readings, ts=now - timedelta(seconds=10 - second), host="node001", rack="r01"
            )
    rig.store.insert("accelerator", builder.build())
    events = [
        Event(
            id=f"event-{n}",
            time=NOW - timedelta(minutes=n),
            observed_at=NOW,
            host="node001",
            device="node001/gpu0",
            device_class="accelerator",
            source="kernel_log",
            kind="accelerator_application",
            code=31,
            severity=Severity.INFO,
            text=f"XID 31 number {n}",
        )
        for n in range(7)
    ]
    rig.store.insert("events", events_table([*events, *events]))
    finding = Finding(
        id="thresholds:accelerator_hot:node001/gpu0",
        detector="thresholds",
        kind="accelerator_hot",
        status=FindingStatus.FIRING,
        started_at=NOW - timedelta(minutes=2, seconds=30),
        updated_at=NOW,
        device="node001/gpu0",
        device_class="accelerator",
        host="node001",
        severity=Severity.CRITICAL,
        action=RecommendedAction.DRAIN,
        summary="too hot",
    )
    rig.store.insert("findings", findings_table([finding]))


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


def test_a_dry_run_previews_by_the_policys_own_code_and_publishes_nothing(rig: ApiRig) -> None:
    before = len(rig.intents())
    with rig.client() as client:
        receipt = client.request_action(
            ActionKind.DRAIN, "node[003-004,099]", "check a fan", dry_run=True
        )
    verdicts = {one.node: one.verdict for one in receipt.nodes}
    assert verdicts == {
        "node003": Outlook.REFUSE,  # somebody else's drain
        "node004": Outlook.ALLOW,
        "node099": Outlook.REFUSE,  # unknown
    }
    assert receipt.dry_run
    assert len(rig.intents()) == before


def test_a_request_becomes_one_intent_however_often_it_is_sent(rig: ApiRig) -> None:
    with rig.client() as client:
        receipts = [
            client.request_action(ActionKind.DRAIN, ["node004"], "check a fan", key="k1")
            for _ in range(3)
        ]
        with pytest.raises(RefusedError, match="Idempotency-Key"):
            client.request_action(ActionKind.DRAIN, ["node001"], "check a fan", key="k1")
    assert len({receipt.intent_id for receipt in receipts}) == 1
    written = [intent for intent in rig.intents() if intent.id == receipts[0].intent_id]
    assert len(written) == 1
    assert written[0].nodes == ("node004",)
    assert written[0].requested_by == "user:operator-1"
    assert written[0].reason == "check a fan"


def test_the_same_key_of_another_user_is_another_request(rig: ApiRig) -> None:
    with rig.client("operator") as one, rig.client("admin") as other:
        first = one.request_action(ActionKind.DRAIN, ["node004"], "check", key="shared")
        second = other.request_action(ActionKind.DRAIN, ["node004"], "check", key="shared")
    assert first.intent_id != second.intent_id


def test_only_unknown_nodes_is_not_found(rig: ApiRig) -> None:
    with rig.client() as client, pytest.raises(NotFoundError, match=r"node\[098-099\]"):
        client.request_action(ActionKind.DRAIN, "node[098-099]", "check")


def test_approve_and_deny_go_by_the_actions_state(rig: ApiRig) -> None:
    with rig.client() as client:
        approved = client.approve("act-0001", "seen it")
        client.deny("act-0002", "wrong node")
        with pytest.raises(RefusedError, match="act-0003 waits for no approval: it is done"):
            client.approve("act-0003", "seen it")
        with pytest.raises(NotFoundError):
            client.deny("act-none", "no")
    written = [i for i in rig.intents() if i.action_id in {"act-0001", "act-0002"}]
    assert [(i.kind, i.action_id) for i in written] == [
        (IntentKind.APPROVE, "act-0001"),
        (IntentKind.DENY, "act-0002"),
    ]
    assert approved.kind is IntentKind.APPROVE


READS = ("/fleet", "/nodes", "/nodes/node001", "/incidents", "/actions", "/jobs", "/collectors")
DRAIN = {"kind": "drain", "nodes": ["node004"], "reason": "check", "dry_run": True}
WRITES: tuple[tuple[str, dict[str, object], str], ...] = (
    ("/actions", DRAIN, "operator"),
    ("/actions/act-0003/approve", {"reason": "r"}, "operator"),
    ("/actions/act-0003/deny", {"reason": "r"}, "operator"),
    ("/breaker/reset", {"reason": "r"}, "admin"),
)
ROLES = ("viewer", "operator", "admin")


@pytest.mark.parametrize("role", [None, "wrong", *ROLES])
def test_what_each_role_may(rig: ApiRig, role: str | None) -> None:
    headers = {"Authorization": f"Bearer {TOKENS.get(role, role)}"} if role else {}
    with httpx.Client(base_url=f"{rig.url}/api/v1", headers=headers) as http:
        for path in READS:
            assert http.get(path).status_code == (200 if role in ROLES else 401), path
        for path, body, needed in WRITES:
            status = http.post(path, json=body).status_code
            if role not in ROLES:
                assert status == 401, path
            elif ROLES.index(role) < ROLES.index(needed):
                assert status == 403, path
            else:
                assert status in {200, 202, 409}, path  # 409: act-0003 is done


def test_an_approval_names_the_nodes_that_were_seen(rig: ApiRig) -> None:
    with rig.client() as client:
        receipt = client.approve("act-0001", "seen it", nodes=["node001"])
        with pytest.raises(InputError, match="hostlist"):
            client.approve("act-0001", "seen it", nodes=["node["])
    (written,) = [i for i in rig.intents() if i.id == receipt.intent_id]
    assert written.nodes == ("node001",)


def test_every_error_is_a_problem_document(rig: ApiRig) -> None:
    headers = {"Authorization": f"Bearer {TOKENS['operator']}"}
    with httpx.Client(base_url=rig.url, headers=headers) as http:
        answers = {
            "unknown path": http.get("/api/v1/nowhere"),
            "unknown node": http.get("/api/v1/nodes/nobody"),
            "wrong method": http.delete("/api/v1/nodes"),
            "bad query": http.get("/api/v1/nodes", params={"limit": 0}),
            "no body": http.post("/api/v1/actions"),
            "unknown field": http.post("/api/v1/actions", json={**DRAIN, "force": True}),
            "no reason": http.post("/api/v1/actions", json={**DRAIN, "reason": "  "}),
            "a reason of two lines": http.post("/api/v1/actions", json={**DRAIN, "reason": "a\nb"}),
            "bad hostlist": http.post("/api/v1/actions", json={**DRAIN, "nodes": "node[001-"}),
            "bad key": http.post(
                "/api/v1/actions", json=DRAIN, headers={"Idempotency-Key": "no spaces"}
            ),
            "too large": http.post("/api/v1/actions", content=b"x" * 300_000),
            "no token": httpx.get(f"{rig.url}/api/v1/nodes"),
        }
    expected = dict.fromkeys(answers, 422) | {
        "unknown path": 404,
        "unknown node": 404,
        "wrong method": 405,
        "too large": 413,
        "no token": 401,
    }
    assert {name: answer.status_code for name, answer in answers.items()} == expected
    for name, answer in answers.items():
        assert answer.headers["content-type"] == "application/problem+json", name
        problem = answer.json()
        assert problem["status"] == answer.status_code
        assert problem["detail"], name
        assert problem["type"].startswith("urn:fleetops:problem:")
    assert answers["no token"].headers["www-authenticate"].startswith("Bearer")
    assert answers["bad query"].json()["errors"][0]["field"] == "query.limit"


def test_probes_need_no_token_and_metrics_do(rig: ApiRig) -> None:
    assert httpx.get(f"{rig.url}/healthz").json() == {"status": "ok"}
    assert httpx.get(f"{rig.url}/readyz").json() == {"status": "ready"}
    assert httpx.get(f"{rig.url}/metrics").status_code == 401
    headers = {"Authorization": f"Bearer {TOKENS['viewer']}"}
    text = httpx.get(f"{rig.url}/metrics", headers=headers).text
    assert "# TYPE fleetops_errors_total counter" in text
    with rig.client("viewer") as client:
        health = client.health()
    assert health.ok
    assert [part.name for part in health.parts] == ["bus", "store"]


def test_an_api_that_is_not_there_is_named_with_the_remedy() -> None:
    with (
        Client(ClientConfig(url="http://127.0.0.1:9")) as client,
        pytest.raises(TemporaryError, match="start it"),
    ):
        client.fleet()
