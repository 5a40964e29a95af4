"""The contract of interfaces, kept by the exporters of FBOSS switches."""

from __future__ import annotations

from fleetops.emulator.interfaces.fboss import FbossInterface
from tests.contract.interface_contract import Strike
from tests.contract.switch_contract import SwitchContract


class TestFbossInterface(SwitchContract):
    """Rack switches with copper below and optics above."""

    interface_class = FbossInterface
    gone = Strike("switch_down", 0)
    hosts = 4
