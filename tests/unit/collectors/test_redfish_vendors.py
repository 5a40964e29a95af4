"""What vendors do in their own way, within and beside the standard."""

from __future__ import annotations

from typing import Any

import pytest

from fleetops_collectors.decoded import Decoded
from fleetops_collectors.redfish import Service
from tests.unit.collectors.redfish_resources import V1, decode, only, sensor
from tests.unit.collectors.redfish_service import ENABLED, link, resource

CDU = Service(device="cdu1")
COOLING = resource(
    f"{V1}/ThermalEquipment/CDUs/1", "CoolingUnit", Links={"Chassis": [link(f"{V1}/Chassis/CDU")]}
)


def values(found: Decoded) -> dict[tuple[str, str], object]:
    return {(r.device, r.metric): r.value for r in found.readings}


def power(*supplies: dict[str, Any]) -> dict[str, Any]:
    return resource(f"{V1}/Chassis/1/Power", "Power", PowerSupplies=list(supplies))


class TestSuppliesOfOldControllers:
    def test_an_id_of_the_bay_names_the_supply(self) -> None:
        """Dell's first bay is ``PSU.Slot.1``, and the newer resource's id is the same."""
        slots = [{"MemberId": f"PSU.Slot.{n}", "PowerOutputWatts": 200 + n} for n in (1, 2)]
        newer = f"{V1}/Chassis/1/PowerSubsystem/PowerSupplies/PSU.Slot.1"
        found = values(decode(power(*slots), resource(newer, "PowerSupply", Status=ENABLED)))
        assert found == {
            ("node001/psu1", "health"): 0,
            ("node001/psu1", "output_power_watts"): 201,
            ("node001/psu2", "output_power_watts"): 202,
        }

    def test_places_counted_from_0_are_the_newer_ids_in_order(self) -> None:
        bays = [f"{V1}/Chassis/1/PowerSubsystem/PowerSupplies/Bay{n}" for n in (1, 2)]
        newer = [resource(uri, "PowerSupply", Status=ENABLED) for uri in bays]
        listed = [{"MemberId": str(n), "LastPowerOutputWatts": 300 + n} for n in (0, 1)]
        found = values(decode(power(*listed), *newer))
        assert {device for device, _ in found} == {"node001/psu1", "node001/psu2"}
        assert found["node001/psu2", "output_power_watts"] == 301

    @pytest.mark.parametrize("ids", [[{}, {}], [{"MemberId": "7"}, {"MemberId": "7"}]])
    def test_ids_that_tell_nothing_give_way_to_the_place(self, ids: list[dict[str, str]]) -> None:
        found = values(decode(power(*({**one, "PowerOutputWatts": 5} for one in ids))))
        assert {device for device, _ in found} == {"node001/psu0", "node001/psu1"}

    @pytest.mark.parametrize(("raw", "ratio"), [(0.91, 0.91), (91, 0.91), (0, 0)])
    def test_an_efficiency_may_be_a_fraction(self, raw: float, ratio: float) -> None:
        reading = only(decode(power({"EfficiencyPercent": raw})))
        assert reading.value == pytest.approx(ratio)

    @pytest.mark.parametrize(("raw", "value"), [(900, None), (231, 231)])
    def test_what_a_supply_may_draw_is_not_what_it_draws(self, raw: int, value: int | None) -> None:
        view = {"DellPowerSupplyView": {"Range1MaxInputPowerWatts": 900}}
        reading = only(decode(power({"PowerInputWatts": raw, "Oem": {"Dell": view}})))
        assert reading.value == value

    def test_they_have_serial_numbers_too(self) -> None:
        newer = f"{V1}/Chassis/1/PowerSubsystem/PowerSupplies/Bay1"
        listed: list[dict[str, Any]] = [
            {"MemberId": "0", "Name": "Supply", "SerialNumber": "OLD"},
            {"MemberId": "1", "SerialNumber": "S2", "Status": {"State": "Absent"}},
        ]
        alone = decode(power(*listed)).identities
        assert [(one.device, one.serial) for one in alone] == [("node001/psu0", "OLD")]
        both = decode(power(listed[0]), resource(newer, "PowerSupply", SerialNumber="NEW"))
        assert [(one.device, one.serial) for one in both.identities] == [("node001/psu1", "NEW")]


class TestFansOfOldControllers:
    @pytest.mark.parametrize(
        ("fan", "metric", "value"),
        [
            ({"Name": "FAN1", "ReadingRPM": 4900}, "fan_speed_rpm", 4900),
            (
                {"FanName": "Fan 1", "CurrentReading": 17, "Units": "Percent"},
                "fan_speed_ratio",
                0.17,
            ),
            ({"Name": "a", "Reading": 0, "ReadingRPM": 7}, "fan_speed_rpm", 0),
        ],
    )
    def test_readings_go_by_three_names(
        self, fan: dict[str, object], metric: str, value: float
    ) -> None:
        reading = only(decode(resource(f"{V1}/Chassis/1/Thermal", "Thermal", Fans=[fan])))
        assert reading.metric == metric
        assert reading.value == pytest.approx(value)

    @pytest.mark.parametrize("state", ["Disabled", "UnavailableOffline"])
    def test_an_empty_slot_is_no_fan_that_stands_still(self, state: str) -> None:
        fans = [
            {"Name": "FAN1", "Reading": 4900, "Status": ENABLED},
            {"Name": "FAN2", "Reading": 0, "Status": {"State": state}},
        ]
        reading = only(decode(resource(f"{V1}/Chassis/1/Thermal", "Thermal", Fans=fans)))
        assert reading.value == 4900
        off = sensor("Fan_2", 0, ReadingType="Rotational", Status={"State": state})
        assert only(decode(off)).quality.value == "missing"


def test_excerpts_that_name_a_place_and_no_sensor() -> None:
    """HPE lists its temperatures without the URI of a sensor."""
    metrics = resource(
        f"{V1}/Chassis/1/ThermalSubsystem/ThermalMetrics",
        "ThermalMetrics",
        TemperatureReadingsCelsius=[
            {"DeviceName": "01-Inlet Ambient", "PhysicalContext": "Intake", "Reading": 19},
            {"DeviceName": "02-CPU 1 PkgTmp", "PhysicalContext": "CPU", "Reading": 42},
            {"DeviceName": "38-Battery Zone", "PhysicalContext": "Battery", "Reading": 25},
        ],
    )
    found = decode(metrics)
    assert values(found) == {
        ("node001", "inlet_temperature_celsius"): 19,
        ("node001", "cpu_temperature_celsius"): 42,
    }
    assert found.unmapped == {"38-Battery Zone": 1}


class TestAcceleratorNames:
    def devices(self, *ids: str) -> list[str]:
        found = [
            resource(f"{V1}/Systems/S/Processors/{name}", "Processor", ProcessorType="GPU")
            | {"Status": ENABLED}
            for name in ids
        ]
        return [r.device for r in decode(*found).readings]

    def test_the_number_of_a_function_is_not_the_card_s(self) -> None:
        """Dell calls all of its accelerators ``Video.Slot.N-1``."""
        names = [f"Video.Slot.{n}-1" for n in (21, 22, 30)]
        assert self.devices(*names) == ["node001/gpu0", "node001/gpu1", "node001/gpu2"]
        assert self.devices("Video.Slot.38-1") == ["node001/gpu0"]

    def test_two_with_one_number_are_told_apart(self) -> None:
        assert self.devices("left.1", "right.1", "right.2") == [
            *("node001/gpu0", "node001/gpu1", "node001/gpu2")
        ]

    def test_the_sensors_of_a_module_speak_of_its_accelerator(self) -> None:
        processor = f"{V1}/Systems/S/Processors/OAM_3"
        module = resource(f"{V1}/Chassis/OAM_3", "Chassis", Links={"Processors": [link(processor)]})
        found = decode(
            module,
            resource(processor, "Processor", ProcessorType="GPU"),
            sensor("TEMP_0", 61.0, "OAM_3", ReadingType="Temperature"),
            sensor("HBM_TEMP", 70.0, "OAM_3", ReadingType="Temperature"),
            sensor("VR_TEMP", 95.0, "OAM_3", ReadingType="Temperature"),
        )
        assert values(found) == {
            ("node001/gpu3", "temperature_celsius"): 61.0,
            ("node001/gpu3", "memory_temperature_celsius"): 70.0,
        }
        assert found.unmapped == {"VR_TEMP": 1}

    def test_a_module_of_a_cpu_is_the_host_s(self) -> None:
        processor = f"{V1}/Systems/S/Processors/CPU_0"
        found = decode(
            resource(f"{V1}/Chassis/M", "Chassis", Links={"Processors": [link(processor)]}),
            resource(processor, "Processor", ProcessorType="CPU"),
            sensor("CPU_Temp", 61.0, "M", ReadingType="Temperature"),
        )
        assert values(found) == {("node001", "cpu_temperature_celsius"): 61.0}

    def test_a_board_s_own_names_for_the_same_sensors(self) -> None:
        found = decode(
            sensor("TEMP_GB_GPU5", 55.0, ReadingType="Temperature"),
            sensor("TEMP_GB_GPU5_M", 66.0, ReadingType="Temperature"),
            sensor("PWR_GB_GPU5", 500.0, ReadingType="Power"),
            sensor("PWR_GB_HBM_GPU5", 80.0, ReadingType="Power"),
        )
        assert values(found) == {
            ("node001/gpu5", "temperature_celsius"): 55.0,
            ("node001/gpu5", "memory_temperature_celsius"): 66.0,
            ("node001/gpu5", "power_watts"): 500.0,
        }


class TestUnits:
    @pytest.mark.parametrize(
        ("units", "kind", "raw", "value"),
        [
            ("Cel", "Temperature", 24.0, 24.0),
            ("degrees C", "Temperature", 24.0, 24.0),
            ("[degF]", "Temperature", 77.0, 25.0),
            ("K", "Temperature", 298.15, 25.0),
            ("", "Temperature", 24.0, 24.0),
            ("unspecified", "Temperature", 24.0, 24.0),
            ("Celsius", "", 24.0, 24.0),
        ],
    )
    def test_temperatures(self, units: str, kind: str, raw: float, value: float) -> None:
        inlet = sensor("Inlet", raw, ReadingType=kind, ReadingUnits=units)
        assert only(decode(inlet)).value == pytest.approx(value)

    @pytest.mark.parametrize(
        ("units", "raw", "value"), [("m3/h", 6.0, 100.0), ("L/s", 2.0, 120.0), ("LPM", 9.0, 9.0)]
    )
    def test_flows(self, units: str, raw: float, value: float) -> None:
        flow = sensor("Flow", raw, ReadingType="LiquidFlowLPM", ReadingUnits=units)
        assert only(decode(flow)).value == pytest.approx(value)

    def test_a_unit_that_is_not_known_is_not_guessed(self) -> None:
        found = decode(sensor("Inlet", 24.0, ReadingType="Temperature", ReadingUnits="[degRe]"))
        assert found.readings == []
        assert found.unmapped == {"Inlet": 1}

    def test_a_difference_in_kelvin_has_no_zero_point(self) -> None:
        found = decode(
            COOLING,
            sensor("DeltaTemp", 8.0, "CDU", ReadingType="Temperature", ReadingUnits="K"),
            service=CDU,
        )
        assert values(found) == {("cdu1", "temperature_difference_celsius"): 8.0}


class TestCoolantUnits:
    @pytest.mark.parametrize(
        ("name", "kind", "metric"),
        [
            ("PrimarySupplyTemp", "Temperature", "primary_supply_temperature_celsius"),
            ("CDU1_PrimarySupplyTemp", "Temperature", "primary_supply_temperature_celsius"),
            ("FacilityWaterReturnTemp", "Temperature", "primary_return_temperature_celsius"),
            ("FWS_Flow", "LiquidFlowLPM", "primary_flow_litres_per_minute"),
            ("SecondarySupplyTemp", "Temperature", "supply_temperature_celsius"),
            ("CDU1_Secondary_Flow", "LiquidFlowLPM", "flow_litres_per_minute"),
            ("FilterDeltaPressure", "PressurekPa", "filter_pressure_drop_kilopascals"),
            ("DeltaPressure", "PressurekPa", "differential_pressure_kilopascals"),
        ],
    )
    def test_which_loop_a_sensor_speaks_of(self, name: str, kind: str, metric: str) -> None:
        found = decode(COOLING, sensor(name, 30.0, "CDU", ReadingType=kind), service=CDU)
        assert values(found) == {("cdu1", metric): 30.0}


def test_regulators_are_neither_processors_nor_memory() -> None:
    found = decode(
        *(
            sensor(name, 95.0, ReadingType="Temperature", **context)
            for name, context in (
                ("VRMCpu1 Temp", {"PhysicalContext": "CPU"}),
                ("P1_DIMM_VR Temp", {}),
                ("CPU1 Temp", {"PhysicalContext": "VoltageRegulator"}),
            )
        ),
        sensor("CPU2 Temp", 51.0, ReadingType="Temperature", PhysicalContext="CPU"),
    )
    assert values(found) == {("node001", "cpu_temperature_celsius"): 51.0}
    assert found.unmapped.total() == 3


@pytest.mark.parametrize("name", ["MB_CPU0_TJMAX", "Tcontrol_CPU1", "CPU0_THERMAL_MARGIN"])
def test_a_limit_is_no_temperature(name: str) -> None:
    found = decode(sensor(name, 100.0, ReadingType="Temperature", PhysicalContext="CPU"))
    assert found.readings == []
    assert found.unmapped == {name: 1}


def test_openbmc_puts_the_kind_before_the_supply() -> None:
    found = decode(
        sensor("voltage_ps0_input_voltage", 229.0, ReadingType="Voltage"),
        sensor("power_ps0_output_power", 640.0, ReadingType="Power"),
        sensor("fantach_psu1_fan1", 9000.0, ReadingType="Rotational"),
    )
    assert values(found) == {
        ("node001/psu0", "input_voltage_volts"): 229.0,
        ("node001/psu0", "output_power_watts"): 640.0,
        ("node001/psu1", "fan_speed_rpm"): 9000.0,
    }
