"""The formats in which a kernel's lines arrive, reduced to host, time and text.

Understood: ``/dev/kmsg`` records, ``dmesg`` (uptime, ctime and ISO stamps), journald ``short``,
``short-iso``, ``short-monotonic`` and JSON, rsyslog, and plain text. Nothing here raises on what it
is given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from io import BufferedIOBase, RawIOBase
from typing import Any, NamedTuple

MAX_LINE_BYTES = 16 * 1024
"""Longer lines are cut: the kernel itself writes at most 1,024 bytes a record."""
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_KERNEL_TAGS = frozenset(("kernel", "kern"))

_KMSG = re.compile(r"\d{1,5},\d{1,20},(\d{1,18}),[^;]{0,64};(.*)", re.DOTALL)
_CTIME = re.compile(r"\[[A-Z][a-z]{2} ([A-Z][a-z]{2}) +(\d+) (\d\d):(\d\d):(\d\d) (\d{4})\] ?(.*)")
_UPTIME = re.compile(r"\[ *(\d{1,10}\.\d{1,9})\](?:\[ *[TC]\d+\])? ?(.*)")
_SHORT = re.compile(r"([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d)(?:\.\d+)? (.*)")
_ISO = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?) (.*)")
_TAGGED = re.compile(r"(\S+) ([\w./-]{1,64})(?:\[\d+\])?: ?(.*)")
_PROGRAM = re.compile(r"\S+ [\w./-]{1,64}\[\d+\]: ")
_LEVEL = re.compile(r"(?:<\d{1,3}>|(?:kern|user|daemon|syslog) *: *\w+ *: )")
_REPEATED = re.compile(r"message repeated (\d{1,6}) times: \[ ?(.*)\]$")
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]+")


class KernelLine(NamedTuple):
    """One line of the kernel. ``time`` is aware, None where the line gives none that counts."""

    host: str | None
    time: datetime | None
    text: str
    repeats: int = 1
    """How often the line was written ("message repeated 3 times")."""


class LineReader:
    """Takes lines apart. One reader a log: it holds what the log's stamps are relative to."""

    def __init__(
        self, *, now: datetime, boot_time: datetime | None = None, timezone: tzinfo = UTC
    ) -> None:
        """Stamps without a year are taken as the last such day before ``now``.

        Args:
            now: The current time, aware.
            boot_time: What uptimes count from; without it lines stamped with uptime have no time.
            timezone: Zone of stamps that name none (``dmesg -T``, journald ``short``).
        """
        self._now = now
        self._boot = boot_time
        self._zone = timezone

    def parse(self, raw: str | bytes) -> KernelLine | None:
        """The line, or None where it is no line of a kernel."""
        line = as_text(raw)
        if line.startswith("{"):
            return self._journal(line)
        if match := _KMSG.fullmatch(line):
            text = _ESCAPE.sub(lambda hexed: chr(int(hexed[1], 16)), match[2])
            return _line(None, self._uptime(int(match[1]) / 1e6), text)
        if prefix := _LEVEL.match(line):
            line = line[prefix.end() :]
        return self._stamped(line)

    def _stamped(self, line: str) -> KernelLine | None:
        if match := _CTIME.match(line):
            month, day, hour, minute, second, year, text = match.groups()
            clock = (int(hour), int(minute), int(second))
            return _line(None, self._date(int(year), month, int(day), clock), text)
        if match := _UPTIME.match(line):
            return _maybe_tagged(match[2], self._uptime(float(match[1])))
        if match := _SHORT.match(line):
            month, day, hour, minute, second, rest = match.groups()
            clock = (int(hour), int(minute), int(second))
            return _tagged(rest, self._without_year(month, int(day), clock))
        if match := _ISO.match(line):
            time = self._iso(match[1])
            # a comma before the fraction is dmesg's, which names neither host nor program
            return _line(None, time, match[2]) if "," in match[1] else _tagged(match[2], time)
        return _line(None, None, line.removeprefix("kernel: "))

    def _journal(self, line: str) -> KernelLine | None:
        try:
            entry: Any = json.loads(line)
        except (ValueError, RecursionError):
            return None
        if not isinstance(entry, dict):
            return None
        tag = entry.get("SYSLOG_IDENTIFIER", "kernel")
        if entry.get("_TRANSPORT", "kernel") != "kernel" and tag not in _KERNEL_TAGS:
            return None
        message = entry.get("MESSAGE")
        if isinstance(message, list):  # journald gives bytes that are no UTF-8 as numbers
            message = bytes(
                part
                for part in message
                if isinstance(part, int) and 0 <= part < 256  # noqa: PLR2004  a byte
            ).decode("utf-8", "replace")
        if not isinstance(message, str):
            return None
        stamp = entry.get("_SOURCE_REALTIME_TIMESTAMP") or entry.get("__REALTIME_TIMESTAMP")
        host = entry.get("_HOSTNAME")
        return _line(host if isinstance(host, str) else None, _microseconds(stamp), message)

    def _uptime(self, seconds: float) -> datetime | None:
        if self._boot is None:
            return None
        try:
            return self._boot + timedelta(seconds=seconds)
        except OverflowError:
            return None

    def _without_year(self, month: str, day: int, clock: tuple[int, int, int]) -> datetime | None:
        for year in (self._now.year + 1, self._now.year, self._now.year - 1):
            time = self._date(year, month, day, clock)
            if time is not None and time <= self._now + timedelta(days=1):
                return time
        return None

    def _date(
        self, year: int, month: str, day: int, clock: tuple[int, int, int]
    ) -> datetime | None:
        try:
            local = datetime(year, _MONTHS.index(month) + 1, day, *clock, tzinfo=self._zone)
            return local.astimezone(UTC)
        except (ValueError, OverflowError):  # no such day, or a year out of the calendar
            return None

    def _iso(self, stamp: str) -> datetime | None:
        try:
            time = datetime.fromisoformat(stamp)
            return (time if time.tzinfo else time.replace(tzinfo=self._zone)).astimezone(UTC)
        except (ValueError, OverflowError):  # year 1 in a zone ahead of UTC
            return None


def as_text(raw: str | bytes) -> str:
    """The line as text of bounded length, without its end and without NULs."""
    if isinstance(raw, bytes):
        raw = raw[:MAX_LINE_BYTES].decode("utf-8", "replace")
    return raw[:MAX_LINE_BYTES].rstrip("\r\n").replace("\x00", "")


def bounded_lines(stream: BufferedIOBase | RawIOBase) -> Iterator[bytes]:
    """The lines of a binary stream, each cut to ``MAX_LINE_BYTES``; memory stays bounded."""
    while chunk := stream.readline(MAX_LINE_BYTES):
        yield chunk
        while chunk and not chunk.endswith(b"\n"):
            chunk = stream.readline(MAX_LINE_BYTES)


def _line(host: str | None, time: datetime | None, text: str) -> KernelLine:
    repeats = 1
    if match := _REPEATED.match(text):
        repeats, text = int(match[1]), match[2]
    return KernelLine(host, time, _CONTROL.sub(" ", text).strip(), repeats)


def _tagged(rest: str, time: datetime | None) -> KernelLine | None:
    """``HOST kernel: text``; None where another program speaks, even if it quotes the kernel."""
    match = _TAGGED.match(rest)
    if match is None:
        return None
    host, tag, text = match.groups()
    if tag not in _KERNEL_TAGS:
        return None
    if uptime := _UPTIME.match(text):
        text = uptime[2]
    return _line(host, time, text)


def _maybe_tagged(rest: str, time: datetime | None) -> KernelLine | None:
    """After an uptime: dmesg writes the text, journald's short-monotonic host and program."""
    if _PROGRAM.match(rest):
        return None
    match = _TAGGED.match(rest)
    return _tagged(rest, time) if match and match[2] in _KERNEL_TAGS else _line(None, time, rest)


def _microseconds(stamp: object) -> datetime | None:
    if not isinstance(stamp, str | int):
        return None
    try:
        return datetime.fromtimestamp(int(stamp) / 1e6, UTC)
    except (ValueError, OverflowError, OSError):
        return None
