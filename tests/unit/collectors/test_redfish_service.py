"""Reading a Redfish service over real HTTP: faults of the world, and finding what there is."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from typing_extensions import override

from fleetops.core.clock import ManualClock, SystemClock
from fleetops.core.errors import InputError, TemporaryError
from fleetops_collectors.base import Scrape, Target
from fleetops_collectors.redfish import RedfishCollector, RedfishConfig
from tests.unit.collectors.http_server import Reply
from tests.unit.collectors.redfish_rounds import INLET, READINGS_OF_A_TRAY, once, twice, using
from tests.unit.collectors.redfish_service import (
    RedfishService,
    collection,
    link,
    resource,
    running,
    tray,
)


class TestFaults:
    """One bad resource is named; the rest of the tray is read."""

    def scrape(self, reply: Reply) -> Scrape:
        service = RedfishService(tray(), replies={INLET: lambda: reply})
        return using(service, once, max_body_bytes=65536)

    @pytest.mark.parametrize(
        ("reply", "what"),
        [
            (Reply(body=b"<html><body>Login</body></html>"), "HTML or XML instead of JSON"),
            (Reply(body=b'{"Reading": 2'), "broken or cut-off JSON"),
            (Reply(body=b""), "nothing instead of JSON"),
            (Reply(body=b"[1, 2]"), "a JSON list instead of an object"),
            (Reply(body=b'{"Reading"', declared_length=90), "broke off after 10 bytes"),
            (Reply(body=b" " * 70_000), "longer than 65536 bytes"),
            (Reply(404), "not found"),
            (Reply(403), "forbidden; give the account the role ReadOnly"),
            (Reply(503, b"busy"), "HTTP status 503"),
            (Reply(418, b"tea"), "HTTP status 418"),
            (Reply(301, headers={"Location": "http://10.9.9.9/x"}), "leads to another host"),
        ],
    )
    def test_it_is_named(self, reply: Reply, what: str) -> None:
        scrape = self.scrape(reply)
        assert len(scrape.readings) == READINGS_OF_A_TRAY - 1
        assert any(
            warning.startswith(f"bmc7: {INLET}") and what in warning for warning in scrape.warnings
        ) or any(what in warning and "10.9.9.9" in warning for warning in scrape.warnings)

    def test_a_slow_body_is_cut_and_the_round_returns_what_it_has(self) -> None:
        drip = Reply(pieces=(b" ",) * 100, pause_seconds=0.1)
        service = RedfishService(tray())

        async def act(collector: RedfishCollector, target: Target) -> Scrape:
            await collector.collect(target)
            service.replies[INLET] = lambda: drip
            return await asyncio.wait_for(collector.collect(target), 4.0)

        scrape = using(service, act, SystemClock(), deadline_seconds=2.0)
        assert scrape.readings
        assert any(INLET in warning and "time" in warning for warning in scrape.warnings)

    def test_what_there_was_no_time_for_comes_first_in_the_next_round(self) -> None:
        service = RedfishService(tray())
        clock = ManualClock()
        seconds_a_read = [0.0]

        class Slow(dict[str, Any]):
            @override
            def __contains__(self, key: object) -> bool:
                clock.advance(seconds_a_read[0])
                return super().__contains__(key)

        service.resources = Slow(tray())

        async def act(collector: RedfishCollector, target: Target) -> list[Scrape]:
            await collector.collect(target)
            seconds_a_read[0] = 1.0
            return [await collector.collect(target) for _ in range(3)]

        scrapes = using(service, act, clock, log_interval_seconds=1000)
        assert all("not read in time" in scrape.warnings[-1] for scrape in scrapes)
        cells = [{(r.device, r.metric) for r in scrape.readings} for scrape in scrapes]
        assert all(cells)
        assert len(set.union(*cells)) == READINGS_OF_A_TRAY

    def test_a_service_that_vanishes_is_temporary(self) -> None:
        config = RedfishConfig(name="test")

        async def act() -> None:
            collector = RedfishCollector.create(config, ManualClock())
            try:
                with running(RedfishService(tray())) as url:
                    target = Target(name="bmc7", url=url, host="node007")
                    await collector.collect(target)
                with pytest.raises(TemporaryError, match="bmc7"):
                    await collector.collect(target)
            finally:
                await collector.close()

        asyncio.run(act())

    @pytest.mark.parametrize(
        ("reply", "what"),
        [
            (Reply(body=b'{"hello": 1}'), "no Redfish service root"),
            (Reply(404), r"is http\S+ a Redfish service"),
        ],
    )
    def test_an_address_that_is_no_redfish(self, reply: Reply, what: str) -> None:
        service = RedfishService(tray(), replies={"/redfish/v1": lambda: reply})

        async def act(collector: RedfishCollector, target: Target) -> Scrape:
            with pytest.raises(InputError, match=f"bmc7.*{what}"):
                await collector.collect(target)
            service.replies.clear()
            return await collector.collect(target)

        assert len(using(service, act).readings) == READINGS_OF_A_TRAY

    def test_an_address_that_is_no_url(self) -> None:
        async def act() -> None:
            collector = RedfishCollector.create(RedfishConfig(name="test"), ManualClock())
            with pytest.raises(InputError, match=r"bmc7.*https://ADDRESS"):
                await collector.collect(Target(name="bmc7", url="10.0.0.1"))

        asyncio.run(act())


class TestCrawl:
    def test_rounds_read_again_only_what_changes(self) -> None:
        service = RedfishService(tray())
        using(service, twice)
        assert service.gets(INLET) == 2
        assert service.gets("/redfish/v1") == 1
        assert service.gets("/redfish/v1/Chassis") == 1

    def test_a_part_that_is_added_is_found_by_the_next_walk(self) -> None:
        service = RedfishService(tray())
        clock = ManualClock()
        sensors = "/redfish/v1/Chassis/Tray/Sensors"

        async def act(collector: RedfishCollector, target: Target) -> list[int]:
            counts = [len((await collector.collect(target)).readings)]
            new = f"{sensors}/Outlet"
            service.resources[sensors]["Members"].append(link(new))
            service.resources[new] = resource(new, "Sensor", Reading=40.0, ReadingUnits="Cel")  # type: ignore[index]
            counts.append(len((await collector.collect(target)).readings))
            clock.advance(1000)
            counts.append(len((await collector.collect(target)).readings))
            return counts

        counts = using(service, act, clock, discovery_interval_seconds=900)
        assert counts == [READINGS_OF_A_TRAY, READINGS_OF_A_TRAY, READINGS_OF_A_TRAY + 1]

    def test_pages_of_a_collection(self) -> None:
        resources = tray()
        sensors = "/redfish/v1/Chassis/Tray/Sensors"
        for n in range(4):
            uri = f"{sensors}/CPU{n}Temp"
            resources[uri] = resource(uri, "Sensor", Reading=50.0 + n, ReadingUnits="Cel")
        for page in range(3):
            members = [link(f"{sensors}/CPU{n}Temp") for n in range(page, page + 2)]
            body = {**collection(sensors, "Sensor"), "Members": members}
            if page < 2:
                body["Members@odata.nextLink"] = f"{sensors}?$skip={page + 1}"
            resources[f"{sensors}?$skip={page}" if page else sensors] = body
        scrape = using(RedfishService(resources), once)
        found = {r.metric: r.value for r in scrape.readings if r.device == "node007"}
        assert found["cpu_temperature_celsius"] == 53.0

    def test_pages_without_end_are_bounded(self) -> None:
        resources = tray()
        sensors = "/redfish/v1/Chassis/Tray/Sensors"
        resources[sensors]["Members@odata.nextLink"] = f"{sensors}?$skip=1"
        resources[f"{sensors}?$skip=1"] = resources[sensors]
        scrape = using(RedfishService(resources), once)
        assert any("more than 200 pages" in warning for warning in scrape.warnings)

    def test_links_to_other_hosts_are_not_followed(self) -> None:
        resources = tray()
        resources["/redfish/v1"]["Chassis"] = link("http://10.9.9.9/redfish/v1/Chassis")
        resources["/redfish/v1/Systems/Sys"]["Memory"] = link("//10.9.9.9/redfish/v1/x")
        service = RedfishService(resources)
        scrape = using(service, once)
        assert scrape.readings
        assert not [path for _, path in service.requests if "10.9.9.9" in path]

    def test_circles_and_endless_trees_are_bounded(self) -> None:
        resources = tray()
        resources["/redfish/v1/Systems"]["Members"] *= 50
        service = RedfishService(resources)
        using(service, once, max_resources=5)
        assert len(service.requests) <= 6

    def test_collections_are_expanded_where_that_is_offered(self) -> None:
        resources = tray()
        sensors = "/redfish/v1/Chassis/Tray/Sensors"
        features = {"ExpandQuery": {"NoLinks": True, "Levels": True}}
        resources["/redfish/v1"]["ProtocolFeaturesSupported"] = features
        resources[f"{sensors}?$expand=.($levels=1)"] = {
            **resources[sensors],
            "Members": [resources[INLET]],
        }
        for uri, body in list(resources.items()):
            if body["@odata.type"].endswith("Collection"):
                resources.setdefault(f"{uri}?$expand=.($levels=1)", body)
        service = RedfishService(resources)
        assert len(using(service, twice).readings) == READINGS_OF_A_TRAY
        assert service.gets(INLET) == 0

    def test_an_offer_of_expansion_that_is_not_kept(self) -> None:
        resources = tray()
        features = {"ExpandQuery": {"NoLinks": True}}
        resources["/redfish/v1"]["ProtocolFeaturesSupported"] = features
        scrape = using(RedfishService(resources), once)
        assert len(scrape.readings) == READINGS_OF_A_TRAY
        assert scrape.warnings == []
