"""The way out: to the bus while it answers, to the spool on disk while it does not."""

from __future__ import annotations

from collections.abc import Sequence

from fleetops.core import metrics
from fleetops.core.clock import Clock
from fleetops.core.errors import FleetOpsError, InputError
from fleetops.core.logging import get_logger
from fleetops.core.publish import Publisher
from fleetops_collectors.runner.outgoing import Lane, Outgoing
from fleetops_collectors.runner.spool import Spool

FLUSH_SECONDS = 10.0
"""Longest wait for the bus to acknowledge a delivery."""
RETRY_SECONDS = 2.0
"""How often a bus that is away is tried."""
PROBE_SECONDS = 2.0
"""Longest a bus that is away may hold up a delivery."""
DRAIN_SECONDS = 2.0
"""How long one delivery may empty the spool before it returns."""


class Outbox:
    """Delivers at least once, in order. Used by one thread."""

    def __init__(self, publisher: Publisher, spool: Spool, clock: Clock, instance: str) -> None:
        """Takes what an earlier process left in the spool as not delivered."""
        self._publisher = publisher
        self._spool = spool
        self._clock = clock
        self._waiting = metrics.SPOOLED.labels(instance)
        self._log = get_logger("collect")
        self._away = False
        self._retry_at = 0.0
        self._lost = 0

    @property
    def spooled_messages(self) -> int:
        """Messages that wait on disk."""
        return self._spool.messages

    @property
    def dropped_messages(self) -> int:
        """Messages given up since the process started."""
        return self._spool.dropped + self._lost

    def deliver(self, messages: Sequence[Outgoing]) -> None:
        """When it returns, the bus has acknowledged the messages, or the disk has them.

        What neither took (a full disk, a budget that is spent) is counted as dropped.
        """
        if self._away or self._spool.messages:
            self._keep(messages)
            self._drain()
            if not self._away:
                self._try([message for message in messages if message.lane is Lane.VOLATILE])
        elif not self._try(messages):
            self._keep(messages)
        self._waiting.set(self._spool.messages)

    def close(self) -> None:
        """Closes the spool; what waits there is delivered by the next process."""
        self._spool.close()

    def _drain(self) -> None:
        now = self._clock.monotonic()
        if self._away and now < self._retry_at:
            return
        if self._away and not self._answers():
            return
        stop_at = self._clock.monotonic() + DRAIN_SECONDS
        while waiting := self._spool.peek():
            if not self._try(waiting):
                return
            self._spool.commit()
            if self._clock.monotonic() >= stop_at:
                return
        self._away = False

    def _answers(self) -> bool:
        """Whether what the publisher still holds is acknowledged by now."""
        try:
            self._publisher.flush(PROBE_SECONDS)
        except FleetOpsError as error:
            self._went_away(error)
            return False
        return True

    def _went_away(self, error: FleetOpsError) -> None:
        if not self._away:
            self._log.error("bus away, messages go to disk", error=str(error))
        metrics.ERRORS.labels("collect", type(error).__name__, "publish").inc()
        self._away = True
        self._retry_at = self._clock.monotonic() + RETRY_SECONDS

    def _try(self, messages: Sequence[Outgoing]) -> bool:
        """Sends and waits for the acknowledgement; False where the bus is away."""
        if not messages:
            return True
        try:
            for message in messages:
                self._send(message)
            self._publisher.flush(FLUSH_SECONDS)
        except FleetOpsError as error:
            self._went_away(error)
            return False
        if self._away:
            self._log.info("bus back", spooled=self._spool.messages)
        self._away = False
        return True

    def _send(self, message: Outgoing) -> None:
        try:
            self._publisher.send(message.topic, message.key, message.value, message.headers)
        except InputError as error:  # no bus would ever take it
            self._lose(1, "refused", str(error))

    def _keep(self, messages: Sequence[Outgoing]) -> None:
        before = self._spool.dropped
        try:
            self._spool.append(messages)
        except OSError as error:
            kept = sum(message.lane is not Lane.VOLATILE for message in messages)
            self._lose(kept, "spool_failed", f"spool: {error.strerror}")
        if dropped := self._spool.dropped - before:
            metrics.DISCARDED.labels("collect", "spool_full").inc(dropped)

    def _lose(self, count: int, reason: str, why: str) -> None:
        self._lost += count
        metrics.DISCARDED.labels("collect", reason).inc(count)
        self._log.error("messages lost", count=count, reason=reason, error=why)
