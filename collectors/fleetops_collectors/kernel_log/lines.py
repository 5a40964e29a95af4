"""The formats in which a kernel's lines arrive, reduced to host, time and text.

Understood: ``/dev/kmsg`` records; ``dmesg`` (uptime, ctime, ISO, relative stamps, ``-x``, ``-r``);
journald ``short``, ``short-precise``, ``short-iso``, ``short-full``, ``short-unix``,
``short-monotonic``, ``cat``, ``json`` and ``json-seq``; rsyslog (RFC 3164, ISO stamps, RFC 5424);
plain text. Nothing here raises on what it is given.

Lines that the format itself attributes to somebody else than the kernel are none: what a program
wrote into ``/dev/kmsg`` carries another facility than the kernel's 0, and journald names the
transport.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

from fleetops_collectors.kernel_log.journal_entry import is_entry, line_of_entry
from fleetops_collectors.kernel_log.record import (
    KERNEL_TAGS,
    KernelLine,
    as_text,
    attached_pci,
    kernel_line,
)

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FACILITY_BITS = 3

_KMSG = re.compile(r"(\d{1,5}),\d{1,20},(\d{1,18}),[^;]{0,64};([^\n]*)(\n.*)?", re.DOTALL)
_KMSG_DEVICE = re.compile(r"\n DEVICE=(\S{1,64})")
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})")
_RAW_LEVEL = re.compile(r"<(\d{1,3})>")
_NAMED_LEVEL = re.compile(
    r"(kern|user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|local\d) *: *\w+ *: "
)
_UPTIME = r"\[ *(\d{1,10}\.\d{1,9})(?: *<[^>\]]{0,24}>)?\]"
# what printk may put before its text: uptime, and thread or processor (CONFIG_PRINTK_CALLER)
_PREFIX = re.compile(rf"(?:{_UPTIME} ?)?(?:\[ *[TC]\d+\] ?)?")
_TAGGED = re.compile(r"(\S+) (?:kern\.\w+ )?([\w./-]{1,64})(?:\[\d+\])?: ?(.*)", re.DOTALL)
_NO_HOST = "kernel: "
_PROGRAM = re.compile(r"\S+ [\w./-]{1,64}\[\d+\]: ")


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
        line = as_text(raw).strip()
        if is_entry(line):
            return line_of_entry(line)
        if match := _KMSG.fullmatch(line):
            return self._record(match)
        if match := _RAW_LEVEL.match(line):
            if int(match[1]) >> _FACILITY_BITS:
                return None
            line = line[match.end() :]
        elif match := _NAMED_LEVEL.match(line):
            if match[1] != "kern":
                return None
            line = line[match.end() :]
        return self._stamped(line)

    def _record(self, match: re.Match[str]) -> KernelLine | None:
        if int(match[1]) >> _FACILITY_BITS:
            return None
        text = _ESCAPE.sub(lambda hexed: chr(int(hexed[1], 16)), match[3])
        seconds = int(match[2]) / 1e6
        device = _KMSG_DEVICE.search(match[4] or "")
        pci = attached_pci(device[1]) if device else ""
        return kernel_line(None, self._since_boot(seconds), text, uptime=seconds, pci=pci)

    def _stamped(self, line: str) -> KernelLine | None:
        for pattern, read in _FORMATS:
            if match := pattern.match(line):
                return read(self, match)
        return _bare(None, None, line.removeprefix(_NO_HOST))

    def _ctime(self, match: re.Match[str]) -> KernelLine:
        month, day, hour, minute, second, year, text = match.groups()
        clock = (int(hour), int(minute), int(second))
        return _bare(None, self._date(int(year), month, int(day), clock), text)

    def _monotonic(self, match: re.Match[str]) -> KernelLine | None:
        """After an uptime: dmesg writes the text, journald's short-monotonic host and program."""
        uptime, rest = _without_prefix(match[0])
        time = self._since_boot(uptime or 0.0)
        if _PROGRAM.match(rest):
            return None
        tagged = _TAGGED.match(rest)
        if tagged and tagged[2] in KERNEL_TAGS:
            return kernel_line(tagged[1], time, tagged[3], uptime=uptime)
        return kernel_line(None, time, rest, uptime=uptime)

    def _undated(self, match: re.Match[str]) -> KernelLine:
        return _bare(None, None, match[1])

    def _short(self, match: re.Match[str]) -> KernelLine | None:
        month, day, hour, minute, second, rest = match.groups()
        clock = (int(hour), int(minute), int(second))
        return _tagged(rest, self._without_year(month, int(day), clock))

    def _iso(self, match: re.Match[str]) -> KernelLine | None:
        time = self._parsed(match[1])
        # a comma before the fraction is dmesg's, which names neither host nor program
        return _bare(None, time, match[2]) if "," in match[1] else _tagged(match[2], time)

    def _full(self, match: re.Match[str]) -> KernelLine | None:
        stamp, zone, rest = match.groups()
        return _tagged(rest, self._parsed(f"{stamp}Z" if zone in ("UTC", "GMT") else stamp))

    def _unix(self, match: re.Match[str]) -> KernelLine | None:
        return _tagged(match[2], datetime.fromtimestamp(float(match[1]), UTC))

    def _rfc5424(self, match: re.Match[str]) -> KernelLine | None:
        stamp, host, tag, text = match.groups()
        return _bare(host, self._parsed(stamp), text) if tag in KERNEL_TAGS else None

    def _since_boot(self, seconds: float) -> datetime | None:
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

    def _parsed(self, stamp: str) -> datetime | None:
        try:
            time = datetime.fromisoformat(stamp)
            return (time if time.tzinfo else time.replace(tzinfo=self._zone)).astimezone(UTC)
        except (ValueError, OverflowError):  # year 1 in a zone ahead of UTC
            return None


_Read = Callable[[LineReader, re.Match[str]], KernelLine | None]
_FORMATS: tuple[tuple[re.Pattern[str], _Read], ...] = tuple(
    (re.compile(pattern, re.DOTALL), read)
    for pattern, read in (
        (
            r"\[[A-Z][a-z]{2} ([A-Z][a-z]{2}) +(\d+) (\d\d):(\d\d):(\d\d) (\d{4})\] ?(.*)",
            LineReader._ctime,
        ),
        (rf"{_UPTIME}.*", LineReader._monotonic),
        # relative to the line before (dmesg -d, -e), or of no calendar
        (r"\[(?=[^\]]*\d)[\w:., <>+-]{1,64}\] ?(.*)", LineReader._undated),
        (
            r"([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d)(?:\.\d+)? (.*)",
            LineReader._short,
        ),
        (
            r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?) (.*)",
            LineReader._iso,
        ),
        (
            r"[A-Z][a-z]{2} (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})?) ([A-Z]{1,5}) (.*)",
            LineReader._full,
        ),
        (r"(\d{9,11}\.\d{1,9}) (.*)", LineReader._unix),
        (
            r"1 (\d{4}-\S+) (\S+) (\S+) \S+ \S+ (?:-|(?:\[[^\]]*\])+) ?(.*)",
            LineReader._rfc5424,
        ),
    )
)


def _without_prefix(text: str) -> tuple[float | None, str]:
    """The uptime that printk put before the text, if any, and the text."""
    match = _PREFIX.match(text)
    if match is None:  # never: every part of it may be missing
        return None, text
    return (float(match[1]) if match[1] else None), text[match.end() :]


def _bare(host: str | None, time: datetime | None, text: str) -> KernelLine:
    uptime, text = _without_prefix(text)
    return kernel_line(host, time, text, uptime=uptime)


def _tagged(rest: str, time: datetime | None) -> KernelLine | None:
    """``HOST kernel: text``; None where another program speaks, even if it quotes the kernel."""
    if rest.startswith(_NO_HOST):
        return _bare(None, time, rest.removeprefix(_NO_HOST))
    match = _TAGGED.match(rest)
    if match is None or match[2] not in KERNEL_TAGS:
        return None
    return _bare(match[1], time, match[3])
