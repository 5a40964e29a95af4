"""What the Redfish decoder makes of readings, times, counters, leaks and log entries."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from fleetops_collectors.redfish import Service, Tree, decode_resources
from fleetops_collectors.redfish.values import duration_seconds
from fleetops_schemas.readings import Quality
from fleetops_schemas.records import Severity
from tests.contract.collector_contract import check_readings
from tests.unit.collectors.redfish_resources import GPU, NOW, V1, decode, gpu, inlet, only, sensor
from tests.unit.collectors.redfish_service import ENABLED, entry, event, link, resource, tray


@pytest.mark.parametrize(
    ("raw", "value", "quality"),
    [
        (24.5, 24.5, "good"),
        ("24.5", 24.5, "good"),
        (0, 0, "good"),
        (None, None, "missing"),
        (float("nan"), None, "missing"),
        ("9" * 400, None, "missing"),
        (10**30, None, "out_of_range"),
        ("nan", None, "missing"),
        ("NaN", None, "missing"),
        ("N/A", None, "missing"),
        ("", None, "missing"),
        ({"odd": 1}, None, "missing"),
        (500, None, "out_of_range"),
        (4294967295, None, "sentinel"),
    ],
)
def test_values_of_a_sensor(raw: object, value: float | None, quality: str) -> None:
    reading = only(decode(inlet(raw)))
    assert (reading.device, reading.metric) == ("node001", "inlet_temperature_celsius")
    assert (reading.value, reading.quality) == (value, quality)


def test_absent_parts_are_absent_whatever_they_read() -> None:
    for raw in (None, 21.0):
        reading = only(decode(inlet(raw, Status={"State": "Absent", "Health": "Critical"})))
        assert (reading.value, reading.quality) == (None, Quality.ABSENT)


def test_links_to_collections_and_to_the_root_are_no_owners() -> None:
    chassis = resource(
        f"{V1}/Chassis/Tray",
        "Chassis",
        Links={"ComputerSystems": [link(V1), link(f"{V1}/Systems")], "Processors": [link("x")]},
    )
    manager = resource(f"{V1}/Managers/BMC", "Manager", Links={"ManagerForServers": [link(V1)]})
    assert only(decode(chassis, manager, inlet(24.5))).device == "node001"
    assert only(decode(chassis, inlet(24.5), service=Service())).device == "tray"


def test_a_leak_detector_in_an_odd_place_is_no_host() -> None:
    odd = resource(f"{V1}/Systems/Sys", "LeakDetector", DetectorState="OK", Status=ENABLED)
    assert decode(odd).readings == []


def test_a_document_without_an_id_stands_for_the_root() -> None:
    nameless = {"@odata.type": "#Processor.v1_0_0.Processor", "ProcessorType": "GPU"}
    tree = Tree()
    tree.put(V1, nameless)
    tree.put(f"{V1}/Chassis/Tray", resource(f"{V1}/Chassis/Tray", "Chassis"))
    check_readings(decode_resources(tree, Service(), NOW).readings)


class TestTime:
    CLOCK = resource(f"{V1}/Managers/BMC", "Manager", DateTime="2026-06-01T06:00:00-06:00")

    def quality(self, stamp: str, *others: dict[str, Any], **properties: object) -> Quality:
        result = decode(inlet(20.0, ReadingTime=stamp, **properties), *others)
        return result.readings[0].quality

    def test_the_source_s_own_time_is_kept(self) -> None:
        reading = only(decode(inlet(20.0, ReadingTime="2026-06-01T11:59:58Z")))
        assert reading.time == datetime(2026, 6, 1, 11, 59, 58, tzinfo=UTC)

    def test_1970_is_stale(self) -> None:
        assert self.quality("1970-01-01T00:03:20Z") is Quality.STALE

    def test_old_against_the_controller_s_clock_is_stale(self) -> None:
        assert self.quality("2026-03-20T12:00:00Z", self.CLOCK) is Quality.STALE
        assert self.quality("2026-06-01T11:58:00Z", self.CLOCK) is Quality.GOOD

    def test_old_against_other_sensors_is_stale(self) -> None:
        other = sensor("Outlet", 30.0, ReadingUnits="Cel", ReadingTime="2020-01-01T12:00:00Z")
        assert self.quality("2020-01-01T11:50:00Z", other) is Quality.STALE
        assert self.quality("2020-01-01T11:59:00Z", other) is Quality.GOOD

    def test_a_slow_sensor_has_three_of_its_intervals(self) -> None:
        stamp = "2026-06-01T11:40:00Z"
        assert self.quality(stamp, self.CLOCK) is Quality.STALE
        assert self.quality(stamp, self.CLOCK, SensingInterval="PT10M") is Quality.GOOD

    def test_one_clock_far_ahead_makes_nothing_stale(self) -> None:
        ahead = sensor("Odd", 1.0, ReadingUnits="Cel", ReadingTime="2099-01-01T00:00:00Z")
        assert self.quality("2026-06-01T11:59:00Z", ahead) is Quality.GOOD

    def test_an_excerpt_has_the_age_and_state_of_its_sensor(self) -> None:
        uri = f"{V1}/Chassis/Tray/Sensors/T"
        excerpt = resource(
            f"{GPU}/EnvironmentMetrics",
            "EnvironmentMetrics",
            TemperatureCelsius={"Reading": 61.0, "DataSourceUri": uri},
        )
        for change, quality in (
            ({}, Quality.GOOD),
            ({"ReadingTime": "1970-01-01T00:00:00Z"}, Quality.STALE),
            ({"Status": {"State": "Absent"}}, Quality.ABSENT),
        ):
            result = decode(gpu(), excerpt, sensor("T", 61.0, ReadingUnits="Cel", **change))
            assert result.readings[0].metric == "temperature_celsius"
            assert result.readings[0].quality is quality


class TestCounters:
    def port(self, **oem: object) -> dict[str, Any]:
        return resource(
            f"{GPU}/Ports/NVLink_3/Metrics", "PortMetrics", Oem={"Nvidia": oem}, RXBytes=2**40
        )

    @pytest.mark.parametrize("top", [2**32 - 1, 2**64 - 1, 2**63 - 1])
    def test_the_top_of_a_width_is_saturated(self, top: int) -> None:
        result = decode(gpu(), self.port(TXWait=top))
        found = {r.metric: r for r in result.readings}
        assert found["transmit_wait_total"].quality is Quality.SATURATED
        assert found["receive_bytes_total"].value == 2**40
        assert found["receive_bytes_total"].device == "node001/gpu0/nvlink3"

    def test_errors_of_several_memories_add_up(self) -> None:
        memories = [
            resource(
                f"{V1}/Systems/HGX/Memory/GPU_0_DRAM_{n}/MemoryMetrics",
                "MemoryMetrics",
                LifeTime={"CorrectableECCErrorCount": count},
            )
            for n, count in enumerate((3, 4))
        ]
        reading = only(decode(*memories))
        assert (reading.device, reading.value) == ("node001/gpu0", 7)

    def test_a_sum_that_lacks_a_part_is_no_sum(self) -> None:
        memories = [
            resource(
                f"{V1}/Systems/HGX/Memory/GPU_0_DRAM_{n}/MemoryMetrics",
                "MemoryMetrics",
                LifeTime={"CorrectableECCErrorCount": count},
            )
            for n, count in enumerate((3, 2, None))
        ]
        assert only(decode(*memories)).quality is Quality.MISSING


class TestLeaks:
    URI = f"{V1}/Chassis/Tray/ThermalSubsystem/LeakDetection/LeakDetectors/0"
    SENSOR = "LeakDetector_0_ColdPlate"

    def states(self, *resources: dict[str, Any]) -> dict[str, tuple[object, Quality]]:
        return {r.metric: (r.value, r.quality) for r in decode(*resources).readings}

    @pytest.mark.parametrize(
        ("seen", "level"), [("OK", 0), ("Warning", 1), ("Critical", 2), ("LeakDetected", 2)]
    )
    def test_two_levels(self, seen: str, level: int) -> None:
        found = self.states(resource(self.URI, "LeakDetector", DetectorState=seen, Status=ENABLED))
        assert found == {"leak_detector_ok": (1, "good"), "leak_state": (level, "good")}

    @pytest.mark.parametrize(
        ("state", "quality"),
        [("Disabled", "missing"), ("UnavailableOffline", "missing"), ("Absent", "absent")],
    )
    def test_a_detector_that_is_not_enabled_reports_no_leak(self, state: str, quality: str) -> None:
        status = {"State": state, "Health": "Critical"}
        found = self.states(
            resource(self.URI, "LeakDetector", DetectorState="Critical", Status=status)
        )
        assert found == {"leak_detector_ok": (0, "good"), "leak_state": (None, quality)}

    def test_without_a_status_it_is_unknown_whether_the_detector_works(self) -> None:
        found = self.states(resource(self.URI, "LeakDetector", DetectorState="OK"))
        assert found == {"leak_detector_ok": (None, "missing"), "leak_state": (0, "good")}

    @pytest.mark.parametrize(
        ("volts", "level", "works"),
        [(1.73, 0, 1), (1.3, 2, 1), (0.4, 2, 1), (2.4, None, 0), (None, None, 1), ("nan", None, 1)],
    )
    def test_the_voltage_behind_a_detector_is_a_state(
        self, volts: object, level: int | None, works: int
    ) -> None:
        result = decode(sensor(self.SENSOR, volts, ReadingType="Voltage", ReadingUnits="V"))
        found = {r.metric: r.value for r in result.readings}
        assert found == {"leak_detector_ok": works, "leak_state": level}
        assert {r.unit for r in result.readings} == {"1"}
        assert {r.device for r in result.readings} == {"node001/leakdetector_0_coldplate"}

    def test_its_own_thresholds_hold(self) -> None:
        limits = {"LowerCritical": {"Reading": 1.65}}
        probe = sensor(self.SENSOR, 1.6, ReadingType="Voltage", Thresholds=limits)
        assert self.states(probe)["leak_state"] == (2, "good")

    def test_a_disabled_detector_is_not_overruled_by_its_voltage(self) -> None:
        detector = resource(
            self.URI.replace("/0", f"/{self.SENSOR}"),
            "LeakDetector",
            DetectorState="OK",
            Status={"State": "Disabled"},
        )
        probe = sensor(self.SENSOR, 0.1, ReadingType="Voltage")
        assert self.states(detector, probe)["leak_state"] == (None, "missing")

    @pytest.mark.parametrize(
        ("volts", "limits", "level", "works"),
        [
            (1.73, {"LowerCritical": {"Reading": 1.3}}, 0, 1),
            (1.1, {"LowerCritical": {"Reading": 1.3}}, 2, 1),
            (2.4, {"LowerCritical": {"Reading": 1.3}, "UpperCritical": {"Reading": 2.0}}, 0, 0),
            (0.0, {}, 0, 1),  # another maker's: dry at 0 V
        ],
    )
    def test_beside_a_detector_that_works_the_worse_of_both_holds(
        self, volts: float, limits: dict[str, Any], level: int, works: int
    ) -> None:
        detector = resource(
            self.URI.replace("/0", f"/{self.SENSOR}"),
            "LeakDetector",
            DetectorState="OK",
            Status=ENABLED,
        )
        probe = sensor(self.SENSOR, volts, ReadingType="Voltage", Thresholds=limits)
        states = self.states(detector, probe)
        assert states == {"leak_state": (level, "good"), "leak_detector_ok": (works, "good")}

    def test_plain_numbers_are_leak_names(self) -> None:
        detector = resource(self.URI, "LeakDetector", DetectorState="OK", Status=ENABLED)
        assert {r.device for r in decode(detector).readings} == {"node001/leak0"}

    def test_a_group_speaks_for_detectors_that_cannot_be_read(self) -> None:
        detection = resource(
            self.URI.rsplit("/", 2)[0],
            "LeakDetection",
            LeakDetectorGroups=[
                {"Detectors": [{"DataSourceUri": self.URI, "DetectorState": "Warning"}]}
            ],
        )
        assert self.states(detection) == {"leak_state": (1, "good")}


class TestLogEntries:
    def test_an_entry_becomes_an_event(self) -> None:
        leak = entry(7, "2026-06-01T11:00:00Z", "Environmental.1.4.LeakDetectedCritical")
        leak["Links"] = {
            "OriginOfCondition": link(
                f"{V1}/Chassis/Tray/ThermalSubsystem/LeakDetection/LeakDetectors/Leak0"
            )
        }
        (event,) = decode(*tray().values(), leak).events
        assert (event.host, event.device) == ("node001", "node001/leak0")
        assert event.device_class == "coolant_unit"
        assert (event.kind, event.severity) == ("coolant_leak", Severity.CRITICAL)
        assert event.text == "Leak detector 'Leak0' reports it."
        assert event.time == datetime(2026, 6, 1, 11, 0, tzinfo=UTC)
        assert event.observed_at == NOW
        assert event.attributes["message_id"] == "Environmental.1.4.LeakDetectedCritical"


def test_an_event_that_was_sent_is_told_as_its_log_entry_would_be() -> None:
    leak = f"{V1}/Chassis/Tray/ThermalSubsystem/LeakDetection/LeakDetectors/Leak0"
    sent = event("Environmental.1.4.LeakDetectedCritical", OriginOfCondition=link(leak))
    (told,) = decode(*tray().values(), {"@odata.id": f"{V1}/EventService/x", **sent}).events
    assert (told.device, told.kind) == ("node001/leak0", "coolant_leak")
    assert told.text == "Leak detector 'Leak0' reports it."


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT0S", 0),
        ("PT1M", 60),
        ("PT0.125S", 0.125),
        ("PT3H15M45S", 11745),
        ("P2D", 172800),
        ("-PT5S", -5),
        ("P", None),
        ("PT", None),
        ("P1Y", None),
        ("12", None),
        ("", None),
    ],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert duration_seconds(text) == seconds
