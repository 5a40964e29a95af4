"""The socket that the training jobs of a host report to."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import grp
import os
import socket
import stat
from collections import Counter, OrderedDict
from datetime import datetime
from pathlib import Path

from fleetops.core.errors import InputError, TemporaryError
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.training.config import TrainingConfig, TrainingTarget
from fleetops_collectors.training.steps import MAX_DATAGRAM, Step, decode_steps, parse_step

DATAGRAMS_AT_ONCE = 256
"""Taken before the loop's other work has its turn."""
MAX_REASONS = 8


class StepReceiver:
    """Keeps each rank's newest step until the next round asks for it.

    The socket is read as datagrams come, since the kernel holds only a few of them (10 by default,
    ``net.unix.max_dgram_qlen``). Memory is bounded by the number of ranks.
    """

    def __init__(self, target: TrainingTarget, config: TrainingConfig) -> None:
        """Opens nothing yet."""
        self._target = target
        self._config = config
        self._path = target.path
        self._socket: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._inode = 0
        self._newest: dict[tuple[str, int], Step] = {}
        self._last: OrderedDict[tuple[str, int], Step] = OrderedDict()
        """By rank: the last report ever, to see how many did not arrive."""
        self._missed: Counter[str] = Counter()
        """By job: reports that did not arrive since the last round."""
        self._refused: Counter[str] = Counter()
        """By reason: datagrams that could not be used since the last round."""

    async def read(self, now: datetime) -> Decoded:
        """What came since the last round; listens a moment where nothing did.

        Raises:
            TemporaryError: the socket cannot be opened.
            InputError: something else is in the socket's place.
        """
        self._ensure_open()
        if not self._newest:
            await asyncio.sleep(self._config.listen_seconds)
        self._drain()
        newest, self._newest = self._newest, {}
        decoded = decode_steps(newest.values(), self._target.names())
        decoded.problems += [
            f"job {job}: {count} reports did not arrive since the last round"
            for job, count in self._missed.items()
        ]
        decoded.problems += [f"{count} times {why}" for why, count in self._refused.items()]
        self._missed.clear()
        self._refused.clear()
        return decoded

    async def close(self) -> None:
        """Stops listening and takes the socket's file away, if it is still ours."""
        opened, self._socket = self._socket, None
        if opened is None:
            return
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(opened.fileno())
        opened.close()
        with contextlib.suppress(OSError):
            if self._path.lstat().st_ino == self._inode:
                self._path.unlink()

    def _ensure_open(self) -> None:
        """Opens the socket where it is not; anew where somebody took its file away."""
        if self._socket is not None:
            try:
                if self._path.lstat().st_ino == self._inode:
                    return
            except OSError:
                pass
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
        self._socket = None
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            _clear_place(self._path)
            opened.setblocking(False)
            opened.bind(str(self._path))
            self._permit()
            self._inode = self._path.lstat().st_ino
        except OSError as error:
            opened.close()
            raise TemporaryError(
                f"{self._target.name}: cannot listen at {self._path}: {error.strerror or error}; "
                "make its folder, writable for the collector (systemd: RuntimeDirectory=fleetops)"
            ) from error
        except (InputError, TemporaryError) as error:
            opened.close()
            raise type(error)(f"{self._target.name}: {error}") from error
        self._socket = opened
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(opened.fileno(), self._drain)

    def _permit(self) -> None:
        """Lets jobs write. Until then the process' umask holds, which lets nobody else."""
        group = self._config.socket_group
        if group is not None:
            try:
                os.chown(self._path, -1, grp.getgrnam(group).gr_gid)
            except KeyError:
                raise InputError(f"no group {group!r} on this host; mend socket_group") from None
        self._path.chmod(int(self._config.socket_mode, 8))

    def _drain(self) -> None:
        for _ in range(DATAGRAMS_AT_ONCE):
            try:
                datagram = self._socket.recv(MAX_DATAGRAM) if self._socket else b""
            except OSError:  # EAGAIN: nothing more now; anything else the next round will meet
                return
            if not self._socket:
                return
            try:
                self._take(parse_step(datagram))
            except InputError as error:
                self._count(self._refused, str(error))

    def _take(self, step: Step) -> None:
        key = (step.job, step.rank)
        if key not in self._newest and len(self._newest) >= self._config.max_ranks:
            self._count(self._refused, "a rank beyond max_ranks reported")
            return
        self._newest[key] = step
        last = self._last.pop(key, None)
        if last is not None and last.reporter == step.reporter and step.sequence > last.sequence:
            self._count(self._missed, step.job, step.sequence - last.sequence - 1)
        self._last[key] = step
        if len(self._last) > self._config.max_ranks:
            self._last.popitem(last=False)

    @staticmethod
    def _count(counter: Counter[str], what: str, count: int = 1) -> None:
        """Counts under the reason, while there are few enough; hostile senders make up more."""
        if count:
            counter[what if what in counter or len(counter) < MAX_REASONS else "others"] += count


def _clear_place(path: Path) -> None:
    """Takes a socket's file away that a dead process left.

    Raises:
        TemporaryError: somebody listens there.
        InputError: it is no socket.
        OSError: it cannot be looked at.
    """
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise InputError(f"{path} is there and no socket; remove it, or name another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(str(path))
        except OSError as error:
            if error.errno != errno.ECONNREFUSED:
                raise
        else:
            raise TemporaryError(
                f"another process listens at {path}; one collector a host takes the reports"
            )
    path.unlink()
