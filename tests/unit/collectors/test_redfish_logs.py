"""Event logs of a Redfish service over real HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from typing_extensions import override

from fleetops_collectors.base import Scrape, Target
from fleetops_collectors.redfish import RedfishCollector
from tests.unit.collectors.http_server import Reply
from tests.unit.collectors.redfish_rounds import once, twice, until, using
from tests.unit.collectors.redfish_service import (
    ENTRIES,
    RedfishService,
    entry,
    link,
    resource,
    tray,
)


class TestLogs:
    LEAK = "Environmental.1.4.LeakDetectedCritical"

    def service(self, *entries: dict[str, Any]) -> RedfishService:
        resources = tray()
        resources["/redfish/v1/Managers/BMC"]["DateTime"] = "2026-01-01T00:00:00Z"
        resources[ENTRIES]["Members"] = list(entries)
        return RedfishService(resources)

    def events(self, service: RedfishService) -> list[list[str]]:
        """Entry ids of two rounds of one collector, with a new entry between them."""

        async def act(collector: RedfishCollector, target: Target) -> list[list[str]]:
            first = await collector.collect(target)
            service.resources[ENTRIES]["Members"].append(
                entry(9, "2026-01-01T00:00:00Z", self.LEAK)
            )
            second = await collector.collect(target)
            return [
                [str(event.attributes["entry"]).rsplit("/", 1)[-1] for event in scrape.events]
                for scrape in (first, second)
            ]

        return using(service, act, log_interval_seconds=0)

    def test_history_is_not_news(self) -> None:
        service = self.service(
            entry(1, "2019-05-01T00:00:00Z", self.LEAK),
            entry(2, "2025-12-31T23:30:00Z", self.LEAK),
        )
        assert self.events(service) == [["2"], ["9"]]

    def test_entries_of_one_second_are_all_read(self) -> None:
        service = self.service(entry(1, "2026-01-01T00:00:00Z", self.LEAK))
        assert self.events(service) == [["1"], ["9"]]

    def test_positions_outlive_a_restart(self) -> None:
        service = self.service(entry(1, "2026-01-01T00:00:00Z", self.LEAK))

        def life(cursor: str | None) -> Scrape:
            async def act(collector: RedfishCollector, target: Target) -> Scrape:
                if cursor is not None:
                    collector.resume({"bmc7": cursor, "gone": "{"})
                return await collector.collect(target)

            return using(service, act)

        first = life(None)
        assert len(first.events) == 1
        service.resources[ENTRIES]["Members"].append(entry(2, "2026-01-01T00:00:09Z", self.LEAK))
        second = life(first.cursor)
        assert [event.attributes["entry"] for event in second.events] == [f"{ENTRIES}/2"]
        third = life(second.cursor)
        assert (third.events, third.cursor) == ([], None)

    def test_a_cleared_log_is_read_from_its_start(self) -> None:
        service = self.service(entry(5, "2026-01-01T00:00:00Z", self.LEAK))

        async def act(collector: RedfishCollector, target: Target) -> list[int]:
            counts = [len((await collector.collect(target)).events)]
            members = [entry(1, "2025-12-31T23:00:00Z", self.LEAK)]
            service.resources[ENTRIES]["Members"] = members
            counts += [len((await collector.collect(target)).events) for _ in range(2)]
            return counts

        assert using(service, act, log_interval_seconds=0) == [1, 1, 0]

    def test_entries_behind_links_are_fetched_once(self) -> None:
        service = self.service()
        body = entry(3, "2025-12-31T23:59:00Z", self.LEAK)
        service.resources[body["@odata.id"]] = body  # type: ignore[index]
        service.resources[ENTRIES]["Members"] = [link(body["@odata.id"])]
        scrape = using(service, twice, log_interval_seconds=0)
        assert scrape.events == []
        assert service.gets(body["@odata.id"]) == 1

    def test_bulk_logs_are_left_alone(self) -> None:
        service = self.service()
        log = "/redfish/v1/Managers/BMC/LogServices/Dump"
        members = service.resources["/redfish/v1/Managers/BMC/LogServices"]["Members"]
        members.append(link(log))
        service.resources[log] = resource(log, "LogService", Entries=link(f"{log}/Entries"))  # type: ignore[index]
        using(service, once)
        assert service.gets(f"{log}/Entries") == 0


class TestSeveralLogs:
    def test_one_happening_in_two_logs_is_one_event(self) -> None:
        resources = tray()
        resources["/redfish/v1/Managers/BMC"]["DateTime"] = "2026-01-01T00:00:00Z"
        other = "/redfish/v1/Managers/BMC/LogServices/SEL"
        resources["/redfish/v1/Managers/BMC/LogServices"]["Members"].append(link(other))
        resources[other] = resource(other, "LogService", Entries=link(f"{other}/Entries"))
        told = entry(1, "2025-12-31T23:59:00Z", TestLogs.LEAK)
        again = {**entry(7, "2025-12-31T23:59:01Z", TestLogs.LEAK)}
        another = {**entry(8, "2025-12-31T23:59:01Z", TestLogs.LEAK), "MessageArgs": ["Leak1"]}
        resources[ENTRIES]["Members"] = [told]
        resources[f"{other}/Entries"] = {
            "Members": [
                {**one, "@odata.id": f"{other}/Entries/{one['Id']}"} for one in (again, another)
            ]
        }
        scrape = using(RedfishService(resources), once)
        assert [event.text for event in scrape.events] == [
            "Leak detector 'Leak0' reports it.",
            "Leak detector 'Leak1' reports it.",
        ]


class TestNewEntriesAlone:
    """A service with ``$skip`` is not asked for a whole log again."""

    LEAK = TestLogs.LEAK

    def service(self, count: int, *, offers: bool = True) -> SkippingService:
        resources = tray()
        resources["/redfish/v1"]["ProtocolFeaturesSupported"] = {"TopSkipQuery": offers}
        resources["/redfish/v1/Managers/BMC"]["DateTime"] = "2026-01-01T00:00:00Z"
        resources[ENTRIES]["Members"] = [
            entry(n, f"2025-12-31T23:{n // 60:02}:{n % 60:02}Z", self.LEAK) for n in range(count)
        ]
        return SkippingService(resources)

    def counts(self, service: SkippingService, *changes: Callable[[list[Any]], None]) -> list[int]:
        """New events of a first round, and after each change of the log."""

        async def act(collector: RedfishCollector, target: Target) -> list[int]:
            counts = [len((await collector.collect(target)).events)]
            for change in changes:
                change(service.resources[ENTRIES]["Members"])
                counts.append(len((await collector.collect(target)).events))
            return counts

        return using(service, act, log_interval_seconds=0)

    def add(self, members: list[Any]) -> None:
        number = int(members[-1]["Id"]) + 1
        members.append(entry(number, f"2026-01-01T00:00:{number % 60:02}Z", self.LEAK))

    def test_only_the_end_is_read(self) -> None:
        service = self.service(50)
        assert self.counts(service, self.add, lambda _: None, self.add) == [50, 1, 0, 1]
        assert service.members_sent == [50, 2, 1, 2]

    def test_a_log_that_was_cleared_is_read_whole(self) -> None:
        def clear(members: list[Any]) -> None:
            members[:] = [entry(1, "2026-01-01T00:00:00Z", self.LEAK)]

        service = self.service(50)
        assert self.counts(service, clear, self.add) == [50, 1, 1]

    def test_a_log_that_is_full_drops_its_oldest(self) -> None:
        def wrap(members: list[Any]) -> None:
            del members[0]
            self.add(members)

        assert self.counts(self.service(50), wrap, wrap) == [50, 1, 1]

    @pytest.mark.parametrize("ignores", [True, False])
    def test_an_offer_that_is_not_kept(self, ignores: bool) -> None:
        service = self.service(50)
        service.skips = "ignored" if ignores else "refused"
        assert self.counts(service, self.add, self.add) == [50, 1, 1]

    def test_without_an_offer_the_log_is_read_whole(self) -> None:
        service = self.service(50, offers=False)
        assert self.counts(service, self.add) == [50, 1]
        assert service.members_sent == [50, 51]

    def test_newest_first_is_read_whole(self) -> None:
        def add_in_front(members: list[Any]) -> None:
            members.insert(0, entry(99, "2026-01-01T00:00:30Z", self.LEAK))

        service = self.service(50)
        service.resources[ENTRIES]["Members"].reverse()
        assert self.counts(service, add_in_front, lambda _: None) == [50, 1, 0]

    def test_entries_of_a_round_that_was_cut_off_come_in_the_next(self) -> None:
        service = self.service(3)
        other = "/redfish/v1/Managers/BMC/LogServices/Other"
        logs: Any = service.resources["/redfish/v1/Managers/BMC/LogServices"]
        logs["Members"].append(link(other))
        resources: Any = service.resources
        resources[other] = resource(other, "LogService", Entries=link(f"{other}/Entries"))
        resources[f"{other}/Entries"] = {"Members": []}

        async def act(collector: RedfishCollector, target: Target) -> int:
            await collector.collect(target)
            self.add(service.resources[ENTRIES]["Members"])
            service.seconds_a_request = 0.0
            service.replies[f"{other}/Entries"] = lambda: Reply(
                pieces=(b"{", b"}"), pause_seconds=5.0
            )
            task = asyncio.ensure_future(collector.collect(target))
            await until(lambda: len(service.members_sent) == 2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            service.replies.clear()
            return len((await collector.collect(target)).events)

        assert using(service, act, log_interval_seconds=0) == 1


class TestNewestFirst:
    """A log of many pages that begins with its newest entry is read as far as there is news."""

    LEAK = TestLogs.LEAK
    PAGE = 10

    def page(self, members: list[Any], at: int) -> dict[str, Any]:
        found: dict[str, Any] = {"Members": members[at : at + self.PAGE]}
        if at + self.PAGE < len(members):
            found["Members@odata.nextLink"] = f"{ENTRIES}?$skip={at + self.PAGE}"
        return found

    def serve(self, service: RedfishService, members: list[Any]) -> None:
        service.replies.clear()
        for at in range(0, len(members), self.PAGE):
            body = json.dumps(self.page(members, at)).encode()
            address = f"{ENTRIES}?$skip={at}" if at else ENTRIES
            service.replies[address] = lambda body=body: Reply(body=body)  # type: ignore[misc]

    def pages_read(self, service: RedfishService) -> int:
        return sum(path.startswith(ENTRIES) for _, path in service.requests)

    def rounds(self, *logs: list[Any]) -> list[tuple[int, int]]:
        """Events and pages read of each round, in which the log is so."""
        resources = tray()
        resources["/redfish/v1/Managers/BMC"]["DateTime"] = "2026-01-01T00:00:00Z"
        service = RedfishService(resources)

        async def act(collector: RedfishCollector, target: Target) -> list[tuple[int, int]]:
            found = []
            for log in logs:
                self.serve(service, log)
                before = self.pages_read(service)
                events = (await collector.collect(target)).events
                found.append((len(events), self.pages_read(service) - before))
            return found

        return using(service, act, log_interval_seconds=0)

    def history(self, count: int, year: int = 2020) -> list[Any]:
        return [
            entry(n, f"{year}-01-{n // 60 + 1:02}T00:{n % 60:02}:00Z", self.LEAK)
            for n in range(count, 0, -1)
        ]

    def test_years_of_history_are_not_read(self) -> None:
        news = [entry(900, "2025-12-31T23:59:00Z", self.LEAK), *self.history(99)]
        later = [entry(901, "2026-01-01T00:00:00Z", self.LEAK), *news]
        assert self.rounds(self.history(99)) == [(0, 1)]
        assert self.rounds(news, news, later) == [(1, 1), (0, 1), (1, 1)]

    def test_news_of_several_pages_is_all_read(self) -> None:
        many = [entry(n, f"2026-01-01T00:00:{n:02}Z", self.LEAK) for n in range(35, 0, -1)]
        assert self.rounds(self.history(99), many + self.history(99)) == [(0, 1), (35, 4)]

    def test_a_log_that_was_cleared_is_all_news(self) -> None:
        assert self.rounds(self.history(20, 2025), self.history(15, 2024)) == [(0, 1), (15, 2)]


@dataclass
class SkippingService(RedfishService):
    """Does ``$skip`` for its log, as it is told."""

    skips: str = "done"
    members_sent: list[int] = field(default_factory=list)

    @override
    def _read(self, path: str, known: str) -> Reply:
        log, _, query = path.partition("?")
        if log != ENTRIES:
            return super()._read(path, known)
        if query and self.skips == "refused":
            return Reply(501, b"{}")
        skip = int(query.removeprefix("$skip=")) if query and self.skips == "done" else 0
        members = self.resources[ENTRIES]["Members"][skip:]
        self.members_sent.append(len(members))
        return Reply(body=json.dumps({**self.resources[ENTRIES], "Members": members}).encode())
