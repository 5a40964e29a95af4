"""Runs the ``ethtool`` command for what only it decodes: FEC counters and the module's EEPROM."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from threading import Timer

from fleetops.core.errors import InputError
from fleetops_collectors.ethernet.outputs import Output, decode_output

MAX_OUTPUT_BYTES = 256 * 1024
"""A module of 16 lanes with all thresholds prints 30 KiB."""
QUESTIONS: tuple[Sequence[str], ...] = (("-I", "--show-fec"), ("-m",))
"""Both only read. ``-m`` needs CAP_NET_ADMIN, ``-I`` ethtool 5.13."""


class Ethtool:
    """The command, each time as a process of its own that is ended at its deadline."""

    def __init__(self, path: str, timeout_seconds: float) -> None:
        """``path`` is a file or a name to look up; nothing is started yet."""
        self._path = path
        self._timeout = timeout_seconds

    def is_installed(self) -> bool:
        """Whether there is such a command."""
        return shutil.which(self._path) is not None

    def ask(self, interface: str) -> tuple[Output, list[str]]:
        """FEC counters and module of an interface, and what went wrong. Blocks.

        What the driver or the module does not have is no problem: it is just not there.
        """
        found = Output(interface)
        problems = []
        for question in QUESTIONS:
            try:
                parsed = decode_output(self._run([*question, interface]))
            except InputError:
                continue  # it has no such thing, and said so in words or not at all
            except TimeoutError:
                problems.append(
                    f"{interface}: ethtool {' '.join(question)}: no answer within "
                    f"{self._timeout:g} s; is the module well (its I2C bus hangs with it)?"
                )
                continue
            except OSError as error:
                problems.append(f"{interface}: cannot run {self._path}: {error.strerror}")
                break
            for said in parsed.outputs.values():
                found.statistics.update(said.statistics)
                found.module = said.module or found.module
        return found, problems

    def _run(self, arguments: Sequence[str]) -> bytes:
        """What it prints, up to the limit; the end of a longer answer is left out.

        Raises:
            TimeoutError: it was ended at its deadline.
            OSError: it cannot be started.
        """
        with subprocess.Popen(  # noqa: S603 (the administrator's command, no shell)
            [self._path, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        ) as process:
            assert process.stdout is not None  # noqa: S101 (it is a pipe)
            late = Timer(self._timeout, process.kill)
            late.daemon = True
            late.start()
            data = process.stdout.read(MAX_OUTPUT_BYTES)
            timed_out = not late.is_alive()
            late.cancel()
            process.kill()
        if timed_out:
            raise TimeoutError
        return data
