"""Decoding Redfish by the specification: every rule on resources written by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from fleetops_collectors.redfish import Decoded, Service, Tree, decode_resources
from fleetops_collectors.redfish.log_entries import kind_of_message
from fleetops_collectors.redfish.values import duration_seconds
from fleetops_schemas.readings import Quality, Reading
from fleetops_schemas.records import Severity
from tests.contract.collector_contract import check_readings
from tests.unit.collectors.redfish_service import ENABLED, entry, link, resource, tray

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
V1 = "/redfish/v1"
GPU = f"{V1}/Systems/HGX/Processors/GPU_0"
HOST = Service(host="node001")


def decode(*resources: dict[str, Any], service: Service = HOST) -> Decoded:
    tree = Tree()
    for item in resources:
        tree.put(item["@odata.id"], item)
    result = decode_resources(tree, service, NOW)
    check_readings(result.readings)
    return result


def only(result: Decoded) -> Reading:
    (reading,) = result.readings
    return reading


def sensor(
    name: str, reading: object, chassis: str = "Tray", **properties: object
) -> dict[str, Any]:
    status = properties.pop("Status", ENABLED)
    uri = f"{V1}/Chassis/{chassis}/Sensors/{name}"
    return resource(uri, "Sensor", Reading=reading, Status=status, **properties)


def inlet(reading: object, **properties: Any) -> dict[str, Any]:  # noqa: ANN401 (JSON)
    return sensor("Inlet", reading, ReadingUnits="Cel", PhysicalContext="Intake", **properties)


def gpu(**properties: object) -> dict[str, Any]:
    return resource(GPU, "Processor", ProcessorType="GPU", **properties)


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


class TestAccelerators:
    def names(self, *ids: str) -> set[str]:
        found = [
            resource(f"{V1}/Systems/S/Processors/{name}", "Processor", ProcessorType="GPU")
            | {"Status": ENABLED}
            for name in ids
        ]
        return {r.device for r in decode(*found).readings}

    def test_ids_keep_their_numbers(self) -> None:
        assert self.names("GPU_0", "GPU_10") == {"node001/gpu0", "node001/gpu10"}

    def test_sockets_count_from_one(self) -> None:
        assert self.names("GPU_SXM_1", "GPU_SXM_8") == {"node001/gpu0", "node001/gpu7"}

    def test_a_missing_one_does_not_rename_the_others(self) -> None:
        assert self.names("GPU_0", "GPU_2") == {"node001/gpu0", "node001/gpu2"}

    def test_ids_without_numbers_go_by_order(self) -> None:
        assert self.names("left", "right") == {"node001/gpu0", "node001/gpu1"}

    def test_processors_that_are_none_have_no_row(self) -> None:
        uri = f"{V1}/Systems/S/Processors/CPU_0"
        cpu = resource(uri, "Processor", ProcessorType="CPU", Status=ENABLED)
        assert decode(cpu).readings == []

    def test_the_sensors_of_a_board(self) -> None:
        board = {"chassis": "HGX_GPU_2"}
        result = decode(
            sensor("HGX_GPU_2_TEMP_0", 55.0, ReadingType="Temperature", **board),
            sensor("HGX_GPU_2_TEMP_1", 33.0, ReadingType="Temperature", **board),
            sensor("HGX_GPU_2_DRAM_0_Temp_0", 60.0, ReadingType="Temperature", **board),
            sensor("HGX_GPU_2_Power_0", 700.0, ReadingType="Power", **board),
            sensor("HGX_GPU_2_DRAM_0_Power_0", 90.0, ReadingType="Power", **board),
            sensor("HGX_GPU_2_Energy_0", 5e6, ReadingType="EnergyJoules", **board),
            sensor("HGX_GPU_2_Voltage_0", 0.7, ReadingType="Voltage", **board),
        )
        assert {r.device for r in result.readings} == {"node001/gpu2"}
        assert {r.metric: r.value for r in result.readings} == {
            "temperature_celsius": 55.0,
            "temperature_margin_celsius": 33.0,
            "memory_temperature_celsius": 60.0,
            "power_watts": 700.0,
            "energy_joules": 5e6,
        }
        assert set(result.unmapped) == {"HGX_GPU_2_DRAM_0_Power_0", "HGX_GPU_2_Voltage_0"}

    def test_headroom_of_anything_else_is_no_temperature(self) -> None:
        result = decode(inlet(20.0, ReadingType="Temperature", ReadingBasis="Headroom"))
        assert result.readings == []
        assert result.unmapped.total() == 1


class TestMetricReports:
    def report(self, *values: tuple[str, object, str]) -> dict[str, Any]:
        return resource(
            f"{V1}/TelemetryService/MetricReports/All",
            "MetricReport",
            MetricValues=[
                {"MetricId": "x", "MetricProperty": uri, "MetricValue": raw, "Timestamp": stamp}
                for uri, raw, stamp in values
            ],
        )

    def test_values_are_strings_of_properties(self) -> None:
        fresh = "2026-06-01T11:59:59Z"
        metrics = f"{GPU}/ProcessorMetrics#"
        board = f"{V1}/Chassis/HGX_GPU_0/Sensors"
        result = decode(
            self.report(
                (f"{metrics}/PCIeErrors/ReplayCount", "12", fresh),
                (f"{metrics}/PowerLimitThrottleDuration", "P6DT23H36M51.22S", fresh),
                (f"{GPU}/EnvironmentMetrics#/PowerWatts/Reading", "nan", fresh),
                (f"{GPU}/Ports/NVLink_0/Metrics#/RXBytes", "4294967295", fresh),
                (f"{GPU}#/Status/Health", "OK", "2026-03-20T00:00:00Z"),
                (f"{board}/HGX_GPU_0_TEMP_0", "48.5", fresh),
                (f"{metrics}/Unheard/Of", "1", fresh),
            )
        )
        found = {r.metric: (r.value, r.quality.value) for r in result.readings}
        seconds = ((6 * 24 + 23) * 60 + 36) * 60 + 51.22
        assert found == {
            "pcie_replay_total": (12, "good"),
            "power_violation_seconds": (pytest.approx(seconds), "good"),
            "power_watts": (None, "missing"),
            "receive_bytes_total": (None, "saturated"),
            "health": (None, "stale"),
            "temperature_celsius": (48.5, "good"),
        }
        assert result.unmapped == {"x": 1}

    def test_a_resource_is_believed_before_a_report(self) -> None:
        fresh = "2026-06-01T11:59:59Z"
        environment = resource(
            f"{GPU}/EnvironmentMetrics", "EnvironmentMetrics", PowerWatts={"Reading": 900.0}
        )
        uri = f"{GPU}/EnvironmentMetrics#/PowerWatts/Reading"
        result = decode(gpu(), environment, self.report((uri, "100", fresh)))
        assert only(result).value == 900.0


class TestPowerShelves:
    def lite_on(self) -> list[dict[str, Any]]:
        """One shelf under two ids, supplies from 0, ``Standby``, short sensor ids."""
        shelf = "powershelf"
        reading = [
            ("voltage_p0_vin", "p0_vin", 240.0, "Voltage"),
            ("voltage_p0_vout", "p0_vout", 49.7, "Voltage"),
            ("current_p0_iout", "p0_iout", 14.0, "Current"),
            ("power_p0_pin", "p0_pin", 712.0, "Power"),
            ("power_p0_pout", "p0_pout", 690.0, "Power"),
            ("temperature_p0_ambient", "p0_ambient", 24.0, "Temperature"),
            ("temperature_p0_exhaust", "p0_exhaust", 41.0, "Temperature"),
            ("fantach_p0_fan1", "p0_fan1", 6016, "Rotational"),
            ("frequency_p0_freqin", "p0_freqin", 60.0, "Frequency"),
            ("power_chassis_input_power", "chassis_input_power", 4252, "Power"),
            ("power_chassis_output_power", "chassis_output_power", 3928, "Power"),
            ("voltage_chassis_output_voltage", "chassis_output_voltage", 49.8, "Voltage"),
            ("utilization_chassis_efficiency", "chassis_efficiency", 92.4, "Percent"),
            ("temperature_DC_temp_plus", "DC_temp_plus", 35.0, "Temperature"),
            ("temperature_DC_temp_minus", "DC_temp_minus", 36.0, "Temperature"),
            ("current_ishare", "ishare", 14.4, "Current"),
        ]
        found = [
            sensor(name, value, chassis=shelf, ReadingType=kind) | {"Id": identity}
            for name, identity, value, kind in reading
        ]
        for name in ("PowerShelf_0", shelf):
            status = {"State": "Standby", "Health": "OK"}
            uri = f"{V1}/Chassis/{name}"
            found.append(resource(uri, "Chassis", Model="PF", PartNumber="PF", Status=status))
            psu = f"{uri}/PowerSubsystem/PowerSupplies/0"
            found.append(resource(psu, "PowerSupply", Status=status))
        return found

    def test_short_ids(self) -> None:
        result = decode(*self.lite_on(), service=Service(rack="r01"))
        found = {(r.device, r.metric): r.value for r in result.readings}
        shelf, psu = "r01/powershelf_0", "r01/powershelf_0/psu0"
        assert found == {
            (psu, "input_voltage_volts"): 240.0,
            (psu, "output_voltage_volts"): 49.7,
            (psu, "output_current_amperes"): 14.0,
            (psu, "input_power_watts"): 712.0,
            (psu, "output_power_watts"): 690.0,
            (psu, "inlet_temperature_celsius"): 24.0,
            (psu, "outlet_temperature_celsius"): 41.0,
            (psu, "fan_speed_rpm"): 6016,
            (psu, "frequency_hertz"): 60.0,
            (psu, "health"): 0,
            (shelf, "health"): 0,
            (shelf, "input_power_watts"): 4252,
            (shelf, "output_power_watts"): 3928,
            (shelf, "output_voltage_volts"): 49.8,
            (shelf, "efficiency_ratio"): pytest.approx(0.924),
            (shelf, "busbar_clip_temperature_celsius"): 36.0,
        }
        assert result.unmapped == {"current_ishare": 1}

    @pytest.mark.parametrize(
        ("health", "state", "value"),
        [("OK", "Enabled", 0), ("Critical", "Enabled", 1), ("OK", "Disabled", None)],
    )
    def test_redundancy(self, health: str, state: str, value: int | None) -> None:
        subsystem = resource(
            f"{V1}/Chassis/powershelf/PowerSubsystem",
            "PowerSubsystem",
            PowerSupplyRedundancy=[{"Status": {"Health": health, "State": state}}],
        )
        reading = only(decode(subsystem, service=Service(device="r01/shelf1")))
        assert (reading.device, reading.value) == ("r01/shelf1", value)

    @pytest.mark.parametrize(("rails", "value"), [([49.9], 49.9), ([122.3, 49.0], None)])
    def test_one_rail_is_the_output(self, rails: list[float], value: float | None) -> None:
        metrics = resource(
            f"{V1}/Chassis/powershelf/PowerSubsystem/PowerSupplies/Bay3/Metrics",
            "PowerSupplyMetrics",
            RailVoltage=[{"Reading": volts} for volts in rails],
        )
        found = decode(metrics, service=Service(device="r01/shelf1")).readings
        assert [(r.device, r.value) for r in found] == (
            [("r01/shelf1/psu3", value)] if value else []
        )


class TestHosts:
    def test_a_tray(self) -> None:
        result = decode(*tray().values())
        found = {(r.device, r.metric): r.value for r in result.readings}
        assert found == {
            ("node001", "power_state"): 1,
            ("node001", "health"): 0,
            ("node001", "bmc_health"): 0,
            ("node001", "inlet_temperature_celsius"): 24.5,
            ("node001/leak0", "leak_state"): 0,
            ("node001/leak0", "leak_detector_ok"): 1,
            **{
                (f"node001/gpu{n}", metric): value
                for n in range(2)
                for metric, value in (
                    ("health", 0),
                    ("temperature_celsius", 61.5),
                    ("power_watts", 980.0),
                )
            },
        }

    def test_without_a_configured_host_the_system_names_it(self) -> None:
        result = decode(*tray().values(), service=Service())
        assert {r.device.split("/")[0] for r in result.readings} == {"sys"}

    def test_the_power_of_a_board_is_not_the_host_s(self) -> None:
        def chassis(name: str, watts: float, **links: object) -> list[dict[str, Any]]:
            uri = f"{V1}/Chassis/{name}"
            return [
                resource(uri, "Chassis", Links=links),
                resource(
                    f"{uri}/EnvironmentMetrics", "EnvironmentMetrics", PowerWatts={"Reading": watts}
                ),
            ]

        board = chassis("Board", 5000.0, ContainedBy=link(f"{V1}/Chassis/Tray"))
        assert only(decode(*chassis("Tray", 6100.0), *board)).value == 6100.0
        assert decode(*board).readings == []

    def test_hottest_and_slowest(self) -> None:
        result = decode(
            *(
                sensor(f"CPU{n}Temp", 50.0 + n, ReadingUnits="Cel", PhysicalContext="CPU")
                for n in range(3)
            ),
            *(
                sensor(f"Fan_{n}", 5000.0 + n, ReadingType="Rotational", ReadingUnits="RPM")
                for n in range(3)
            ),
        )
        assert {r.metric: r.value for r in result.readings} == {
            "cpu_temperature_celsius": 52.0,
            "fan_speed_rpm": 5000.0,
        }

    def test_the_sensors_of_a_tray(self) -> None:
        result = decode(
            sensor("Chassis_0_TotalHSC_Power_0", 1171.3, ReadingType="Power"),
            sensor("HGX_Chassis_0_TotalGPU_Power_0", 4000.0, ReadingType="Power"),
            sensor("Chassis_0_FAN_1_FRONT", 8623.0, ReadingType="Rotational"),
            sensor("Chassis_0_FAN_1_PWM", 29.8, ReadingType="Percent"),
            sensor("HGX_ProcessorModule_0_Inlet_Temp_0", 27.5, ReadingType="Temperature"),
            sensor("ProcessorModule_0_CPU_0_Temp_0", 51.0, ReadingType="Temperature"),
            sensor("Chassis_0_Altitude_0", 132.0, ReadingType="Altitude", ReadingUnits="m"),
        )
        assert {r.metric: r.value for r in result.readings} == {
            "power_watts": 1171.3,
            "fan_speed_rpm": 8623.0,
            "fan_speed_ratio": pytest.approx(0.298),
            "inlet_temperature_celsius": 27.5,
            "cpu_temperature_celsius": 51.0,
        }
        assert set(result.unmapped) == {"HGX_Chassis_0_TotalGPU_Power_0", "Chassis_0_Altitude_0"}

    def test_foreign_units_are_converted(self) -> None:
        flow = sensor("CoolantFlow", 10.0, ReadingUnits="[gal_us]/min")
        reading = only(decode(flow))
        assert reading.metric == "coolant_flow_litres_per_minute"
        assert reading.value == pytest.approx(37.854, abs=0.01)


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

    @pytest.mark.parametrize(
        ("message", "kind"),
        [
            ("Environmental.1.4.LeakDetectedWarning", "coolant_leak"),
            ("Environmental.1.4.LeakDetectedCritical", "coolant_leak"),
            ("Environmental.1.4.LeakDetectedNormal", "redfish_log_entry"),
            ("Environmental.1.4.LeakDetectorFailure", "coolant_leak_detector_fault"),
            ("Environmental.1.4.LeakDetectorDisconnected", "coolant_leak_detector_fault"),
            ("Environmental.1.4.LeakDetectorRestored", "redfish_log_entry"),
            ("Environmental.1.4.FlowRateBelowLowerCriticalThreshold", "coolant_flow_low"),
            ("Environmental.1.4.FlowRateNoLongerCritical", "redfish_log_entry"),
            ("Environmental.1.4.PumpFailed", "coolant_pump_degraded"),
            ("Environmental.1.4.PumpRestored", "redfish_log_entry"),
            ("Power.1.2.PowerSupplyFailed", "power_supply_fault"),
            ("Power.1.2.PowerSupplyGroupCritical", "power_redundancy_lost"),
            ("Power.1.2.VoltageAboveUpperCriticalThreshold", "power_voltage_out_of_range"),
            ("Power.1.2.VoltageNormal", "redfish_log_entry"),
            ("Platform.1.3.DeviceMissing", "device_absent"),
            ("Contoso.1.0.SomethingElse", "redfish_log_entry"),
            ("", "redfish_log_entry"),
        ],
    )
    def test_kinds(self, message: str, kind: str) -> None:
        assert kind_of_message(message, Severity.CRITICAL, "host") == kind

    def test_what_is_only_informational_is_of_no_fault_kind(self) -> None:
        for message in ("Environmental.1.4.LeakDetectedCritical", "Power.1.2.PowerSupplyFailed"):
            assert kind_of_message(message, Severity.INFO, "host") == "redfish_log_entry"

    def test_uncorrectable_memory_is_the_accelerator_s_or_the_host_s(self) -> None:
        message = "Platform.1.3.MemoryUncorrectableError"
        kinds = [
            kind_of_message(message, Severity.CRITICAL, which) for which in ("accelerator", "host")
        ]
        assert kinds == ["accelerator_memory_uncorrectable", "machine_check"]


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
