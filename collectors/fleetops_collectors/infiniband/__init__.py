"""InfiniBand and RoCE ports, from sysfs and from saved output of fabric tools."""

from fleetops_collectors.infiniband.adapters import Adapter, Port, decode_adapters
from fleetops_collectors.infiniband.collector import (
    InfinibandCollector,
    InfinibandConfig,
    InfinibandTarget,
)
from fleetops_collectors.infiniband.ibnetdiscover import decode_ibnetdiscover
from fleetops_collectors.infiniband.ibswinfo import decode_ibswinfo
from fleetops_collectors.infiniband.perfquery import decode_perfquery
from fleetops_collectors.infiniband.recordings import decode_text
from fleetops_collectors.infiniband.tree import read_adapters

__all__ = [
    "Adapter",
    "InfinibandCollector",
    "InfinibandConfig",
    "InfinibandTarget",
    "Port",
    "decode_adapters",
    "decode_ibnetdiscover",
    "decode_ibswinfo",
    "decode_perfquery",
    "decode_text",
    "read_adapters",
]
