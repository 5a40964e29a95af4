"""One collector at work: its targets, each with its schedule, its breaker and its last word."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from fleetops.core import metrics
from fleetops.core.clock import Clock
from fleetops.core.errors import FleetOpsError
from fleetops.core.logging import get_logger
from fleetops_collectors.base import Collector, CollectorConfig, Scrape, Target, devices_of
from fleetops_collectors.runner.batcher import Batcher
from fleetops_collectors.runner.breaker import Breaker
from fleetops_collectors.runner.facts import Facts
from fleetops_collectors.runner.outgoing import Lane, Outgoing
from fleetops_collectors.runner.schedule import Schedule
from fleetops_schemas.records import CollectorReport, TargetReport
from fleetops_schemas.topics import COLLECTORS, EVENTS

MAX_DEVICES = 4096
"""Devices remembered of one target, for the report."""
MAX_ERROR_TEXT = 300
TRANSIENT_CLASSES = frozenset(("training_rank",))
"""Devices that come and go with a job: their end is no absence, so reports do not name them."""
MIN_REPORT_SECONDS = 1.0


@dataclass(slots=True)
class Delivery:
    """Messages on their way out, and the cursors that may be kept once they are safe."""

    messages: list[Outgoing]
    cursors: dict[tuple[str, str], str] = field(default_factory=dict)


@dataclass(slots=True)
class Attempt:
    """One attempt on one target: a scrape, or the reason why there is none."""

    collector: str
    target: Target
    scrape: Scrape | None = None
    error: str = ""


@dataclass(slots=True)
class _TargetState:
    breaker: Breaker
    up: bool = False
    attempted: bool = False
    last_success_at: datetime | None = None
    error: str = ""
    devices: dict[str, None] = field(default_factory=dict)


class Supervisor:
    """Reads the targets of one collector: one read at a time a target, a cap over all."""

    def __init__(
        self,
        collector: Collector,
        config: CollectorConfig,
        batcher: Batcher,
        clock: Clock,
        rng: Random,
    ) -> None:
        """Reads nothing yet."""
        self.config = config
        self.collector = collector
        self.batcher = batcher
        self._clock = clock
        self._rng = rng
        self._slots = asyncio.Semaphore(config.concurrency)
        self._facts = Facts(clock)
        self._log = get_logger("collect").bind(collector=config.name)
        self._reported_at: float | None = None
        self._states = {
            target.name: _TargetState(Breaker(config.interval_seconds, rng))
            for target in config.targets
        }

    async def watch(self, target: Target, emit: Callable[[Delivery], Awaitable[None]]) -> None:
        """Reads one target for ever, at its phase."""
        group = f"{self.config.name}/{self.batcher.rack_of(target)}"
        schedule = Schedule(group, self.config.interval_seconds, self._clock.monotonic(), self._rng)
        while True:
            await asyncio.sleep(schedule.wait_seconds(self._clock.monotonic()))
            if self._states[target.name].breaker.allows(self._clock.monotonic()):
                attempt = await self.attempt(target)
                await emit(self.delivery(attempt))
            else:
                self._count("held_back")
            late = schedule.advance(self._clock.monotonic())
            if late:
                self._count("late", late)

    async def attempt(self, target: Target) -> Attempt:
        """Reads a target once, cut off at the deadline. Never raises: the outcome is counted."""
        async with self._slots:
            began = self._clock.monotonic()
            attempt = Attempt(self.config.name, target)
            try:
                async with asyncio.timeout(self.config.deadline_seconds):
                    attempt.scrape = await self.collector.collect(target)
            except TimeoutError:
                attempt.error = f"no answer within {self.config.deadline_seconds:g} s"
                self._failed(attempt, "timeout", "TimeoutError")
            except FleetOpsError as error:
                attempt.error = str(error)
                self._failed(attempt, "failed", type(error).__name__)
            except Exception as error:  # noqa: BLE001  the boundary: a plug-in's mistake is its own
                attempt.error = f"{type(error).__name__}: {error}"
                self._log.exception("collector failed", target=target.name)
                self._failed(attempt, "failed", type(error).__name__)
            else:
                self._succeeded(attempt.scrape)
            metrics.COLLECT_SECONDS.labels(self.config.name).observe(
                self._clock.monotonic() - began
            )
        return attempt

    def delivery(self, attempt: Attempt) -> Delivery:
        """What an attempt sends on its way."""
        scrape = attempt.scrape
        if scrape is None:
            return Delivery(self.batcher.miss(attempt.target))
        messages = [Outgoing.of(EVENTS, event.host, event, Lane.EVENTS) for event in scrape.events]
        messages += self._facts.due(scrape)
        messages += self.batcher.add(scrape)
        if scrape.cursor is None:
            return Delivery(messages)
        if scrape.readings:  # a cursor is kept only behind everything that came before it
            messages += self.batcher.flush()
        return Delivery(messages, {(self.config.name, attempt.target.name): scrape.cursor})

    def report_due(self) -> bool:
        """Whether the heartbeat is due."""
        interval = max(self.config.interval_seconds, MIN_REPORT_SECONDS)
        return self._reported_at is None or self._clock.monotonic() - self._reported_at >= interval

    def report(
        self, instance: str, *, spooled: int, dropped: int, stopping: bool = False
    ) -> Outgoing:
        """The heartbeat: what is known of every target that was tried."""
        self._reported_at = self._clock.monotonic()
        record = CollectorReport(
            collector=self.config.name,
            instance=instance,
            time=self._clock.now(),
            interval_seconds=max(self.config.interval_seconds, MIN_REPORT_SECONDS),
            targets=tuple(self._target_reports()),
            spooled_messages=spooled,
            dropped_messages=dropped,
            stopping=stopping,
        )
        return Outgoing.of(COLLECTORS, self.config.name, record, Lane.VOLATILE)

    def _target_reports(self) -> list[TargetReport]:
        return [
            TargetReport(
                target=target.name,
                host=target.host,
                devices=tuple(state.devices),
                up=state.up,
                last_success_at=state.last_success_at,
                error=state.error,
            )
            for target in self.config.targets
            if (state := self._states[target.name]).attempted
        ]

    def _succeeded(self, scrape: Scrape | None) -> None:
        if scrape is None:
            return
        state = self._states[scrape.target.name]
        if state.attempted and not state.up:
            self._log.info("target answers again", target=scrape.target.name)
        state.breaker.succeeded()
        state.attempted = state.up = True
        state.last_success_at = scrape.observed_at
        state.error = "; ".join(scrape.warnings)[:MAX_ERROR_TEXT]
        transient = {
            reading.device
            for reading in scrape.readings
            if reading.device_class in TRANSIENT_CLASSES
        }
        for device in devices_of(scrape):
            if device not in transient and len(state.devices) < MAX_DEVICES:
                state.devices[device] = None
        self._count("partial" if scrape.warnings else "ok")
        metrics.TARGET_UP.labels(self.config.name, scrape.target.name).set(1)

    def _failed(self, attempt: Attempt, outcome: str, error_type: str) -> None:
        name = attempt.target.name
        state = self._states[name]
        if state.up or not state.attempted:
            self._log.warning("target failed", target=name, error=attempt.error)
        state.attempted, state.up = True, False
        state.error = attempt.error[:MAX_ERROR_TEXT]
        state.breaker.failed(self._clock.monotonic())
        self._count(outcome)
        metrics.ERRORS.labels("collect", error_type, "read").inc()
        metrics.TARGET_UP.labels(self.config.name, name).set(0)

    def _count(self, outcome: str, times: int = 1) -> None:
        metrics.COLLECT_ROUNDS.labels(self.config.name, outcome).inc(times)
