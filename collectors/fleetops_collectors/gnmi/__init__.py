"""Switches with OpenConfig: a gNMI subscription that stays open, or what gNMI tools recorded."""

from fleetops_collectors.gnmi.collector import GnmiCollector, GnmiConfig
from fleetops_collectors.gnmi.decode import decode_gnmi
from fleetops_collectors.gnmi.newest import NewestValues
from fleetops_collectors.gnmi.recordings import notifications_of

__all__ = ["GnmiCollector", "GnmiConfig", "NewestValues", "decode_gnmi", "notifications_of"]
