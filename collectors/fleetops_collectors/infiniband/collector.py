"""The ``infiniband`` collector: adapters of the host it runs on, from sysfs."""

from __future__ import annotations

import platform
from datetime import datetime
from pathlib import Path
from typing import Annotated, ClassVar, Self, cast

from pydantic import Field

from fleetops.core.clock import Clock
from fleetops.core.errors import TemporaryError
from fleetops_collectors.base import CollectorConfig, Scrape, Target
from fleetops_collectors.blocking import BlockingReads
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.infiniband import recordings
from fleetops_collectors.infiniband.adapters import Adapter, decode_adapters
from fleetops_collectors.infiniband.counters import PROTOCOL
from fleetops_collectors.infiniband.tree import read_adapters
from fleetops_collectors.links import LinkWatch
from fleetops_collectors.sysfs import reading_of

Gigabits = Annotated[float, Field(gt=0, le=3200)]


class InfinibandTarget(Target):
    """One host's sysfs."""

    url: str = "/sys"
    """``/sys``, or where the host's is mounted in a container; ``/sys/class/infiniband``; or one
    adapter's folder."""


class InfinibandConfig(CollectorConfig):
    """How adapters are read."""

    targets: tuple[InfinibandTarget, ...] = ()
    expected_rate_gbps: dict[str, Gigabits] = Field(default_factory=dict)
    """Rate that ports should have, Gbit/s, by pattern of adapter name (``mlx5_*``) or board id
    (``MT_0000000838``); the first that fits counts. Ports that none fits are compared with their
    like on the same host."""
    ethernet_ports: bool = True
    """Whether ports whose link is Ethernet (RoCE) are read as wholes. Where the ``ethernet``
    collector reads the same host, set it to false: then only what belongs to RDMA is read of them
    (congestion notifications, retransmissions), and link and octets are counted once."""


class InfinibandCollector:
    """Reads sysfs. A driver that hangs costs one thread, and its target is reported as down."""

    protocol: ClassVar[str] = PROTOCOL
    config_model: ClassVar[type[CollectorConfig]] = InfinibandConfig

    def __init__(self, config: InfinibandConfig, clock: Clock) -> None:
        """Opens nothing."""
        self._config = config
        self._clock = clock
        self._reads = BlockingReads(PROTOCOL)
        self._links = LinkWatch(PROTOCOL)

    @classmethod
    def create(cls, config: CollectorConfig, clock: Clock) -> Self:
        """Makes the collector; ``config`` is an :class:`InfinibandConfig`."""
        return cls(cast(InfinibandConfig, config), clock)

    @classmethod
    def decode_recording(cls, path: Path, host: str | None, now: datetime) -> Decoded:
        """Reads a copy of sysfs, or saved output of the fabric's tools.

        Raises:
            InputError: it cannot be read, or is none of these.
        """
        return recordings.decode_recording(path, host, now)

    async def collect(self, target: Target) -> Scrape:
        """Reads the host's adapters once.

        Raises:
            TemporaryError: there is no sysfs at the path, or no adapter in it now.
            InputError: the path holds something else.
        """
        adapters = await self._reads.run(target.name, lambda: _read(target))
        now = self._clock.now()
        host = target.host or platform.node()
        decoded = decode_adapters(
            adapters,
            host=host,
            now=now,
            expected=self._config.expected_rate_gbps,
            ethernet_ports=self._config.ethernet_ports,
        )
        decoded.events += self._links.observe(target.name, decoded.readings, host, now)
        return Scrape.of(target, now, decoded)

    async def close(self) -> None:
        """Nothing is open between reads."""


def _read(target: Target) -> list[Adapter]:
    with reading_of(target):
        adapters = read_adapters(Path(target.url))
    if not adapters:
        raise TemporaryError(
            f"{target.name}: {target.url} shows no InfiniBand adapter; "
            "is its driver loaded, and the adapter still on the bus (lspci)?"
        )
    return adapters
