"""The contract of interfaces, kept by dcgm-exporter."""

from __future__ import annotations

from fleetops.emulator.interfaces.dcgm import DcgmInterface
from tests.contract.interface_contract import InterfaceContract, Strike


class TestDcgmInterface(InterfaceContract):
    interface_class = DcgmInterface
    gone = Strike("gone", 3)
