"""Adapters of RDMA in sysfs: ``STATE_DIR/sysfs/HOST/class/infiniband/mlx5_0/ports/1``.

The kernel gives octets divided by four, so three of them may be missing. Counters do not stop at
the 8 and 16 bits of the old attribute: they are those of an adapter that has the wide ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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

OCTETS = 4
ROCE = ("np_", "rp_")
"""How the counters begin that stand among ``hw_counters``."""
SPEEDS = {100.0: "EDR", 200.0: "HDR", 400.0: "NDR", 800.0: "XDR"}
"""InfiniBand's names, of four lanes, by Gbit/s."""
UNLINKED = "10 Gb/sec (4X SDR)"
"""What the kernel shows of a port without a link."""
STATES = {0.0: "1: DOWN", 1.0: "4: ACTIVE"}
PHYSICAL_STATES = {2.0: "2: Polling", 3.0: "3: Disabled", 5.0: "5: LinkUp"}


class InfinibandInterface(SysfsInterface):
    """The RDMA ports of all hosts whose adapters are read from sysfs."""

    interface: ClassVar[Interface] = Interface.INFINIBAND
    folder: ClassVar[str] = "infiniband"
    tolerances: ClassVar[Mapping[str, float]] = {
        "receive_bytes_total": OCTETS - 1.0,
        "transmit_bytes_total": OCTETS - 1.0,
        "rate_gigabits_per_second": 5e-4,
    }

    @override
    def shows(self, port: HostPort) -> bool:
        return port.adapter.role == "backend"

    @override
    def leaves(self) -> list[Leaf]:
        return [
            Leaf("ports/1/state", "link_state", lambda state: STATES[state]),
            Leaf("ports/1/phys_state", "physical_state", lambda state: PHYSICAL_STATES[state]),
            Leaf("ports/1/rate", "rate_gigabits_per_second", rate_text),
            *_counters(),
            MODULE_TEMPERATURE,
        ]

    @override
    def constants(self, port: HostPort) -> Mapping[str, str]:
        layer = "InfiniBand" if port.adapter.kind == "infiniband" else "Ethernet"
        return {
            "node_desc": f"{port.host} {port.name}",
            "node_guid": mac_address(port).replace(":", "").rjust(16, "0"),
            "hca_type": "MT4129",
            "fw_ver": "28.41.1000",
            "ports/1/link_layer": layer,
            "ports/1/hw_counters/lifespan": "10",
        }

    @override
    def options(self, group: Group) -> Mapping[str, Any]:
        return {"expected_rate_gbps": rates(group)}


def rate_text(gigabits: float) -> str:
    """The kernel's words for a rate: ``400 Gb/sec (4X NDR)``."""
    if gigabits != gigabits:  # noqa: PLR0124  only NaN is unequal to itself
        return UNLINKED
    speed = next((name for rate, name in SPEEDS.items() if gigabits <= rate), "XDR")
    return f"{round(gigabits, 3):g} Gb/sec (4X {speed})"


def _counters() -> list[Leaf]:
    """A file for each counter of the catalogue, under the first name that it has in sysfs."""
    found = []
    for metric in load_catalog()[PORT].metrics:
        sources = metric.sources.get("infiniband")
        if sources and metric.kind is MetricKind.COUNTER:
            name, scale = sources[0].name, sources[0].scale
            kind = "hw_counters" if name.startswith(ROCE) else "counters"
            found.append(Leaf(f"ports/1/{kind}/{name}", metric.name, _scaled(scale)))
    return found


def _scaled(scale: float) -> Callable[[float], str]:
    return whole if scale == 1.0 else lambda count: whole(count // scale)
