"""Requests of people: checked, published once a key, and never carried out here."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from fleetops.api.auth import Principal
from fleetops.api.state import StateView
from fleetops.bus.base import Bus, Producer
from fleetops.core.clock import Clock
from fleetops.core.errors import BusUnavailableError, RefusedError
from fleetops_schemas import topics
from fleetops_schemas.records import Intent, IntentKind

REMEMBERED = 10_000
"""Intents this process published that its view may not show yet."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a request is about."""

    nodes: tuple[str, ...] = ()
    incident_id: str | None = None
    action_id: str | None = None


class IntentDesk:
    """Publishes intents. A repeated key is the same request and is published once."""

    def __init__(
        self,
        bus: Bus,
        state: StateView,
        clock: Clock,
        new_id: Callable[[], str],
        deadline_seconds: float,
    ) -> None:
        """``new_id`` makes the id of a request that brings no key."""
        self._bus = bus
        self._state = state
        self._clock = clock
        self._new_id = new_id
        self._deadline_seconds = deadline_seconds
        self._producer: Producer | None = None
        self._published: OrderedDict[str, Intent] = OrderedDict()
        self._lock = threading.Lock()

    def draft(
        self,
        principal: Principal,
        kind: IntentKind,
        reason: str,
        subject: Subject,
        key: str | None,
    ) -> Intent:
        """The intent of a request. A key counts within its user's requests."""
        return Intent(
            id=f"{principal.name}:{key}" if key else self._new_id(),
            created_at=self._clock.now(),
            kind=kind,
            nodes=subject.nodes,
            reason=reason,
            requested_by=f"user:{principal.name}",
            incident_id=subject.incident_id,
            action_id=subject.action_id,
        )

    def earlier(self, intent: Intent) -> Intent | None:
        """The intent that was published under the same id before, or None.

        Raises:
            RefusedError: it asked for something else.
        """
        before = self._published.get(intent.id) or self._state.snapshot.intents.get(intent.id)
        if before is not None and _content(before) != _content(intent):
            raise RefusedError(
                "Idempotency-Key: it was used for another request; take a new key for a new one"
            )
        return before

    def publish(self, intent: Intent) -> None:
        """Writes the intent to the bus, acknowledged on return; nothing for a repeated one.

        Raises:
            RefusedError: the key was used for another request.
            BusUnavailableError: it may not be on the bus; ask again with the same key.
        """
        with self._lock:
            if self.earlier(intent) is not None:
                return
            try:
                if self._producer is None:
                    self._producer = self._bus.producer()
                self._producer.send(topics.INTENTS.name, intent.id, intent.encode())
                self._producer.flush(self._deadline_seconds)
            except BusUnavailableError:
                self._drop_producer()
                raise
            self._published[intent.id] = intent
            while len(self._published) > REMEMBERED:
                self._published.popitem(last=False)

    def close(self) -> None:
        """Closes the producer; safe to call twice."""
        with self._lock:
            self._drop_producer()

    def _drop_producer(self) -> None:
        # what it still holds was reported as not written; a new one starts empty
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(BusUnavailableError):
                producer.close()


def _content(intent: Intent) -> dict[str, object]:
    return intent.model_dump(exclude={"created_at"})
