"""OCP's Redfish profiles: what they make mandatory is read, or is no telemetry for a reason."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import pytest

from fleetops_collectors.redfish.properties import properties_of
from fleetops_collectors.redfish.routes import followed
from fleetops_schemas.catalog import load_catalog
from tests.support import fixtures

pytestmark = pytest.mark.fixtures

PROFILES = (
    "OCP-Sustainability-Profile.v1_0_0",
    "OCPBaselineHardwareManagement.v1_1_1",
    "OCPCoolantDistributionUnit.v1_0_0",
    "OCPLiquidCoolingBaseline.v1_0_0",
    "OCPPowerShelfManagement.v1_0_0",
    "OCPRackManagerController.v1_1_0",
    "OCPRackPDU.v1_0_0",
    "OCPRearDoorHeatExchanger.v1_0_0",
    "OCPServerHardwareManagement.v1_1_0",
    "OCPServiceBaseline.v1_0_0",
    "OCP_NIC.v1_0_0",
    "OCP_UBB_BaselineManagement.v1.0.0",
    "OCP_UBB_BaselineManagement.v1.1.0",
)

NOT_TELEMETRY = {
    r"(Account|Certificate|Event|License|Session|Task|Telemetry|Update)Service": "a service",
    r"Assembly|Certificate|EventDestination|License|ManagerAccount|OutboundConnection"
    r"|RegisteredClient|Role|ServiceConditions|ServiceRoot|Session|SoftwareInventory|Task": (
        "administration"
    ),
    r"EthernetInterface|ManagerNetworkProtocol": "the controller's own network",
    r"NetworkAdapter|NetworkAdapterMetrics|NetworkDeviceFunction|PCIeDevice|PCIeFunction": (
        "an adapter, which is no device of ours; its ports are"
    ),
    r"\w+Collection": "links",
    r"MetricReportDefinition": "how reports are made",
}
"""Resources without a reading, and what they hold instead."""
READ_OTHERWISE = {
    r"Sensor\..*": "sensors.py, by type, unit, context and id",
    r"MetricReport\..*": "metric_reports.py",
    r"Thermal\..*|Power\.(Voltages|PowerSupplies|Redundancy|Status|PowerConsumedWatts).*": (
        "legacy.py, where a chassis has nothing newer"
    ),
    r"LeakDetector\.(DetectorState|Status\.\w+)|LeakDetection\..*\.Detectors": "leaks.py",
    r"ThermalMetrics\.TemperatureReadingsCelsius": "decode.py: excerpts of sensors",
    r"Log(Entry|Service)\..*": "log_entries.py, log_positions.py",
    r"\w+\.Status\.State": "gates every reading of the part: Absent is absent",
    r"Manager\.DateTime": "decode.py: the clock that the age of readings is judged by",
    r"(CoolingUnit|PowerDistribution)\.EquipmentType": "names.py, by collection",
    r"\w+\.(Manufacturer|Model|PartNumber|SerialNumber|UUID|FirmwareVersion|BiosVersion)": (
        "identities.py, of what is a device"
    ),
}
"""Properties that code reads, not the table."""
NO_READING = {
    r"\w+\.(AssetTag|Description|PortId|ProductionDate|ServiceEntryPointUUID|UserLabel|Version)": (
        "identity"
    ),
    r"\w+\.Location(\..*)?": "place: it comes from the inventory",
    r"\w+\.(LocationIndicatorActive|IndicatorLED)": "a lamp",
    r"(Mains|Branch)Circuit\.(CircuitType|ElectricalContext|NominalVoltage|PhaseWiringType"
    r"|VoltageType|RatedCurrentAmps|PowerRestorePolicy)": "what a circuit is",
    r"Outlet\.(ElectricalContext|NominalVoltage|OutletType|PhaseWiringType|VoltageType"
    r"|RatedCurrentAmps|PowerRestorePolicy)": "what an outlet is",
    r"PowerSupply\.(InputNominalVoltageType|PowerSupplyType|PowerCapacityWatts|OutputRails)": (
        "what a supply is"
    ),
    r"PowerSubsystem\.CapacityWatts": "a rating",
    r"(CoolantConnector|CoolingUnit)\.Coolant(\.\w+)?|CoolantConnector\.CoolantConnectorType"
    r"|CoolingUnit\.CoolingCapacityWatts": "what a loop is",
    r"Filter\.(HotPluggable|RatedServiceHours|Replaceable|ServicedDate)": "what a filter is",
    r"Reservoir\.(CapacityLiters|ReservoirType)|Pump\.PumpType": "what a part is",
    r"LeakDetector\.LeakDetectorType|Chassis\.ChassisType": "what it is",
    r"ComputerSystem\.(SystemType|MemorySummary.*|ProcessorSummary.*|Boot\..*|SerialConsole.*"
    r"|EthernetInterfaces)": "what a system is, and how it boots",
    r"Memory\.(AllowedSpeedsMHz|CapacityMiB|ErrorCorrection|MemoryDeviceType)": "what memory is",
    r"Processor\.ProcessorType": "what it is; names.py goes by it",
    r"Port\.(Ethernet|FunctionM\w+|LinkConfiguration|LinkNetworkTechnology|PortProtocol|PortType"
    r"|@Redfish)(\..*)?": "how a port is set up",
    r"Port\.LinkState": "whether it is switched on; LinkStatus says whether it works",
    r"Port\.Status\.Health": "the link's state and its errors say more",
    r"Manager\.(Certificates|DateTimeLocalOffset|EthernetInterfaces|ManagerNetworkProtocol"
    r"|ManagerType|NetworkProtocol|PowerState|SerialConsole|Status\.HealthRollup)": (
        "what the controller is"
    ),
    r"Power\.PowerControl\.(PowerMetrics|Status|PhysicalContext|PowerCapacityWatts"
    r"|PowerLimit\.LimitException)(\..*)?": "sums over time, and ratings",
    r"ThermalSubsystem\.FanRedundancy\.(MinNeededInGroup|Redundancy(Group|Type))": "a rating",
    r"ThermalSubsystem\.Status\.Health": "rolled up in the chassis",
    r"\w+\.Links(\..*)?|PowerDistribution\.Metrics\.@odata\.id": "links",
}
"""Properties that are no telemetry, and what they are."""
EXPECTED_MINIMUM = 95
"""Telemetry properties that the profiles ask for; fewer means that this test reads them wrongly."""


class Asked(NamedTuple):
    profile: str
    kind: str
    path: str

    @property
    def name(self) -> str:
        return f"{self.kind}.{self.path}"


@cache
def _asked() -> tuple[Asked, ...]:
    found: dict[Asked, None] = {}
    for profile in PROFILES:
        document = json.loads((fixtures() / "ocp" / f"{profile}.json").read_text("utf-8"))
        for kind, resource in document["Resources"].items():
            for use_case, requirements in _use_cases(resource):
                for path in _mandatory(requirements, ()):
                    found[Asked(profile, _kind_in(kind, use_case), ".".join(path))] = None
    return tuple(found)


def _use_cases(resource: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "", resource
    for use_case in resource.get("UseCases") or []:
        yield use_case.get("UseCaseTitle", ""), use_case


def _mandatory(holder: dict[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The paths of mandatory properties that hold no further ones."""
    for name, wanted in (holder.get("PropertyRequirements") or {}).items():
        if not isinstance(wanted, dict):
            continue
        here = (*path, *name.split("."))
        deeper = list(_mandatory(wanted, here))
        yield from deeper
        if not deeper and wanted.get("ReadRequirement", "Mandatory") == "Mandatory":
            yield here


def _kind_in(kind: str, use_case: str) -> str:
    """The type as the catalog's sources name it."""
    if kind == "Circuit":
        return "MainsCircuit" if "Mains" in use_case else "BranchCircuit"
    if kind == "EnvironmentMetrics" and "Thermal Subsystem" in use_case:
        return "ThermalMetrics"
    return kind


def _is_read(one: Asked) -> bool:
    path = tuple(one.path.removesuffix(".Reading").removesuffix(".SetPoint").split("."))
    for device_class in load_catalog().classes:
        for known in properties_of(one.kind, device_class):
            if known.path == path or known.path[: len(path)] == path:
                return True
    return False


def _is_followed(one: Asked) -> bool:
    return tuple(one.path.split(".")) in set(followed(one.kind, {}))


def _why_not(one: Asked) -> str:
    reasons = [
        *((rf"({kinds})\..*", why) for kinds, why in NOT_TELEMETRY.items()),
        *READ_OTHERWISE.items(),
        *NO_READING.items(),
    ]
    return next((why for pattern, why in reasons if re.fullmatch(pattern, one.name)), "")


@pytest.mark.parametrize("profile", PROFILES)
def test_every_mandatory_property_is_read_or_is_none(profile: str) -> None:
    asked = [one for one in _asked() if one.profile == profile]
    assert asked
    known = (_is_read, _is_followed, _why_not)
    assert [one.name for one in asked if not any(knows(one) for knows in known)] == []


def test_the_telemetry_of_the_profiles_is_in_the_table() -> None:
    read = {one.name for one in _asked() if _is_read(one)}
    for wanted in (
        "CoolantConnector.FlowLitersPerMinute",
        "CoolantConnector.HeatRemovedkW",
        "CoolantConnector.RatedFlowLitersPerMinute",
        "Pump.PumpSpeedPercent",
        "Reservoir.FluidLevelStatus",
        "Filter.ServiceHours",
        "LeakDetection.LeakDetectorGroups.HumidityPercent",
        "Fan.SpeedPercent",
        "PowerDistributionMetrics.PowerLoadPercent",
        "MainsCircuit.PolyPhaseCurrentAmps.Line1.Reading",
        "MainsCircuit.PolyPhaseVoltage.Line3ToLine1.Reading",
        "BranchCircuit.EnergykWh.Reading",
        "Outlet.PowerWatts.Reading",
        "PowerSupplyMetrics.RailPowerWatts",
        "PowerSupply.LineInputStatus",
        "MemoryMetrics.BandwidthPercent",
        "PortMetrics.Transceivers.RXInputPowerMilliWatts",
        "EnvironmentMetrics.PowerLimitWatts.SetPoint",
        "ThermalMetrics.PowerWatts.Reading",
    ):
        assert wanted in read
    assert len(read) >= EXPECTED_MINIMUM
