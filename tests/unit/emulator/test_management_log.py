from __future__ import annotations

from pathlib import Path

import pytest

from fleetops.emulator.fleet import Fleet
from tests.unit.emulator.fleets import advance, make_fleet, strike


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return make_fleet(tmp_path)


def seen(fleet: Fleet, device: str) -> list[tuple[str, str, str]]:
    return [
        (entry.message_id.split(".")[-1], entry.severity, entry.argument)
        for entry in fleet.logs.entries(device)
    ]


def test_a_leak_is_logged_at_each_change_of_level(fleet: Fleet) -> None:
    strike(fleet, "leak", {"host_index": 3}, {"level": "warning"}, duration_seconds=10)
    advance(fleet, 2)
    strike(fleet, "leak", {"host_index": 3}, {"level": "critical"}, duration_seconds=3)
    advance(fleet, 15)
    assert seen(fleet, "node004") == [
        ("LeakDetectedWarning", "Warning", "leak0"),
        ("LeakDetectedCritical", "Critical", "leak0"),
        ("LeakDetectedWarning", "Warning", "leak0"),
        ("LeakDetectedNormal", "OK", "leak0"),
    ]
    assert [entry.id for entry in fleet.logs.entries("node004")] == [1, 2, 3, 4]
    assert seen(fleet, "node003") == []


def test_a_failed_pump_and_a_failed_supply_are_logged_by_their_own_units(fleet: Fleet) -> None:
    strike(fleet, "pump_degraded", {"coolant_unit": "cdu1", "pump": 1})
    strike(fleet, "supply_failed", {"power_shelf": "r03/shelf1", "supply": 2}, duration_seconds=4)
    advance(fleet, 12)
    assert seen(fleet, "cdu1") == [("PumpFailed", "Critical", "1")]
    assert seen(fleet, "cdu2") == []
    assert seen(fleet, "r03/shelf1") == [
        ("PowerSupplyFailed", "Critical", "Bay2"),
        ("PowerSupplyRestored", "OK", "Bay2"),
    ]
    assert all(seen(fleet, host) == [] for host in fleet.layout.hosts)
