"""The child process from outside: started, asked, and ended, whatever the driver does to it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from fleetops.core.errors import InputError, TemporaryError
from fleetops_collectors.nvml import child

MAX_LINE_BYTES = 1024 * 1024
"""Longest answer about one device; a good one has 4 KB."""
REAP_SECONDS = 0.5
"""An ended process that takes longer hangs in the kernel; nobody waits for it."""
MAX_UNREAPED = 2
"""Ended processes that may still hang in the kernel; beyond that none is started."""


class EndedError(Exception):
    """The process ended before it answered."""


class ChildProcess:
    """At most one process at a time; a new one is started where there is none."""

    def __init__(self, where: str, library_folder: Path | None = None) -> None:
        """Starts nothing yet.

        Args:
            where: names the target in errors.
            library_folder: where ``libnvidia-ml.so.1`` is, if not on the system's path.
        """
        self._where = where
        self._library_folder = library_folder
        self._process: asyncio.subprocess.Process | None = None
        self._unreaped: list[asyncio.subprocess.Process] = []

    @property
    def process_id(self) -> int | None:
        """Of the process that runs, if one does."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def ask(self, request: Mapping[str, Any]) -> None:
        """Sends a request.

        Raises:
            TemporaryError: ended processes hang in the driver, so that a new one would too.
        """
        if self.process_id is None:
            self._process = await self._started()
        assert self._process is not None  # noqa: S101 (it was started)
        assert self._process.stdin is not None  # noqa: S101 (it is a pipe)
        self._process.stdin.write(json.dumps(request).encode() + b"\n")

    async def answer(self, seconds: float) -> tuple[bytes, dict[str, Any]]:
        """The next line of the answer, as it came and as JSON.

        Raises:
            TimeoutError: none came in time.
            EndedError: the process ended.
            InputError: the line is no JSON object, or too long.
        """
        process = self._process
        if process is None or process.stdout is None:
            raise EndedError("there is no process")
        try:
            async with asyncio.timeout(seconds):
                line = await process.stdout.readline()
        except ValueError as error:
            self.abandon()
            raise InputError(f"{self._where}: the child's answer is too long: {error}") from error
        if not line:
            await _reap(process)  # to kill what has ended takes its status from asyncio's watcher
            await self.end()
            raise EndedError(f"the process that read it ended with status {process.returncode}")
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            self.abandon()
            raise InputError(f"{self._where}: the child answered {line[:60]!r}")
        return line, answer

    def abandon(self) -> asyncio.subprocess.Process | None:
        """Kills the process without waiting for its end."""
        process, self._process = self._process, None
        if process is None:
            return None
        if process.stdin is not None:
            process.stdin.close()
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            self._unreaped.append(process)
        return process

    async def end(self) -> None:
        """Kills the process and waits a moment for its end."""
        process = self.abandon()
        if process is not None:
            await _reap(process)

    async def close(self) -> None:
        """Ends the process, and waits a moment for those that were abandoned."""
        self.abandon()
        abandoned, self._unreaped = self._unreaped, []
        await asyncio.gather(*map(_reap, abandoned))

    async def _started(self) -> asyncio.subprocess.Process:
        self._unreaped = [one for one in self._unreaped if one.returncode is None]
        if len(self._unreaped) >= MAX_UNREAPED:
            raise TemporaryError(
                f"{self._where}: {len(self._unreaped)} ended processes still hang in the driver; "
                "none is started until one goes: restart the host"
            )
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", child.__file__),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self._environment(),
            limit=MAX_LINE_BYTES,
            start_new_session=True,  # an interrupt at the terminal is the parent's to handle
        )

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ)
        if self._library_folder is not None:
            known = environment.get("LD_LIBRARY_PATH")
            folders = [str(self._library_folder), *([known] if known else [])]
            environment["LD_LIBRARY_PATH"] = os.pathsep.join(folders)
        return environment


async def _reap(process: asyncio.subprocess.Process) -> None:
    """Waits a moment until a killed process is gone and its pipes are closed."""
    with suppress(TimeoutError):
        async with asyncio.timeout(REAP_SECONDS):
            await process.communicate()
    await asyncio.sleep(0)  # its transport closes behind its pipes
