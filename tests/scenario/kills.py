"""kill -9 of roles at random moments while a scenario runs, most of them while at work."""

from __future__ import annotations

import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaAdminClient

from fleetops.core.config import BusConfig
from tests.line import RoleProcess, TestLine

IN_START = 0.2
"""Share of the kills that hit a process while it starts, whatever it does then."""
START_SECONDS = 2.0
AT_WORK_SECONDS = 1.5
"""A kill comes at any moment within so long after the process was seen at work."""
LOOK_SECONDS = 0.02
PROGRESS_SECONDS = 0.25
LIMIT_SECONDS = 300.0


class Progress:
    """How far consumer groups have come, asked of the bus itself."""

    def __init__(self, config: BusConfig) -> None:
        self._config = config
        self._admin: Any = None  # the client's stubs say nothing of groups

    def committed(self, group: str) -> int:
        """Messages that the group has committed, over all partitions."""
        return self._of_file(group) if self._config.kind == "local" else self._of_broker(group)

    def close(self) -> None:
        if self._admin is not None:
            self._admin.close()

    def _of_file(self, group: str) -> int:
        path = f"file:{self._config.path}?mode=ro"
        with closing(sqlite3.connect(path, uri=True, timeout=10)) as log:
            question = "SELECT coalesce(sum(next_offset), 0) FROM progress WHERE group_name = ?"
            return int(log.execute(question, [group]).fetchone()[0])

    def _of_broker(self, group: str) -> int:
        if self._admin is None:
            servers = list(self._config.bootstrap_servers)
            self._admin = KafkaAdminClient(bootstrap_servers=servers)
        name = f"{self._config.namespace}.{group}"
        offsets = self._admin.list_group_offsets({name: None})[name]
        return sum(max(0, place.offset) for place in offsets.values())


@dataclass(slots=True)
class Victim:
    """A role to kill, and how to tell that its process is at work."""

    role: RoleProcess
    works: Callable[[], bool]
    due: float | None = None
    looked_at: float = 0.0
    moments: Counter[str] = field(default_factory=Counter)

    def is_due(self, chance: random.Random, now: float) -> bool:
        """Whether it is time to kill it; the moment is chosen once it is at work."""
        self.role.assert_runs()
        if self.due is None and now - self.looked_at >= PROGRESS_SECONDS:
            self.looked_at = now
            if self.works():
                self.due = now + chance.uniform(0.0, AT_WORK_SECONDS)
        return self.due is not None and now >= self.due

    def kill_and_start(self, chance: random.Random) -> None:
        self.moments["at work" if self.works() else "starting"] += 1
        self.role.kill()
        self.role.start()
        self.due = None
        if chance.random() < IN_START:
            self.due = time.monotonic() + chance.uniform(0.0, START_SECONDS)


def consumer(line: TestLine, progress: Progress, name: str) -> Victim:
    """A role that is at work once the group of its name has moved on since it was started."""
    role = line.role(name)
    marks: dict[int, int] = {}

    def works() -> bool:
        done = progress.committed(name)
        return done > marks.setdefault(role.starts, done)

    return Victim(role, works)


def ledger_holder(line: TestLine) -> Victim:
    """The operate role: at work once it holds the ledger."""
    role = line.role("operate")
    return Victim(role, lambda: role.said("ledger opened"))


def kill_at_random(
    victims: Collection[Victim], times: int, chance: random.Random, until: Callable[[], bool]
) -> None:
    """Kills each of the victims so many times more, and goes on at least until ``until`` holds."""
    end = {id(victim): victim.role.kills + times for victim in victims}
    deadline = time.monotonic() + LIMIT_SECONDS
    while not until() or any(victim.role.kills < end[id(victim)] for victim in victims):
        assert time.monotonic() < deadline, [victim.role.kills for victim in victims]
        for victim in victims:
            left = victim.role.kills < end[id(victim)]
            if left and victim.is_due(chance, time.monotonic()):
                victim.kill_and_start(chance)
        time.sleep(LOOK_SECONDS)
