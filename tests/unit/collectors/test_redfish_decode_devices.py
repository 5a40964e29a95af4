"""What the Redfish decoder makes of each kind of device."""

from __future__ import annotations

from typing import Any

import pytest

from fleetops_collectors.redfish import Service
from tests.unit.collectors.redfish_resources import GPU, V1, decode, gpu, inlet, only, sensor
from tests.unit.collectors.redfish_service import ENABLED, link, resource, tray


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
        assert result.unmapped == {"/Unheard/Of": 1}

    @pytest.mark.parametrize("pointer", ["", "#/Reading", "#Reading"])
    def test_a_sensor_is_named_with_its_reading_or_without(self, pointer: str) -> None:
        uri = f"{V1}/Chassis/HGX_GPU_0/Sensors/HGX_GPU_0_TEMP_0{pointer}"
        found = decode(self.report((uri, "48.5", "2026-06-01T11:59:59Z")))
        assert only(found).value == 48.5

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

    @pytest.mark.parametrize(
        "part",
        [
            "Systems/S/Processors/CPU_0",
            "Chassis/Tray/NetworkAdapters/NIC_0",
            "Chassis/Tray/PCIeDevices/0",
        ],
    )
    def test_the_power_of_a_part_is_not_the_host_s(self, part: str) -> None:
        uri = f"{V1}/{part}/EnvironmentMetrics"
        metrics = resource(uri, "EnvironmentMetrics", PowerWatts={"Reading": 120.0})
        power = resource(
            f"{V1}/Chassis/Tray/Power", "Power", PowerControl=[{"PowerConsumedWatts": 900}]
        )
        report = resource(
            f"{V1}/TelemetryService/MetricReports/All",
            "MetricReport",
            MetricValues=[{"MetricProperty": f"{uri}#/PowerWatts/Reading", "MetricValue": "130"}],
        )
        assert only(decode(metrics, power, report)).value == 900

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
