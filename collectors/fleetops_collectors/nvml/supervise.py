"""Reads the devices through a child, and goes on without the one that hangs it.

A call into a hung driver never returns, and a thread inside it cannot be ended; a process can. The
device at fault is left out for a while, and a new child reads the others in the same round.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fleetops.core.clock import Clock
from fleetops.core.errors import TemporaryError
from fleetops_collectors.nvml import child
from fleetops_collectors.nvml.fields import DeviceAnswer, error_text, parse_answer
from fleetops_collectors.nvml.process import ChildProcess, EndedError

MAX_PAUSE_SECONDS = 600.0
_GONE = frozenset(child.GONE)


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
    """Those among them that no round has told before."""
    unread: list[int] = field(default_factory=list)
    """Devices that the round did not come to."""
    why_unread: str = ""


class _HangError(Exception):
    """The child did not answer in time, or ended."""

    def __init__(self, why: str, *, blamed: bool = True) -> None:
        """``blamed`` is false where only the round's time was over."""
        super().__init__(why)
        self.blamed = blamed


class DeviceReader:
    """Reads the devices of one driver."""

    def __init__(
        self, where: str, process: ChildProcess, limits: Limits, clock: Clock, *, throughput: bool
    ) -> None:
        """Starts nothing yet.

        Args:
            where: names the target in errors.
            process: the child.
            limits: how long things may take.
            clock: for pauses and deadlines.
            throughput: whether PCIe throughput is read, which holds the device up for 40 ms.
        """
        self._where = where
        self._process = process
        self._limits = limits
        self._clock = clock
        self._throughput = throughput
        self._opened = False
        """Whether the child that runs has answered, so that its driver is open."""
        self._reading: int | None = None
        """The device that the child is about to read."""
        self._count = 0
        self._suspects: dict[int, Suspect] = {}
        self._untold: dict[int, Suspect] = {}

    async def read(self, fields: Iterable[int]) -> Round:
        """Reads every device once, apart from those that wait for another try.

        Raises:
            TemporaryError: there is no driver, or it does not answer at all.
            InputError: the child answers nonsense.
        """
        began = self._clock.monotonic()
        round_ = Round()
        asked = list(fields)
        due = [i for i, suspect in sorted(self._suspects.items()) if suspect.next_try <= began]
        if any(self._suspects[index].code in _GONE for index in due):
            await self._process.end()  # a reset device is seen only by a driver opened anew
        try:
            await self._read_well(asked, round_, began)
            for index in due:
                if self._left(began) > 0 and not round_.why_unread:
                    await self._try_again(index, asked, round_, began)
        except asyncio.CancelledError:
            self._process.abandon()
            raise
        round_.suspects = dict(self._suspects)
        round_.fresh, self._untold = self._untold, {}
        return round_

    async def close(self) -> None:
        """Ends the child."""
        await self._process.close()

    async def _read_well(self, fields: list[int], round_: Round, began: float) -> None:
        """All devices that are not suspect; goes on behind one that hangs."""
        while True:
            done = {answer.device for answer in round_.answers}
            try:
                await self._ask(fields, None, done | set(self._suspects), round_, began)
            except _HangError as hang:
                await self._hung(hang, round_)
            else:
                return
            if self._left(began) <= 0 and not round_.why_unread:
                round_.why_unread = "the round's time was over; raise deadline_seconds"
            if round_.why_unread:
                read = {answer.device for answer in round_.answers} | set(self._suspects)
                round_.unread = [index for index in range(self._count) if index not in read]
                return

    async def _try_again(self, index: int, fields: list[int], round_: Round, began: float) -> None:
        """One suspect, when all others are through."""
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
        self._opened = self._opened and self._process.process_id is not None
        self._reading = None
        await self._process.ask(
            {
                "fields": fields,
                "devices": devices,
                "skip": sorted(skip),
                "throughput": self._throughput,
            }
        )
        while True:
            line, answer = await self._answer(began)
            if "reading" in answer:
                self._reading = answer["reading"]
            elif "lost" in answer:
                self._suspect(answer["device"], error_text(answer["lost"]), answer["lost"])
            elif "device" in answer:
                round_.answers.append(parse_answer(line))
            elif "failed" in answer:
                await self._process.end()
                raise TemporaryError(self._failure(answer))
            elif "done" in answer:
                return
            else:
                self._opened, self._count = True, int(answer["devices"])

    async def _answer(self, began: float) -> tuple[bytes, Mapping[str, Any]]:
        limits = self._limits
        patience = limits.device_seconds if self._opened else limits.start_seconds
        left = self._left(began)
        seconds = min(patience, left)
        try:
            return await self._process.answer(seconds)
        except TimeoutError:
            why = f"no answer within {seconds:.3g} s"
            raise _HangError(why, blamed=left >= patience) from None
        except EndedError as error:
            raise _HangError(str(error)) from error

    async def _hung(self, hang: _HangError, round_: Round) -> None:
        """Ends the child and leaves the device at fault out for a while.

        Raises:
            TemporaryError: it was no single device, and nothing was read.
        """
        await self._process.end()
        if self._reading is not None:
            if hang.blamed:
                self._suspect(self._reading, str(hang), None)
            return
        stage = "counting the devices" if self._opened else "opening the driver"
        why = f"the driver does not answer ({stage}): {hang}"
        if not round_.answers:
            remedy = "look for Xid and 'hung task' in the kernel's log"
            raise TemporaryError(f"{self._where}: {why}; {remedy}")
        round_.why_unread = why

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
            child.NO_MODULE: "pip install 'fleetops[collect]'",
            9: "load the nvidia kernel module, or take this collector out",
            12: "install the driver or set library_folder, or take this collector out",
            18: "restart the host after a driver update",
        }.get(error, "look at the kernel's log")
        return f"{self._where}: {answer['failed']}: {error_text(error)}; {remedy}"
