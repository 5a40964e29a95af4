"""Ethernet ports: statistics of the kernel and of drivers, FEC, optics."""

from fleetops_collectors.ethernet.collector import (
    EthernetCollector,
    EthernetConfig,
    EthernetTarget,
)
from fleetops_collectors.ethernet.drivers import load_drivers
from fleetops_collectors.ethernet.interfaces import Interface, decode_interfaces
from fleetops_collectors.ethernet.ioctl import EthtoolSocket
from fleetops_collectors.ethernet.outputs import decode_output
from fleetops_collectors.ethernet.tree import read_interfaces

__all__ = [
    "EthernetCollector",
    "EthernetConfig",
    "EthernetTarget",
    "EthtoolSocket",
    "Interface",
    "decode_interfaces",
    "decode_output",
    "load_drivers",
    "read_interfaces",
]
