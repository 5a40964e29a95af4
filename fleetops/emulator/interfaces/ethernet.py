"""Ethernet interfaces in sysfs: ``STATE_DIR/sysfs/HOST/class/net/eth0``.

The files alone: drivers' own statistics and modules' memory are asked of this machine's kernel by
name, which knows nothing of emulated interfaces; so pauses, error correction and light are not
carried. An interface on the same port as an RDMA device bears that device's name, as a host's
administrator may have it, and counts what RDMA sends too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import override

from fleetops.emulator.groups import Group
from fleetops.emulator.interfaces.sysfs import (
    MODULE_TEMPERATURE,
    PORT,
    HostPort,
    SysfsInterface,
    mac_address,
    rates,
    whole,
)
from fleetops.emulator.interfaces.sysfs_tree import Leaf
from fleetops_schemas.catalog import MetricKind, load_catalog
from fleetops_schemas.platforms import Interface

MEGABITS_PER_GIGABIT = 1000.0
NO_SPEED = "-1"
ARPHRD_ETHER = "1"
IFF_UP_BROADCAST_MULTICAST = "0x1003"
VENDOR, BOARDS = "0x15b3", {400.0: "0x1021", 200.0: "0x101b", 100.0: "0x1017"}
"""PCI numbers of ConnectX-7, 6 and 5 by Gbit/s; others are shown as ConnectX-4."""
OTHER_BOARD = "0x1015"


class EthernetInterface(SysfsInterface):
    """The Ethernet ports of all hosts whose adapters are read from sysfs."""

    interface: ClassVar[Interface] = Interface.ETHERNET
    folder: ClassVar[str] = "net"
    tolerances: ClassVar[Mapping[str, float]] = {
        "rate_gigabits_per_second": 0.5 / MEGABITS_PER_GIGABIT
    }

    @override
    def shows(self, port: HostPort) -> bool:
        return port.adapter.kind == "ethernet"

    @override
    def leaves(self) -> list[Leaf]:
        return [
            Leaf("operstate", "link_state", lambda state: "up" if state > 0.0 else "down"),
            Leaf("speed", "rate_gigabits_per_second", _speed),
            *_counters(),
            MODULE_TEMPERATURE,
        ]

    @override
    def constants(self, port: HostPort) -> Mapping[str, str]:
        return {
            "type": ARPHRD_ETHER,
            "flags": IFF_UP_BROADCAST_MULTICAST,
            "address": mac_address(port),
            "ifindex": str(port.number + 2),
            "device/vendor": VENDOR,
            "device/device": BOARDS.get(float(port.adapter.gigabits_per_second), OTHER_BOARD),
        }

    @override
    def options(self, group: Group) -> Mapping[str, Any]:
        return {
            "statistics": False,
            "optics_interval_seconds": 0,
            "expected_rate_gbps": rates(group),
        }


def _speed(gigabits: float) -> str:
    linked = gigabits == gigabits  # noqa: PLR0124  only NaN is unequal to itself
    return str(round(gigabits * MEGABITS_PER_GIGABIT)) if linked else NO_SPEED


def _counters() -> list[Leaf]:
    """A file for each counter of the catalogue that is one of the kernel's own."""
    return [
        Leaf(source.name, metric.name, whole)
        for metric in load_catalog()[PORT].metrics
        if metric.kind is MetricKind.COUNTER
        for source in metric.sources.get("ethernet", ())[:1]
        if " " not in source.name
    ]
