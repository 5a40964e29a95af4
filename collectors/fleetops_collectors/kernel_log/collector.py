"""The kernel_log collector: Xid, SXid, machine checks, PCIe, network and disk errors as events."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AwareDatetime, Field, field_validator

from fleetops.core import metrics
from fleetops.core.clock import Clock
from fleetops.core.errors import ConfigError, InputError, TemporaryError
from fleetops_collectors.base import CollectorConfig, Scrape, Target
from fleetops_collectors.kernel_log.decode import (
    PROTOCOL,
    KernelFinding,
    KernelLogDecoder,
)
from fleetops_collectors.kernel_log.lines import LineReader
from fleetops_collectors.kernel_log.reader import Chunk, Position, read_log
from fleetops_collectors.kernel_log.storm import coalesce
from fleetops_schemas.faults import FaultCatalog, FaultDataError, load_faults

DEVICE = "/dev/kmsg"
MAX_THREADS = 64


class KernelLogTarget(Target):
    """One log: ``url`` is the path of a file or of ``/dev/kmsg``."""

    boot_time: AwareDatetime | Literal["local"] | None = None
    """What uptimes count from: a time, or ``local`` for this machine's boot (``/dev/kmsg``)."""
    devices: dict[str, str] = Field(default_factory=dict)
    """By PCI address, the device's name below its host: ``0000:9b:00.0: gpu3``."""


class KernelLogConfig(CollectorConfig):
    """How kernel logs are read."""

    targets: tuple[KernelLogTarget, ...] = ()
    devices: dict[str, str] = Field(default_factory=dict)
    """As a target's, for all of them: hosts of one platform share their addresses."""
    start: Literal["lookback", "beginning", "end"] = "lookback"
    """Where a log that was never read is begun. ``lookback`` takes what is dated within
    ``lookback_seconds``: a log may hold last year's faults, and to drain for them would be wrong.
    """
    lookback_seconds: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    timezone: str = "UTC"
    """Zone of stamps that name none (``dmesg -T``, journald ``short``)."""
    burst_events: Annotated[int, Field(ge=1, le=1000)] = 3
    """Equal lines (device, code, kind) of a round that become events of their own; what comes
    after is counted in one more."""
    max_events: Annotated[int, Field(ge=1, le=10_000)] = 500
    """Events of one target in one round; more are counted and left out."""
    faults_file: Path | None = None
    """The installation's own severities and actions (docs/reference/faults.md)."""

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(
                f"no time zone {name!r}; use a name like UTC or Europe/Berlin"
            ) from error
        return name


class KernelLogCollector:
    """Follows kernel logs. Events carry stable ids: a line read twice is the same event."""

    protocol: ClassVar[str] = PROTOCOL
    config_model: ClassVar[type[CollectorConfig]] = KernelLogConfig

    def __init__(self, config: KernelLogConfig, clock: Clock, faults: FaultCatalog) -> None:
        """Opens nothing."""
        self._config = config
        self._clock = clock
        self._faults = faults
        self._positions: dict[str, Position] = {}
        self._pool = ThreadPoolExecutor(
            min(config.concurrency, MAX_THREADS), thread_name_prefix="kernel_log"
        )

    @classmethod
    def create(cls, config: CollectorConfig, clock: Clock) -> Self:
        """Makes the collector.

        Raises:
            ConfigError: the faults file is wrong.
        """
        own = cast(KernelLogConfig, config)
        try:
            return cls(own, clock, load_faults(own.faults_file))
        except FaultDataError as error:
            raise ConfigError(f"collector {config.name}: faults_file: {error}") from error

    def resume(self, cursors: Mapping[str, str]) -> None:
        """Goes on where cursors, by target name, say."""
        for name, cursor in cursors.items():
            position = Position.from_cursor(cursor)
            if position is not None:
                self._positions[name] = position

    async def collect(self, target: Target) -> Scrape:
        """The events since the last round.

        Raises:
            TemporaryError: the log cannot be read.
            InputError: the path holds no log.
        """
        log = cast(KernelLogTarget, target)
        known = self._positions.get(log.name)
        loop = asyncio.get_running_loop()
        scrape, position = await loop.run_in_executor(self._pool, self._read, log, known)
        self._positions[log.name] = position
        return scrape

    async def close(self) -> None:
        """Ends the reading threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _read(self, target: KernelLogTarget, known: Position | None) -> tuple[Scrape, Position]:
        now = self._clock.now()
        from_beginning = known is None and self._config.start == "beginning"
        try:
            chunk = read_log(Path(target.url), Position() if from_beginning else known)
        except OSError as error:
            raise TemporaryError(
                f"{target.name}: cannot read {target.url}: {error.strerror}"
            ) from error
        except InputError as error:
            raise InputError(f"{target.name}: {error}") from error
        findings = list(self._decode(target, chunk, now))
        scrape = Scrape(target, now, warnings=chunk.warnings, cursor=chunk.end.model_dump_json())
        if known is None:
            findings = self._since_lookback(findings, now, scrape)
        host = target.host or target.name
        marks = chunk.marks
        events = [one.as_event(marks[one.line - 1], host, now) for one in findings]
        scrape.events, skipped = coalesce(
            events, burst=self._config.burst_events, limit=self._config.max_events
        )
        if skipped:
            metrics.DISCARDED.labels(self._config.name, "event_limit").inc(skipped)
            scrape.warnings.append(f"{target.url}: {skipped} events over max_events left out")
        return scrape, chunk.end

    def _decode(
        self, target: KernelLogTarget, chunk: Chunk, now: datetime
    ) -> Iterable[KernelFinding]:
        reader = LineReader(
            now=now,
            boot_time=self._boot_time(target, now),
            timezone=ZoneInfo(self._config.timezone),
        )
        decoder = KernelLogDecoder(
            reader,
            host=target.host,
            devices={**self._config.devices, **target.devices},
            faults=self._faults,
        )
        for number, line in enumerate(chunk.lines, start=1):
            if finding := decoder.decode(number, line):
                yield finding

    def _boot_time(self, target: KernelLogTarget, now: datetime) -> datetime | None:
        if target.boot_time == "local" or target.url == DEVICE:
            return now - timedelta(seconds=self._clock.monotonic())
        return target.boot_time

    def _since_lookback(
        self, findings: list[KernelFinding], now: datetime, scrape: Scrape
    ) -> list[KernelFinding]:
        """Of a log that was never read: what is dated recently enough to be true still."""
        if self._config.start == "beginning":
            return findings
        since = now - timedelta(seconds=self._config.lookback_seconds)
        recent = [
            finding
            for finding in findings
            if self._config.start == "lookback" and finding.time and finding.time >= since
        ]
        if passed := len(findings) - len(recent):
            scrape.warnings.append(
                f"{scrape.target.url}: {passed} findings from before the start passed over"
            )
        return recent
