"""Keeps a child that reads the devices, and ends it where the driver does not come back.

A call into a hung driver never returns, and a thread inside it cannot be ended; a process can. The
device at fault is left out for a while, and a new child reads the others in the same round.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleetops.core.clock import Clock
from fleetops.core.errors import InputError, TemporaryError
from fleetops_collectors.nvml import child as child_module
from fleetops_collectors.nvml.fields import DeviceAnswer, error_text, parse_answer

MAX_LINE_BYTES = 1024 * 1024
"""Longest answer about one device; a good one has 4 KB."""
REAP_SECONDS = 0.5
"""An ended process that takes longer hangs in the kernel; nobody waits for it."""
MAX_UNREAPED = 2
"""Ended processes that may still hang in the kernel; beyond that none is started."""
MAX_PAUSE_SECONDS = 600.0
_LOST = frozenset(child_module.GONE)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take, in seconds."""

    device_seconds: float
    """All calls of one device."""
    start_seconds: float
    """Starting the process and opening the driver."""
    round_seconds: float
    """All devices together; what is not read by then waits for the next round."""
    retry_seconds: float
    """First pause of a device that hung or is lost; doubled each time, to ten minutes."""


@dataclass(slots=True)
class Suspect:
    """A device that hung, ended the child, or is lost."""

    why: str
    code: int | None
    """NVML's number where the driver itself says that it is lost."""
    pause_seconds: float
    next_try: float
    """On the monotonic clock."""


@dataclass(slots=True)
class Round:
    """What one round gave."""

    answers: list[DeviceAnswer] = field(default_factory=list)
    """Of the devices that could be read."""
    suspects: dict[int, Suspect] = field(default_factory=dict)
    """All devices that cannot be read at present."""
    fresh: dict[int, Suspect] = field(default_factory=dict)
    """Those among them that were well, or not known, before."""
    unread: list[int] = field(default_factory=list)
    """Devices for which the round had no time left."""


class _HangError(Exception):
    """The child did not answer in time, or ended."""

    def __init__(self, why: str, *, blamed: bool = True) -> None:
        """``blamed`` is false where only the round's time was over."""
        super().__init__(why)
        self.blamed = blamed


class DeviceReader:
    """Reads the devices of one driver, by one child at a time."""

    def __init__(
        self,
        where: str,
        limits: Limits,
        clock: Clock,
        *,
        library_folder: Path | None = None,
        throughput: bool = False,
    ) -> None:
        """Starts nothing yet.

        Args:
            where: names the target in errors.
            limits: how long things may take.
            clock: for pauses and deadlines.
            library_folder: where ``libnvidia-ml.so.1`` is, if not on the system's path.
            throughput: whether PCIe throughput is read, which holds the device up for 40 ms.
        """
        self._where = where
        self._limits = limits
        self._clock = clock
        self._library_folder = library_folder
        self._throughput = throughput
        self._child: asyncio.subprocess.Process | None = None
        self._opened = False
        """Whether the child has answered, so that the driver is open."""
        self._reading: int | None = None
        """The device that the child is about to read."""
        self._count = 0
        self._suspects: dict[int, Suspect] = {}
        self._untold: dict[int, Suspect] = {}
        """New ones that no finished round has told."""
        self._unreaped: list[asyncio.subprocess.Process] = []

    async def read(self, fields: Iterable[int]) -> Round:
        """Reads every device once, apart from those that wait for another try.

        Raises:
            TemporaryError: there is no driver, or it does not answer at all.
            InputError: the child answers nonsense.
        """
        began = self._clock.monotonic()
        round_ = Round()
        due = [
            index for index, suspect in sorted(self._suspects.items()) if suspect.next_try <= began
        ]
        if any(self._suspects[index].code in _LOST for index in due):
            await self._end()  # a reset device is seen only by a driver that is opened anew
        asked = list(fields)
        try:
            await self._ask_all(asked, round_, began)
            for index in due:
                await self._ask_one(index, asked, round_, began)
        except asyncio.CancelledError:
            self._abandon()
            raise
        round_.suspects = dict(self._suspects)
        round_.fresh, self._untold = self._untold, {}
        return round_

    async def close(self) -> None:
        """Ends the child."""
        await self._end()

    async def _ask_all(self, fields: list[int], round_: Round, began: float) -> None:
        """All devices that are not suspect; goes on behind one that hangs."""
        while True:
            done = {answer.device for answer in round_.answers}
            try:
                await self._ask(fields, None, done | set(self._suspects), round_, began)
            except _HangError as hang:
                await self._hung(hang, round_)
            else:
                return
            if self._left(began) <= 0:
                read = {answer.device for answer in round_.answers} | set(self._suspects)
                round_.unread = [index for index in range(self._count) if index not in read]
                return

    async def _ask_one(self, index: int, fields: list[int], round_: Round, began: float) -> None:
        """One suspect, when all others are through."""
        if self._left(began) <= 0:
            return
        try:
            await self._ask(fields, [index], set(), round_, began)
        except _HangError as hang:
            await self._hung(hang, round_)
            return
        if any(answer.device == index for answer in round_.answers):
            del self._suspects[index]
        elif (suspect := self._suspects[index]).next_try <= began:
            self._suspect(index, "the driver has no such device any more", suspect.code)

    async def _ask(
        self,
        fields: list[int],
        devices: list[int] | None,
        skip: set[int],
        round_: Round,
        began: float,
    ) -> None:
        process = await self._started()
        self._reading = None
        request = {
            "fields": fields,
            "devices": devices,
            "skip": sorted(skip),
            "throughput": self._throughput,
        }
        assert process.stdin is not None  # noqa: S101 (it was opened as a pipe)
        process.stdin.write(json.dumps(request).encode() + b"\n")
        while True:
            line = await self._line(process, began)
            answer = self._parsed(line)
            if "reading" in answer:
                self._reading = answer["reading"]
            elif "lost" in answer:
                self._suspect(answer["device"], error_text(answer["lost"]), answer["lost"])
            elif "device" in answer:
                round_.answers.append(parse_answer(line))
            elif "failed" in answer:
                await self._end()
                raise TemporaryError(self._failure(answer))
            elif "done" in answer:
                return
            else:
                self._opened, self._count = True, int(answer["devices"])

    async def _line(self, process: asyncio.subprocess.Process, began: float) -> bytes:
        assert process.stdout is not None  # noqa: S101 (it was opened as a pipe)
        limits = self._limits
        patience = limits.device_seconds if self._opened else limits.start_seconds
        left = self._left(began)
        try:
            async with asyncio.timeout(min(patience, left)):
                line = await process.stdout.readline()
        except TimeoutError:
            raise _HangError(
                f"no answer within {min(patience, left):.3g} s", blamed=left >= patience
            ) from None
        except ValueError as error:
            self._abandon()
            raise InputError(f"{self._where}: the child's answer is too long: {error}") from error
        if not line:
            with suppress(TimeoutError):
                async with asyncio.timeout(REAP_SECONDS):
                    await process.wait()
            raise _HangError(f"the process that read it ended with status {process.returncode}")
        return line

    def _parsed(self, line: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            self._abandon()
            raise InputError(f"{self._where}: the child answered {line[:60]!r}")
        return answer

    async def _hung(self, hang: _HangError, round_: Round) -> None:
        """Ends the child and leaves the device at fault out for a while.

        Raises:
            TemporaryError: it was no single device, and nothing was read.
        """
        index, opened = self._reading, self._opened
        await self._end()
        if index is not None and hang.blamed:
            self._suspect(index, str(hang), None)
        elif index is None and (hang.blamed or not round_.answers):
            stage = "counting the devices" if opened else "opening the driver"
            raise TemporaryError(
                f"{self._where}: the driver does not answer ({stage}): {hang}; "
                "look for Xid and 'hung task' in the kernel's log"
            )

    def _suspect(self, index: int, why: str, code: int | None) -> None:
        before = self._suspects.get(index)
        pause = self._limits.retry_seconds
        if before is not None:
            pause = min(before.pause_seconds * 2, MAX_PAUSE_SECONDS)
        suspect = Suspect(why, code, pause, self._clock.monotonic() + pause)
        self._suspects[index] = suspect
        if before is None:
            self._untold[index] = suspect

    def _left(self, began: float) -> float:
        return self._limits.round_seconds - (self._clock.monotonic() - began)

    def _failure(self, answer: Mapping[str, Any]) -> str:
        error = int(answer["error"])
        remedy = {
            child_module.NO_MODULE: "pip install 'fleetops[collect]'",
            9: "load the nvidia kernel module, or take this collector out",
            12: "install the driver or set library_folder, or take this collector out",
            18: "restart the host after a driver update",
        }.get(error, "look at the kernel's log")
        return f"{self._where}: {answer['failed']}: {error_text(error)}; {remedy}"

    async def _started(self) -> asyncio.subprocess.Process:
        """The child; a new one where there is none.

        Raises:
            TemporaryError: ended ones hang in the driver, so that a new one would too.
        """
        if self._child is not None and self._child.returncode is None:
            return self._child
        self._unreaped = [one for one in self._unreaped if one.returncode is None]
        if len(self._unreaped) >= MAX_UNREAPED:
            raise TemporaryError(
                f"{self._where}: {len(self._unreaped)} ended processes still hang in the driver; "
                "none is started until one goes: restart the host"
            )
        self._opened = False
        self._child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", child_module.__file__),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self._environment(),
            limit=MAX_LINE_BYTES,
            start_new_session=True,  # an interrupt at the terminal is the parent's to handle
        )
        return self._child

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ)
        if self._library_folder is not None:
            known = environment.get("LD_LIBRARY_PATH")
            folders = [str(self._library_folder), *([known] if known else [])]
            environment["LD_LIBRARY_PATH"] = os.pathsep.join(folders)
        return environment

    def _abandon(self) -> asyncio.subprocess.Process | None:
        """Ends the child without waiting for its end."""
        process, self._child, self._opened = self._child, None, False
        if process is None:
            return None
        if process.stdin is not None:
            process.stdin.close()
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            self._unreaped.append(process)
        return process

    async def _end(self) -> None:
        process = self._abandon()
        if process is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(REAP_SECONDS):
                await process.wait()
