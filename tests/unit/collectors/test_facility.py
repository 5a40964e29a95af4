"""Decoding of building management messages: both shapes, and every rule by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from fleetops.core.errors import InputError
from fleetops_collectors.facility import Facility, FacilityCollector, Limits
from fleetops_collectors.facility.topics import Kind, parse_topic
from fleetops_collectors.facility.units import unit_of
from fleetops_schemas.readings import Quality, Reading
from tests.contract.collector_contract import check_readings
from tests.mqtt_testbed import CDU, RACK, value_body
from tests.support import fixtures

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
FLOW = "Rack/RackLiquidFlow/a1/flow"
LEAK = "Rack/RackLeakDetect/a1/leak"
BEAT = "System/HeartbeatTimestampBms/bms"


class Hall:
    """A facility that is told messages."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.facility = Facility(limits or Limits())
        self.now = NOW

    def described(self, point: str, **fields: object) -> Hall:
        object_type, point_type, _ = point.split("/", 2)
        body = {"objectType": object_type, "pointType": point_type, **fields}
        self.raw(f"BMS/v1/PUB/Metadata/{point}", json.dumps(body))
        return self

    def said(self, point: str, value: object, quality: int = 1, at: datetime | None = None) -> Hall:
        body = value_body(value, at or self.now, quality)
        return self.raw(f"BMS/v1/PUB/Value/{point}", body)

    def raw(self, topic: str, payload: str | bytes) -> Hall:
        data = payload.encode() if isinstance(payload, str) else payload
        self.facility.take(topic, data, self.now)
        return self

    def later(self, seconds: float) -> Hall:
        self.now += timedelta(seconds=seconds)
        return self

    def beat(self) -> Hall:
        return self.said(BEAT, int(self.now.timestamp() * 1000))

    def readings(self) -> list[Reading]:
        readings = self.facility.decoded(self.now).readings
        check_readings(readings)
        return readings

    def one(self) -> tuple[float | None, Quality]:
        (reading,) = self.readings()
        return reading.value, reading.quality

    def warnings(self) -> list[str]:
        return self.facility.decoded(self.now).warnings()


def flow_hall(limits: Limits | None = None) -> Hall:
    return Hall(limits).described(FLOW, engUnit="LPM", **RACK)


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


@pytest.mark.parametrize(
    ("payload", "quality"),
    [
        ({"value": 61.5, "quality": 1}, Quality.GOOD),
        ({"value": "61.5", "quality": 1}, Quality.GOOD),
        ({"value": None, "quality": 1}, Quality.MISSING),
        ({"value": "nan", "quality": 1}, Quality.MISSING),
        ({"value": 61.5, "quality": 0}, Quality.MISSING),
        ({"value": 61.5, "quality": 192}, Quality.MISSING),
        ({"value": 61.5, "quality": None}, Quality.MISSING),
        ({"value": 61.5}, Quality.MISSING),
        ({"value": 4294967295, "quality": 1}, Quality.SENTINEL),
        ({"value": -5, "quality": 1}, Quality.OUT_OF_RANGE),
        ({"value": 61.5, "quality": 1, "timestamp": 0}, Quality.STALE),
        ({"value": 61.5, "quality": 1, "timestamp": 1_700_000_000_000}, Quality.STALE),
    ],
)
def test_values_that_are_none(payload: dict[str, object], quality: Quality) -> None:
    body = {"timestamp": int(NOW.timestamp() * 1000), **payload}
    hall = flow_hall().raw(f"BMS/v1/PUB/Value/{FLOW}", json.dumps(body))
    assert hall.one() == (61.5 if quality is Quality.GOOD else None, quality)


@pytest.mark.parametrize(
    ("raw", "quality"), [(-1, "sentinel"), (2, "out_of_range"), (0.5, "out_of_range")]
)
def test_states_have_two_numbers(raw: float, quality: str) -> None:
    assert Hall().described(LEAK, **RACK).said(LEAK, raw).one() == (None, quality)


def test_the_older_shape() -> None:
    body = {"objectType": "Rack", "pointType": "LeakDetectRack", "rackName": "R1", "rackID": "r 1"}
    hall = Hall().raw("BMS/v1/s/r1/leak/Value", '{"value": 1.0, "timestamp": 1795262400}')
    hall.raw("BMS/v1/s/r1/leak/Metadata", json.dumps(body))
    (reading,) = hall.readings()
    assert (reading.device, reading.metric, reading.value) == ("r-1/leak", "leak_state", 2)
    assert reading.time == datetime(2026, 11, 21, 12, tzinfo=UTC)
    hall.raw("BMS/v1/s/r1/leak/Value", '{"value": 0, "timestamp": 1795262400, "quality": 0}')
    assert hall.one() == (None, Quality.MISSING)


def test_values_before_their_metadata_wait_for_it() -> None:
    hall = Hall().said(FLOW, 61.5)
    assert hall.readings() == []
    assert hall.warnings() == ["1 values have no metadata yet"]
    assert hall.described(FLOW, engUnit="LPM", **RACK).one() == (61.5, Quality.GOOD)
    assert hall.warnings() == []


def test_values_count_only_from_whom_the_metadata_names() -> None:
    point = "Rack/RackLiquidIsolationRequest/a1/request"
    hall = Hall().described(point, integration="NICO", **RACK).said(point, 1)
    assert hall.readings() == []
    hall.raw(f"BMS/v1/OTHER/Value/{point}", value_body(1, NOW))
    assert hall.readings() == []
    assert hall.raw(f"BMS/v1/NICO/Value/{point}", value_body(0, NOW)).one() == (0, Quality.GOOD)
    hall.raw(f"BMS/v1/NICO/Value/{point}", value_body(-1, NOW))
    assert hall.one() == (None, Quality.SENTINEL)


def test_a_value_that_is_not_sent_again_goes_stale() -> None:
    hall = flow_hall().said(FLOW, 61.5).later(249)
    assert hall.one() == (61.5, Quality.GOOD)
    assert hall.later(2).one() == (None, Quality.STALE)
    assert hall.said(FLOW, 61.5).one() == (61.5, Quality.GOOD)
    # a retained value of yesterday
    assert flow_hall().said(FLOW, 1, at=NOW - timedelta(days=1)).one() == (None, Quality.STALE)


def test_a_late_copy_of_an_older_message_changes_nothing() -> None:
    hall = flow_hall().said(FLOW, 61.5).said(FLOW, 20, at=NOW - timedelta(seconds=5))
    assert hall.one() == (61.5, Quality.GOOD)
    assert hall.said(FLOW, 61.5).one() == (61.5, Quality.GOOD)
    # a clock that was set back by an hour is no late copy: the newest message counts
    assert hall.said(FLOW, 20, at=NOW - timedelta(hours=1)).one() == (None, Quality.STALE)


def test_a_missing_heartbeat_makes_everything_stale() -> None:
    hall = flow_hall().described(BEAT, objectId="BMS", objectName="BMS").beat().later(10).beat()
    hall.said(FLOW, 61.5).later(29)
    assert hall.one() == (61.5, Quality.GOOD)
    hall.later(2)
    assert hall.facility.is_dead(hall.now)
    assert hall.one() == (None, Quality.STALE)
    hall.beat()
    assert not hall.facility.is_dead(hall.now)
    assert hall.one() == (None, Quality.STALE), "it may have changed while nobody could tell"
    assert hall.said(FLOW, 61.5).one() == (61.5, Quality.GOOD)


def test_a_heartbeat_that_stands_still_is_none() -> None:
    hall = flow_hall().described(BEAT, objectId="BMS", objectName="BMS").beat().later(10).beat()
    for _ in range(4):
        hall.later(10).said(BEAT, int(NOW.timestamp() * 1000) + 10_000)
    assert hall.facility.is_dead(hall.now)


def test_an_announced_heartbeat_that_never_comes_is_missing() -> None:
    hall = flow_hall().described(BEAT, objectId="BMS", objectName="BMS").said(FLOW, 61.5)
    assert hall.one() == (61.5, Quality.GOOD)
    assert hall.later(31).one() == (None, Quality.STALE)


def test_what_a_replaced_publisher_left_behind_is_no_missing_heartbeat() -> None:
    hall = flow_hall().described(f"{BEAT}/old", objectId="OLD").described(BEAT, objectId="BMS")
    for _ in range(5):
        hall.beat().later(10)
    hall.said(FLOW, 61.5)
    assert hall.facility.silent(hall.now) == []
    assert hall.one() == (61.5, Quality.GOOD)


@pytest.mark.parametrize("scope", ["BMS/v1/PUB/Value/CDU/#", "BMS/v1/PUB/+/none", "c1/", "CDU"])
def test_a_heartbeat_stands_for_its_scope(scope: str) -> None:
    temperature = "CDU/LiquidTemperature/c1/t"
    hall = flow_hall().described(temperature, engUnit="C", processArea=["Supply"], **CDU)
    hall.described(BEAT, objectId="A").described(f"{BEAT}2", objectId="B", scope=scope)
    for _ in range(5):
        hall.beat().later(10)
    hall.said(FLOW, 61.5).said(temperature, 30)
    (silent,) = hall.facility.silent(hall.now)
    assert silent.name == "B"
    assert not hall.facility.is_dead(hall.now)
    found = {one.device: one.quality for one in hall.readings()}
    covered = Quality.GOOD if "none" in scope else Quality.STALE
    assert found == {"P1-A-01/manifold": Quality.GOOD, "cdu1": covered}


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_publishers_clock_that_is_off_is_told_and_reckoned_with(hours: float) -> None:
    hall = flow_hall().described(BEAT, objectId="BMS", objectName="BMS")
    off = timedelta(hours=hours)
    for _ in range(2):
        hall.later(10).said(BEAT, int((hall.now + off).timestamp() * 1000))
    hall.said(FLOW, 61.5, at=hall.now + off)
    assert hall.one() == (61.5, Quality.GOOD)
    assert hall.warnings() == [f"its clock is 18000 s {'behind' if hours < 0 else 'ahead'}"]


def test_the_worse_of_several_leak_sensors_counts() -> None:
    second = "Rack/RackLeakDetect/a1/rope"
    hall = Hall().described(LEAK, **RACK).described(second, **RACK)
    assert hall.said(LEAK, 0).said(second, 0).one() == (0, Quality.GOOD)
    assert hall.said(LEAK, None).one() == (None, Quality.MISSING)
    assert hall.said(second, 1).one() == (2, Quality.GOOD)
    assert hall.said(LEAK, 0).one() == (2, Quality.GOOD)


def test_a_second_point_of_one_column_is_counted() -> None:
    hall = flow_hall().described(f"{FLOW}2", engUnit="LPM", **RACK)
    assert hall.said(FLOW, 61.5).said(f"{FLOW}2", 20).one() == (61.5, Quality.GOOD)
    assert "a second point" in hall.warnings()[0]


def test_an_empty_message_takes_back_what_was_said() -> None:
    hall = flow_hall().said(FLOW, 61.5).raw(f"BMS/v1/PUB/Metadata/{FLOW}", b"")
    assert hall.readings() == []


def test_what_cannot_be_read_is_counted_and_told_once() -> None:
    hall = flow_hall(Limits(max_payload_bytes=256)).said(FLOW, 61.5)
    for payload in ("<html>", "[1]", '{"no": 1}', "x" * 257, b"\xff\xfe"):
        hall.raw(f"BMS/v1/PUB/Value/{FLOW}", payload)
    hall.raw("zigbee/kitchen", "{}")
    assert hall.one() == (61.5, Quality.GOOD)
    hall.raw("zigbee/kitchen", "{}")
    assert hall.warnings() == ["1 messages could not be used: not a topic of building management"]
    assert hall.warnings() == []


def test_points_are_bounded() -> None:
    hall = Hall(Limits(max_points=2))
    for number in range(5):
        hall.described(f"{FLOW}{number}", engUnit="LPM", **RACK).said(f"{FLOW}{number}", 1)
    assert "6 messages could not be used: more points than max_points" in hall.warnings()


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


def test_recordings_of_both_kinds(tmp_path: Path) -> None:
    flow = json.dumps({"engUnit": "LPM", **RACK})
    verbose = tmp_path / "verbose.txt"
    old = datetime(2025, 1, 1, tzinfo=UTC)
    verbose.write_text(
        f"BMS/v1/PUB/Metadata/{FLOW} {flow}\n\nBMS/v1/PUB/Value/{FLOW} {value_body(61.5, old)}\n"
        "BMS/v1/PUB/Value/Rack/RackPower/a b/c (null)\n"
    )
    decoded = FacilityCollector.decode_recording(verbose, None, NOW)
    assert [(one.value, one.time) for one in decoded.readings] == [(61.5, old)]
    lines = tmp_path / "lines.json"
    stamp = "2026-11-21T13:00:00.000000Z+0100"
    said = value_body(61.5, NOW)
    lines.write_text(
        "\n".join(
            [
                json.dumps({"tst": stamp, "topic": f"BMS/v1/PUB/Metadata/{FLOW}", "payload": flow}),
                json.dumps(
                    {
                        "tst": stamp,
                        "topic": f"BMS/v1/PUB/Value/{FLOW}",
                        "payload": json.loads(said),
                    }
                ),
                "{broken",
            ]
        )
    )
    decoded = FacilityCollector.decode_recording(lines, None, NOW)
    assert [(one.value, one.time) for one in decoded.readings] == [(61.5, NOW)]
    assert decoded.problems == ["1 lines are no message; the first: line 3"]


def test_recordings_of_other_makings(tmp_path: Path) -> None:
    flow, said = json.dumps({"engUnit": "LPM", **RACK}), value_body(61.5, NOW)
    topics = {f"BMS/v1/PUB/Metadata/{FLOW}": flow, f"BMS/v1/PUB/Value/{FLOW}": said}
    wrapped = {"specversion": "1.0", "type": "x", "data": json.loads(said)}
    contents = [
        "\n".join(f"2026-11-21T12:00:00+0000 {topic} {body}" for topic, body in topics.items()),
        "\n".join(f"{topic}\t{body}" for topic, body in topics.items()),
        json.dumps([{"topic": topic, "message": body} for topic, body in topics.items()], indent=1),
        "\n".join(f"{topic} {body}" for topic, body in topics.items()).replace("BMS", "cronus"),
        "\n".join(f"{topic} {body}" for topic, body in topics.items()).replace(
            said, json.dumps(wrapped)
        ),
    ]
    file = tmp_path / "recorded"
    for content in contents:
        file.write_text(content)
        decoded = FacilityCollector.decode_recording(file, None, NOW)
        assert [one.value for one in decoded.readings] == [61.5], content
        assert decoded.warnings() == []


@pytest.mark.parametrize(
    "content", ["", "<html>502</html>", "zigbee/kitchen {}\n", "{}\n", "[1]\n"]
)
def test_what_is_no_recording_is_one_error(tmp_path: Path, content: str) -> None:
    file = tmp_path / "x.txt"
    file.write_text(content)
    with pytest.raises(InputError, match=r"x\.txt: no message of building management"):
        FacilityCollector.decode_recording(file, None, NOW)
