"""FBOSS switches: sensors, port counters and optics in the JSON of its services and tools."""

from fleetops_collectors.fboss.collector import FbossCollector, FbossConfig
from fleetops_collectors.fboss.decode import decode_fboss

__all__ = ["FbossCollector", "FbossConfig", "decode_fboss"]
