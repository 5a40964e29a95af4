"""What a point of building management is: its topic, its unit, its metadata."""

from __future__ import annotations

import pytest
import yaml

from fleetops_collectors.facility import Limits
from fleetops_collectors.facility.topics import Kind, parse_topic
from fleetops_collectors.facility.units import unit_of
from tests.mqtt_testbed import CDU, RACK
from tests.support import fixtures
from tests.unit.collectors.facility_hall import FLOW, LEAK, NOW, Hall

RACK_POINTS = [
    ("RackLiquidSupplyTemperature", "C", 30.0, "manifold", "supply_temperature_celsius", 30.0),
    ("RackLiquidReturnTemperature", "degF", 104.0, "manifold", "return_temperature_celsius", 40.0),
    ("RackLiquidFlow", "gpm", 20.0, "manifold", "flow_litres_per_minute", 75.70824),
    (
        *("RackLiquidDifferentialPressure", "psi", 10.0, "manifold"),
        *("differential_pressure_kilopascals", 68.94757),
    ),
    (
        *("RackLiquidDifferentialPressureSp", "kPa", 80.0, "manifold"),
        *("differential_pressure_setpoint_kilopascals", 80.0),
    ),
    ("RackControlValvePosition", "%", 45.0, "manifold", "valve_position_ratio", 0.45),
    ("RackPower", "kW", 118.5, "feed", "input_power_watts", 118_500.0),
    ("RackLeakDetect", None, 0, "leak", "leak_state", 0),
    ("RackLeakDetect", None, 1, "leak", "leak_state", 2),
    ("RackLeakSensorFault", None, 0, "leak", "leak_detector_ok", 1),
    ("RackLeakSensorFault", None, 1, "leak", "leak_detector_ok", 0),
    ("RackLiquidIsolationStatus", None, 1, "manifold", "isolated", 1),
    ("RackElectricalIsolationStatus", None, 0, "feed", "isolated", 0),
]


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("BMS/v1/PUB/Value/Rack/RackPower/a/b", (Kind.VALUE, "PUB", "Rack/RackPower/a/b")),
        ("BMS/v1/MEPAI/Value/CDU/X/a", (Kind.VALUE, "MEPAI", "CDU/X/a")),
        (
            "BMS/v1/PUB/Metadata/Rack/RackPower/Value",
            (Kind.METADATA, "PUB", "Rack/RackPower/Value"),
        ),
        ("BMS/v1/site/rack1/leak/Metadata", (Kind.METADATA, "PUB", "site/rack1/leak")),
        ("BMS/v1/a/Value/b/c/d/Value", (Kind.VALUE, "PUB", "a/Value/b/c/d")),
        ("BMS/v1/PUB/Value/Rack/RackPower", None),
        ("BMS/v1/Value", None),
        ("BMS/v1", None),
        ("BMS/v10/PUB/Value/Rack/RackPower/a", None),
        ("", None),
    ],
)
def test_topics(topic: str, expected: tuple[Kind, str, str] | None) -> None:
    address = parse_topic(topic, "BMS/v1")
    assert (address and (address.kind, address.publisher, address.key)) == expected


@pytest.mark.parametrize(
    ("text", "raw", "symbol", "value"),
    [
        ("C", 40, "Cel", 40),
        ("°F", 104, "Cel", 40),
        ("degF", 104, "Cel", 40),
        ("deg C", 40, "Cel", 40),
        ("K", 313.15, "Cel", 40),
        ("LPM", 10, "L/min", 10),
        ("gpm", 10, "L/min", 37.85412),
        ("m³/h", 6, "L/min", 100),
        ("L/s", 1, "L/min", 60),
        ("kPa", 10, "kPa", 10),
        ("psi", 10, "kPa", 68.94757),
        ("bar", 1.5, "kPa", 150),
        ("Pa", 1000, "kPa", 1),
        ("kW", 1.2, "W", 1200),
        ("MW", 1.2, "W", 1.2e6),
        ("mW", 1.2, "W", 1.2e-3),
        ("%", 35, "1", 0.35),
        ("%RH", 35, "1", 0.35),
        ("RPM", 3000, "{rev}/min", 3000),
        ("kVA", 2, "V.A", 2000),
    ],
)
def test_units(text: str, raw: float, symbol: str, value: float) -> None:
    unit = unit_of(text)
    assert unit is not None
    assert unit.symbol == symbol
    assert raw * unit.scale + unit.offset == pytest.approx(value)


def test_units_that_are_not_known_are_not_guessed() -> None:
    for text in ("furlong", "psia", "g", "NTU"):
        assert unit_of(text) is None
    hall = Hall().described(FLOW, engUnit="furlong", **RACK).said(FLOW, 3)
    assert hall.readings() == []
    assert "Rack/RackLiquidFlow [furlong]" in hall.warnings()[-1]
    # a temperature's unit on a flow, and percent or ratio: neither is a value
    assert not Hall().described(FLOW, engUnit="C", **RACK).said(FLOW, 3).readings()
    assert not Hall().described(FLOW, **RACK).said(FLOW, 3).readings()


@pytest.mark.parametrize(("point", "unit", "raw", "part", "metric", "value"), RACK_POINTS)
def test_points_of_a_rack(
    point: str, unit: str | None, raw: float, part: str, metric: str, value: float
) -> None:
    described = {"engUnit": unit} if unit else {"stateText": [{"value": 0, "text": "anything"}]}
    path = f"Rack/{point}/any/tag path"
    hall = Hall(Limits(names={"P1-A-01": "r001"})).described(path, **described, **RACK)
    (reading,) = hall.said(path, raw).readings()
    assert (reading.device, reading.metric) == (f"r001/{part}", metric)
    assert reading.value == pytest.approx(value)
    assert reading.time == NOW


@pytest.mark.parametrize(
    ("point", "area", "unit", "metric"),
    [
        ("LiquidTemperature", ["Secondary", "Supply"], "C", "supply_temperature_celsius"),
        ("LiquidTemperature", ["Secondary Loop", "Return Line"], "C", "return_temperature_celsius"),
        ("LiquidTemperature", ["Supply"], "C", "supply_temperature_celsius"),
        ("LiquidTemperature", ["Primary", "Inlet"], "C", "primary_supply_temperature_celsius"),
        ("LiquidTemperature", ["Outlet"], "C", "primary_return_temperature_celsius"),
        ("LiquidTemperature", ["Facility", "Supply"], "C", "primary_supply_temperature_celsius"),
        ("LiquidFlow", None, "LPM", "flow_litres_per_minute"),
        ("LiquidFlow", ["Primary"], "LPM", "primary_flow_litres_per_minute"),
        ("LiquidPressure", ["Secondary", "Return"], "bar", "return_pressure_kilopascals"),
        ("LiquidDifferentialPressure", ["Filter"], "kPa", "filter_pressure_drop_kilopascals"),
        ("PumpSpeed", None, "%", "pump_speed_ratio"),
        ("PumpSpeed", None, "RPM", "pump_speed_rpm"),
        ("AirRelativeHumidity", None, "%RH", "humidity_ratio"),
        # what cannot be told is left out
        ("LiquidTemperature", None, "C", None),
        ("LiquidTemperature", ["Secondary", "Inlet"], "C", None),
        ("LiquidTemperature", ["Primary", "Secondary", "Supply"], "C", None),
        ("LiquidFlow", ["Pump 1"], "LPM", None),
        ("PumpSpeed", None, "Hz", None),
    ],
)
def test_points_of_a_coolant_unit(
    point: str, area: list[str] | None, unit: str, metric: str | None
) -> None:
    path = f"CDU/{point}/x"
    more = {"processArea": area} if area else {}
    readings = Hall().described(path, engUnit=unit, **more, **CDU).said(path, 1).readings()
    assert [(one.device, one.metric) for one in readings] == [("cdu1", metric)] * bool(metric)


def test_pumps_and_parts_of_something_else_have_names_of_their_own() -> None:
    hall = Hall(Limits(names={"P1-A-01": "r001"}))
    hall.described("CDU/PumpSpeed/p2", engUnit="RPM", processArea=["Pump 2"], **CDU)
    hall.described("Valve/ValvePosition/v", engUnit="%", associateId="P1-A-01")
    hall.said("CDU/PumpSpeed/p2", 2900).said("Valve/ValvePosition/v", 100)
    assert {one.device for one in hall.readings()} == {"cdu1/pump2", "r001/valve"}


def test_power_meters_with_phases_and_set_points() -> None:
    meter = {"objectName": "RPP 2", "objectId": "DH3/RPP 2", "servesId": ["P1-A-01"]}
    hall = Hall()
    for phase, value in (("A", 100), ("2", 101), ("C", 102)):
        point = f"PowerMeter/PhaseCurrent/{phase}"
        hall.described(point, engUnit="A", phase=phase, **meter).said(point, value)
    hall.described("PowerMeter/PowerFactor/x", **meter).said("PowerMeter/PowerFactor/x", 0.97)
    set_point = "CDU/LiquidTemperature/sp"
    hall.described(set_point, engUnit="C", processArea=["Supply"], isSetpoint=True, **CDU).said(
        set_point, 30
    )
    found = {(one.device, one.metric): one.value for one in hall.readings()}
    assert found == {
        ("DH3-RPP-2", "phase_1_current_amperes"): 100,
        ("DH3-RPP-2", "phase_2_current_amperes"): 101,
        ("DH3-RPP-2", "phase_3_current_amperes"): 102,
        ("DH3-RPP-2", "power_factor_ratio"): 0.97,
        ("cdu1", "supply_temperature_setpoint_celsius"): 30,
    }


@pytest.mark.parametrize(("unit", "told"), [("bool", True), ("N/A", True), ("V", False)])
def test_a_leak_is_not_lost_over_a_word_in_the_unit_s_place(unit: str, told: bool) -> None:
    hall = Hall().described(LEAK, engUnit=unit, stateText=["Normal", "Leak"], **RACK).said(LEAK, 1)
    assert [one.value for one in hall.readings()] == [2] * told


@pytest.mark.fixtures
def test_every_point_type_of_the_specification_is_mapped_or_counted() -> None:
    path = fixtures() / "facility" / "asyncapi_bms_bms.yaml"
    channels = yaml.safe_load(path.read_text())["channels"].values()
    metadata = [one for one in channels if "/PUB/Metadata/" in one["address"]]
    pairs = {
        (channel["address"].split("/")[4], point)
        for channel in metadata
        for point in channel["parameters"]["pointType"]["enum"]
    }
    units = {"Temp": "C", "Flow": "LPM", "Pressure": "kPa", "Position": "%", "Speed": "RPM"}
    units |= {"ActivePower": "kW", "RackPower": "kW", "Apparent": "kVA", "Voltage": "V"}
    units |= {"Current": "A", "Frequency": "Hz", "Humidity": "%RH"}
    mapped: set[tuple[str, str]] = set()
    for object_type, point in pairs:
        unit = next((unit for part, unit in units.items() if part in point), None)
        ids = {**RACK, "objectId": "x1", "phase": "A", "processArea": ["Secondary", "Supply"]}
        key = f"{object_type}/{point}/tag"
        hall = Hall().described(key, **({"engUnit": unit} if unit else {}), **ids).said(key, 1)
        decoded = hall.facility.decoded(NOW)
        if "Heartbeat" not in point or "Bms" not in point or "Echo" in point:
            assert len(decoded.readings) + decoded.unmapped.total() == 1, key
        mapped |= {(object_type, point)} if decoded.readings else set()
    assert (len(pairs), len(mapped)) == (229, 36)
    assert {point for kind, point in mapped if kind == "Rack"} == {
        point for kind, point in pairs if kind == "Rack"
    }
