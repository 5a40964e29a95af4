"""The contract of interfaces, kept by Redfish."""

from __future__ import annotations

from fleetops.emulator.interfaces.redfish import RedfishInterface
from tests.contract.interface_contract import InterfaceContract, Strike


class TestRedfishOfAirCooledHosts(InterfaceContract):
    interface_class = RedfishInterface
    gone = Strike("controller_down", 1)


class TestRedfishOfLiquidCooledHosts(InterfaceContract):
    interface_class = RedfishInterface
    cluster = "demo"
    gone = Strike("gone", 3)
