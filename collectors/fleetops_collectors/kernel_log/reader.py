"""Reads kernel logs from where they were read last: files that rotate, and ``/dev/kmsg``."""

from __future__ import annotations

import errno
import os
import stat
import zlib
from pathlib import Path
from typing import BinaryIO

from fleetops.core.errors import InputError
from fleetops_collectors.kernel_log.position import (
    HEAD_BYTES,
    MAX_ROUND_BYTES,
    Chunk,
    Position,
)
from fleetops_collectors.kernel_log.record import MAX_LINE_BYTES

MAX_ROTATED = 64
MAX_ROUND_RECORDS = 100_000
_KMSG_RECORD_BYTES = 8192
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


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
    for _ in range(MAX_ROUND_RECORDS):
        record = _next_record(descriptor)
        if record is None:
            continue
        if not record:
            break
        sequence = _sequence(record)
        if sequence <= last:
            continue
        if last >= 0:
            chunk.lost += sequence - last - 1
        last = sequence
        chunk.lines.append(record)
        chunk.marks.append(str(sequence))
        size += len(record)
        if size >= MAX_ROUND_BYTES:
            break
    if chunk.lost:
        chunk.warnings.append(f"{chunk.lost} records were lost before they were read")
    return chunk


def _next_record(descriptor: int) -> bytes | None:
    """The next record; None where one cannot be had, b"" where there is none.

    EPIPE: it was overwritten before it was read, and the next stands for it. EINVAL: it is longer
    than any should be. Both leave a gap in the sequence.
    """
    try:
        return os.read(descriptor, _KMSG_RECORD_BYTES)
    except BlockingIOError:
        return b""
    except OSError as error:
        if error.errno in (errno.EPIPE, errno.EINVAL):
            return None
        raise


def _sequence(record: bytes) -> int:
    try:
        return int(record.split(b",", 2)[1])
    except (IndexError, ValueError):
        return -1
