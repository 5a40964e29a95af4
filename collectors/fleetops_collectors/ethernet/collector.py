"""The ``ethernet`` collector: interfaces of the host it runs on."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, ClassVar, Self, cast

from pydantic import Field

from fleetops.core.clock import Clock
from fleetops.core.errors import InputError, TemporaryError
from fleetops_collectors.base import CollectorConfig, Scrape, Target
from fleetops_collectors.blocking import BlockingReads
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.ethernet.command import Ethtool
from fleetops_collectors.ethernet.interfaces import PROTOCOL, Interface, decode_interfaces
from fleetops_collectors.ethernet.outputs import Output, decode_output
from fleetops_collectors.ethernet.tree import read_interfaces
from fleetops_collectors.links import LinkWatch

MAX_TEXT_BYTES = 16 * 1024 * 1024
OPTICS_SHARE = 0.8
"""Of the deadline, after which the round goes on without FEC and modules."""
UNKNOWN_HOST = "unknown"
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
        self._ethtool = Ethtool(config.ethtool, config.ethtool_timeout_seconds)
        self._optics_at: dict[str, dict[str, float]] = {}
        """By target and interface."""

    @classmethod
    def create(cls, config: CollectorConfig, clock: Clock) -> Self:
        """Makes the collector; ``config`` is an :class:`EthernetConfig`."""
        return cls(cast(EthernetConfig, config), clock)

    @classmethod
    def decode_recording(cls, path: Path, host: str | None, now: datetime) -> Decoded:
        """Reads saved output of ``ethtool``, plain, ``-S``, ``--show-fec``, ``-a`` or ``-m``.

        Where the output does not name its interface, the file does: ``eth0.txt``. A folder is a
        copy of ``/sys/class/net``.

        Raises:
            InputError: it cannot be read, or is none of these.
        """
        if path.is_dir():
            interfaces, problems = read_interfaces(path, ("*",), statistics=False)
            decoded = decode_interfaces(interfaces, host=host or UNKNOWN_HOST, now=now)
            decoded.problems += problems
            return decoded
        try:
            with path.open("rb") as file:
                data = file.read(MAX_TEXT_BYTES + 1)
        except OSError as error:
            raise InputError(f"{path}: cannot read it: {error.strerror}") from error
        if len(data) > MAX_TEXT_BYTES:
            raise InputError(f"{path}: larger than {MAX_TEXT_BYTES} bytes; cut it into parts")
        try:
            return decode_text(data, host=host, now=now, interface=path.stem)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    async def collect(self, target: Target) -> Scrape:
        """Reads the host's interfaces once.

        Raises:
            TemporaryError: there is no sysfs at the path, or no interface to read in it now.
            InputError: the path holds something else.
        """
        interfaces, problems = await self._reads.run(target.name, lambda: self._read(target))
        interfaces = await self._with_optics(target, interfaces, problems)
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
        try:
            interfaces, problems = read_interfaces(
                Path(target.url), self._config.interfaces, statistics=self._config.statistics
            )
        except FileNotFoundError as error:
            raise TemporaryError(
                f"{target.name}: {target.url} is not there; mount the host's /sys, or mend the path"
            ) from error
        except InputError as error:
            raise InputError(f"{target.name}: {error}") from error
        if not interfaces:
            named = ", ".join(self._config.interfaces) or "hardware (set interfaces to read others)"
            raise TemporaryError(f"{target.name}: {target.url} has no interface that is {named}")
        return interfaces, problems

    async def _with_optics(
        self, target: Target, interfaces: list[Interface], problems: list[str]
    ) -> list[Interface]:
        """The interfaces, those that are due with FEC counters and modules.

        No question begins after half of the deadline; what is left is due in the next round.
        """
        every, begun = self._config.optics_interval_seconds, self._clock.monotonic()
        before = self._optics_at.get(target.name, {})
        due = {one.name for one in interfaces if begun - before.get(one.name, -every) >= every}
        if not every or not due:
            return interfaces
        read_at = {one.name: before[one.name] for one in interfaces if one.name in before}
        self._optics_at[target.name] = read_at
        if not self._ethtool.is_installed():
            read_at.update(dict.fromkeys(due, begun))
            problems.append(
                f"no command {self._config.ethtool!r}, so no FEC counters and modules; install "
                "ethtool, or set optics_interval_seconds to 0"
            )
            return interfaces
        limit = begun + self._config.deadline_seconds / 2
        names = [one.name for one in interfaces if one.name in due]
        try:
            async with asyncio.timeout(self._config.deadline_seconds * OPTICS_SHARE):
                said = await self._reads.run(
                    f"{target.name}-optics", lambda: self._ask(names, limit, problems)
                )
        except TimeoutError:
            problems.append(f"{self._config.ethtool}: hangs in the kernel; no FEC, no modules")
            return interfaces
        read_at.update(dict.fromkeys(said, begun))
        return [
            replace(
                one,
                statistics={**said[one.name].statistics, **one.statistics},
                module=said[one.name].module,
            )
            if one.name in said
            else one
            for one in interfaces
        ]

    def _ask(self, names: Sequence[str], limit: float, problems: list[str]) -> dict[str, Output]:
        """What the command says of each, until the clock reaches the limit."""
        said = {}
        for name in names:
            said[name], wrong = self._ethtool.ask(name)
            problems += wrong
            if self._clock.monotonic() > limit:
                break
        return said


def decode_text(data: bytes, *, host: str | None, now: datetime, interface: str) -> Decoded:
    """The readings in output of ethtool.

    Args:
        data: What it printed, of one command or several.
        host: Whose it is.
        now: When it was printed, aware.
        interface: Whose it is where it does not say.

    Raises:
        InputError: there is nothing of ethtool in it.
    """
    parsed = decode_output(data)
    decoded = decode_interfaces(
        _merged(
            Interface(one.interface or interface, one.settings, one.statistics, module=one.module)
            for one in parsed.outputs
        ),
        host=host or UNKNOWN_HOST,
        now=now,
    )
    decoded.problems += parsed.problems
    return decoded


def _merged(interfaces: Iterable[Interface]) -> list[Interface]:
    """One of each name: the output of one command may name it and the next may not."""
    found: dict[str, Interface] = {}
    for one in interfaces:
        before = found.get(one.name)
        found[one.name] = (
            one
            if before is None
            else replace(
                before,
                values={**one.values, **before.values},
                statistics={**one.statistics, **before.statistics},
                module=before.module or one.module,
            )
        )
    return list(found.values())
