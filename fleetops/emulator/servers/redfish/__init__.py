"""Redfish of the emulated devices: one management controller a port.

Shapes follow DMTF's mockups (DSP2043: liquid-cooled server, cooling unit, power shelf).
"""

from fleetops.emulator.servers.redfish.devices import build_devices
from fleetops.emulator.servers.redfish.service import RedfishService

__all__ = ["RedfishService", "build_devices"]
