"""The contract of interfaces, kept by Redfish: of hosts, coolant units and power shelves."""

from __future__ import annotations

from fleetops.emulator.interfaces.redfish import RedfishInterface
from tests.contract.interface_contract import InterfaceContract, Strike


class TestRedfishOfAirCooledHosts(InterfaceContract):
    interface_class = RedfishInterface
    gone = Strike("controller_down", 1)


class TestRedfishOfLiquidCooledRacks(InterfaceContract):
    """Hosts, a coolant unit and a shelf; an accelerator goes."""

    interface_class = RedfishInterface
    cluster = "demo"
    gone = Strike("gone", 3)


class TestRedfishOfTrays(InterfaceContract):
    """Trays with all that captures of such trays have of their own; a supply goes."""

    interface_class = RedfishInterface
    cluster = "gb300_rack"
    gone = Strike("supply_gone", 2)


class TestRedfishOfCardsWithoutAnExporter(InterfaceContract):
    interface_class = RedfishInterface
    cluster = "mtia_v1"
    gone = Strike("gone", 3)


class TestRedfishWithAllQuirks(InterfaceContract):
    interface_class = RedfishInterface
    cluster = "demo"
    variant = "odd"
    gone = Strike("controller_down", 0)
