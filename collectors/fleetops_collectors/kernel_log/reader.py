"""Reads kernel logs from where they were read last: files that rotate, and ``/dev/kmsg``."""

from __future__ import annotations

import errno
import os
import stat
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fleetops.core.errors import InputError
from fleetops_collectors.kernel_log.lines import MAX_LINE_BYTES

MAX_ROUND_BYTES = 4 * 1024 * 1024
"""What one round reads at most; the rest is read in the next."""
HEAD_BYTES = 64
MAX_ROTATED = 64
_KMSG_RECORD_BYTES = 8192
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Position(BaseModel):
    """How far a log was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["file", "kmsg"] = "file"
    inode: int = 0
    """file: 0 is the beginning of whatever file comes."""
    offset: int = Field(default=0, ge=0)
    head_bytes: int = Field(default=0, ge=0, le=HEAD_BYTES)
    head_crc: int = 0
    """file: checksum of its first bytes, to tell a truncated and refilled file from the old one."""
    boot_id: str = ""
    sequence: int = -1
    """kmsg: the last record read, of that boot."""

    @classmethod
    def from_cursor(cls, cursor: str) -> Position | None:
        """The position in a stored cursor, or None where it is none."""
        try:
            return cls.model_validate_json(cursor)
        except ValidationError:
            return None


@dataclass(slots=True)
class Chunk:
    """Lines of one round, what identifies each, and where the next round starts."""

    end: Position
    lines: list[bytes] = field(default_factory=list)
    marks: list[str] = field(default_factory=list)
    """By line: stable while the line exists, over restarts and rotation by renaming."""
    warnings: list[str] = field(default_factory=list)


def read_log(path: Path, position: Position | None) -> Chunk:
    """What came since ``position``; with None, the newest ``MAX_ROUND_BYTES`` there are.

    Raises:
        OSError: the log cannot be read.
        InputError: the path is a directory or another thing that holds no lines.
    """
    status = path.stat()
    if stat.S_ISCHR(status.st_mode):
        return _read_device(path, position)
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path} is neither a file nor /dev/kmsg; mend the target's url")
    with path.open("rb") as file:
        return _read_file(path, file, position)


def _read_file(path: Path, file: BinaryIO, position: Position | None) -> Chunk:
    status = os.fstat(file.fileno())
    start = 0
    chunk = Chunk(end=Position())
    if position is None:
        start = _line_start(file, status.st_size - MAX_ROUND_BYTES)
    elif position.inode == status.st_ino and not _refilled(file, status.st_size, position):
        start = position.offset
    elif position.inode not in (0, status.st_ino):
        _rest_of_rotated(path, position, chunk)
    elif position.inode:
        chunk.warnings.append(f"{path}: truncated; lines written just before may be lost")
    end = _take(file, start, status.st_ino, chunk)
    head = _head(file)
    chunk.end = Position(
        inode=status.st_ino, offset=end, head_bytes=len(head), head_crc=zlib.crc32(head)
    )
    return chunk


def _take(file: BinaryIO, start: int, inode: int, chunk: Chunk) -> int:
    """Appends the whole lines from ``start``; where the next round starts."""
    file.seek(start)
    data = file.read(MAX_ROUND_BYTES)
    whole = data.rfind(b"\n") + 1
    if not whole and len(data) > MAX_LINE_BYTES:
        whole = len(data)  # a line longer than any: taken in pieces rather than waited for
    offset = start
    for line in data[:whole].splitlines(keepends=True):
        chunk.lines.append(line)
        chunk.marks.append(f"{inode}:{offset}")
        offset += len(line)
    return start + whole


def _refilled(file: BinaryIO, size: int, position: Position) -> bool:
    head = _head(file)[: position.head_bytes]
    return size < position.offset or zlib.crc32(head) != position.head_crc


def _head(file: BinaryIO) -> bytes:
    file.seek(0)
    return file.read(HEAD_BYTES)


def _line_start(file: BinaryIO, offset: int) -> int:
    if offset <= 0:
        return 0
    file.seek(offset)
    file.readline()
    return file.tell()


def _rest_of_rotated(path: Path, position: Position, chunk: Chunk) -> None:
    """The unread end of a file that was renamed away (``NAME.1``, ``NAME-20260101`` ...)."""
    siblings = sorted(path.parent.glob(f"{path.name}?*"))[:MAX_ROTATED]
    for sibling in siblings:
        try:
            if sibling.stat().st_ino != position.inode:
                continue
            with sibling.open("rb") as file:
                _take(file, position.offset, position.inode, chunk)
                return
        except OSError:
            continue
    chunk.warnings.append(f"{path}: replaced, and the old file is gone; its last lines may be lost")


def _read_device(path: Path, position: Position | None) -> Chunk:
    boot_id = _BOOT_ID.read_text("ascii").strip()
    last = position.sequence if position and position.boot_id == boot_id else -1
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        chunk = read_records(descriptor, last)
    finally:
        os.close(descriptor)
    sequence = int(chunk.marks[-1]) if chunk.marks else last
    chunk.marks = [f"{boot_id}:{mark}" for mark in chunk.marks]
    chunk.end = Position(kind="kmsg", boot_id=boot_id, sequence=sequence)
    return chunk


def read_records(descriptor: int, last: int) -> Chunk:
    """Records of a non-blocking ``/dev/kmsg`` after sequence ``last``; marks are sequences.

    Raises:
        OSError: the device failed.
    """
    chunk = Chunk(end=Position())
    size = 0
    expected = last + 1 if last >= 0 else None
    while size < MAX_ROUND_BYTES:
        try:
            record = os.read(descriptor, _KMSG_RECORD_BYTES)
        except BlockingIOError:
            break
        except OSError as error:
            if error.errno == errno.EPIPE:  # overwritten before it was read; the next is there
                continue
            if error.errno == errno.EINVAL:  # a record longer than the buffer is passed over
                chunk.warnings.append("a record was too long to read")
                continue
            raise
        if not record:
            break
        sequence = _sequence(record)
        if sequence <= last:
            continue
        if expected is not None and sequence > expected:
            chunk.warnings.append(f"{sequence - expected} records were overwritten before reading")
        expected = sequence + 1
        chunk.lines.append(record)
        chunk.marks.append(str(sequence))
        size += len(record)
    return chunk


def _sequence(record: bytes) -> int:
    try:
        return int(record.split(b",", 2)[1])
    except (IndexError, ValueError):
        return -1
