"""What the log forgets: the old, the superseded, and under pressure what everybody has processed.

Work is done in short transactions, so that writers wait for milliseconds only.
"""

from __future__ import annotations

from dataclasses import dataclass

from fleetops.bus.local.log import Log, row_id

TOMBSTONE_SECONDS = 86_400
"""Deletions stay so long for readers that lag (Kafka's delete.retention.ms)."""
COMPACT_AFTER_MESSAGES = 1_000
"""New messages that make a partition worth compacting."""
CHUNK_MESSAGES = 2_000
"""Messages deleted in one transaction."""


@dataclass(frozen=True, slots=True)
class _Held:
    """A partition with its topic's rules."""

    id: int
    compacted: bool
    retention_seconds: int | None
    end: int
    clean: int


class Retention:
    """Applies the topics' retention and compaction to a log."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def maintain(self, now_ms: int, compact_after: int = COMPACT_AFTER_MESSAGES) -> int:
        """Removes what is past its time and what later messages of the key replace; how many."""
        removed = 0
        for held in self._partitions():
            if held.compacted:
                # As on Kafka, the latest record of a key stays for ever.
                if held.end - held.clean >= compact_after:
                    removed += self._compact(held, now_ms - TOMBSTONE_SECONDS * 1000)
            elif held.retention_seconds is not None:
                removed += self._expire(held, now_ms - held.retention_seconds * 1000)
        return removed

    def reclaim(self) -> int:
        """Makes room in a full log: of what every group has processed the older half; how many.

        Topics without groups, compacted topics and messages that a group has yet to process are
        left alone.
        """
        removed = 0
        for held in self._partitions():
            if held.compacted or held.retention_seconds is None:
                continue
            done = self._log.number(
                "SELECT min(next_offset) FROM progress WHERE partition = ?", held.id
            )
            first = self._log.number(
                "SELECT min(id) FROM message WHERE id >= ? AND id < ?",
                row_id(held.id, 0),
                row_id(held.id, done),
            ) or row_id(held.id, done)
            middle = first + (row_id(held.id, done) - first + 1) // 2
            removed += self._delete_below(held, middle)
        return removed

    def _partitions(self) -> list[_Held]:
        rows = self._log.rows(
            "SELECT id, compacted, retention_seconds, next_offset, clean_offset "
            "FROM partition JOIN topic ON topic = name"
        )
        return [
            _Held(
                int(str(id_)),
                bool(compacted),
                None if keep is None else int(str(keep)),
                int(str(end)),
                int(str(clean)),
            )
            for id_, compacted, keep, end, clean in rows
        ]

    def _expire(self, held: _Held, before_ms: int) -> int:
        end = row_id(held.id, held.end)
        first_kept = self._log.number(
            "SELECT id FROM message WHERE id >= ? AND id < ? AND time_ms >= ? ORDER BY id LIMIT 1",
            row_id(held.id, 0),
            end,
            before_ms,
        )
        return self._delete_below(held, first_kept or end)

    def _compact(self, held: _Held, tombstones_before_ms: int) -> int:
        low, high = row_id(held.id, 0), row_id(held.id, held.end)
        stale = self._log.rows(
            "SELECT id FROM message WHERE id >= ? AND id < ? AND (id NOT IN "
            "(SELECT max(id) FROM message WHERE id >= ? AND id < ? GROUP BY key) "
            "OR (length(value) = 0 AND time_ms < ?)) ORDER BY id",
            *(low, high, low, high, tombstones_before_ms),
        )
        ids = [int(str(id_)) for (id_,) in stale]
        for start in range(0, len(ids), CHUNK_MESSAGES):
            with self._log.transaction():
                for id_ in ids[start : start + CHUNK_MESSAGES]:
                    self._log.change("DELETE FROM message WHERE id = ?", id_)
        with self._log.transaction():
            self._log.change(
                "UPDATE partition SET clean_offset = ? WHERE id = ?", held.end, held.id
            )
        return len(ids)

    def _delete_below(self, held: _Held, end: int) -> int:
        removed = 0
        while True:
            with self._log.transaction():
                gone = self._log.change(
                    "DELETE FROM message WHERE id IN "
                    "(SELECT id FROM message WHERE id >= ? AND id < ? ORDER BY id LIMIT ?)",
                    *(row_id(held.id, 0), end, CHUNK_MESSAGES),
                )
            removed += gone
            if gone < CHUNK_MESSAGES:
                return removed
