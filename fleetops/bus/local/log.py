"""The log itself: topics, partitions and messages in one SQLite file in WAL mode.

A message's row id is ``partition id << 40 | offset``, so one b-tree holds every partition in the
order it is read, and no second index is written. Offsets are never used twice: the next one is
kept with the partition, not taken from its last message.
"""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from typing_extensions import override

from fleetops.bus.base import Message
from fleetops.core.closing import Closing
from fleetops.core.errors import (
    AmbiguousWriteError,
    BusUnavailableError,
    ConfigError,
    NotFoundError,
)
from fleetops_schemas.topics import Topic

FORMAT_VERSION = 1
OFFSET_BITS = 40
PAGE_BYTES = 16_384
"""Big pages: telemetry messages are 100 KB and more, and lie in chains of overflow pages."""
CHECKPOINT_PAGES = 2_048
FETCH_BYTES = 32 * 1024**2
"""One read ends when it holds this much, however many messages were asked for."""

_SCHEMA = """
CREATE TABLE topic (
    name TEXT PRIMARY KEY, compacted INTEGER NOT NULL, retention_seconds INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE partition (
    id INTEGER PRIMARY KEY, topic TEXT NOT NULL REFERENCES topic, number INTEGER NOT NULL,
    next_offset INTEGER NOT NULL DEFAULT 0, clean_offset INTEGER NOT NULL DEFAULT 0,
    UNIQUE (topic, number)
) STRICT;
CREATE TABLE message (
    id INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, key TEXT NOT NULL, headers TEXT NOT NULL,
    value BLOB NOT NULL
) STRICT;
CREATE TABLE member (
    id INTEGER PRIMARY KEY AUTOINCREMENT, group_name TEXT NOT NULL, topics TEXT NOT NULL,
    polled_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE progress (
    group_name TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL DEFAULT 0,
    member INTEGER, PRIMARY KEY (group_name, partition)
) STRICT, WITHOUT ROWID;
CREATE TABLE fence (name TEXT PRIMARY KEY, epoch INTEGER NOT NULL) STRICT, WITHOUT ROWID;
"""

OPEN_RETRY_SECONDS = 0.02
"""Between attempts to open a log that others are opening."""


class LogBusyError(BusUnavailableError):
    """Another writer held the file for too long."""


class LogFullError(BusUnavailableError):
    """The file has reached its limit; what is written waits for retention."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message on its way into a partition."""

    partition: int
    time_ms: int
    key: str
    headers: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition of a topic."""

    id: int
    topic: str
    number: int


def row_id(partition: int, offset: int) -> int:
    """Where the message of an offset lies."""
    return partition << OFFSET_BITS | offset


def partition_of(key: str, partitions: Sequence[int]) -> int:
    """The partition of a key: the same in every process and every run."""
    return partitions[zlib.crc32(key.encode()) % len(partitions)]


def encode_headers(headers: Mapping[str, str] | None) -> str:
    """Headers as stored."""
    return json.dumps(dict(headers)) if headers else ""


def milliseconds(time: datetime) -> int:
    """An aware time as Unix milliseconds."""
    return round(time.timestamp() * 1000)


class Log(Closing):
    """One connection to the file. Not for two threads at a time."""

    def __init__(self, path: Path, max_bytes: int, busy_seconds: float) -> None:
        self.path = path
        self._max_bytes = max_bytes
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path, timeout=busy_seconds, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise BusUnavailableError(
                f"bus.path: cannot open {path}: {error}; make its folder writable"
            ) from error
        try:
            self._use_wal(busy_seconds)
            self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def _use_wal(self, busy_seconds: float) -> None:
        """Waits for others that open the new file at this moment: SQLite itself does not."""
        give_up_at = time.monotonic() + busy_seconds
        while True:
            try:
                with self.errors():
                    self._connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
                    self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except LogBusyError:
                if time.monotonic() >= give_up_at:
                    raise
                time.sleep(OPEN_RETRY_SECONDS)

    def _prepare(self) -> None:
        with self.errors():
            self._connection.executescript(
                f"""
                PRAGMA synchronous = NORMAL;
                PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};
                PRAGMA journal_size_limit = {CHECKPOINT_PAGES * PAGE_BYTES * 2};
                """
            )
        with self.transaction():
            version = self.number("PRAGMA user_version")
            if version == 0:
                for statement in _SCHEMA.split(";"):
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
            elif version != FORMAT_VERSION:
                raise ConfigError(
                    f"bus.path: {self.path} has format {version}, this build reads "
                    f"{FORMAT_VERSION}; name another file, or remove it to start anew"
                )

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turns SQLite's errors into the bus's."""
        try:
            yield
        except sqlite3.Error as error:
            busy = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
            kind = LogBusyError if busy else BusUnavailableError
            raise kind(f"{self.path}: {error}") from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """A write transaction: all of it or nothing.

        Raises:
            BusUnavailableError: nothing was written.
            AmbiguousWriteError: the disk failed during the commit.
        """
        with self.errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._rollback()
                raise
            try:
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                if self._rollback():
                    raise
                raise AmbiguousWriteError(f"{self.path}: commit failed: {error}") from error

    def _rollback(self) -> bool:
        """Rolls back; False where SQLite had already ended the transaction itself."""
        if not self._connection.in_transaction:
            return False
        self._connection.execute("ROLLBACK")
        return True

    def rows(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """Runs one statement; its rows."""
        with self.errors():
            return self._connection.execute(statement, values).fetchall()

    def number(self, statement: str, *values: object) -> int:
        """Runs a statement that answers one integer; 0 for none."""
        found = self.rows(statement, *values)
        return int(str(found[0][0])) if found and found[0][0] is not None else 0

    def change(self, statement: str, *values: object) -> int:
        """Runs a statement that writes; how many rows it changed."""
        with self.errors():
            return self._connection.execute(statement, values).rowcount

    def create_topics(self, topics: Iterable[Topic]) -> None:
        """Creates what is not there; what is there keeps its partitions."""
        there = set(self.topics())
        missing = [topic for topic in topics if topic.name not in there]
        if not missing:
            return
        with self.transaction():
            for topic in missing:
                self.change(
                    "INSERT OR IGNORE INTO topic VALUES (?, ?, ?)",
                    topic.name,
                    int(topic.compacted),
                    topic.retention_seconds,
                )
                for number in range(topic.partitions):
                    self.change(
                        "INSERT OR IGNORE INTO partition (topic, number) VALUES (?, ?)",
                        topic.name,
                        number,
                    )

    def topics(self) -> list[str]:
        """Names of the topics, sorted."""
        return [str(name) for (name,) in self.rows("SELECT name FROM topic ORDER BY name")]

    def partitions(self, topics: Iterable[str]) -> list[Partition]:
        """The partitions of topics, in order.

        Raises:
            NotFoundError: one of them does not exist.
        """
        found: list[Partition] = []
        for topic in topics:
            rows = self.rows(
                "SELECT id, number FROM partition WHERE topic = ? ORDER BY number", topic
            )
            if not rows:
                there = ", ".join(self.topics()) or "none"
                raise NotFoundError(f"no topic {topic!r} on the bus; there are: {there}")
            found += [Partition(int(str(id_)), topic, int(str(number))) for id_, number in rows]
        return found

    def ends(self) -> dict[int, int]:
        """The next offset of each partition, by partition id."""
        with self.errors():
            return dict(self._connection.execute("SELECT id, next_offset FROM partition"))

    def version(self) -> int:
        """Changes whenever another connection has written; cheap to ask."""
        return self.number("PRAGMA data_version")

    def used_bytes(self) -> int:
        """What the file holds, without the pages that deletions have freed."""
        pages = self.number("PRAGMA page_count") - self.number("PRAGMA freelist_count")
        return pages * PAGE_BYTES

    def append(self, outgoing: Sequence[Outgoing]) -> None:
        """Writes messages in one transaction.

        Raises:
            LogFullError: they would not fit below the file's limit; none was written.
            BusUnavailableError: none was written.
        """
        with self.transaction():
            size = self.used_bytes() + sum(len(message.value) for message in outgoing)
            if size > self._max_bytes:
                raise LogFullError(
                    f"{self.path} is full ({size} bytes wanted, bus.max_bytes is "
                    f"{self._max_bytes}); start the consumers that lag, or raise it"
                )
            self.insert(outgoing)

    def insert(self, outgoing: Sequence[Outgoing]) -> None:
        """Writes messages inside the caller's transaction, whatever the file's limit."""
        by_partition: defaultdict[int, list[Outgoing]] = defaultdict(list)
        for message in outgoing:
            by_partition[message.partition].append(message)
        for partition, messages in by_partition.items():
            end = self.number(
                "UPDATE partition SET next_offset = next_offset + ? WHERE id = ? "
                "RETURNING next_offset",
                len(messages),
                partition,
            )
            first = row_id(partition, end - len(messages))
            self._connection.executemany(
                "INSERT INTO message VALUES (?, ?, ?, ?, ?)",
                (
                    (first + place, message.time_ms, message.key, message.headers, message.value)
                    for place, message in enumerate(messages)
                ),
            )

    def read(self, partition: Partition, start: int, limit: int) -> tuple[list[Message], int]:
        """Messages from an offset on, and the offset to go on from.

        Offsets may have gaps, where retention or compaction removed messages.
        """
        end = self.number("SELECT next_offset FROM partition WHERE id = ?", partition.id)
        messages: list[Message] = []
        size = 0
        with self.errors():
            found = self._connection.execute(
                "SELECT id, time_ms, key, headers, value FROM message "
                "WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
                (row_id(partition.id, start), row_id(partition.id, end), limit),
            )
            for id_, time_ms, key, headers, value in found:
                offset = id_ & ((1 << OFFSET_BITS) - 1)
                messages.append(_message(partition, offset, time_ms, key, headers, value))
                size += len(value)
                if size >= FETCH_BYTES:
                    found.close()
                    return messages, offset + 1
        whole = len(messages) < limit
        return messages, end if whole else messages[-1].offset + 1

    @override
    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()


def _message(
    partition: Partition, offset: int, time_ms: int, key: str, headers: str, value: bytes
) -> Message:
    return Message(
        partition.topic,
        partition.number,
        offset,
        key,
        value,
        datetime.fromtimestamp(time_ms / 1000, UTC),
        json.loads(headers) if headers else {},
    )
