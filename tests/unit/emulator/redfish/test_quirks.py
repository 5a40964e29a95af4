"""Every quirk shows, only where it is meant to, and takes no good value's place."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from fleetops.emulator.interfaces.redfish.quirks import QUIRKS
from fleetops.emulator.interfaces.redfish.tree import ROOT
from fleetops_schemas.platforms import CoolantUnit, Platform, RackPower
from fleetops_schemas.profiles import profile_names
from tests.unit.emulator.redfish.bench import Bench

SENSORS = "Chassis/Tray/Sensors"
DETECTOR = "Chassis/Tray/ThermalSubsystem/LeakDetection/LeakDetectors/leak0"
SUPPLY = "Chassis/PowerShelf/PowerSubsystem/PowerSupplies/Bay1"


@pytest.fixture
def odd() -> Bench:
    return Bench(variant="odd")


@pytest.fixture
def plain() -> Bench:
    return Bench(variant="plain")


def ids(bench: Bench, path: str) -> list[str]:
    members = bench.get("node001", path)["Members"]
    return [member["@odata.id"].rpartition("/")[2] for member in members]


def test_they_are_given_to_profiles_that_there_are() -> None:
    names = (
        *profile_names(Platform),
        *profile_names(CoolantUnit),
        *profile_names(RackPower),
    )
    assert set(QUIRKS) <= set(names)


def test_sockets_count_from_one(odd: Bench, plain: Bench) -> None:
    assert ids(odd, "Systems/1/Processors")[-8:] == [f"GPU_SXM_{n}" for n in range(1, 9)]
    assert ids(plain, "Systems/1/Processors")[-8:] == [f"GPU_{n}" for n in range(8)]
    first = odd.get("node001", "Systems/1/Processors/GPU_SXM_1/EnvironmentMetrics")
    same = plain.get("node001", "Systems/1/Processors/GPU_0/EnvironmentMetrics")
    assert first["PowerWatts"] == same["PowerWatts"]


def test_readings_are_strings(odd: Bench, plain: Bench) -> None:
    number = plain.get("node001", f"{SENSORS}/IntakeTemp")["Reading"]
    assert odd.get("node001", f"{SENSORS}/IntakeTemp")["Reading"] == str(number)


def test_reports_repeat_values_that_are_none(odd: Bench, plain: Bench) -> None:
    path = "TelemetryService/MetricReports/PlatformEnvironmentMetrics"
    values, usual = (one.get("node001", path)["MetricValues"] for one in (odd, plain))
    assert len(values) == len(usual) + 8
    ago = (odd.clock.now() - timedelta(weeks=10)).isoformat(timespec="milliseconds")
    assert {(one["MetricValue"], one["Timestamp"]) for one in values[-8:]} == {("nan", ago)}
    good = {one["MetricProperty"] for one in values[:-8]}
    assert {one["MetricProperty"] for one in values[-8:]} <= good


def test_a_report_tells_of_what_was_long_ago(odd: Bench, plain: Bench) -> None:
    report = odd.get("node001", "TelemetryService/MetricReports/HealthMetrics")
    ago = (odd.clock.now() - timedelta(weeks=10)).isoformat(timespec="milliseconds")
    said = {(one["MetricValue"], one["Timestamp"]) for one in report["MetricValues"]}
    assert (len(report["MetricValues"]), said) == (8, {("Critical", ago)})
    now = odd.get("node001", "Systems/1/Processors/GPU_SXM_1")
    assert now["Status"]["Health"] == "OK"
    assert "HealthMetrics" not in ids(plain, "TelemetryService/MetricReports")


def test_some_sensors_measure_nothing(odd: Bench, plain: Bench) -> None:
    extra = set(ids(odd, SENSORS)) - set(ids(plain, SENSORS))
    assert extra == {"DIMM2Temp", "Drive2Temp", "Leak0Voltage"}
    absent = odd.get("node001", f"{SENSORS}/DIMM2Temp")
    assert absent["Reading"] is None
    assert absent["Status"] == {"State": "Absent", "Health": "Critical"}
    assert odd.get("node001", f"{SENSORS}/Drive2Temp")["ReadingTime"].startswith("1970-")


def test_a_counter_stands_at_its_top(odd: Bench) -> None:
    metrics = odd.get("node001", "Systems/1/Processors/GPU_SXM_1/ProcessorMetrics")
    assert metrics["PCIeErrors"]["L0ToRecoveryCount"] == 4_294_967_295
    assert metrics["PCIeErrors"]["ReplayCount"] < 1000, "the others count"


@pytest.mark.parametrize(
    ("strike", "volts"),
    [(None, 1.73), (("leak", 0, 1.0), 1.45), (("leak", 0, 2.0), 0.9),
     (("leak_detector_failed", 0, 1.0), 2.4)],
)  # fmt: skip
def test_a_leak_detector_has_a_voltage(
    odd: Bench, strike: tuple[str, int, float] | None, volts: float
) -> None:
    odd.strikes += [strike] if strike else []
    asyncio.run(odd.tick())
    sensor = odd.get("node001", f"{SENSORS}/Leak0Voltage")
    assert sensor["Reading"] == volts
    assert sensor["RelatedItem"] == [{"@odata.id": f"{ROOT}/{DETECTOR}"}]
    assert sensor["Thresholds"]["LowerCritical"]["Reading"] == 1.3


def test_a_detector_that_does_not_work_floats(odd: Bench, plain: Bench) -> None:
    for bench in (odd, plain):
        bench.strikes.append(("leak_detector_failed", 0, 1.0))
        asyncio.run(bench.tick())
        detector = bench.get("node001", DETECTOR)
        assert detector["Status"]["State"] == "UnavailableOffline"
        assert detector["DetectorState"] == ("Critical" if bench is odd else None)


def test_a_supply_that_works_stands_by(odd: Bench, plain: Bench) -> None:
    assert odd.get("r01/shelf1", SUPPLY)["Status"] == {"State": "Standby", "Health": "OK"}
    assert plain.get("r01/shelf1", SUPPLY)["Status"] == {"State": "Enabled", "Health": "OK"}
