"""One entry of the systemd journal as JSON (``journalctl -o json`` and ``json-seq``).

Fields: systemd.journal-fields(7). A value is text, a list of byte values where it is no UTF-8, a
list of either where the field stands more than once, or null where it was too long to show.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from fleetops_collectors.kernel_log.record import (
    KERNEL_TAGS,
    KernelLine,
    attached_pci,
    kernel_line,
)

FIELDS = ("MESSAGE", "_HOSTNAME", "_TRANSPORT", "_SOURCE_MONOTONIC_TIMESTAMP", "_KERNEL_DEVICE")
"""What is read of an entry, beside its addresses (``__...``), which are always there."""
EARLY_MICROSECONDS = 600 * 1_000_000
"""Uptime up to which the kernel's own clock dates its lines better than their reception: journald
starts late and then takes all at once. Later the two clocks drift apart by seconds."""
EARLIEST_MICROSECONDS = 10**15
"""September 2001: before it, a clock that nobody had set."""
_START = re.compile(r"\x1e?\{(?!\d)")
"""A digit follows where firmware reports errors: ``{1}[Hardware Error]: ...``."""
_MESSAGE_OF_BYTES = re.compile(r'"MESSAGE"\s*:\s*\[')
_CURSOR = re.compile(rb'"__CURSOR"\s*:\s*"([^"\\]{1,512})"')


def is_entry(text: str) -> bool:
    """Whether a line is a JSON object; ``json-seq`` puts a record separator before each."""
    return _START.match(text) is not None


def hides_its_text(text: str) -> bool:
    """Whether an entry's message cannot be searched before it is decoded."""
    return _MESSAGE_OF_BYTES.search(text) is not None


def cursor_of(line: bytes) -> str:
    """The entry's own address in its journal, "" where it has none."""
    match = _CURSOR.search(line)
    return match[1].decode("ascii", "replace") if match else ""


def line_of_entry(text: str) -> KernelLine | None:
    """The kernel's line in an entry; None where another wrote it, or it is no entry."""
    try:
        entry = json.loads(text.lstrip("\x1e"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or not _of_kernel(entry):
        return None
    message = _text(entry.get("MESSAGE"))
    if message is None:
        return None
    uptime = _number(entry.get("_SOURCE_MONOTONIC_TIMESTAMP"))
    return kernel_line(
        _text(entry.get("_HOSTNAME")),
        _time(entry, uptime),
        message,
        uptime=None if uptime is None else uptime / 1e6,
        pci=attached_pci(_text(entry.get("_KERNEL_DEVICE")) or ""),
    )


def _of_kernel(entry: Mapping[str, object]) -> bool:
    """``_TRANSPORT`` is journald's word; the identifier is that of whoever logs (``logger -t``)."""
    transport = entry.get("_TRANSPORT")
    if transport is not None:
        return transport == "kernel"
    return entry.get("SYSLOG_IDENTIFIER", "kernel") in KERNEL_TAGS


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if not isinstance(value, list) or not value:
        return None
    if not isinstance(value[0], int):
        return _text(value[0])
    octets = [part for part in value if isinstance(part, int) and 0 <= part < 256]  # noqa: PLR2004
    return bytes(octets).decode("utf-8", "replace")


def _number(value: object) -> int | None:
    if not isinstance(value, str | int):
        return None
    try:
        number = int(value)
    except ValueError:
        return None
    return number if 0 <= number < 1 << 63 else None


def _time(entry: Mapping[str, object], uptime: int | None) -> datetime | None:
    received = _number(entry.get("__REALTIME_TIMESTAMP"))
    if received is None or received < EARLIEST_MICROSECONDS:
        return None
    taken = _number(entry.get("__MONOTONIC_TIMESTAMP"))
    if uptime is not None and taken is not None and uptime <= min(taken, EARLY_MICROSECONDS):
        received -= taken - uptime
    try:
        return datetime.fromtimestamp(received / 1e6, UTC)
    except (ValueError, OverflowError, OSError):
        return None
