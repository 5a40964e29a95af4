"""Runs ``journalctl`` for the kernel's entries, bounded in time and size. Writes nothing."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Timer
from typing import BinaryIO

from fleetops.core.errors import TemporaryError
from fleetops_collectors.kernel_log.journal_entry import FIELDS
from fleetops_collectors.kernel_log.position import MAX_ROUND_BYTES

_MAX_COMPLAINT = 300
_NO_SUCH_CURSOR = re.compile(r"seek to cursor", re.IGNORECASE)


class CursorLostError(Exception):
    """The journal does not know the cursor."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call gave."""

    lines: list[bytes]
    """Whole entries as JSON, each with its line's end."""
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Journalctl:
    """The command, and how long one call of it may take."""

    command: str = "journalctl"
    timeout_seconds: float = 5.0

    def entries(self, arguments: Sequence[str]) -> Answer:
        """The kernel's entries, at most ``MAX_ROUND_BYTES`` of them.

        Raises:
            CursorLostError: the arguments name a cursor that the journal does not know.
            TemporaryError: the command is missing, fails, or gives nothing in time.
        """
        with tempfile.TemporaryFile() as complaints:
            process = self._start(arguments, complaints)
            data, late = self._bounded(process)
            complaints.seek(0)
            raw = complaints.read(_MAX_COMPLAINT)
        complaint = " ".join(raw.decode("utf-8", "replace").split())
        whole = data[: data.rfind(b"\n") + 1]
        lines = [line for line in whole.splitlines(keepends=True) if line.startswith(b"{")]
        if late:
            if not lines:
                raise TemporaryError(f"{self.command} gave nothing in {self.timeout_seconds:g} s")
            complaint = f"cut off after {self.timeout_seconds:g} s"
        elif process.returncode and len(data) < MAX_ROUND_BYTES:
            if _NO_SUCH_CURSOR.search(complaint):
                raise CursorLostError
            raise TemporaryError(f"{self.command} failed: {complaint or process.returncode}")
        return Answer(lines, f"{self.command}: {complaint}" if complaint else "")

    def _start(self, arguments: Sequence[str], complaints: BinaryIO) -> subprocess.Popen[bytes]:
        command = [
            *(self.command, "--no-pager", "--all", "--output=json"),
            *(f"--output-fields={','.join(FIELDS)}", *arguments, "_TRANSPORT=kernel"),
        ]
        try:
            return subprocess.Popen(  # noqa: S603  (no shell; the configuration names it)
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env={**os.environ, "LC_ALL": "C", "SYSTEMD_COLORS": "0"},
            )
        except OSError as error:
            raise TemporaryError(
                f"cannot run {self.command}: {error.strerror}; install systemd, or read "
                "/dev/kmsg or a file instead"
            ) from error

    def _bounded(self, process: subprocess.Popen[bytes]) -> tuple[bytes, bool]:
        """What the process wrote, up to the bounds, and whether it was late; it has ended then."""
        late = False

        def give_up() -> None:
            nonlocal late
            late = True
            process.kill()

        timer = Timer(self.timeout_seconds, give_up)
        timer.daemon = True
        timer.start()
        try:
            with process:
                assert process.stdout is not None  # noqa: S101  (a pipe was asked for)
                data = process.stdout.read(MAX_ROUND_BYTES)
                if len(data) >= MAX_ROUND_BYTES:
                    process.kill()
        finally:
            timer.cancel()
            timer.join()
        return data, late
