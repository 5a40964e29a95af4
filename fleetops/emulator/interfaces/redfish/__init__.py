"""Redfish of the emulated devices: one management controller a port.

Shapes follow DMTF's mockups (DSP2043: liquid-cooled server, cooling unit, power shelf).
"""

from fleetops.emulator.interfaces.redfish.interface import RedfishInterface

__all__ = ["RedfishInterface"]
