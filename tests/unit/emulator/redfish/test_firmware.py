"""What controllers note by themselves: each change once, with its origin, and nothing in health."""

from __future__ import annotations

import asyncio

import pytest

from fleetops.emulator.interfaces.redfish.tree import ROOT
from fleetops.emulator.log_lines import LogLine
from tests.unit.emulator.redfish.bench import Bench

DETECTOR = f"{ROOT}/Chassis/Tray/ThermalSubsystem/LeakDetection/LeakDetectors/leak0"
BAY_2 = f"{ROOT}/Chassis/PowerShelf/PowerSubsystem/PowerSupplies/Bay2"


@pytest.fixture
def bench() -> Bench:
    return Bench()


def keys(bench: Bench, device: str) -> list[str]:
    return [entry.message_id.rpartition(".")[2] for entry in bench.controller(device).log]


def strike(bench: Bench, *strikes: tuple[str, int, float]) -> None:
    """Sets what is wrong, and lets it show."""
    bench.strikes[:] = strikes
    asyncio.run(bench.tick())


def test_a_healthy_fleet_notes_nothing(bench: Bench) -> None:
    asyncio.run(bench.tick(30))
    assert {name: keys(bench, name) for name in bench.controllers} == {
        "node001": [],
        "node002": [],
        "cdu1": [],
        "r01/shelf1": [],
    }


def test_a_leak_is_noted_as_it_grows_and_when_it_is_over(bench: Bench) -> None:
    for level in (1.0, 1.0, 2.0):
        strike(bench, ("leak", 1, level))
    strike(bench)
    entries = list(bench.controller("node002").log)
    assert [(entry.message_id, entry.severity) for entry in entries] == [
        ("Environmental.1.4.LeakDetectedWarning", "Warning"),
        ("Environmental.1.4.LeakDetectedCritical", "Critical"),
        ("Environmental.1.4.LeakDetectedNormal", "OK"),
    ]
    assert {entry.origin for entry in entries} == {DETECTOR}
    assert {entry.arguments for entry in entries} == {("leak0",)}
    assert entries[-1].created == bench.clock.now()
    assert keys(bench, "node001") == []


def test_a_detector_that_fails_is_no_leak(bench: Bench) -> None:
    strike(bench, ("leak_detector_failed", 0, 1.0))
    strike(bench)
    assert keys(bench, "node001") == ["LeakDetectorFailure", "LeakDetectorRestored"]


def test_a_pump_that_stops_is_noted_by_its_unit(bench: Bench) -> None:
    strike(bench, ("pump_speed", 1, 0.2))
    (entry,) = bench.controller("cdu1").log
    assert entry.message_id == "Environmental.1.4.PumpFailed"
    assert entry.origin == f"{ROOT}/ThermalEquipment/CDUs/1/Pumps/2"


def test_a_supply_that_fails_is_noted_by_its_shelf(bench: Bench) -> None:
    strike(bench, ("supply_failed", 1, 1.0))
    (entry,) = bench.controller("r01/shelf1").log
    assert (entry.message_id, entry.origin) == ("Power.1.2.PowerSupplyFailed", BAY_2)


def test_lost_mains_are_noted_for_every_supply(bench: Bench) -> None:
    strike(bench, ("mains", 0, 0.0))
    noted = keys(bench, "r01/shelf1")
    assert noted.count("LossOfInputPower") == 6


def test_an_accelerator_that_falls_off_is_missing(bench: Bench) -> None:
    strike(bench, ("gone", 3, 1.0))
    (entry,) = bench.controller("node001").log
    assert entry.message_id == "Platform.1.3.DeviceMissing"
    assert entry.origin == f"{ROOT}/Systems/1/Processors/GPU_3"


def test_accelerators_of_a_host_that_is_off_are_not_missing(bench: Bench) -> None:
    strike(bench, ("down", 0, 1.0))
    strike(bench)
    assert keys(bench, "node001") == []


def test_a_controller_that_was_down_notes_later_what_it_finds(bench: Bench) -> None:
    strike(bench, ("leak", 0, 2.0), ("controller_down", 0, 1.0))
    assert keys(bench, "node001") == []
    strike(bench, ("leak", 0, 2.0))
    assert keys(bench, "node001") == ["LeakDetectedCritical"]


def test_faults_write_into_the_log_of_what_they_strike(bench: Bench) -> None:
    cloudy, key = "Cloudy.", "Environmental.1.4.FluidQualityWarning"
    for owner in ("cdu1", "leaf1"):  # a leaf switch has no controller here
        line = LogLine(0.0, "management", owner, cloudy, message_id=key, severity="Warning")
        bench.redfish.tell(line)
    bench.redfish.tell(LogLine(0.0, "kernel", "node001", "Said by the kernel."))
    (entry,) = bench.controller("cdu1").log
    assert (entry.message_id, entry.message, entry.severity) == (key, cloudy, "Warning")
    assert entry.origin == f"{ROOT}/ThermalEquipment/CDUs/1"
    assert keys(bench, "node001") == []
