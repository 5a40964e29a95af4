"""Equipment of the OCP profiles beside hosts and coolant units; controllers of the old kind."""

from __future__ import annotations

from typing import Any

import pytest

from fleetops_collectors.decoded import Decoded
from fleetops_collectors.redfish import Service
from tests.unit.collectors.redfish_resources import V1, decode
from tests.unit.collectors.redfish_service import ENABLED, link, resource

PDU = f"{V1}/PowerEquipment/RackPDUs/1"
DOOR = f"{V1}/ThermalEquipment/HeatExchangers/1"


def cells(result: Decoded, device: str = "") -> dict[Any, Any]:
    """By device and metric, or of one device by metric: values, or why there is none."""
    found = {
        (one.device, one.metric): one.quality.value if one.value is None else one.value
        for one in result.readings
    }
    if not device:
        return found
    return {metric: value for (name, metric), value in found.items() if name == device}


def reading(value: float) -> dict[str, float]:
    return {"Reading": value}


class TestRackPdu:
    def mains(self, **properties: object) -> dict[str, Any]:
        return resource(f"{PDU}/Mains/AC1", "Circuit", Status=ENABLED, **properties)

    def test_each_phase_of_the_mains(self) -> None:
        result = decode(
            self.mains(
                PolyPhaseCurrentAmps={f"Line{n}": reading(10.0 + n) for n in (1, 2, 3)}
                | {"Neutral": reading(0.5)},
                PolyPhaseVoltage={
                    **{f"Line{n}ToNeutral": reading(230.0 + n) for n in (1, 2, 3)},
                    "Line1ToLine2": reading(399.0),
                    "Line2ToLine3": reading(400.0),
                    "Line3ToLine1": reading(401.0),
                },
                FrequencyHz=reading(50.0),
                EnergykWh=reading(2.0),
                PowerState="On",
                BreakerState="Tripped",
            ),
            service=Service(rack="r01"),
        )
        assert cells(result, "r01/pdu1/ac1") == {
            **{f"phase_{n}_current_amperes": 10.0 + n for n in (1, 2, 3)},
            **{f"phase_{n}_voltage_volts": 230.0 + n for n in (1, 2, 3)},
            "neutral_current_amperes": 0.5,
            "phase_1_to_2_voltage_volts": 399.0,
            "phase_2_to_3_voltage_volts": 400.0,
            "phase_3_to_1_voltage_volts": 401.0,
            "frequency_hertz": 50.0,
            "input_energy_joules": 7.2e6,
            "power_state": 1,
            "breaker_state": 1,
            "health": 0,
        }

    def test_branches_and_outlets_of_one_number_are_not_one_device(self) -> None:
        result = decode(
            resource(f"{PDU}/Branches/A1", "Circuit", CurrentAmps=reading(4.0)),
            resource(f"{PDU}/Branches/1", "Circuit", CurrentAmps=reading(3.0)),
            resource(f"{PDU}/Outlets/A1", "Outlet", CurrentAmps=reading(1.5)),
            resource(
                f"{PDU}/Outlets/1",
                "Outlet",
                CurrentAmps=reading(2.5),
                EnergykWh=reading(1.0),
                PowerState="Off",
            ),
            resource(f"{PDU}/Metrics", "PowerDistributionMetrics", PowerLoadPercent=reading(41.0)),
        )
        assert cells(result) == {
            ("pdu1/a1", "output_current_amperes"): 4.0,
            ("pdu1/branch1", "output_current_amperes"): 3.0,
            ("pdu1/outlet_a1", "output_current_amperes"): 1.5,
            ("pdu1/outlet1", "output_current_amperes"): 2.5,
            ("pdu1/outlet1", "output_energy_joules"): 3.6e6,
            ("pdu1/outlet1", "power_state"): 0,
            ("pdu1", "load_ratio"): pytest.approx(0.41),
        }

    def test_what_it_is(self) -> None:
        pdu = resource(
            PDU,
            "PowerDistribution",
            SerialNumber="P1",
            Model="Strip",
            PartNumber="N/A",
            FirmwareVersion="4.3",
        )
        (found,) = decode(pdu, service=Service(rack="r01")).identities
        assert (found.device, found.device_class, found.host) == ("r01/pdu1", "power_unit", "")
        assert (found.serial, found.model, found.part_number) == ("P1", "Strip", "")
        assert (found.firmware, found.address) == ("4.3", PDU)


class TestRearDoor:
    def test_a_door_s_water_and_air(self) -> None:
        connector = resource(
            f"{DOOR}/PrimaryCoolantConnectors/1",
            "CoolantConnector",
            FlowLitersPerMinute=reading(30.0),
            RatedFlowLitersPerMinute=40.0,
            SupplyTemperatureCelsius=reading(18.0),
            ReturnTemperatureCelsius=reading(24.0),
            DeltaTemperatureCelsius=reading(6.0),
            HeatRemovedkW=reading(12.5),
        )
        chassis = resource(f"{V1}/Chassis/Door", "Chassis")
        air = resource(
            f"{V1}/Chassis/Door/ThermalSubsystem/ThermalMetrics",
            "ThermalMetrics",
            TemperatureSummaryCelsius={"Intake": reading(38.0), "Exhaust": reading(25.0)},
        )
        door = resource(
            DOOR, "CoolingUnit", Status=ENABLED, Links={"Chassis": [link(chassis["@odata.id"])]}
        )
        fan = resource(f"{DOOR}/Fans/1", "Fan", SpeedPercent={"Reading": 55.0, "SpeedRPM": 2100})
        result = decode(door, chassis, air, connector, fan, service=Service())
        assert cells(result, "hx1") == {
            "primary_flow_litres_per_minute": 30.0,
            "primary_rated_flow_litres_per_minute": 40.0,
            "primary_supply_temperature_celsius": 18.0,
            "primary_return_temperature_celsius": 24.0,
            "primary_temperature_difference_celsius": 6.0,
            "primary_heat_removed_watts": 12500.0,
            "air_inlet_temperature_celsius": 38.0,
            "air_outlet_temperature_celsius": 25.0,
            "fan_speed_ratio": pytest.approx(0.55),
            "fan_speed_rpm": 2100,
            "health": 0,
        }

    @pytest.mark.parametrize(
        ("path", "device"),
        [
            ("ThermalEquipment/RPUs/2", "rpu2"),
            ("ThermalEquipment/ImmersionUnits/1", "immersion1"),
            ("ThermalEquipment/CDUs/West", "west"),
        ],
    )
    def test_other_coolant_equipment(self, path: str, device: str) -> None:
        unit = resource(f"{V1}/{path}", "CoolingUnit", Status=ENABLED)
        assert cells(decode(unit, service=Service())) == {(device, "health"): 0}


class TestGpuBaseline:
    def test_link_and_memory_of_an_accelerator(self) -> None:
        gpu = f"{V1}/Systems/Board/Processors/GPU_1"
        result = decode(
            resource(
                gpu,
                "Processor",
                ProcessorType="GPU",
                SystemInterface={"PCIe": {"PCIeType": "Gen6", "LanesInUse": 16}},
            ),
            resource(
                f"{V1}/Systems/Board/Memory/GPU_1_DRAM_0/MemoryMetrics",
                "MemoryMetrics",
                BandwidthPercent=62.5,
                CapacityUtilizationPercent=91,
            ),
        )
        assert cells(result, "node001/gpu1") == {
            "pcie_link_generation": 6,
            "pcie_link_width": 16,
            "memory_copy_utilization_ratio": pytest.approx(0.625),
            "memory_capacity_utilization_ratio": pytest.approx(0.91),
        }

    def test_temperatures_that_only_a_chassis_lists(self) -> None:
        sensor = f"{V1}/Chassis/HGX_GPU_1/Sensors/HGX_GPU_1_TEMP_0"
        metrics = resource(
            f"{V1}/Chassis/HGX_GPU_1/ThermalSubsystem/ThermalMetrics",
            "ThermalMetrics",
            TemperatureReadingsCelsius=[{"Reading": 44.5, "DataSourceUri": sensor}],
        )
        assert cells(decode(metrics)) == {("node001/gpu1", "temperature_celsius"): 44.5}
        own = resource(sensor, "Sensor", Reading=45.0, ReadingType="Temperature", Status=ENABLED)
        assert cells(decode(metrics, own)) == {("node001/gpu1", "temperature_celsius"): 45.0}


class TestOldControllers:
    """``Thermal`` and ``Power``, which ``ThermalSubsystem`` and ``PowerSubsystem`` replaced."""

    def thermal(self) -> dict[str, Any]:
        return resource(
            f"{V1}/Chassis/1/Thermal",
            "Thermal",
            Temperatures=[
                {
                    "MemberId": "0",
                    "Name": "CPU1 Temp",
                    "ReadingCelsius": 51,
                    "PhysicalContext": "CPU",
                    "Status": ENABLED,
                },
                {"Name": "Inlet Temp", "ReadingCelsius": 24, "PhysicalContext": "Intake"},
                {"Name": "CPU2 Temp", "ReadingCelsius": None, "Status": {"State": "Absent"}},
                {"Name": "Altitude of it", "ReadingCelsius": None},
            ],
            Fans=[
                {"Name": "FAN1", "Reading": 5600, "ReadingUnits": "RPM", "Status": ENABLED},
                {"Name": "FAN2", "Reading": 5500, "ReadingUnits": "RPM", "Status": ENABLED},
                {"Name": "FAN3", "Reading": 40, "ReadingUnits": "Percent", "Status": ENABLED},
            ],
        )

    def power(self) -> dict[str, Any]:
        return resource(
            f"{V1}/Chassis/1/Power",
            "Power",
            PowerControl=[{"PowerConsumedWatts": 812, "PowerLimit": {"LimitInWatts": 1400}}],
            PowerSupplies=[
                {
                    "MemberId": "0",
                    "LineInputVoltage": 229,
                    "PowerInputWatts": 410,
                    "LastPowerOutputWatts": 380,
                    "Status": {"State": "Enabled", "Health": "Warning"},
                },
                {"MemberId": "1", "LineInputVoltage": 0, "Status": {"State": "Absent"}},
            ],
            Voltages=[{"Name": "12V", "ReadingVolts": 12.1}],
        )

    def test_their_temperatures_fans_and_power(self) -> None:
        result = decode(self.thermal(), self.power())
        assert cells(result) == {
            ("node001", "cpu_temperature_celsius"): 51,
            ("node001", "inlet_temperature_celsius"): 24,
            ("node001", "fan_speed_rpm"): 5500,
            ("node001", "fan_speed_ratio"): pytest.approx(0.4),
            ("node001", "power_watts"): 812,
            ("node001", "power_limit_watts"): 1400,
            ("node001/psu0", "input_voltage_volts"): 229,
            ("node001/psu0", "input_power_watts"): 410,
            ("node001/psu0", "output_power_watts"): 380,
            ("node001/psu0", "health"): 1,
            ("node001/psu1", "input_voltage_volts"): "absent",
            ("node001/psu1", "health"): "absent",
        }
        assert result.unmapped == {"12V": 1}

    def test_newer_resources_come_first(self) -> None:
        inlet = resource(
            f"{V1}/Chassis/1/Sensors/Inlet_Temp",
            "Sensor",
            Reading=25.5,
            ReadingType="Temperature",
            PhysicalContext="Intake",
            Status=ENABLED,
        )
        found = cells(decode(self.thermal(), inlet))
        assert found["node001", "inlet_temperature_celsius"] == 25.5
