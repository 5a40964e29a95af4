"""rackmon: supplies, battery units and pumping units of racks, over Modbus."""

from fleetops.emulator.interfaces.rackmon.interface import RackmonInterface, Transport

__all__ = ["RackmonInterface", "Transport"]
