"""The local bus: what is opened on it, each with a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from typing_extensions import override

from fleetops.bus.local.consumer import LocalConsumer, LocalReader
from fleetops.bus.local.log import Log, milliseconds
from fleetops.bus.local.producer import LocalFencedProducer, LocalProducer
from fleetops.bus.local.retention import Retention
from fleetops.core.clock import Clock
from fleetops.core.closing import Closing, Opened
from fleetops.core.config import BusConfig
from fleetops_schemas.topics import Topic


class LocalBus(Closing):
    """The bus in one SQLite file, for all processes of one machine."""

    def __init__(self, config: BusConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._lock = threading.Lock()
        self._opened = Opened()
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
        return self._opened.keep(LocalProducer(self._open_log, self._clock, self._config))

    def fenced_producer(self, name: str) -> LocalFencedProducer:
        """Opens the fenced producer of that name, fencing earlier holders."""
        return self._opened.keep(LocalFencedProducer(self._open_log(), self._clock, name))

    def consumer(self, group: str, topics: Iterable[str]) -> LocalConsumer:
        """Joins a group; a new group starts at the oldest message."""
        return self._opened.keep(LocalConsumer(self._open_log(), self._clock, group, topics))

    def reader(self, topics: Iterable[str]) -> LocalReader:
        """Opens a reader at the oldest message."""
        return self._opened.keep(LocalReader(self._open_log(), self._clock, topics))

    def maintain(self) -> int:
        """Applies retention and compaction now; how many messages went."""
        with self._lock:
            return Retention(self._log).maintain(milliseconds(self._clock.now()), compact_after=1)

    @override
    def close(self) -> None:
        """Closes everything that was opened on the bus."""
        self._opened.close_all()
        with self._lock:
            self._log.close()

    def _open_log(self) -> Log:
        return Log(self._config.path, self._config.max_bytes, self._config.deadline_seconds)
