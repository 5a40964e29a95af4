"""The contract of interfaces, kept by the databases of SONiC switches."""

from __future__ import annotations

from fleetops.emulator.interfaces.sonic import SonicInterface
from tests.contract.interface_contract import Strike
from tests.contract.switch_contract import SwitchContract


class TestSonicInterface(SwitchContract):
    """A leaf with co-packaged optics above and modules below."""

    interface_class = SonicInterface
    cluster = "unified_2025"
    gone = Strike("switch_down", 0)
