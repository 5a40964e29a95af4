"""What the API is asked for, and by whom, over real HTTP, a real bus and a real store."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from fleetops.api.client import Client
from fleetops.api.models import Outlook
from fleetops.core.config import ClientConfig
from fleetops.core.errors import InputError, NotFoundError, RefusedError, TemporaryError
from fleetops_schemas.records import (
    ActionKind,
    IntentKind,
)
from tests.integration.api_fleet import fill
from tests.integration.api_server import (
    TOKENS,
    ApiRig,
    api_rig,
)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiRig]:
    with api_rig(tmp_path_factory.mktemp("api")) as made:
        fill(made)
        yield made


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
