"""Reads the scheduler again and again, and publishes what changed and, now and then, everything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Generic, TypeVar

from typing_extensions import override

from fleetops.bus.base import Bus
from fleetops.bus.view import View
from fleetops.core import metrics
from fleetops.core.clock import Clock
from fleetops.core.closing import Closing
from fleetops.core.errors import SchedulerUnavailableError
from fleetops.core.logging import get_logger
from fleetops.core.publish import Publisher
from fleetops.operate.schedulers.base import Scheduler
from fleetops_schemas.records import ENDED, GONE, Job, NodeState
from fleetops_schemas.topics import JOBS, NODES, Topic

REFRESH_SECONDS = 10.0
"""An unchanged state is published again so often, so that its age tells whether we still read."""
CATCH_UP_SECONDS = 30.0
FLUSH_SECONDS = 10.0

S = TypeVar("S", NodeState, Job)


class Published(Generic[S]):
    """What was last published of each key of one topic."""

    def __init__(self, topic: Topic, known: Mapping[str, S]) -> None:
        """Starts from what the topic holds, so that what vanished meanwhile is noticed."""
        self._topic = topic
        self._last: dict[str, S] = dict(known)
        self._refreshed_at: float | None = None

    def publish(self, states: Mapping[str, S], publisher: Publisher, monotonic: float) -> None:
        """Sends what differs, or everything when a refresh is due."""
        age = None if self._refreshed_at is None else monotonic - self._refreshed_at
        everything = age is None or age >= REFRESH_SECONDS
        for key, state in states.items():
            if everything or not _same(self._last.get(key), state):
                publisher.send(self._topic.name, key, state.encode())
        if everything:
            self._refreshed_at = monotonic
        self._last = dict(states)

    def missing(self, states: Mapping[str, S]) -> Iterable[S]:
        """What was published and is listed no longer."""
        return [state for key, state in self._last.items() if key not in states]


class Poller(Closing):
    """The scheduler's nodes and jobs as last read."""

    def __init__(self, bus: Bus, scheduler: Scheduler, clock: Clock) -> None:
        """Takes over what its topics hold.

        Raises:
            BusUnavailableError: the topics could not be read.
        """
        self._scheduler = scheduler
        self._clock = clock
        with View(bus, NODES, NodeState) as nodes, View(bus, JOBS, Job) as jobs:
            nodes.catch_up(CATCH_UP_SECONDS)
            jobs.catch_up(CATCH_UP_SECONDS)
            known_nodes = {s.node: s for s in nodes.values() if s.states != (GONE,)}
            known_jobs = {j.id: j for j in jobs.values() if j.state != ENDED}
        self._nodes = Published(NODES, known_nodes)
        self._jobs = Published(JOBS, known_jobs)
        self._producer = bus.producer()
        self.nodes: dict[str, NodeState] = {}
        self.jobs: list[Job] = []
        self.read_at: datetime | None = None
        """When the last successful reading began; None before the first."""
        self.error: str | None = "the scheduler was not read yet"
        """Why the last reading failed; None if it did not."""

    def poll(self) -> None:
        """Reads the scheduler, bounded by its deadline, and publishes.

        Raises:
            BusUnavailableError: something was not published.
        """
        began = self._clock.now()
        try:
            self._scheduler.ping()  # a dead one is known at once, a reading may take seconds
            nodes, jobs = self._scheduler.nodes(), self._scheduler.jobs()
        except SchedulerUnavailableError as error:
            if self.error != str(error):
                get_logger("operate").warning("the scheduler does not answer", error=str(error))
            self.error = str(error)
            metrics.ERRORS.labels("operate", type(error).__name__, "scheduler").inc()
            return
        self.nodes, self.jobs, self.read_at, self.error = nodes, jobs, began, None
        self._publish()

    def note(self, state: NodeState) -> None:
        """Takes in a node that was read by itself."""
        self.nodes[state.node] = state

    @override
    def close(self) -> None:
        """Ends publishing."""
        self._producer.close()

    def _publish(self) -> None:
        now = self._clock.now()
        nodes, jobs = dict(self.nodes), {job.id: job for job in self.jobs}
        gone = {"states": (GONE,), "drained": False, "busy": False, "jobs": (), "observed_at": now}
        for node in self._nodes.missing(nodes):
            self._send(NODES, node.node, node.model_copy(update=gone))
        for job in self._jobs.missing(jobs):
            ended = {"state": ENDED, "nodes": (), "observed_at": now}
            self._send(JOBS, job.id, job.model_copy(update=ended))
        self._nodes.publish(nodes, self._producer, self._clock.monotonic())
        self._jobs.publish(jobs, self._producer, self._clock.monotonic())
        self._producer.flush(FLUSH_SECONDS)

    def _send(self, topic: Topic, key: str, state: NodeState | Job) -> None:
        self._producer.send(topic.name, key, state.encode())


def _same(before: S | None, now: S) -> bool:
    return before is not None and before == now.model_copy(
        update={"observed_at": before.observed_at}
    )
