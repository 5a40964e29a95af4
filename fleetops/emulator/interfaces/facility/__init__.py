"""facility: building management's view of coolant units, over MQTT."""

from fleetops.emulator.interfaces.facility.interface import FacilityInterface

__all__ = ["FacilityInterface"]
