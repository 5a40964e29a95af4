"""Files that a training job leaves: flight recorder dumps, NVRx reports, NCCL inspector logs."""

from __future__ import annotations

import asyncio
import contextlib
import glob
import os
import stat
from collections.abc import Iterable
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from fleetops.core.errors import InputError, TemporaryError
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.training.config import TrainingConfig, TrainingTarget
from fleetops_collectors.training.recording import Recording, decode_training
from fleetops_schemas.readings import Quality, Reading


class _Found(NamedTuple):
    """A file as it was listed; the same while it has not changed."""

    name: str
    inode: int
    size: int
    written_ns: int


@dataclass(frozen=True, slots=True)
class _Known:
    files: tuple[_Found, ...]
    decoded: Decoded


class RecordingFolder:
    """Reads the files of a pattern again only when one of them has changed."""

    def __init__(self, target: TrainingTarget, config: TrainingConfig, pool: Executor) -> None:
        """Reads nothing yet; file systems may hang, so they are read in ``pool``."""
        self._target = target
        self._config = config
        self._pool = pool
        self._known: _Known | None = None

    async def read(self, now: datetime) -> Decoded:
        """What the files say together; values of old files are stale.

        Raises:
            TemporaryError: there is none, or they cannot be read.
            InputError: none of them is of a kind that is known.
        """
        loop = asyncio.get_running_loop()
        known = await loop.run_in_executor(self._pool, self._read)
        oldest = now - timedelta(seconds=self._config.stale_after_seconds)
        decoded = known.decoded
        return Decoded(
            readings=[_aged(reading, oldest) for reading in decoded.readings],
            events=list(decoded.events),
            labels=decoded.labels,
            unmapped=decoded.unmapped,
            problems=list(decoded.problems),
        )

    async def close(self) -> None:
        """Forgets what was read."""
        self._known = None

    def _read(self) -> _Known:
        files, problems = self._list()
        if self._known is not None and self._known.files == files:
            return self._known
        recordings = self._recordings(files, problems)  # read one by one as they are decoded
        try:
            decoded = decode_training(recordings, self._target.names(), self._config.stall_seconds)
        except InputError as error:
            raise InputError(f"{self._target.name}: {error}") from error
        decoded.problems += problems
        self._known = _Known(files, decoded)
        return self._known

    def _list(self) -> tuple[tuple[_Found, ...], list[str]]:
        """The pattern's files, by name; the newest of them where there are too many."""
        pattern = self._target.path
        found = []
        try:
            for name in glob.iglob(str(pattern)):
                with contextlib.suppress(FileNotFoundError):  # gone again
                    status = os.stat(name)
                    if stat.S_ISREG(status.st_mode):
                        found.append(
                            _Found(name, status.st_ino, status.st_size, status.st_mtime_ns)
                        )
        except OSError as error:
            raise TemporaryError(
                f"{self._target.name}: cannot list {pattern}: {error}; check folder and permissions"
            ) from error
        if not found:
            raise TemporaryError(
                f"{self._target.name}: nothing matches {pattern}; jobs write there once they hang "
                "or report"
            )
        limit = self._config.max_files
        problems = [f"{len(found) - limit} older files left out"] if len(found) > limit else []
        newest = sorted(found, key=lambda file: file.written_ns, reverse=True)[:limit]
        return tuple(sorted(newest)), problems

    def _recordings(self, files: Iterable[_Found], problems: list[str]) -> Iterable[Recording]:
        for file in files:
            if file.size > self._config.max_file_bytes:
                problems.append(
                    f"{file.name}: longer than max_file_bytes = {self._config.max_file_bytes}"
                )
                continue
            try:
                yield read_recording(Path(file.name), self._config.max_file_bytes)
            except OSError as error:
                problems.append(f"{file.name}: {error.strerror or error}")


def read_recording(path: Path, max_bytes: int) -> Recording:
    """A file, up to ``max_bytes``.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        written = path.stat().st_mtime
        return Recording(str(path), file.read(max_bytes), datetime.fromtimestamp(written, UTC))


def _aged(reading: Reading, oldest: datetime) -> Reading:
    if reading.time is None or reading.time >= oldest or reading.quality is not Quality.GOOD:
        return reading
    return reading._replace(value=None, quality=Quality.STALE)
