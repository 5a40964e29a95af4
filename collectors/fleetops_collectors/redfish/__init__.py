"""Redfish: servers, coolant units, power shelves and PDUs, live or from a capture."""

from fleetops_collectors.redfish.collector import RedfishCollector
from fleetops_collectors.redfish.config import RedfishConfig
from fleetops_collectors.redfish.decode import Service, decode_resources
from fleetops_collectors.redfish.directory import read_directory, read_document
from fleetops_collectors.redfish.tree import Tree

__all__ = [
    "RedfishCollector",
    "RedfishConfig",
    "Service",
    "Tree",
    "decode_resources",
    "read_directory",
    "read_document",
]
