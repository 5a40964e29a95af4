"""Building management over MQTT: dsx-exchange topics, and the shape before them."""

from fleetops_collectors.facility.collector import FacilityCollector, FacilityConfig
from fleetops_collectors.facility.recording import decode_recording
from fleetops_collectors.facility.state import Facility, Limits

__all__ = ["Facility", "FacilityCollector", "FacilityConfig", "Limits", "decode_recording"]
