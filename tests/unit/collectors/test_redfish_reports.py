"""Metric reports over real HTTP: what they make needless to read, and what they cannot replace."""

from __future__ import annotations

import time
from typing import Any

import pytest

from fleetops.core.clock import ManualClock
from fleetops_collectors.base import Scrape, Target
from fleetops_collectors.redfish import RedfishCollector, Service, Tree, decode_resources
from fleetops_collectors.redfish.decode import Structure
from fleetops_schemas.readings import Reading
from tests.unit.collectors.redfish_resources import NOW, V1, decode
from tests.unit.collectors.redfish_rounds import INLET, READINGS_OF_A_TRAY, twice, using
from tests.unit.collectors.redfish_service import (
    RedfishService,
    collection,
    link,
    resource,
    tray,
)

TELEMETRY = f"{V1}/TelemetryService"
REPORT = f"{TELEMETRY}/MetricReports/All"
GPU = f"{V1}/Systems/Sys/Processors/GPU_0"
ENVIRONMENT = f"{GPU}/EnvironmentMetrics"
CLOCK = "2026-01-01T00:00:00+00:00"
FAST_VALUES_PER_SECOND = 20_000
"""Far below what it does, and far above what a report of 5,000 values each 5 s needs."""


def report(*values: tuple[str, object, str], made: str = CLOCK) -> dict[str, Any]:
    return resource(
        REPORT,
        "MetricReport",
        Timestamp=made,
        MetricValues=[
            {"MetricProperty": name, "MetricValue": value, "Timestamp": stamp}
            for name, value, stamp in values
        ],
    )


def service(*values: tuple[str, object, str]) -> RedfishService:
    """The tray, whose controller reports these values as well."""
    resources = tray()
    resources[V1]["TelemetryService"] = link(TELEMETRY)
    resources[f"{V1}/Managers/BMC"]["DateTime"] = CLOCK
    resources[TELEMETRY] = resource(
        TELEMETRY, "TelemetryService", MetricReports=link(f"{TELEMETRY}/MetricReports")
    )
    members = f"{TELEMETRY}/MetricReports"
    resources[members] = collection(members, "MetricReport", REPORT)
    resources[REPORT] = report(*values)
    return RedfishService(resources)


def of(scrape: Scrape, device: str, metric: str) -> Reading:
    (found,) = [r for r in scrape.readings if (r.device, r.metric) == (device, metric)]
    return found


ALL_OF_THE_ENVIRONMENT = (
    (f"{ENVIRONMENT}#/TemperatureCelsius", "63.5", CLOCK),
    (f"{ENVIRONMENT}#/PowerWatts/Reading", "991.0", CLOCK),
)


class TestInPlaceOfReads:
    def rounds(self, bmc: RedfishService, **options: object) -> list[Scrape]:
        async def act(collector: RedfishCollector, target: Target) -> list[Scrape]:
            return [await collector.collect(target) for _ in range(3)]

        return using(bmc, act, ManualClock(), **options)

    def test_a_sensor_that_is_reported_is_read_once(self) -> None:
        bmc = service((INLET, "25.5", CLOCK))
        first, second, third = self.rounds(bmc)
        assert bmc.gets(INLET) == 1
        assert bmc.gets(REPORT) == 3
        metric = "inlet_temperature_celsius"
        assert of(first, "node007", metric).value == 24.5  # read itself beside the report
        assert of(second, "node007", metric).value == 25.5
        assert of(third, "node007", metric).time is not None
        assert len(third.readings) == READINGS_OF_A_TRAY

    def test_a_resource_is_left_out_only_if_all_of_it_is_reported(self) -> None:
        bmc = service(ALL_OF_THE_ENVIRONMENT[0])
        self.rounds(bmc)
        assert bmc.gets(ENVIRONMENT) == 3
        bmc = service(*ALL_OF_THE_ENVIRONMENT)
        *_, third = self.rounds(bmc)
        assert bmc.gets(ENVIRONMENT) == 1
        assert of(third, "node007/gpu0", "power_watts").value == 991.0
        assert of(third, "node007/gpu1", "power_watts").value == 980.0

    @pytest.mark.parametrize(
        ("value", "stamp"),
        [("nan", CLOCK), ("25.5", "2025-12-31T23:58:00+00:00"), ("4294967295", CLOCK)],
    )
    def test_what_is_old_or_no_value_replaces_nothing(self, value: str, stamp: str) -> None:
        bmc = service((INLET, value, stamp))
        *_, third = self.rounds(bmc, interval_seconds=10)
        assert bmc.gets(INLET) == 3
        assert of(third, "node007", "inlet_temperature_celsius").value == 24.5

    def test_a_report_that_stops_is_noticed(self) -> None:
        bmc = service((INLET, "25.5", CLOCK))

        async def act(collector: RedfishCollector, target: Target) -> list[Reading]:
            for _ in range(2):
                await collector.collect(target)
            bmc.resources[f"{V1}/Managers/BMC"]["DateTime"] = "2026-01-01T00:10:00+00:00"
            metric = "inlet_temperature_celsius"
            return [of(await collector.collect(target), "node007", metric) for _ in range(2)]

        stopped, after = using(bmc, act, ManualClock())
        assert (stopped.value, stopped.quality) == (None, "stale")
        assert (after.value, after.quality) == (24.5, "good")

    def test_a_collection_read_whole_is_left_out_when_all_with_a_column_are_reported(self) -> None:
        bmc = service((INLET, "25.5", CLOCK))
        resources: Any = bmc.resources
        sensors = f"{V1}/Chassis/Tray/Sensors"
        altitude = resource(f"{sensors}/Altitude", "Sensor", Reading=132.0, ReadingType="Altitude")
        resources[V1]["ProtocolFeaturesSupported"] = {"ExpandQuery": {"NoLinks": True}}
        for uri, item in list(resources.items()):
            if item["@odata.type"].endswith("Collection"):
                resources[f"{uri}?$expand=.($levels=1)"] = item
        whole = f"{sensors}?$expand=.($levels=1)"
        resources[whole] = {**resources[sensors], "Members": [resources[INLET], altitude]}
        *_, third = self.rounds(bmc)
        assert bmc.gets(whole) == 1
        assert of(third, "node007", "inlet_temperature_celsius").value == 25.5

    def test_states_and_leak_detectors_are_always_read(self) -> None:
        detector = f"{V1}/Chassis/Tray/ThermalSubsystem/LeakDetection/LeakDetectors/Leak0"
        bmc = service((f"{detector}#/DetectorState", "OK", CLOCK))
        self.rounds(bmc)
        assert bmc.gets(detector) == 3

    def test_it_can_be_told_not_to(self) -> None:
        bmc = service((INLET, "25.5", CLOCK))
        self.rounds(bmc, prefer_reports=False)
        assert bmc.gets(INLET) == 3
        bmc = service((INLET, "25.5", CLOCK))
        using(bmc, twice, metric_reports="off")
        assert bmc.gets(REPORT) == 0


class TestValues:
    def test_a_sensor_that_is_read_later_says_itself_what_it_is(self) -> None:
        name = f"{V1}/Chassis/HGX_GPU_0/Sensors/HGX_GPU_0_TEMP_0"
        margin = resource(
            name, "Sensor", Reading=40.0, ReadingType="Temperature", ReadingBasis="Headroom"
        )
        service = Service(host="node001")
        structure = Structure(Tree(), service)
        found = []
        for item in (report((name, "41.0", "2026-06-01T11:59:00Z")), margin):
            tree = Tree()
            tree.put(item["@odata.id"], item)
            (one,) = decode_resources(tree, service, NOW, structure).readings
            found.append((one.metric, one.value))
        assert found == [("temperature_celsius", 41.0), ("temperature_margin_celsius", 40.0)]

    def test_the_newest_of_a_history_counts(self) -> None:
        metric = f"{ENVIRONMENT}#/PowerWatts/Reading"
        result = decode(
            report(
                (metric, "1.0", "2026-06-01T11:59:00Z"),
                (metric, "3.0", "2026-06-01T11:59:02Z"),
                (metric, "2.0", "2026-06-01T11:59:01Z"),
            )
        )
        assert [reading.value for reading in result.readings] == [3.0]

    def test_errors_counted_in_two_reports_are_not_added_up(self) -> None:
        metric = f"{V1}/Systems/Sys/Memory/GPU_0_DRAM_0/MemoryMetrics#/LifeTime"
        name, stamp = f"{metric}/CorrectableECCErrorCount", "2026-06-01T11:59:00Z"
        twin = {**report((name, "4", stamp)), "@odata.id": f"{REPORT}2"}
        result = decode(report((name, "4", stamp)), twin)
        assert [reading.value for reading in result.readings] == [4]

    def test_places_in_a_list_do_not_matter(self) -> None:
        name = f"{V1}/Chassis/1/Power#/PowerControl/0/PowerConsumedWatts"
        result = decode(report((name, "812", "2026-06-01T11:59:00Z")))
        assert [(one.metric, one.value) for one in result.readings] == [("power_watts", 812)]

    @pytest.mark.parametrize(
        "value",
        [
            {},
            {"MetricValue": "1"},
            {"MetricProperty": 7, "MetricValue": "1"},
            {"MetricProperty": "x" * 5000, "MetricValue": "1"},
            {"MetricProperty": "#/x", "MetricValue": "1"},
            {"MetricId": "Odd", "MetricValue": {"a": []}},
        ],
    )
    def test_what_names_no_property_is_counted(self, value: dict[str, Any]) -> None:
        odd = {**report(), "MetricValues": [value, "no object"]}
        result = decode(odd)
        assert result.readings == []
        assert result.unmapped.total() == 1


def big_report(values: int) -> Tree:
    """As of a GB300 tray: counters of all links of all its accelerators, as strings."""
    properties = ("RXBytes", "TXBytes", "RXErrors", "Oem/Nvidia/TXWait", "Oem/Nvidia/EffectiveBER")
    names = [
        f"{V1}/Systems/Sys/Processors/GPU_{gpu}/Ports/NVLink_{n}/Metrics#/{name}"
        for n in range(values)
        for gpu in range(4)
        for name in properties
    ][:values]
    tree = Tree()
    tree.put(
        REPORT,
        report(*((name, f"{n}", "2026-06-01T11:59:00+00:00") for n, name in enumerate(names))),
    )
    return tree


def test_thousands_of_values_a_report() -> None:
    tree = big_report(5000)
    service = Service(host="node001")
    structure = Structure(Tree(), service)
    first = decode_resources(tree, service, NOW, structure)
    assert len(first.readings) == 5000
    seconds = []
    for _ in range(3):
        started = time.process_time()  # what other processes take does not count
        decode_resources(tree, service, NOW, structure)
        seconds.append(time.process_time() - started)
    assert 5000 / min(seconds) > FAST_VALUES_PER_SECOND


def test_what_has_no_column_is_read_at_each_walk_alone() -> None:
    """A host has dozens of memory modules, with metrics of their own."""
    system = f"{V1}/Systems/Sys"
    module, cpu = f"{system}/Memory/DIMM_0", f"{system}/Processors/CPU_0"
    resources = tray()
    resources[system]["Memory"] = link(f"{system}/Memory")
    resources[f"{system}/Processors"]["Members"].append(link(cpu))
    found = [
        collection(f"{system}/Memory", "Memory", module),
        resource(module, "Memory", Metrics=link(f"{module}/MemoryMetrics")),
        resource(f"{module}/MemoryMetrics", "MemoryMetrics", BandwidthPercent=3.0),
        resource(
            cpu, "Processor", ProcessorType="CPU", EnvironmentMetrics=link(f"{cpu}/Environment")
        ),
        resource(f"{cpu}/Environment", "EnvironmentMetrics", PowerWatts={"Reading": 120}),
    ]
    running = RedfishService(resources | {one["@odata.id"]: one for one in found})
    clock = ManualClock()

    async def act(collector: RedfishCollector, target: Target) -> list[int]:
        reads = []
        for seconds in (10, 1000, 10):
            assert len((await collector.collect(target)).readings) == READINGS_OF_A_TRAY
            reads.append(sum(running.gets(one["@odata.id"]) for one in found[1:]))
            clock.advance(seconds)
        return reads

    assert using(running, act, clock) == [4, 4, 8]
    assert running.gets(INLET) == 3
