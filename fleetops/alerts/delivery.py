"""One sink's loop: its own place in the log, its own retries. A dead receiver delays only itself.

Its place is committed after delivery, so nothing is lost in a crash; what is told again then has
the same id. What was told before a restart is read back from the log: no file, no database.
"""

from __future__ import annotations

import threading
from collections import deque

import stamina
from pydantic import ValidationError

from fleetops.alerts.base import AlertSink, Notification, RefreshingSink
from fleetops.alerts.changes import Told
from fleetops.bus.base import Bus, Message
from fleetops.core import metrics
from fleetops.core.errors import FleetOpsError, TemporaryError
from fleetops.core.logging import get_logger
from fleetops_schemas.records import Action, Incident
from fleetops_schemas.topics import ACTIONS, INCIDENTS

CATCH_UP_SECONDS = 30.0
POLL_MESSAGES = 100
RETRY_FIRST_SECONDS = 0.5
RETRY_MOST_SECONDS = 5.0
"""Also the longest that a stop waits for a sleeping retry."""
MAX_HANDLINGS = 3
"""Turns that one message may fail with an error that no sink should raise, before it is dropped."""


class Delivery:
    """Tells one sink of the changes of incidents and actions, in their order. A service."""

    def __init__(
        self,
        bus: Bus,
        sink: AlertSink,
        label: str,
        retry_seconds: float,
        stop: threading.Event,
    ) -> None:
        """Joins the sink's group ``alerts-LABEL``; a new one starts at the oldest message."""
        self.name = f"alert-{label}"
        self._bus = bus
        self._sink = sink
        self._label = label
        self._retry_seconds = retry_seconds
        self._stop = stop
        self._log = get_logger(self.name)
        self._consumer = bus.consumer(f"alerts-{label}", [INCIDENTS.name, ACTIONS.name])
        self._queue: deque[Message] = deque()
        self._handlings = 0
        self._pending: Notification | None = None
        self._told = Told()
        self._places: set[tuple[str, int]] = set()
        self._restored = False

    def turn(self) -> bool:
        """Delivers what is new; whether there was anything."""
        self._refresh()
        if not self._queue:
            self._queue.extend(self._consumer.poll(0.2, max_messages=POLL_MESSAGES))
        if not self._queue:
            return False
        while self._queue and not self._stop.is_set():
            self._handle(self._queue[0])
            self._queue.popleft()
            self._handlings = 0
        if not self._queue:
            self._consumer.commit()
        return True

    def close(self) -> None:
        """Leaves the group and closes the sink; safe to call twice."""
        self._consumer.close()
        self._sink.close()

    def _handle(self, message: Message) -> None:
        record = self._record(message)
        if record is None:
            return
        self._remember_before(message)
        if self._handlings == 0:
            self._pending = self._told.record(record)
        self._handlings += 1
        if self._pending is None:
            return
        if self._handlings > MAX_HANDLINGS:
            self._drop(self._pending, "the sink failed in a way that it should not")
        else:
            self._deliver(self._pending)

    def _deliver(self, notification: Notification) -> None:
        attempts = stamina.retry_context(
            on=self._may_retry,
            attempts=None,
            timeout=self._retry_seconds,
            wait_initial=RETRY_FIRST_SECONDS,
            wait_max=RETRY_MOST_SECONDS,
        )
        try:
            for attempt in attempts:
                with attempt:
                    self._sink.deliver(notification)
        except FleetOpsError as error:
            if self._stop.is_set() and isinstance(error, TemporaryError):
                raise  # not told and not committed: it comes again at the next start
            self._drop(notification, str(error))
        else:
            metrics.ALERTS.labels(self._label, "delivered").inc()

    def _may_retry(self, error: Exception) -> bool:
        retried = isinstance(error, TemporaryError) and not self._stop.is_set()
        if retried:
            metrics.ALERTS.labels(self._label, "retried").inc()
        return retried

    def _drop(self, notification: Notification, why: str) -> None:
        metrics.ALERTS.labels(self._label, "dropped").inc()
        self._log.error(
            "not delivered, given up", id=notification.id, type=notification.type, why=why
        )

    def _record(self, message: Message) -> Incident | Action | None:
        if not message.value:
            return None  # a deletion
        try:
            model = Incident if message.topic == INCIDENTS.name else Action
            return model.decode(message.value)
        except ValidationError:
            # ingest puts it into the dead letter; twice would be once too often
            metrics.DISCARDED.labels("alert", "unparsable").inc()
            return None

    def _remember_before(self, first: Message) -> None:
        """At a partition's first message: what stands before it there was told already."""
        place = (first.topic, first.partition)
        if place in self._places:
            return
        with self._bus.reader([first.topic]) as reader:
            for message in reader.catch_up(CATCH_UP_SECONDS):
                if message.partition == first.partition and message.offset < first.offset:
                    record = self._record(message)
                    if record is not None:
                        self._told.record(record)
        self._places.add(place)

    def _refresh(self) -> None:
        if not isinstance(self._sink, RefreshingSink):
            return
        if not self._restored:
            self._sink.restore(self._open_before())
            self._restored = True
        try:
            self._sink.refresh()
        except FleetOpsError as error:
            metrics.ALERTS.labels(self._label, "refresh_failed").inc()
            self._log.warning("open alerts not refreshed; trying again", why=str(error))

    def _open_before(self) -> tuple[Incident, ...]:
        everything = Told()
        with self._bus.reader([INCIDENTS.name]) as reader:
            for message in reader.catch_up(CATCH_UP_SECONDS):
                record = self._record(message)
                if record is not None:
                    everything.record(record)
        return everything.open_incidents
