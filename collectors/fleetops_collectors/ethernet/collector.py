"""The ``ethernet`` collector: interfaces of the host it runs on."""

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
from fleetops_collectors.ethernet import recordings
from fleetops_collectors.ethernet.command import Ethtool
from fleetops_collectors.ethernet.inspection import Inspection
from fleetops_collectors.ethernet.interfaces import PROTOCOL, Interface, decode_interfaces
from fleetops_collectors.ethernet.tree import read_interfaces
from fleetops_collectors.links import LinkWatch
from fleetops_collectors.sysfs import reading_of

Gigabits = Annotated[float, Field(gt=0, le=3200)]


class EthernetTarget(Target):
    """One host's interfaces: those of the network namespace that the collector runs in."""

    url: str = "/sys"
    """``/sys``, or where the host's is mounted in a container that shares the host's network."""


class EthernetConfig(CollectorConfig):
    """How interfaces are read."""

    targets: tuple[EthernetTarget, ...] = ()
    interfaces: tuple[str, ...] = ()
    """Patterns of names to read (``eth*``). Without any: every Ethernet interface that is hardware,
    virtual functions with it."""
    statistics: bool = True
    """Whether the drivers are asked for their own counters (PFC, ECN, FEC, pause storms)."""
    optics_interval_seconds: Annotated[float, Field(ge=0, le=86_400)] = 60.0
    """How often FEC counters and modules are read by the ``ethtool`` command; 0 is never. A module
    is read over a slow bus (I2C), some 10 ms each, and its temperature moves in minutes."""
    ethtool: str = "ethtool"
    """The command: a path, or a name to look up."""
    ethtool_timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 1.0
    """Of one question about one interface; two are asked."""
    expected_rate_gbps: dict[str, Gigabits] = Field(default_factory=dict)
    """Rate that ports should have, Gbit/s, by pattern of interface name (``eth*``) or board
    (``0x15b3:0x1021``); the first that fits counts. Ports that none fits are compared with their
    like on the same host."""


class EthernetCollector:
    """Reads sysfs, the drivers' statistics, and now and then the modules."""

    protocol: ClassVar[str] = PROTOCOL
    config_model: ClassVar[type[CollectorConfig]] = EthernetConfig

    def __init__(self, config: EthernetConfig, clock: Clock) -> None:
        """Opens nothing."""
        self._config = config
        self._clock = clock
        self._reads = BlockingReads(PROTOCOL)
        self._links = LinkWatch(PROTOCOL)
        self._inspection = Inspection(
            Ethtool(config.ethtool, config.ethtool_timeout_seconds),
            clock,
            interval_seconds=config.optics_interval_seconds,
            deadline_seconds=config.deadline_seconds,
        )

    @classmethod
    def create(cls, config: CollectorConfig, clock: Clock) -> Self:
        """Makes the collector; ``config`` is an :class:`EthernetConfig`."""
        return cls(cast(EthernetConfig, config), clock)

    @classmethod
    def decode_recording(cls, path: Path, host: str | None, now: datetime) -> Decoded:
        """Reads saved output of ``ethtool``, plain, ``-S``, ``--show-fec``, ``-a`` or ``-m``.

        Raises:
            InputError: it cannot be read, or is none of these.
        """
        return recordings.decode_recording(path, host, now)

    async def collect(self, target: Target) -> Scrape:
        """Reads the host's interfaces once.

        Raises:
            TemporaryError: there is no sysfs at the path, or no interface to read in it now.
            InputError: the path holds something else.
        """
        interfaces, problems = await self._reads.run(target.name, lambda: self._read(target))
        interfaces = await self._inspection.add(target.name, interfaces, problems)
        now = self._clock.now()
        host = target.host or platform.node()
        decoded = decode_interfaces(
            interfaces, host=host, now=now, expected=self._config.expected_rate_gbps
        )
        decoded.problems += problems
        decoded.events += self._links.observe(target.name, decoded.readings, host, now)
        return Scrape.of(target, now, decoded)

    async def close(self) -> None:
        """Nothing is open between reads."""

    def _read(self, target: Target) -> tuple[list[Interface], list[str]]:
        with reading_of(target):
            interfaces, problems = read_interfaces(
                Path(target.url), self._config.interfaces, statistics=self._config.statistics
            )
        if not interfaces:
            named = ", ".join(self._config.interfaces) or "hardware (set interfaces to read others)"
            raise TemporaryError(f"{target.name}: {target.url} has no interface that is {named}")
        return interfaces, problems
