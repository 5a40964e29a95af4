"""Trees and sessions without a server; the protocol itself is tested over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fleetops.core.clock import ManualClock
from fleetops.emulator.fleet import Fleet
from fleetops.emulator.servers.redfish.devices import Device, build_devices
from fleetops.emulator.servers.redfish.sessions import IDLE_SECONDS, MAX_SESSIONS, SessionStore
from fleetops.emulator.servers.redfish.tree import ROOT
from tests.unit.emulator.fleets import advance, make_fleet, strike

CONNECTOR = f"{ROOT}/Chassis/Tray/ThermalSubsystem/CoolantConnectors/1"
DETECTOR = f"{ROOT}/Chassis/Tray/ThermalSubsystem/LeakDetection/LeakDetectors/leak0"
PUMPS = f"{ROOT}/ThermalEquipment/CDUs/1/Pumps"
SUBSYSTEM = f"{ROOT}/Chassis/PowerShelf/PowerSubsystem"


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return make_fleet(tmp_path, racks=2, hosts_per_rack=2)


@pytest.fixture
def devices(fleet: Fleet) -> dict[str, Device]:
    return {device.name: device for device in build_devices(fleet, ManualClock())}


def get(device: Device, path: str) -> dict[str, Any]:
    resource = device.tree.get(path)
    assert resource is not None, path
    return resource


def test_every_host_unit_and_shelf_has_a_controller(devices: dict[str, Device]) -> None:
    kinds = {name: device.kind for name, device in devices.items()}
    assert kinds == {
        "node001": "host",
        "node002": "host",
        "node003": "host",
        "node004": "host",
        "cdu1": "coolant_unit",
        "r01/shelf1": "power_shelf",
    }


def test_a_tray_shows_its_coolant(fleet: Fleet, devices: dict[str, Device]) -> None:
    healthy = get(devices["node002"], CONNECTOR)
    assert healthy["FlowLitersPerMinute"]["Reading"] == pytest.approx(9.4, abs=0.3)
    assert healthy["DeltaTemperatureCelsius"]["Reading"] == pytest.approx(9.0, abs=1.0)
    strike(fleet, "cold_plate_clog", {"host_index": 1})
    advance(fleet, 10)
    clogged = get(devices["node002"], CONNECTOR)
    assert clogged["FlowLitersPerMinute"]["Reading"] < 4.0
    assert clogged["RatedFlowLitersPerMinute"] == healthy["RatedFlowLitersPerMinute"]


@pytest.mark.parametrize("level", ["warning", "critical"])
def test_a_leak_shows_in_detector_rollup_and_log(
    fleet: Fleet, devices: dict[str, Device], level: str
) -> None:
    device = devices["node003"]
    assert get(device, DETECTOR)["DetectorState"] == "OK"
    strike(fleet, "leak", {"host_index": 2}, {"level": level})
    advance(fleet, 0.5)
    word = level.title()
    assert get(device, DETECTOR)["DetectorState"] == word
    assert get(device, DETECTOR)["Status"] == {"State": "Enabled", "Health": word}
    assert get(device, f"{ROOT}/Systems/1")["Status"]["HealthRollup"] == word
    log = get(device, f"{ROOT}/Managers/BMC/LogServices/Log/Entries")
    (entry,) = log["Members"]
    assert entry["MessageId"].endswith(f".LeakDetected{word}")
    assert entry["Links"]["OriginOfCondition"] == {"@odata.id": DETECTOR}
    assert get(device, entry["@odata.id"]) == entry


def test_a_weak_pump_shows_in_speed_health_and_flow(
    fleet: Fleet, devices: dict[str, Device]
) -> None:
    unit = devices["cdu1"]
    assert get(unit, f"{PUMPS}/1")["PumpSpeedPercent"]["Reading"] == pytest.approx(80, abs=1)
    strike(fleet, "pump_degraded", {"coolant_unit": "cdu1", "pump": 1})
    advance(fleet, 12)
    assert get(unit, f"{PUMPS}/1")["PumpSpeedPercent"]["Reading"] == pytest.approx(10, abs=1)
    assert get(unit, f"{PUMPS}/1")["Status"]["Health"] == "Critical"
    assert get(unit, f"{PUMPS}/2")["Status"]["Health"] == "OK"
    secondary = get(unit, f"{ROOT}/ThermalEquipment/CDUs/1/SecondaryCoolantConnectors/1")
    assert secondary["FlowLitersPerMinute"]["Reading"] < 0.5 * secondary["RatedFlowLitersPerMinute"]
    assert get(unit, f"{ROOT}/ThermalEquipment/CDUs/1")["Status"]["HealthRollup"] == "Critical"


def test_the_shelf_s_sum_is_that_of_its_supplies(fleet: Fleet, devices: dict[str, Device]) -> None:
    shelf = devices["r01/shelf1"]
    metrics = [get(shelf, f"{SUBSYSTEM}/PowerSupplies/Bay{bay}/Metrics") for bay in range(1, 7)]
    total = get(shelf, f"{ROOT}/PowerEquipment/PowerShelves/1/Metrics")["PowerWatts"]["Reading"]
    assert sum(m["InputPowerWatts"]["Reading"] for m in metrics) == pytest.approx(total, abs=1.0)
    for m in metrics:
        rail = m["RailVoltage"][0]["Reading"] * m["RailCurrentAmps"][0]["Reading"]
        assert rail == pytest.approx(m["OutputPowerWatts"]["Reading"], rel=0.001)
    strike(fleet, "supply_failed", {"power_shelf": "r01/shelf1", "supply": 4})
    advance(fleet, 0.5)
    group = get(shelf, SUBSYSTEM)["PowerSupplyRedundancy"][0]
    assert group["Status"]["Health"] == "Warning"
    bay = get(shelf, f"{SUBSYSTEM}/PowerSupplies/Bay4")
    assert bay["Status"]["Health"] == "Critical"


def test_expansion_stops_at_its_level_and_leaves_links(devices: dict[str, Device]) -> None:
    tree = devices["node001"].tree
    chassis = get(devices["node001"], f"{ROOT}/Chassis/Tray")
    once = tree.expand(chassis, 1, links=False)
    assert once["Sensors"]["Members"][0].keys() == {"@odata.id"}
    assert once["Links"] == chassis["Links"]
    twice = tree.expand(chassis, 2, links=False)
    assert "Reading" in twice["Sensors"]["Members"][0]
    assert "SerialNumber" in tree.expand(chassis, 1, links=True)["Links"]["ComputerSystems"][0]


def test_sessions_are_few_and_expire() -> None:
    clock = ManualClock()
    store = SessionStore(clock)
    opened = [store.open("fleetops") for _ in range(MAX_SESSIONS)]
    first = opened[0]
    assert first is not None
    assert store.open("fleetops") is None
    assert store.is_open(first.token)
    assert not store.is_open("guess")

    clock.advance(IDLE_SECONDS - 1)
    assert store.is_open(first.token)  # used, so it lives on
    clock.advance(2)
    assert store.ids == [first.id]
    assert store.close(first.id)
    assert not store.close(first.id)
    assert not store.is_open(first.token)
