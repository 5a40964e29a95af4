"""The protocol: logins and their limit, ETags, queries, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleetops.emulator.interfaces.redfish.service import MAX_BODY_BYTES, SESSIONS
from fleetops.emulator.interfaces.redfish.sessions import IDLE_SECONDS, MAX_SESSIONS
from fleetops.emulator.interfaces.redfish.tree import ROOT
from tests.unit.emulator.redfish.bench import PASSWORD, USER, Bench

SYSTEM = f"{ROOT}/Systems/1"
RIGHT = {"UserName": USER, "Password": PASSWORD}
Act = Callable[[httpx.AsyncClient], Awaitable[None]]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def with_client(bench: Bench, act: Act, auth: tuple[str, str] | None = (USER, PASSWORD)) -> None:
    async def run() -> None:
        async with bench.client("node001", auth) as client:
            await act(client)

    asyncio.run(run())


def error_of(answer: httpx.Response) -> str:
    body: dict[str, Any] = answer.json()
    return str(body["error"]["code"]).rpartition(".")[2]


def test_the_root_is_open_and_nothing_else(bench: Bench) -> None:
    async def act(client: httpx.AsyncClient) -> None:
        assert (await client.get(f"{ROOT}/")).json()["RedfishVersion"] == "1.15.0"
        answer = await client.get(SYSTEM)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic")

    with_client(bench, act, auth=None)


def test_a_session_lets_in_until_it_is_deleted(bench: Bench) -> None:
    async def act(client: httpx.AsyncClient) -> None:
        made = await client.post(SESSIONS, json=RIGHT)
        assert made.status_code == 201
        token = {"X-Auth-Token": made.headers["X-Auth-Token"]}
        assert (await client.get(SYSTEM, headers=token)).status_code == 200
        listed = (await client.get(SESSIONS, headers=token)).json()
        assert [one["@odata.id"] for one in listed["Members"]] == [made.headers["Location"]]
        gone = await client.delete(made.headers["Location"], headers=token)
        assert gone.status_code == 204
        assert (await client.get(SYSTEM, headers=token)).status_code == 401

    with_client(bench, act, auth=None)


@pytest.mark.parametrize("given", [{**RIGHT, "Password": "wrong"}, {"UserName": USER}, [], "x"])
def test_others_are_not_let_in(bench: Bench, given: object) -> None:
    async def act(client: httpx.AsyncClient) -> None:
        assert (await client.post(SESSIONS, json=given)).status_code == 401
        assert bench.controller("node001").sessions.ids == []

    with_client(bench, act, auth=None)


def test_a_fifth_session_is_refused_until_one_was_idle_too_long(bench: Bench) -> None:
    async def act(client: httpx.AsyncClient) -> None:
        opened = [await client.post(SESSIONS, json=RIGHT) for _ in range(MAX_SESSIONS)]
        assert {one.status_code for one in opened} == {201}
        refused = await client.post(SESSIONS, json=RIGHT)
        assert (refused.status_code, error_of(refused)) == (503, "SessionLimitExceeded")
        bench.clock.advance(IDLE_SECONDS - 1.0)
        token = {"X-Auth-Token": opened[0].headers["X-Auth-Token"]}
        assert (await client.get(SYSTEM, headers=token)).status_code == 200
        bench.clock.advance(2.0)
        assert len(bench.controller("node001").sessions.ids) == 1, "the one that was used"
        assert (await client.post(SESSIONS, json=RIGHT)).status_code == 201

    with_client(bench, act, auth=None)


def test_sessions_of_one_controller_are_none_of_anothers(bench: Bench) -> None:
    async def act(client: httpx.AsyncClient) -> None:
        made = await client.post(SESSIONS, json=RIGHT)
        token = {"X-Auth-Token": made.headers["X-Auth-Token"]}
        async with bench.client("node002", None) as other:
            assert (await other.get(SYSTEM, headers=token)).status_code == 401

    with_client(bench, act, auth=None)


def test_what_has_not_changed_is_not_sent_again(bench: Bench) -> None:
    async def act(client: httpx.AsyncClient) -> None:
        first = await client.get(SYSTEM)
        same = {"If-None-Match": first.headers["ETag"]}
        again = await client.get(SYSTEM, headers=same)
        assert (again.status_code, again.content) == (304, b"")
        bench.strikes.append(("down", 0, 1.0))
        await bench.tick()
        changed = await client.get(SYSTEM, headers=same)
        assert changed.status_code == 200
        assert changed.json()["PowerState"] == "Off"

    with_client(bench, act)


def test_collections_are_expanded_on_request(bench: Bench) -> None:
    async def act(client: httpx.AsyncClient) -> None:
        path = f"{SYSTEM}/Processors"
        plain = (await client.get(path)).json()
        whole = (await client.get(path, params={"$expand": ".($levels=1)"})).json()
        assert all(len(member) == 1 for member in plain["Members"])
        assert [one["Id"] for one in whole["Members"]][-2:] == ["GPU_6", "GPU_7"]
        for wrong in (".($levels=7)", ".($levels=0)", "~", ".($levels=x)"):
            answer = await client.get(path, params={"$expand": wrong})
            assert answer.status_code == 400, wrong

    with_client(bench, act)


def test_logs_are_read_on_from_a_place(bench: Bench) -> None:
    async def act(client: httpx.AsyncClient) -> None:
        log = bench.controller("node001").log
        for number in range(5):
            log.write(datetime(2026, 1, 1, tzinfo=UTC), "OK", "Base.1.0.Success", f"{number}")
        path = f"{ROOT}/Managers/BMC/LogServices/Log/Entries"
        page = (await client.get(path, params={"$skip": "2", "$top": "2"})).json()
        assert [one["Message"] for one in page["Members"]] == ["2", "3"]
        assert page["Members@odata.count"] == 5
        entry = (await client.get(f"{path}/5")).json()
        assert entry["Message"] == "4"
        assert (await client.get(path, params={"$skip": "-1"})).status_code == 400

    with_client(bench, act)


def test_errors_are_told_as_redfish_tells_them(bench: Bench) -> None:
    async def act(client: httpx.AsyncClient) -> None:
        missing = await client.get(f"{ROOT}/Systems/2")
        assert (missing.status_code, error_of(missing)) == (404, "ResourceMissingAtURI")
        patch = await client.patch(SYSTEM, json={})
        assert (patch.status_code, error_of(patch)) == (405, "OperationNotAllowed")
        broken = await client.post(SESSIONS, content=b"{")
        assert (broken.status_code, error_of(broken)) == (400, "MalformedJSON")
        large = await client.post(SESSIONS, content=b" " * (MAX_BODY_BYTES + 1))
        assert large.status_code == 413
        no_session = await client.delete(f"{SESSIONS}/none")
        assert no_session.status_code == 404

    with_client(bench, act)


def test_a_controller_that_is_down_answers_nobody(bench: Bench) -> None:
    async def act(client: httpx.AsyncClient) -> None:
        bench.strikes.append(("controller_down", 0, 1.0))
        await bench.tick()
        assert (await client.get(ROOT)).status_code == 503
        assert (await client.post(SESSIONS, json=RIGHT)).status_code == 503
        async with bench.client("node002") as other:
            assert (await other.get(SYSTEM)).status_code == 200
        bench.strikes.clear()
        await bench.tick()
        assert (await client.get(SYSTEM)).status_code == 200

    with_client(bench, act)


PATHS = ("", "/Systems/1", "/Systems/1/Processors", "/SessionService/Sessions", "/EventService/SSE")
NAMES = ("$expand", "$skip", "$top", "$filter")


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.one_of(st.sampled_from(PATHS), st.text(max_size=30).map(lambda text: f"/{text}")),
    query=st.dictionaries(st.sampled_from(NAMES), st.text(max_size=30), min_size=1),
    header=st.sampled_from(["X-Auth-Token", "Authorization", "If-None-Match", "Last-Event-ID"]),
    value=st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40),
)
def test_no_request_breaks_it(
    bench: Bench, path: str, query: dict[str, str], header: str, value: str
) -> None:
    """Nonsense is answered with an error of the client's; only a stream would never end."""
    bench.controller("node001").close()

    async def act(client: httpx.AsyncClient) -> None:
        address = f"{ROOT}{quote(path)}"
        answer = await client.get(address, params=query, headers={header: value})
        assert answer.status_code in {200, 304, 400, 401, 404}

    with_client(bench, act)
