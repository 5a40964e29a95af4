"""Messages kept on disk while the bus is away: bounded, in order, readable after a crash."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from pathlib import Path

from fleetops_collectors.runner.outgoing import Lane, Outgoing
from fleetops_collectors.runner.segments import SegmentLog

SEGMENT_BYTES = 4 * 1024 * 1024
_META = struct.Struct(">I")
_KEPT = (Lane.EVENTS, Lane.TELEMETRY)


class Spool:
    """Two logs, one a lane. Used by one thread; one process a folder.

    Within a lane the order is kept. Events leave first, and raw telemetry is dropped first when the
    budget is spent; whole segments go, the oldest first, and what they held is counted.
    """

    def __init__(self, folder: Path, max_bytes: int, segment_bytes: int = SEGMENT_BYTES) -> None:
        """Opens the folder and whatever an earlier process left there.

        Raises:
            OSError: the folder cannot be made or read.
        """
        size = max(1, min(segment_bytes, max_bytes // 4))
        self._logs = {lane: SegmentLog(folder / lane.value, size) for lane in _KEPT}
        self._max_bytes = max_bytes
        self._peeked: Lane | None = None
        self._given_up = 0

    @property
    def messages(self) -> int:
        """Messages that wait."""
        return sum(log.records for log in self._logs.values())

    @property
    def dropped(self) -> int:
        """Messages given up since the process started."""
        return self._given_up + sum(log.damaged for log in self._logs.values())

    @property
    def size_bytes(self) -> int:
        """Bytes on disk."""
        return sum(log.size_bytes for log in self._logs.values())

    def append(self, messages: Iterable[Outgoing]) -> None:
        """Takes messages; those of the volatile lane are passed over.

        Raises:
            OSError: the disk is full or failed; what was not written is not kept.
        """
        by_lane: dict[Lane, list[bytes]] = {}
        for message in messages:
            if message.lane is not Lane.VOLATILE:
                by_lane.setdefault(message.lane, []).append(_pack(message))
        for lane, records in by_lane.items():
            self._logs[lane].append(records)
        self._keep_to_budget()

    def peek(self, limit: int = 200) -> list[Outgoing]:
        """The oldest messages of one lane, events first; [] when nothing waits."""
        for lane in _KEPT:
            records = self._logs[lane].peek(limit)
            if records:
                self._peeked = lane
                return [_unpack(record, lane) for record in records]
        return []

    def commit(self) -> None:
        """Forgets what the last ``peek`` gave: it is delivered."""
        if self._peeked is not None:
            self._logs[self._peeked].commit()
            self._peeked = None

    def close(self) -> None:
        """Closes the files; what waits stays."""
        for log in self._logs.values():
            log.close()

    def _keep_to_budget(self) -> None:
        for lane in (Lane.TELEMETRY, Lane.EVENTS):
            while self.size_bytes > self._max_bytes and self._logs[lane].size_bytes:
                self._given_up += self._logs[lane].drop_oldest()


def _pack(message: Outgoing) -> bytes:
    meta = json.dumps([message.topic, message.key, dict(message.headers)]).encode()
    return _META.pack(len(meta)) + meta + message.value


def _unpack(record: bytes, lane: Lane) -> Outgoing:
    (size,) = _META.unpack_from(record)
    start = _META.size + size
    topic, key, headers = json.loads(record[_META.size : start])
    return Outgoing(topic, key, record[start:], lane, headers)
