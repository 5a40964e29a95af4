"""Facts on their way out: identities, nodes and jobs, sent when they change and now and then."""

from __future__ import annotations

from typing import NamedTuple

from fleetops.core.clock import Clock
from fleetops_collectors.base import Scrape
from fleetops_collectors.runner.outgoing import Lane, Outgoing
from fleetops_schemas.identity import DeviceIdentity
from fleetops_schemas.records import ENDED, GONE, Job, NodeState
from fleetops_schemas.topics import IDENTITIES, JOBS, NODES, Topic

Fact = DeviceIdentity | NodeState | Job
IDENTITY_REFRESH_SECONDS = 3600.0
STATE_REFRESH_SECONDS = 10.0
"""States of nodes and jobs are sent again so often, so that their age tells whether we read."""


class _Sent(NamedTuple):
    fact: Fact
    at: float


class Facts:
    """What one collector sent of each fact."""

    def __init__(self, clock: Clock) -> None:
        """Nothing was sent yet."""
        self._clock = clock
        self._sent: dict[tuple[str, str], _Sent] = {}

    def due(self, scrape: Scrape) -> list[Outgoing]:
        """The scrape's facts that are new, changed, or due again."""
        facts: list[tuple[Topic, str, Fact, float]] = [
            *((IDENTITIES, one.key, one, IDENTITY_REFRESH_SECONDS) for one in scrape.identities),
            *((NODES, one.node, one, STATE_REFRESH_SECONDS) for one in scrape.nodes),
            *((JOBS, one.id, one, STATE_REFRESH_SECONDS) for one in scrape.jobs),
        ]
        return [
            Outgoing.of(topic, key, fact, Lane.EVENTS)
            for topic, key, fact, refresh_seconds in facts
            if self._is_due((topic.name, key), fact, refresh_seconds)
        ]

    def _is_due(self, key: tuple[str, str], fact: Fact, refresh_seconds: float) -> bool:
        if _is_last_word(fact):  # kept, the jobs of years would add up
            self._sent.pop(key, None)
            return True
        now = self._clock.monotonic()
        sent = self._sent.get(key)
        if sent is not None and now - sent.at < refresh_seconds:
            same = fact.model_copy(update={"observed_at": sent.fact.observed_at}) == sent.fact
            if same:
                return False
        self._sent[key] = _Sent(fact, now)
        return True


def _is_last_word(fact: Fact) -> bool:
    """Whether it says that a job or a node is listed no longer, which is told once."""
    if isinstance(fact, Job):
        return fact.state == ENDED
    return isinstance(fact, NodeState) and fact.states == (GONE,)
