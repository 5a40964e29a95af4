"""The kernel_log collector: Xid, SXid, machine checks, PCIe, network and disk errors as events."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, Self, cast
from zoneinfo import ZoneInfo

from fleetops.core import metrics
from fleetops.core.clock import Clock
from fleetops.core.errors import ConfigError, InputError, TemporaryError
from fleetops_collectors.base import CollectorConfig, Scrape, Target
from fleetops_collectors.kernel_log.config import KernelLogConfig, KernelLogTarget
from fleetops_collectors.kernel_log.decode import KernelLogDecoder
from fleetops_collectors.kernel_log.finding import PROTOCOL, KernelFinding
from fleetops_collectors.kernel_log.journal import SCHEME, is_journal, read_journal
from fleetops_collectors.kernel_log.journalctl import Journalctl
from fleetops_collectors.kernel_log.lines import LineReader
from fleetops_collectors.kernel_log.memory import LogMemory
from fleetops_collectors.kernel_log.position import Chunk, Position
from fleetops_collectors.kernel_log.reader import read_log
from fleetops_collectors.kernel_log.storm import RateLimit, coalesce
from fleetops_schemas.faults import FaultCatalog, FaultDataError, load_faults

DEVICE = "/dev/kmsg"
OF_THIS_MACHINE = (DEVICE, SCHEME)
MAX_THREADS = 64
JOURNALCTL_SHARE = 0.8
"""Of the deadline: ended before the round is given up, so that what it wrote by then counts."""


@dataclass(slots=True)
class _Progress:
    """What is known of a log between rounds; a round that is given up leaves it as it was."""

    allowed: RateLimit
    position: Position | None = None
    memory: LogMemory = field(default_factory=LogMemory)

    def copy(self) -> _Progress:
        return _Progress(self.allowed.copy(), self.position, self.memory.copy())


class KernelLogCollector:
    """Follows kernel logs. Events carry stable ids: a line read twice is the same event."""

    protocol: ClassVar[str] = PROTOCOL
    config_model: ClassVar[type[CollectorConfig]] = KernelLogConfig

    def __init__(self, config: KernelLogConfig, clock: Clock, faults: FaultCatalog) -> None:
        """Opens nothing."""
        self._config = config
        self._clock = clock
        self._faults = faults
        self._progress: dict[str, _Progress] = {}
        self._journalctl = Journalctl(config.journalctl, config.deadline_seconds * JOURNALCTL_SHARE)
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
            if position := Position.from_cursor(cursor):
                self._progress[name] = self._begun(position)

    async def collect(self, target: Target) -> Scrape:
        """The events since the last round.

        Raises:
            TemporaryError: the log cannot be read.
            InputError: the path holds no log.
        """
        log = cast(KernelLogTarget, target)
        progress = (self._progress.get(log.name) or self._begun()).copy()
        loop = asyncio.get_running_loop()
        scrape = await loop.run_in_executor(self._pool, self._read, log, progress)
        self._progress[log.name] = progress
        return scrape

    async def close(self) -> None:
        """Ends the reading threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _begun(self, position: Position | None = None) -> _Progress:
        return _Progress(
            RateLimit(self._config.burst_events, self._config.refill_seconds), position
        )

    def _read(self, target: KernelLogTarget, progress: _Progress) -> Scrape:
        """One round. ``progress`` is this round's own and holds where the next one starts."""
        now = self._clock.now()
        chunk, is_new = self._chunk(target, progress.position, now)
        progress.position = chunk.end
        scrape = Scrape(target, now, warnings=chunk.warnings, cursor=chunk.end.model_dump_json())
        findings = list(self._decode(target, chunk, progress.memory, now))
        if is_new:
            findings = self._since_lookback(findings, now, scrape)
        host = _host(target) or target.name
        scrape.events, skipped = coalesce(
            [one.as_event(chunk.marks[one.line - 1], host, now) for one in findings],
            allowed=progress.allowed,
            limit=self._config.max_events,
            seconds=self._clock.monotonic(),
        )
        self._count_losses(chunk.lost, skipped, scrape)
        return scrape

    def _chunk(
        self, target: KernelLogTarget, position: Position | None, now: datetime
    ) -> tuple[Chunk, bool]:
        """The lines since the position, and whether the log was never read."""
        journal = is_journal(target.url)
        if position is not None and (position.kind == "journal") != journal:
            position = None  # the target reads something else now
        is_new = position is None
        if is_new and self._config.start == "beginning":
            position = Position(kind="journal" if journal else "file")
        elif is_new and journal and self._config.start == "end":
            position = Position(kind="journal", since=int(now.timestamp()))
        since = now.timestamp() - self._config.lookback_seconds
        try:
            if journal:
                return read_journal(target.url, position, since, self._journalctl), is_new
            return read_log(Path(target.url), position), is_new
        except OSError as error:
            raise TemporaryError(
                f"{target.name}: cannot read {target.url}: {error.strerror}"
            ) from error
        except (InputError, TemporaryError) as error:
            raise type(error)(f"{target.name}: {error}") from error

    def _decode(
        self, target: KernelLogTarget, chunk: Chunk, memory: LogMemory, now: datetime
    ) -> Iterable[KernelFinding]:
        reader = LineReader(
            now=now,
            boot_time=self._boot_time(target, now),
            timezone=ZoneInfo(self._config.timezone),
        )
        decoder = KernelLogDecoder(
            reader,
            host=_host(target),
            devices={**self._config.devices, **target.devices},
            faults=self._faults,
            memory=memory,
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

    def _count_losses(self, overwritten: int, skipped: int, scrape: Scrape) -> None:
        if overwritten:
            metrics.DISCARDED.labels(self._config.name, "overwritten").inc(overwritten)
        if skipped:
            metrics.DISCARDED.labels(self._config.name, "event_limit").inc(skipped)
            scrape.warnings.append(
                f"{scrape.target.url}: {skipped} events over max_events left out"
            )


def _host(target: KernelLogTarget) -> str | None:
    """Whose log it is, where that is known before a line is read."""
    return target.host or (platform.node() if target.url in OF_THIS_MACHINE else None)
