"""What a line of a kernel's log is once its format is taken off, and the bounds on its length."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO, NamedTuple

MAX_LINE_BYTES = 16 * 1024
"""Longer lines are cut: the kernel itself writes at most 1,024 bytes a record."""
KERNEL_TAGS = frozenset(("kernel", "kern"))
"""Programs by whose name the kernel's own lines go in a system log."""
_HOST = re.compile(r"[\w.:-]{1,253}")
_REPEATED = re.compile(r"message repeated (\d{1,6}) times: \[ ?(.*)\]$")
_COLOUR = re.compile(r"\x1b\[[0-9;]{0,16}[A-Za-z]")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]+")


class KernelLine(NamedTuple):
    """One line of the kernel. ``time`` is aware, None where the line gives none that counts."""

    host: str | None
    time: datetime | None
    text: str
    repeats: int = 1
    """How often the line was written ("message repeated 3 times")."""
    uptime: float | None = None
    """Seconds since the boot, where the line says so: nobody sets that clock."""
    pci: str = ""
    """Address of the device that the kernel attached to the record, as written there."""

    @property
    def moment(self) -> float | None:
        """Seconds by the steadiest clock of the line; comparable within one log and boot."""
        if self.uptime is not None:
            return self.uptime
        return self.time.timestamp() if self.time else None


def kernel_line(
    host: str | None,
    time: datetime | None,
    text: str,
    *,
    uptime: float | None = None,
    pci: str = "",
) -> KernelLine:
    """A line with its text made one line, its repetitions counted, its host None if it is none."""
    repeats = 1
    if host is not None and not _HOST.fullmatch(host):
        host = None
    if match := _REPEATED.match(text):
        repeats, text = int(match[1]), match[2]
    return KernelLine(host, time, _CONTROL.sub(" ", text).strip(), repeats, uptime, pci)


def attached_pci(device: str) -> str:
    """The PCI address in a device that the kernel attached (``+pci:0000:9b:00.0``), else ""."""
    return device.removeprefix("+pci:") if device.startswith("+pci:") else ""


def as_text(raw: str | bytes) -> str:
    """The line as text of bounded length, without its end, NULs and a terminal's colours."""
    if isinstance(raw, bytes):
        raw = raw[:MAX_LINE_BYTES].decode("utf-8", "replace")
    text = raw[:MAX_LINE_BYTES].rstrip("\r\n").replace("\x00", "")
    return _COLOUR.sub("", text) if "\x1b" in text else text


def bounded_lines(stream: BinaryIO) -> Iterator[bytes]:
    """The lines of a binary stream, each cut to ``MAX_LINE_BYTES``; memory stays bounded."""
    while chunk := stream.readline(MAX_LINE_BYTES):
        yield chunk
        while chunk and not chunk.endswith(b"\n"):
            chunk = stream.readline(MAX_LINE_BYTES)
