"""The local bus: what is opened on it, each with a connection of its own."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable
from typing import TypeVar

from typing_extensions import override

from fleetops.bus.closing import Closing
from fleetops.bus.local.consumer import LocalConsumer, LocalReader
from fleetops.bus.local.log import Log, milliseconds
from fleetops.bus.local.producer import LocalFencedProducer, LocalProducer
from fleetops.bus.local.retention import Retention
from fleetops.core.clock import Clock
from fleetops.core.config import BusConfig
from fleetops_schemas.topics import Topic

C = TypeVar("C", bound=Closing)


class LocalBus(Closing):
    """The bus in one SQLite file, for all processes of one machine."""

    def __init__(self, config: BusConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._lock = threading.Lock()
        self._opened: weakref.WeakSet[Closing] = weakref.WeakSet()
        self._log = self._open_log()

    def ensure_topics(self, topics: Iterable[Topic]) -> None:
        """Creates the topics that are not there."""
        with self._lock:
            self._log.create_topics(topics)

    def topics(self) -> list[str]:
        """Names of the topics that exist."""
        with self._lock:
            return self._log.topics()

    def producer(self) -> LocalProducer:
        """Opens a producer."""
        return self._keep(LocalProducer(self._open_log, self._clock, self._config))

    def fenced_producer(self, name: str) -> LocalFencedProducer:
        """Opens the fenced producer of that name, fencing earlier holders."""
        return self._keep(LocalFencedProducer(self._open_log(), self._clock, name))

    def consumer(self, group: str, topics: Iterable[str]) -> LocalConsumer:
        """Joins a group; a new group starts at the oldest message."""
        return self._keep(LocalConsumer(self._open_log(), self._clock, group, topics))

    def reader(self, topics: Iterable[str]) -> LocalReader:
        """Opens a reader at the oldest message."""
        return self._keep(LocalReader(self._open_log(), self._clock, topics))

    def maintain(self) -> int:
        """Applies retention and compaction now; how many messages went."""
        with self._lock:
            return Retention(self._log).maintain(milliseconds(self._clock.now()), compact_after=1)

    @override
    def close(self) -> None:
        """Closes everything that was opened on the bus."""
        for opened in list(self._opened):
            opened.close()
        with self._lock:
            self._log.close()

    def _open_log(self) -> Log:
        return Log(self._config.path, self._config.max_bytes, self._config.deadline_seconds)

    def _keep(self, opened: C) -> C:
        with self._lock:
            self._opened.add(opened)
        return opened
