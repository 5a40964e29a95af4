"""Resources show the tables, and lead to each other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from fleetops.emulator.identity import uuid_of
from fleetops.emulator.interfaces.base import select
from fleetops.emulator.interfaces.dcgm import DcgmInterface
from fleetops.emulator.interfaces.redfish.tree import ROOT
from fleetops_schemas.platforms import Interface
from tests.unit.emulator.redfish.bench import Bench

TRAY = "Chassis/Tray"
GPU = "Systems/1/Processors/GPU_3"
UNIT = "ThermalEquipment/CDUs/1"
SUPPLIES = "Chassis/PowerShelf/PowerSubsystem/PowerSupplies"
SHELF = "r01/shelf1"


@pytest.fixture
def bench() -> Bench:
    return Bench()


def references(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if len(value) == 1 and isinstance(value.get("@odata.id"), str):
            yield value["@odata.id"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_every_host_unit_and_shelf_has_a_controller(bench: Bench) -> None:
    kinds = {name: one.kind for name, one in bench.controllers.items()}
    assert kinds == {
        "node001": "host",
        "node002": "host",
        "cdu1": "coolant_unit",
        "r01/shelf1": "power_shelf",
    }


def test_hosts_of_a_platform_share_one_tree(bench: Bench) -> None:
    assert bench.controller("node001").tree is bench.controller("node002").tree


@pytest.mark.parametrize("device", ["node001", "cdu1", SHELF])
def test_every_reference_leads_to_a_resource(bench: Bench, device: str) -> None:
    controller = bench.controller(device)
    reached, ahead = set[str](), [ROOT]
    while ahead:
        path = ahead.pop()
        if path in reached or "SessionService" in path:
            continue
        resource = controller.tree.get(path, controller)
        assert resource is not None, path
        assert resource["@odata.id"].rstrip("/") == path
        reached.add(path)
        ahead += references(resource)
    assert {node.path for node in controller.tree} == reached, "nothing stands apart"


def test_a_host_shows_its_row(bench: Bench) -> None:
    row = bench.fleet.tables["host"]
    metrics = bench.get("node002", f"{TRAY}/EnvironmentMetrics")
    assert metrics["PowerWatts"]["Reading"] == row.value("node002", "power_watts")
    sensor = bench.get("node002", f"{TRAY}/Sensors/IntakeTemp")
    assert sensor["Reading"] == row.value("node002", "inlet_temperature_celsius")
    assert sensor["ReadingTime"] == bench.clock.now().isoformat(timespec="milliseconds")
    fan = bench.get("node002", f"{TRAY}/ThermalSubsystem/Fans/Fan1")["SpeedPercent"]
    ratio = row.value("node002", "fan_speed_ratio")
    assert fan["Reading"] == pytest.approx(100.0 * ratio)
    full = float(bench.fleet.site.groups[0].platform.board.fan_rpm)
    assert fan["SpeedRPM"] == pytest.approx(full * ratio, abs=0.5)


def test_an_accelerator_that_is_gone_is_absent_and_says_nothing(bench: Bench) -> None:
    assert bench.get("node001", GPU)["Status"] == {"State": "Enabled", "Health": "OK"}
    bench.strikes.append(("gone", 3, 1.0))
    asyncio.run(bench.tick())
    assert bench.get("node001", GPU)["Status"] == {"State": "Absent", "Health": None}
    metrics = bench.get("node001", f"{GPU}/EnvironmentMetrics")
    assert metrics["TemperatureCelsius"] == {"Reading": None}
    other = bench.get("node002", f"{GPU}/EnvironmentMetrics")
    assert other["TemperatureCelsius"]["Reading"] > 30.0


def test_an_accelerator_is_the_same_in_band_and_out_of_band(bench: Bench) -> None:
    own = bench.get("node001", GPU)["UUID"]
    assert own == str(uuid_of("node001/gpu3"))
    assert own != bench.get("node002", GPU)["UUID"]
    around = bench.redfish.surroundings
    dcgm = DcgmInterface(around, select(bench.fleet.site, Interface.DCGM))
    (line,) = (
        line
        for line in dcgm.text("node001").splitlines()
        if line.startswith("DCGM_FI_DEV_GPU_TEMP{") and 'gpu="3"' in line
    )
    assert f'UUID="GPU-{own}"' in line


def test_a_host_that_is_off_keeps_its_controller(bench: Bench) -> None:
    bench.strikes.append(("down", 1, 1.0))
    asyncio.run(bench.tick())
    assert bench.controller("node002").answers
    assert bench.get("node002", "Systems/1")["PowerState"] == "Off"
    assert bench.get("node001", "Systems/1")["PowerState"] == "On"


def test_a_coolant_unit_balances_its_heat(bench: Bench) -> None:
    """Q = V rho cp dT with PG25: 1.03 kg/L, 3.97 kJ/(kg K) (hardware notes, section 6)."""
    connector = bench.get("cdu1", f"{UNIT}/SecondaryCoolantConnectors/1")
    shown = {name: value["Reading"] for name, value in connector.items() if name.endswith(
        ("Minute", "Celsius", "kW", "kPa")) and isinstance(value, dict)}  # fmt: skip
    warming = shown["ReturnTemperatureCelsius"] - shown["SupplyTemperatureCelsius"]
    assert shown["DeltaTemperatureCelsius"] == warming
    assert shown["DeltaPressurekPa"] == shown["SupplyPressurekPa"] - shown["ReturnPressurekPa"]
    expected = shown["FlowLitersPerMinute"] / 60.0 * 1.03 * 3.97 * warming
    assert shown["HeatRemovedkW"] == pytest.approx(expected, rel=0.06), "a quarter kelvin of five"
    assert connector["RatedFlowLitersPerMinute"] > 10.0


@pytest.mark.parametrize(
    ("path", "properties"),
    [
        (
            "SecondaryCoolantConnectors/1",
            "FlowLitersPerMinute RatedFlowLitersPerMinute SupplyTemperatureCelsius "
            "ReturnTemperatureCelsius DeltaTemperatureCelsius SupplyPressurekPa ReturnPressurekPa "
            "DeltaPressurekPa HeatRemovedkW Coolant CoolantConnectorType",
        ),
        (
            "PrimaryCoolantConnectors/1",
            "FlowLitersPerMinute RatedFlowLitersPerMinute SupplyTemperatureCelsius "
            "ReturnTemperatureCelsius DeltaTemperatureCelsius HeatRemovedkW",
        ),
        ("Pumps/2", "PumpSpeedPercent PumpType"),
        ("Reservoirs/1", "FluidLevelStatus FluidLevelPercent CapacityLiters ReservoirType"),
        ("Filters/1", "ServiceHours RatedServiceHours Replaceable HotPluggable"),
        ("LeakDetection/LeakDetectors/leak0", "DetectorState LeakDetectorType Status"),
    ],
)
def test_a_coolant_unit_tells_what_ocps_baseline_asks_of_it(
    bench: Bench, path: str, properties: str
) -> None:
    """CoolantDistributionUnit 1.0: its telemetry; the primary's pressures are not modelled."""
    shown = bench.get("cdu1", f"{UNIT}/{path}")
    blank = [name for name in properties.split() if shown.get(name) in (None, {"Reading": None})]
    assert blank == []


def test_the_primary_takes_the_racks_heat_and_the_pumps(bench: Bench) -> None:
    given = bench.get("cdu1", f"{UNIT}/SecondaryCoolantConnectors/1")["HeatRemovedkW"]["Reading"]
    taken = bench.get("cdu1", f"{UNIT}/PrimaryCoolantConnectors/1")["HeatRemovedkW"]["Reading"]
    pumps = bench.get("cdu1", f"{UNIT}/EnvironmentMetrics")["PowerWatts"]["Reading"] / 1e3
    assert taken == pytest.approx(given + pumps, rel=0.06)


def test_a_shelf_adds_up_and_one_supply_may_fail(bench: Bench) -> None:
    def watts() -> list[float]:
        metrics = [bench.get(SHELF, f"{SUPPLIES}/Bay{n}/Metrics") for n in range(1, 7)]
        return [one["OutputPowerWatts"]["Reading"] for one in metrics]

    total = bench.get(SHELF, "Chassis/PowerShelf/Sensors/TotalOutputPower")["Reading"]
    assert sum(watts()) == pytest.approx(total, abs=3.0)
    group = bench.get(SHELF, "Chassis/PowerShelf/PowerSubsystem")["PowerSupplyRedundancy"][0]
    assert (group["MaxSupportedInGroup"], group["MinNeededInGroup"]) == (6, 5)
    assert group["Status"] == {"State": "Enabled", "Health": "OK"}

    bench.strikes.append(("supply_failed", 1, 1.0))
    asyncio.run(bench.tick(2))
    assert bench.get(SHELF, f"{SUPPLIES}/Bay2")["Status"]["Health"] == "Critical"
    assert bench.get(SHELF, "PowerEquipment/PowerShelves/1")["Status"]["Health"] == "Warning"
    assert watts()[1] == 0.0
    total = bench.get(SHELF, "Chassis/PowerShelf/Sensors/TotalOutputPower")["Reading"]
    assert sum(watts()) == pytest.approx(total, abs=3.0)


def test_a_supply_that_misreports_does_not_change_the_shelfs_own_meter(bench: Bench) -> None:
    bench.strikes.append(("supply_misreport", 1, 0.5))
    asyncio.run(bench.tick())
    metrics = [bench.get(SHELF, f"{SUPPLIES}/Bay{n}/Metrics") for n in range(1, 7)]
    said = [one["OutputPowerWatts"]["Reading"] for one in metrics]
    total = bench.get(SHELF, "Chassis/PowerShelf/Sensors/TotalOutputPower")["Reading"]
    assert total - sum(said) == pytest.approx(said[1], rel=0.05)


def test_reports_repeat_the_resources_as_text(bench: Bench) -> None:
    report = bench.get("node001", "TelemetryService/MetricReports/ProcessorMetrics")
    said = {one["MetricProperty"]: one for one in report["MetricValues"]}
    power = said[f"{ROOT}/{GPU}/EnvironmentMetrics#/PowerWatts/Reading"]
    watts = bench.fleet.tables["accelerator"].value("node001/gpu3", "power_watts")
    assert power["MetricValue"] == str(watts)
    assert power["Timestamp"] == report["Timestamp"]
    assert all(isinstance(one["MetricValue"], str) for one in said.values())


def test_expanding_stops_at_links(bench: Bench) -> None:
    controller = bench.controller("node001")

    def expanded(levels: int, *, links: bool) -> dict[str, Any]:
        resource = bench.get("node001", "Systems/1/Processors")
        return controller.tree.expand(resource, levels, controller, links=links)

    member = expanded(1, links=False)["Members"][-1]
    assert member["Id"] == "GPU_7"
    assert member["EnvironmentMetrics"] == {
        "@odata.id": f"{ROOT}/Systems/1/Processors/GPU_7/EnvironmentMetrics"
    }
    assert expanded(2, links=False)["Members"][-1]["EnvironmentMetrics"]["PowerWatts"]["Reading"]
    memory = bench.get("node001", "Systems/1/Memory/GPU_0_DRAM_0")
    assert controller.tree.expand(memory, 1, controller, links=False)["Links"] == memory["Links"]
    linked = controller.tree.expand(memory, 1, controller, links=True)["Links"]["Processors"][0]
    assert linked["ProcessorType"] == "GPU"
