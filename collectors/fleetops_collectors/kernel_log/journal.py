"""Reads the kernel's lines of a systemd journal from where they were read last.

``journal://`` is this machine's journal, ``journal:///DIR`` the journals of a folder and
``journal:///FILE.journal`` one file, as systemd-journal-remote writes them for other hosts. The
entries of other programs are not even read (``_TRANSPORT=kernel``).
"""

from __future__ import annotations

import stat
from pathlib import Path

from fleetops.core.errors import TemporaryError
from fleetops_collectors.kernel_log.journal_entry import cursor_of
from fleetops_collectors.kernel_log.journalctl import CursorLostError, Journalctl
from fleetops_collectors.kernel_log.position import Chunk, Position

SCHEME = "journal://"


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
        TemporaryError: it holds no line of a kernel, or journalctl fails.
    """
    place = _place(url.removeprefix(SCHEME))
    start = Position(kind="journal", since=max(0, int(since)))
    known = position or start
    gap = f"{url}: the last entry read is gone; entries written since may be lost"
    warnings: list[str] = []
    try:
        answer = journalctl.entries([*place, *_from(known)])
    except CursorLostError:
        known = start
        answer = journalctl.entries([*place, *_from(known)])
        warnings.append(gap)
    lines = answer.lines
    marks = [cursor_of(line) for line in lines]
    if known.cursor and marks:
        # --after-cursor would pass over one entry unseen where the one it names is gone
        if marks[0] == known.cursor:
            del lines[0], marks[0]
        else:
            warnings.append(gap)
    elif not marks:
        _check_not_empty(url, place, journalctl)
    if answer.warning:
        warnings.append(answer.warning)
    end = Position(kind="journal", cursor=marks[-1]) if marks and marks[-1] else known
    return Chunk(end=end, lines=lines, marks=marks, warnings=warnings)


def _check_not_empty(url: str, place: list[str], journalctl: Journalctl) -> None:
    """A journal that the reader may not see is silent, as one without faults is."""
    newest = journalctl.entries([*place, "--lines=1"])
    if not newest.lines:
        raise TemporaryError(
            f"{url} shows no line of a kernel at all; is journald running, and is the collector's "
            f"user in the group systemd-journal? {newest.warning}".rstrip()
        )


def _place(path: str) -> list[str]:
    if not path:
        return []
    is_folder = stat.S_ISDIR(Path(path).stat().st_mode)
    return [f"--directory={path}" if is_folder else f"--file={path}"]


def _from(position: Position) -> list[str]:
    if position.cursor:
        return [f"--cursor={position.cursor}"]
    return [f"--since=@{position.since}"] if position.since else []
