"""Consumer groups over the file: who is alive, and who owns which partition.

A member holds a lock on a file of its own, which the kernel drops when the process dies, however
it dies; so a killed member is seen at the next poll of any other. One that lives but has not
polled for ``STUCK_SECONDS`` is put out as well. A partition changes hands only after its owner
has committed what it polled, unless the owner is gone.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

from typing_extensions import override

from fleetops.bus.local.log import Log, Partition
from fleetops.core.closing import Closing

STUCK_SECONDS = 300.0
"""Kafka's max.poll.interval.ms."""


def assign(
    members: Mapping[int, frozenset[str]], partitions: Iterable[Partition]
) -> dict[int, int]:
    """Owner of each partition id: dealt out in turn to the members that subscribe to its topic."""
    owners: dict[int, int] = {}
    for place, partition in enumerate(sorted(partitions, key=lambda part: part.id)):
        willing = [member for member in sorted(members) if partition.topic in members[member]]
        if willing:
            owners[partition.id] = willing[place % len(willing)]
    return owners


class Membership(Closing):
    """One member of a group."""

    def __init__(self, log: Log, group: str, topics: Iterable[str], now_ms: int) -> None:
        self._log = log
        self._group = group
        self._topics = frozenset(topics)
        self._partitions = {part.id: part for part in log.partitions(sorted(self._topics))}
        self._lock: BinaryIO | None = None
        self.id = 0
        with log.transaction():
            self._join(now_ms)

    def _join(self, now_ms: int) -> None:
        """Takes a new id, locked before its row can be seen, so that nobody takes it for dead."""
        self._unlock()
        self.id = self._log.number(
            "INSERT INTO member (group_name, topics, polled_ms) VALUES (?, ?, ?) RETURNING id",
            *(self._group, json.dumps(sorted(self._topics)), now_ms),
        )
        self._lock = self._lock_path(self.id).open("ab")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def sync(self, now_ms: int, busy: frozenset[int]) -> dict[Partition, int]:
        """Takes part in the sharing out; this member's partitions with their committed offsets.

        ``busy`` are partitions with messages polled and not committed: they are not given up yet.
        A member that was put out as stuck comes back under a new ``id``, with nothing busy.
        """
        with self._log.transaction():
            present = self._log.change(
                "UPDATE member SET polled_ms = ? WHERE id = ?", now_ms, self.id
            )
            if not present:
                self._join(now_ms)
                busy = frozenset()
            return self._share(self._living(now_ms), busy)

    def _share(
        self, members: Mapping[int, frozenset[str]], busy: frozenset[int]
    ) -> dict[Partition, int]:
        owners = self._owners()
        target = assign(members, self._partitions.values())
        mine: dict[Partition, int] = {}
        for id_, partition in self._partitions.items():
            owner, offset = owners.get(id_, (None, 0))
            if owner == self.id and (target[id_] == self.id or id_ in busy):
                mine[partition] = offset
            elif owner == self.id:
                self._own(id_, None)
            elif target[id_] == self.id and owner not in members:
                self._own(id_, self.id)
                mine[partition] = offset
        return mine

    def _own(self, partition: int, member: int | None) -> None:
        self._log.change(
            "INSERT INTO progress (group_name, partition, member) VALUES (?, ?, ?) "
            "ON CONFLICT DO UPDATE SET member = excluded.member",
            *(self._group, partition, member),
        )

    def commit(self, offsets: Mapping[int, int]) -> list[int]:
        """Stores the offsets; the partitions that were lost meanwhile and not stored."""
        with self._log.transaction():
            return [
                partition
                for partition, offset in offsets.items()
                if not self._log.change(
                    "UPDATE progress SET next_offset = ? "
                    "WHERE group_name = ? AND partition = ? AND member = ?",
                    *(offset, self._group, partition, self.id),
                )
            ]

    def _owners(self) -> dict[int, tuple[int | None, int]]:
        rows = self._log.rows(
            "SELECT partition, member, next_offset FROM progress WHERE group_name = ?", self._group
        )
        return {
            int(str(partition)): (None if member is None else int(str(member)), int(str(offset)))
            for partition, member, offset in rows
        }

    def _living(self, now_ms: int) -> dict[int, frozenset[str]]:
        """The group's members and their topics; the dead are removed on the way."""
        living: dict[int, frozenset[str]] = {}
        for id_, topics, polled_ms in self._log.rows(
            "SELECT id, topics, polled_ms FROM member WHERE group_name = ?", self._group
        ):
            member = int(str(id_))
            stuck = now_ms - int(str(polled_ms)) > STUCK_SECONDS * 1000
            if member == self.id or (not stuck and self._is_locked(member)):
                living[member] = frozenset(json.loads(str(topics)))
            else:
                self._remove(member)
        return living

    def _lock_path(self, member: int) -> Path:
        return self._log.path.with_name(f"{self._log.path.name}-member-{member}")

    def _is_locked(self, member: int) -> bool:
        try:
            with self._lock_path(member).open("rb") as probe:
                fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    def _remove(self, member: int) -> None:
        self._log.change("DELETE FROM member WHERE id = ?", member)
        self._lock_path(member).unlink(missing_ok=True)

    @override
    def close(self) -> None:
        """Leaves: the partitions are free at once."""
        if self._lock is None:
            return
        try:
            with self._log.transaction():
                self._remove(self.id)
        finally:
            self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None
