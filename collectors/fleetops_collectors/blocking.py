"""Reads that block in the kernel, kept from blocking anything else.

A read of sysfs or an ioctl asks the hardware, and a driver that hangs never returns from it: the
thread cannot be ended from outside. So each target has at most one such thread, which nobody waits
for at the end of the process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


class BlockingReads:
    """Runs blocking reads, one at a time by key."""

    def __init__(self, name: str) -> None:
        """``name`` begins the names of the threads."""
        self._name = name
        self._ended: dict[str, asyncio.Event] = {}

    async def run(self, key: str, read: Callable[[], T]) -> T:
        """What ``read`` returns, or raises what it raises.

        A read that was given up and still hangs is waited for, not doubled; the caller's deadline
        ends the waiting.
        """
        if (before := self._ended.get(key)) is not None:
            await before.wait()
        loop = asyncio.get_running_loop()
        ended = self._ended[key] = asyncio.Event()
        outcome: Future[T] = Future()

        def work() -> None:
            try:
                outcome.set_result(read())
            except BaseException as error:  # noqa: BLE001 (a thread's boundary: whoever waits gets it)
                outcome.set_exception(error)
            with suppress(RuntimeError):  # the loop is closed, and nobody waits
                loop.call_soon_threadsafe(ended.set)

        Thread(target=work, name=f"{self._name}-{key}", daemon=True).start()
        await ended.wait()
        return outcome.result()
