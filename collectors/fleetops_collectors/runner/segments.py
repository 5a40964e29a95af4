"""An append-only log of records in segment files, with one reading position.

A record is its length, its CRC-32 and its bytes. A crash in the middle of a write leaves a torn
record at the end, which is cut off when the log is opened again.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from errno import ENOSPC
from io import FileIO
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

_HEADER = struct.Struct(">II")
MAX_RECORD_BYTES = 16 * 1024 * 1024
PEEK_BYTES = 8 * 1024 * 1024
_POSITION = "position"


@dataclass(slots=True)
class _Segment:
    number: int
    path: Path
    size_bytes: int = 0
    records: int = 0
    """Records not yet read and committed."""


class SegmentLog:
    """Records in, oldest records out. One thread, one process."""

    def __init__(self, folder: Path, segment_bytes: int) -> None:
        """Opens the folder, repairing what a crash left.

        Raises:
            OSError: the folder cannot be made, read or repaired.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._segments: list[_Segment] = []
        self._offset = 0
        self._next: tuple[int, int, int] | None = None
        self._file: FileIO | None = None
        self.damaged = 0
        """Records that could not be read again; a torn end counts as one."""
        self._open()

    @property
    def records(self) -> int:
        """Records that wait."""
        return sum(segment.records for segment in self._segments)

    @property
    def size_bytes(self) -> int:
        """Bytes on disk."""
        return sum(segment.size_bytes for segment in self._segments)

    def append(self, records: Sequence[bytes]) -> None:
        """Writes records and waits until the disk has them.

        Raises:
            OSError: the disk is full or failed; a record that was torn is cut off again.
        """
        for record in records:
            file = self._writable()
            segment = self._segments[-1]
            framed = _HEADER.pack(len(record), crc32(record)) + record
            try:
                written = file.write(framed)
            except OSError:
                os.truncate(segment.path, segment.size_bytes)
                raise
            if written != len(framed):
                os.truncate(segment.path, segment.size_bytes)
                raise OSError(ENOSPC, "the disk took a part of the record only")
            segment.size_bytes += len(framed)
            segment.records += 1
        if self._file is not None:
            os.fsync(self._file.fileno())

    def peek(self, limit: int) -> list[bytes]:
        """The oldest records, at most ``limit`` and ``PEEK_BYTES``, of one segment."""
        while self._segments:
            segment = self._segments[0]
            found = self._read(segment, limit) if segment.records else []
            if found:
                size = sum(_HEADER.size + len(record) for record in found)
                self._next = (segment.number, self._offset + size, len(found))
                return found
            self.damaged += segment.records
            self._remove_first()
            self._save_position()
        return []

    def _read(self, segment: _Segment, limit: int) -> list[bytes]:
        found: list[bytes] = []
        size = 0
        with segment.path.open("rb") as file:
            file.seek(self._offset)
            for record in _records(file):
                found.append(record)
                size += len(record)
                if len(found) >= limit or size >= PEEK_BYTES:
                    break
        return found

    def commit(self) -> None:
        """Forgets what the last ``peek`` gave."""
        if self._next is None or not self._segments:
            return
        number, offset, count = self._next
        self._next = None
        segment = self._segments[0]
        if segment.number != number:
            return
        self._offset = offset
        segment.records -= count
        if segment.records <= 0:
            self._remove_first()
        self._save_position()

    def drop_oldest(self) -> int:
        """Gives up the oldest segment; how many records it still held."""
        if not self._segments:
            return 0
        lost = self._segments[0].records
        self._next = None
        self._remove_first()
        self._save_position()
        return lost

    def close(self) -> None:
        """Closes the file being written."""
        self._close_file()

    def _writable(self) -> FileIO:
        if self._file is not None and self._segments[-1].size_bytes >= self._segment_bytes:
            os.fsync(self._file.fileno())
            self._close_file()
        if self._file is None:
            number = self._segments[-1].number + 1 if self._segments else self._first_number()
            path = self._folder / f"{number:012d}.seg"
            self._file = path.open("ab", buffering=0)
            self._segments.append(_Segment(number, path))
        return self._file

    def _first_number(self) -> int:
        return self._read_position()[0] + 1

    def _remove_first(self) -> None:
        segment = self._segments.pop(0)
        if not self._segments:
            self._close_file()
        segment.path.unlink(missing_ok=True)
        self._last_number = segment.number
        self._offset = 0

    def _save_position(self) -> None:
        number = self._segments[0].number if self._segments else self._last_number
        temporary = self._folder / f"{_POSITION}.new"
        temporary.write_text(f"{number} {self._offset}", "ascii")
        temporary.replace(self._folder / _POSITION)

    def _read_position(self) -> tuple[int, int]:
        try:
            number, offset = (self._folder / _POSITION).read_text("ascii").split()
            return int(number), int(offset)
        except (OSError, ValueError):
            return 0, 0

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> None:
        number, offset = self._read_position()
        self._last_number = number
        for path in sorted(self._folder.glob("*.seg")):
            if not path.stem.isdigit():
                continue
            segment = _Segment(int(path.stem), path)
            start = offset if segment.number == number else 0
            if segment.number < number or not self._scan(segment, start):
                path.unlink(missing_ok=True)
                continue
            if not self._segments:
                self._offset = start
            self._segments.append(segment)

    def _scan(self, segment: _Segment, start: int) -> bool:
        """Counts what is left to read, cuts off what is torn; whether anything is left."""
        size = segment.path.stat().st_size
        end = min(start, size)
        with segment.path.open("rb") as file:
            file.seek(end)
            for record in _records(file):
                segment.records += 1
                end += _HEADER.size + len(record)
        if end < size:
            self.damaged += 1
            os.truncate(segment.path, end)
        segment.size_bytes = end
        return segment.records > 0


def _records(file: BinaryIO) -> Iterator[bytes]:
    """Whole, unharmed records from here on; ends at the first that is not."""
    while len(header := file.read(_HEADER.size)) == _HEADER.size:
        length, checksum = _HEADER.unpack(header)
        if not 0 < length <= MAX_RECORD_BYTES:  # 0: blocks that a crash left without their data
            return
        record = file.read(length)
        if len(record) < length or crc32(record) != checksum:
            return
        yield record
