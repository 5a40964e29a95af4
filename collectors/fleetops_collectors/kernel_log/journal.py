"""Reads the kernel's lines of a systemd journal from where they were read last, by ``journalctl``.

``journal://`` is this machine's journal, ``journal:///DIR`` the journals of a folder and
``journal:///FILE.journal`` one file, as systemd-journal-remote writes them for other hosts. Nothing
is written; the entries of other programs are not even read (``_TRANSPORT=kernel``).
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import IO

from fleetops.core.errors import TemporaryError
from fleetops_collectors.kernel_log.journal_entry import FIELDS, cursor_of
from fleetops_collectors.kernel_log.position import MAX_ROUND_BYTES, Chunk, Position

SCHEME = "journal://"
_MAX_COMPLAINT = 300
_LOST_CURSOR = re.compile(r"seek to cursor", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Journalctl:
    """The command and how long one round of it may take."""

    command: str = "journalctl"
    timeout_seconds: float = 5.0


def is_journal(url: str) -> bool:
    """Whether a target's address is that of a journal."""
    return url.startswith(SCHEME)


def read_journal(
    url: str, position: Position | None, since: float, journalctl: Journalctl
) -> Chunk:
    """The kernel's entries since ``position``, at most ``MAX_ROUND_BYTES`` of them.

    Args:
        url: Address of the journal.
        position: Where the last round ended; one without cursor and time is the beginning.
        since: Where a journal begins that was never read, or whose position is unknown there, in
            seconds since 1970.
        journalctl: How to read it.

    Raises:
        OSError: the journal is not there.
        TemporaryError: journalctl is missing, fails or does not answer.
    """
    place = _place(url.removeprefix(SCHEME))
    start = Position(kind="journal", since=max(0, int(since)))
    known = position or start
    gap = f"{url}: the last entry read is gone; entries written since may be lost"
    try:
        lines, warning = _entries([*place, *_from(known)], journalctl)
    except _CursorLostError:
        known = start
        lines, warning = _entries([*place, *_from(known)], journalctl)
        warning = gap
    marks = [cursor_of(line) for line in lines]
    if known.cursor and marks:
        # --after-cursor would pass over one entry unseen where the one it names is gone
        if marks[0] == known.cursor:
            del lines[0], marks[0]
        else:
            warning = gap
    end = Position(kind="journal", cursor=marks[-1]) if marks and marks[-1] else known
    return Chunk(end=end, lines=lines, marks=marks, warnings=[warning] if warning else [])


class _CursorLostError(Exception):
    """journalctl does not know the cursor."""


def _place(path: str) -> list[str]:
    if not path:
        return []
    is_folder = stat.S_ISDIR(Path(path).stat().st_mode)
    return [f"--directory={path}" if is_folder else f"--file={path}"]


def _from(position: Position) -> list[str]:
    if position.cursor:
        return [f"--cursor={position.cursor}"]
    return [f"--since=@{position.since}"] if position.since else []


def _entries(arguments: Sequence[str], journalctl: Journalctl) -> tuple[list[bytes], str]:
    """Whole lines of JSON, and what there is to say about them."""
    command = [
        *(journalctl.command, "--quiet", "--no-pager", "--all", "--output=json"),
        *(f"--output-fields={','.join(FIELDS)}", *arguments, "_TRANSPORT=kernel"),
    ]
    with tempfile.TemporaryFile() as complaints:
        try:
            process = subprocess.Popen(  # noqa: S603  (no shell; the configuration names it)
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=complaints,
                env={**os.environ, "LC_ALL": "C", "SYSTEMD_COLORS": "0"},
            )
        except OSError as error:
            raise TemporaryError(
                f"cannot run {journalctl.command}: {error.strerror}; install systemd, or read "
                "/dev/kmsg or a file instead"
            ) from error
        data, late = _bounded(process, journalctl.timeout_seconds)
        complaint = _read_complaint(complaints)
    whole = data[: data.rfind(b"\n") + 1]
    full = len(data) >= MAX_ROUND_BYTES
    if process.returncode and not full and not late:
        if _LOST_CURSOR.search(complaint):
            raise _CursorLostError
        raise TemporaryError(f"{journalctl.command} failed: {complaint or process.returncode}")
    if late and not whole:
        raise TemporaryError(
            f"{journalctl.command} gave nothing within {journalctl.timeout_seconds:g} s"
        )
    warning = f"{journalctl.command} was cut off after {journalctl.timeout_seconds:g} s"
    return whole.splitlines(keepends=True), warning if late else ""


def _bounded(process: subprocess.Popen[bytes], timeout_seconds: float) -> tuple[bytes, bool]:
    """What the process wrote, up to the bounds, and whether it was late; it has ended then."""
    late = False

    def give_up() -> None:
        nonlocal late
        late = True
        process.kill()

    timer = Timer(timeout_seconds, give_up)
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


def _read_complaint(complaints: IO[bytes]) -> str:
    complaints.seek(0)
    return " ".join(complaints.read(_MAX_COMPLAINT).decode("utf-8", "replace").split())
