"""Logging in to a Redfish service over real HTTP: one session, closed on every way out."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from typing_extensions import override

from fleetops.core.clock import ManualClock, SystemClock
from fleetops.core.errors import InputError
from fleetops_collectors.base import Scrape, Target
from fleetops_collectors.redfish import RedfishCollector
from tests.conftest import Figure
from tests.unit.collectors.http_server import Reply, Request
from tests.unit.collectors.redfish_resources import V1
from tests.unit.collectors.redfish_rounds import (
    INLET,
    LOGIN,
    READINGS_OF_A_TRAY,
    once,
    twice,
    using,
)
from tests.unit.collectors.redfish_service import ENTRIES, SESSIONS, RedfishService, link, tray


class TestSessions:
    def test_one_session_is_opened_reused_and_closed(self) -> None:
        service = RedfishService(tray(), needs_login=True)
        scrape = using(service, twice, **LOGIN)
        assert len(scrape.readings) == READINGS_OF_A_TRAY
        assert service.opened == 1
        assert service.sessions == set()
        assert service.requests[-1] == ("DELETE", f"{SESSIONS}/token1")

    def test_an_expired_session_is_opened_anew_once(self) -> None:
        service = RedfishService(tray(), needs_login=True)

        async def act(collector: RedfishCollector, target: Target) -> Scrape:
            await collector.collect(target)
            service.sessions.clear()
            return await collector.collect(target)

        assert len(using(service, act, **LOGIN).readings) == READINGS_OF_A_TRAY
        assert service.opened == 2
        assert service.sessions == set()

    @pytest.mark.parametrize("limit", [{"offers_sessions": False}, {"max_sessions": 0}])
    def test_without_sessions_each_request_carries_the_password(
        self, limit: dict[str, Any]
    ) -> None:
        service = RedfishService(tray(), needs_login=True, **limit)
        assert len(using(service, once, **LOGIN).readings) == READINGS_OF_A_TRAY
        assert service.opened == 0

    def test_a_wrong_password_is_tried_once_a_round_and_named(self) -> None:
        service = RedfishService(tray(), needs_login=True)
        with pytest.raises(
            InputError, match=r"bmc7.*refuses the login of 'monitor'.*password_file"
        ):
            using(service, once, **{**LOGIN, "password": "wrong"})
        assert service.requests.count(("POST", SESSIONS)) == 1

    def test_a_missing_login_says_what_to_set(self) -> None:
        with pytest.raises(InputError, match=r"bmc7: /redfish/v1/\w+: not without a login"):
            using(RedfishService(tray(), needs_login=True), once)

    def test_a_read_cut_off_during_login_leaks_no_session(self) -> None:
        service = RedfishService(tray(), needs_login=True, login_pause_seconds=0.3)

        async def act(collector: RedfishCollector, target: Target) -> Scrape:
            await self.cut_off_during_login(service, collector, target)
            return await collector.collect(target)

        assert len(using(service, act, **LOGIN).readings) == READINGS_OF_A_TRAY
        assert service.opened == 1
        assert service.sessions == set()

    def test_close_waits_for_a_login_under_way(self) -> None:
        service = RedfishService(tray(), needs_login=True, login_pause_seconds=0.3)

        async def act(collector: RedfishCollector, target: Target) -> None:
            await self.cut_off_during_login(service, collector, target)

        using(service, act, **LOGIN)
        assert (service.opened, service.sessions) == (1, set())

    async def cut_off_during_login(
        self, service: RedfishService, collector: RedfishCollector, target: Target
    ) -> None:
        """Cancels a read after the service opened its session and before it has said so."""
        read = asyncio.ensure_future(collector.collect(target))
        while not service.opened:
            await asyncio.sleep(0.005)
        read.cancel()
        with pytest.raises(asyncio.CancelledError):
            await read

    def test_a_target_is_read_one_round_at_a_time(self) -> None:
        service = RedfishService(tray(), needs_login=True)

        async def act(collector: RedfishCollector, target: Target) -> list[Scrape]:
            return await asyncio.gather(*(collector.collect(target) for _ in range(3)))

        scrapes = using(service, act, **LOGIN)
        assert [len(scrape.readings) for scrape in scrapes] == [READINGS_OF_A_TRAY] * 3
        assert service.opened == 1

    def test_a_token_refused_while_its_session_counts_is_no_second_session(self) -> None:
        service = RedfishService(tray(), needs_login=True, max_sessions=1)

        async def act(collector: RedfishCollector, target: Target) -> Scrape:
            await collector.collect(target)
            service.refused_tokens.add("token1")
            return await collector.collect(target)

        assert len(using(service, act, **LOGIN).readings) == READINGS_OF_A_TRAY
        assert (service.opened, service.peak_sessions, service.sessions) == (2, 1, set())

    def test_requests_at_once_log_in_once(self) -> None:
        service = RedfishService(tray(), needs_login=True, seconds_a_request=0.02)

        async def act(collector: RedfishCollector, target: Target) -> Scrape:
            await collector.collect(target)
            service.sessions.clear()  # all of several requests under way are refused
            return await collector.collect(target)

        scrape = using(service, act, SystemClock(), **LOGIN, requests_at_once=4)
        assert len(scrape.readings) == READINGS_OF_A_TRAY
        assert service.opened == 2
        assert (service.peak_requests, service.sessions) == (4, set())

    def test_one_request_at_a_time_unless_told_otherwise(self) -> None:
        service = RedfishService(tray(), needs_login=True, seconds_a_request=0.005)
        using(service, twice, SystemClock(), **LOGIN)
        assert service.peak_requests == 1

    def test_a_controller_starved_of_sessions_says_what_to_do(self, figure: Figure) -> None:
        service = RedfishService(tray(), needs_login=True, max_sessions=0, basic_works=False)

        async def act(collector: RedfishCollector, target: Target) -> Scrape:
            with pytest.raises(InputError, match=r"bmc7.*HTTP status 503.*end other sessions"):
                await collector.collect(target)
            service.max_sessions = 1  # somebody logged out
            return await collector.collect(target)

        assert len(using(service, act, **LOGIN).readings) == READINGS_OF_A_TRAY
        figure(f"{service.requests.count(('POST', SESSIONS))} logins asked for in two rounds")
        assert service.requests.count(("POST", SESSIONS)) == 2
        assert service.sessions == set()

    def test_sessions_are_asked_for_again_at_the_next_walk(self) -> None:
        service = RedfishService(tray(), needs_login=True, max_sessions=0)
        clock = ManualClock()

        async def act(collector: RedfishCollector, target: Target) -> None:
            await collector.collect(target)
            service.max_sessions = 1
            clock.advance(1000)
            await collector.collect(target)

        using(service, act, clock, **LOGIN)
        assert (service.opened, service.sessions) == (1, set())

    @pytest.mark.parametrize("way_out", ["cancelled", "failed", "closed"])
    def test_every_way_out_logs_out(self, way_out: str) -> None:
        service = RedfishService(tray(), needs_login=True)

        async def act(collector: RedfishCollector, target: Target) -> None:
            await collector.collect(target)
            if way_out == "cancelled":
                service.seconds_a_request = 0.05
                task = asyncio.ensure_future(collector.collect(target))
                await asyncio.sleep(0.02)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            elif way_out == "failed":
                service.replies[V1] = lambda: Reply(503)
                service.resources = {}
                await collector.collect(target)

        using(service, act, **LOGIN)
        assert (service.opened, service.sessions) == (1, set())


class TestAddresses:
    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    def test_a_closing_slash_that_the_service_wants_is_added(self, status: int) -> None:
        """DSP0266 lets services redirect to it; some name themselves otherwise than we do."""
        service = SlashedService(tray(), needs_login=True, status=status)
        assert len(using(service, twice, **LOGIN).readings) == READINGS_OF_A_TRAY
        assert (service.opened, service.sessions) == (1, set())
        assert service.redirected.count(INLET) == 1  # the second time it is known

    @pytest.mark.parametrize("location", ["https://bmc-cz01.example{}", "{}/", "https://[{}", ""])
    def test_a_session_is_ended_wherever_it_says_it_is(self, location: str) -> None:
        service = TellingService(tray(), needs_login=True, location=location)
        assert len(using(service, once, **LOGIN).readings) == READINGS_OF_A_TRAY
        assert (service.opened, service.sessions) == (1, set())


@dataclass
class SlashedService(RedfishService):
    """Redirects every request without a closing slash, under a name of its own."""

    status: int = 308
    redirected: list[str] = field(default_factory=list)

    @override
    def answer(self, request: Request) -> Reply:
        path, _, query = request.path.partition("?")
        if query or path.endswith("/"):
            return super().answer(request)
        self.redirected.append(path)
        return Reply(self.status, headers={"Location": f"https://bmc-cz01.example{path}/"})


@dataclass
class TellingService(RedfishService):
    """Says where a new session is in its own words; beside that, the body has the session."""

    location: str = "{}"

    @override
    def _log_in(self, request: Request) -> Reply:
        reply = super()._log_in(request)
        own = reply.headers["Location"]
        headers = {**reply.headers, "Location": self.location.format(own)}
        return replace(reply, headers=headers, pieces=(), body=json.dumps(link(own)).encode())


class TestEtags:
    def test_structure_is_not_sent_twice_and_readings_always_are(self) -> None:
        service = RedfishService(tray(), with_etags=True)
        clock = ManualClock()

        async def act(collector: RedfishCollector, target: Target) -> Scrape:
            await collector.collect(target)
            service.resources[INLET]["Reading"] = 31.0
            clock.advance(1000)  # the structure is walked again
            return await collector.collect(target)

        second = using(service, act, clock, log_interval_seconds=0)
        assert len(second.readings) == READINGS_OF_A_TRAY
        assert 31.0 in {reading.value for reading in second.readings}
        assert {"/redfish/v1", "/redfish/v1/Chassis"} <= set(service.not_modified)
        assert not [path for path in service.not_modified if "Sensors/" in path]
        assert ENTRIES not in service.not_modified

    def test_a_tag_that_never_changes_hides_no_reading(self) -> None:
        service = RedfishService(tray())
        tagged = {"ETag": 'W/"0"'}
        moving = iter(range(25, 90))
        for uri in (INLET, "/redfish/v1/Chassis/Tray/Sensors"):
            service.replies[uri] = lambda uri=uri: Reply(  # type: ignore[misc]
                body=json.dumps(
                    service.resources[uri] | ({"Reading": next(moving)} if uri == INLET else {})
                ).encode(),
                headers=tagged,
            )

        async def act(collector: RedfishCollector, target: Target) -> list[Scrape]:
            return [await collector.collect(target) for _ in range(3)]

        metric = "inlet_temperature_celsius"
        values = [
            reading.value
            for scrape in using(service, act)
            for reading in scrape.readings
            if reading.metric == metric
        ]
        assert values == [25, 26, 27]
