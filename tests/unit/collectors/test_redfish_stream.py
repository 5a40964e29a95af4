"""Events over a Redfish service's stream, by real HTTP: once each, through breaks and restarts."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from fleetops.core.clock import ManualClock
from fleetops.core.errors import TemporaryError
from fleetops_collectors.base import Scrape, Target
from fleetops_collectors.redfish import RedfishCollector
from fleetops_collectors.redfish.event_stream import EventStream, StreamLimits
from fleetops_schemas.records import Event
from tests.unit.collectors.http_server import Reply
from tests.unit.collectors.redfish_rounds import LOGIN, once, until, using
from tests.unit.collectors.redfish_service import (
    ENTRIES,
    SSE,
    EventFeed,
    RedfishService,
    collection,
    entry,
    event,
    link,
    resource,
    tray,
)

LEAK = "Environmental.1.4.LeakDetectedCritical"
PUMP = "Environmental.1.4.PumpFailed"
QUICK: dict[str, Any] = {**LOGIN, "stream_first_wait_seconds": 0.02, "log_interval_seconds": 1e6}
REPORTS = "/redfish/v1/TelemetryService/MetricReports"


def service(feed: EventFeed | None = None, *entries: dict[str, Any]) -> RedfishService:
    """A tray with an event stream."""
    resources = tray()
    resources["/redfish/v1/Managers/BMC"]["DateTime"] = "2026-01-01T00:00:00Z"
    resources[ENTRIES]["Members"] = list(entries)
    events = "/redfish/v1/EventService"
    resources["/redfish/v1"]["EventService"] = link(events)
    resources[events] = resource(
        events, "EventService", ServiceEnabled=True, ServerSentEventUri=SSE
    )
    return RedfishService(resources, needs_login=True, feed=feed or EventFeed())


def feed_of(bmc: RedfishService) -> EventFeed:
    assert bmc.feed is not None
    return bmc.feed


async def listening(
    bmc: RedfishService, collector: RedfishCollector, target: Target
) -> list[Event]:
    """The events of the rounds until the stream is open and what came before it is known."""
    found = list((await collector.collect(target)).events)
    found += (await collector.collect(target)).events
    await until(lambda: feed_of(bmc).live == 1)
    found += (await collector.collect(target)).events
    return found


async def heard(collector: RedfishCollector, target: Target, count: int = 1) -> list[Event]:
    """The events of as many rounds as it takes to hear so many, and of one more."""
    found: list[Event] = []
    for _ in range(200):
        found += (await collector.collect(target)).events
        if len(found) >= count:
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    return [*found, *(await collector.collect(target)).events]


def kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events]


class TestStream:
    def test_an_event_comes_in_the_next_round_and_logs_are_left_alone(self) -> None:
        bmc = service()

        async def act(collector: RedfishCollector, target: Target) -> tuple[list[Event], int]:
            assert await listening(bmc, collector, target) == []
            before = bmc.gets(ENTRIES)
            feed_of(bmc).say(event(LEAK, OriginOfCondition=link(LEAK_0)))
            return await heard(collector, target), bmc.gets(ENTRIES) - before

        (found,), log_reads = using(bmc, act, **QUICK | {"log_interval_seconds": 0})
        assert (found.kind, found.severity) == ("coolant_leak", "critical")
        assert found.device == "node007/leak0"
        assert found.text == "Leak detector 'Leak0' reports it."
        assert log_reads == 0

    def test_it_uses_the_one_session_and_ends_with_it(self) -> None:
        bmc = service()

        async def act(collector: RedfishCollector, target: Target) -> None:
            await listening(bmc, collector, target)
            assert bmc.sessions == {"token1"}

        using(bmc, act, **QUICK)
        feed = feed_of(bmc)
        assert [headers["X-Auth-Token"] for headers in feed.opened] == ["token1"]
        assert (bmc.peak_sessions, bmc.sessions) == (1, set())

    def test_who_reads_once_opens_none(self) -> None:
        bmc = service()
        using(bmc, once, **QUICK)
        assert feed_of(bmc).opened == []

    def test_logs_alone_where_that_is_asked_for(self) -> None:
        bmc = service()

        async def act(collector: RedfishCollector, target: Target) -> None:
            for _ in range(3):
                await collector.collect(target)

        using(bmc, act, **QUICK | {"events": "log", "log_interval_seconds": 0})
        assert feed_of(bmc).opened == []
        assert bmc.gets(ENTRIES) == 3


class TestReconnection:
    @pytest.mark.parametrize("knows_last_id", [True, False])
    def test_what_was_said_meanwhile_comes_once(self, knows_last_id: bool) -> None:
        feed = EventFeed(knows_last_id=knows_last_id)
        bmc = service(feed)

        async def act(collector: RedfishCollector, target: Target) -> list[Event]:
            await listening(bmc, collector, target)
            feed.say(event(LEAK, EventId="1"))
            found = await heard(collector, target)
            feed.drop()
            await until(lambda: feed.live == 0)
            feed.say(event(PUMP, EventId="2"))
            return [*found, *await heard(collector, target)]

        assert kinds(using(bmc, act, **QUICK)) == ["coolant_leak", "coolant_pump_degraded"]
        assert [headers.get("Last-Event-ID") for headers in feed.opened[:2]] == [None, "1"]

    def test_a_restart_goes_on_where_it_was(self) -> None:
        feed = EventFeed()
        bmc = service(feed)

        async def first(collector: RedfishCollector, target: Target) -> str:
            await listening(bmc, collector, target)
            feed.say(event(LEAK, EventId="1"))
            while True:
                scrape = await collector.collect(target)
                if scrape.events:
                    assert scrape.cursor is not None
                    return scrape.cursor

        cursor = using(bmc, first, **QUICK)
        feed.say(event(PUMP, EventId="2"))
        # the log now holds what the stream told before the restart
        bmc.resources[ENTRIES]["Members"] = [entry(1, "2026-01-01T00:00:01Z", LEAK)]

        async def second(collector: RedfishCollector, target: Target) -> list[Event]:
            collector.resume({"bmc7": cursor})
            found = await listening(bmc, collector, target)
            return [*found, *await heard(collector, target)]

        assert kinds(using(bmc, second, **QUICK)) == ["coolant_pump_degraded"]
        assert feed.opened[-1]["Last-Event-ID"] == "1"

    def test_one_that_knows_no_such_id_is_asked_without(self) -> None:
        feed = EventFeed()
        bmc = service(feed)
        feed.refuses = lambda request: (
            Reply(400, b"{}") if "Last-Event-ID" in request.headers else None
        )

        async def act(collector: RedfishCollector, target: Target) -> list[Event]:
            await listening(bmc, collector, target)
            feed.say(event(LEAK, EventId="1"))
            found = await heard(collector, target)
            feed.drop()
            await until(lambda: len(feed.opened) >= 3)
            return [*found, *await heard(collector, target, 0)]

        assert kinds(using(bmc, act, **QUICK)) == ["coolant_leak"]
        assert [headers.get("Last-Event-ID") for headers in feed.opened[:3]] == [None, "1", None]

    def test_an_expired_session_is_opened_anew(self) -> None:
        feed = EventFeed()
        bmc = service(feed)

        async def act(collector: RedfishCollector, target: Target) -> list[Event]:
            await listening(bmc, collector, target)
            bmc.sessions.clear()
            feed.drop()
            await until(lambda: len(feed.opened) == 2)
            feed.say(event(LEAK))
            return await heard(collector, target)

        assert kinds(using(bmc, act, **QUICK)) == ["coolant_leak"]
        assert (bmc.opened, bmc.peak_sessions, bmc.sessions) == (2, 1, set())

    @pytest.mark.parametrize(
        "reply",
        [
            Reply(404, b"{}"),
            Reply(503, b"{}"),
            Reply(body=b"<html>login</html>", headers={"Content-Type": "text/html"}),
        ],
    )
    def test_without_a_stream_the_logs_are_read(self, reply: Reply) -> None:
        feed = EventFeed()
        feed.refuses = lambda _: reply
        bmc = service(feed)

        async def act(collector: RedfishCollector, target: Target) -> list[Event]:
            await collector.collect(target)
            await collector.collect(target)
            await until(lambda: len(feed.opened) > 0)
            bmc.resources[ENTRIES]["Members"] = [entry(1, "2026-01-01T00:00:00Z", LEAK)]
            return list((await collector.collect(target)).events)

        assert kinds(using(bmc, act, **QUICK | {"log_interval_seconds": 0})) == ["coolant_leak"]

    def test_a_silent_connection_is_opened_anew(self) -> None:
        feed = EventFeed()
        bmc = service(feed)

        async def act(collector: RedfishCollector, target: Target) -> None:
            await listening(bmc, collector, target)
            await until(lambda: len(feed.opened) == 2)

        using(bmc, act, **QUICK | {"stream_idle_seconds": 1})


def test_tries_are_further_and_further_apart_and_never_at_once() -> None:
    ranges: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        ranges.append((low, high))
        return 0.0

    class NoSession:
        async def access(self) -> dict[str, str]:
            raise TemporaryError("bmc7: away")

        async def renew(self, refused: dict[str, str]) -> None:
            raise AssertionError

    async def act() -> None:
        limits = StreamLimits(1000, first_wait_seconds=1.0, longest_wait_seconds=5.0)
        stream = EventStream("bmc7", httpx.AsyncClient, NoSession(), limits, draw)
        stream.start("/redfish/v1/EventService/SSE")
        await until(lambda: len(ranges) >= 5)
        assert not stream.is_live
        await stream.close()
        await stream.close()

    asyncio.run(act())
    assert ranges[:5] == [(0.5, 1.0), (1.0, 2.0), (2.0, 4.0), (2.5, 5.0), (2.5, 5.0)]


class TestOnce:
    """One happening, told by the stream and by a log."""

    @pytest.mark.parametrize("order", ["stream first", "log first"])
    @pytest.mark.parametrize("linked", [True, False])
    def test_it_is_one_event(self, order: str, linked: bool) -> None:
        bmc = service()
        log_entry = entry(1, "2026-01-01T00:00:00Z", LEAK)
        more: dict[str, Any] = {"LogEntry": link(log_entry["@odata.id"])} if linked else {}
        told = event(LEAK, **more)

        async def act(collector: RedfishCollector, target: Target) -> list[Event]:
            found = await listening(bmc, collector, target)
            for way in (order, "log first" if order == "stream first" else "stream first"):
                if way == "stream first":
                    feed_of(bmc).say(told)
                else:
                    bmc.resources[ENTRIES]["Members"] = [log_entry]
                found += await heard(collector, target, 0)
            return found

        options = QUICK | {"events": "both", "log_interval_seconds": 0}
        assert kinds(using(bmc, act, **options)) == ["coolant_leak"]

    def test_two_happenings_are_two_events(self) -> None:
        bmc = service()

        async def act(collector: RedfishCollector, target: Target) -> list[Event]:
            await listening(bmc, collector, target)
            feed_of(bmc).say(event(LEAK, MessageArgs=["Leak0"], EventId="1"))
            feed_of(bmc).say(event(LEAK, MessageArgs=["Leak1"], EventId="2"))
            found = await heard(collector, target, 2)
            bmc.resources[ENTRIES]["Members"] = [
                entry(1, "2026-01-01T00:00:00Z", LEAK),
                {**entry(2, "2026-01-01T00:00:01Z", LEAK), "MessageArgs": ["Leak1"]},
                entry(3, "2026-01-01T00:00:30Z", LEAK),
            ]
            return [*found, *await heard(collector, target, 1)]

        options = QUICK | {"events": "both", "log_interval_seconds": 0}
        found = using(bmc, act, **options)
        assert [found.time.second for found in found] == [0, 0, 30]


class TestBounds:
    def test_more_than_the_buffer_holds_makes_the_logs_be_read(self) -> None:
        bmc = service()

        async def act(collector: RedfishCollector, target: Target) -> tuple[int, int]:
            await listening(bmc, collector, target)
            before = bmc.gets(ENTRIES)
            feed_of(bmc).say(*(event(LEAK, EventId=str(n)) for n in range(1500)))
            await asyncio.sleep(0.8)
            found = (await collector.collect(target)).events
            return len(found), bmc.gets(ENTRIES) - before

        count, log_reads = using(bmc, act, **QUICK)
        assert (count, log_reads) == (1024, 1)

    @pytest.mark.parametrize(
        "say",
        [
            b"<html>no event</html>",
            b'{"@odata.type": "#Event.v1_7_0.Event", "Events": '
            b'[{"MessageId": "Base.1.18.EventBufferExceeded"}]}',
        ],
    )
    def test_what_was_missed_makes_the_logs_be_read(self, say: bytes) -> None:
        bmc = service()

        async def act(collector: RedfishCollector, target: Target) -> list[Event]:
            await listening(bmc, collector, target)
            bmc.resources[ENTRIES]["Members"] = [entry(1, "2026-01-01T00:00:00Z", LEAK)]
            feed_of(bmc).say_raw(say)
            return await heard(collector, target)

        assert "coolant_leak" in kinds(using(bmc, act, **QUICK))


class TestReports:
    def test_reports_that_the_stream_brings_are_not_read(self) -> None:
        bmc = service()
        resources: Any = bmc.resources
        telemetry = "/redfish/v1/TelemetryService"
        resources["/redfish/v1"]["TelemetryService"] = link(telemetry)
        resources["/redfish/v1/EventService"]["SSEFilterPropertiesSupported"] = {
            "EventFormatType": True
        }
        resources[telemetry] = resource(telemetry, "TelemetryService", MetricReports=link(REPORTS))
        resources[REPORTS] = collection(REPORTS, "MetricReport", f"{REPORTS}/All")

        def report(watts: float) -> dict[str, Any]:
            power = "/redfish/v1/Systems/Sys/Processors/GPU_0/EnvironmentMetrics#/EnergyJoules"
            value = {"MetricProperty": power, "MetricValue": str(watts)}
            return resource(f"{REPORTS}/All", "MetricReport", MetricValues=[value])

        resources[f"{REPORTS}/All"] = report(1.0)

        async def act(collector: RedfishCollector, target: Target) -> list[Scrape]:
            await listening(bmc, collector, target)
            feed_of(bmc).say(report(2.0))
            await asyncio.sleep(0.2)
            first = await collector.collect(target)
            reads = bmc.gets(f"{REPORTS}/All")
            second = await collector.collect(target)
            assert bmc.gets(f"{REPORTS}/All") == reads
            return [first, second]

        options = QUICK | {"metric_reports": "stream", "prefer_reports": False}
        first, second = using(bmc, act, ManualClock(), **options)
        joules = [
            [r.value for r in scrape.readings if r.metric == "energy_joules"]
            for scrape in (first, second)
        ]
        assert joules == [[2.0], []]
        assert "EventFormatType" in feed_of(bmc).opened[0]["path"]


LEAK_0 = "/redfish/v1/Chassis/Tray/ThermalSubsystem/LeakDetection/LeakDetectors/Leak0"
