"""Event logs of a Redfish service over real HTTP."""

from __future__ import annotations

from typing import Any

from fleetops_collectors.base import Scrape, Target
from fleetops_collectors.redfish import RedfishCollector
from tests.unit.collectors.redfish_rounds import once, twice, using
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
