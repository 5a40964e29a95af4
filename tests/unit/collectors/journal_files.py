"""Journals written by systemd's own tool from the export format, for the tests beside.

The format: systemd.io/JOURNAL_EXPORT_FORMATS. A value that is no text goes as name, length as 64
little-endian bits, and octets.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.support import unavailable

BOOT_AT = datetime(2026, 3, 1, tzinfo=UTC)
BOOT_ID = "b" * 32
_PLACES = ("/lib/systemd", "/usr/lib/systemd")


@dataclass(slots=True)
class Journal:
    """A journal file that grows."""

    path: Path
    entries: int = 0
    _writer: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        """Skips the test where systemd's tools are missing."""
        for name in ("journalctl", "systemd-journal-remote"):
            found = shutil.which(name, path=os.pathsep.join((os.environ["PATH"], *_PLACES)))
            if found is None:
                unavailable("journal", f"no {name}; install systemd-journal-remote")
            self._writer = found

    def write(
        self,
        *messages: str | bytes,
        seconds: float = 0.0,
        transport: str = "kernel",
        host: str = "node001",
        **fields: str,
    ) -> None:
        """Appends entries, one a second from ``seconds`` after the boot on."""
        export = b"".join(
            self._entry(message, seconds + number, transport, host, fields)
            for number, message in enumerate(messages)
        )
        done = subprocess.run(
            [self._writer, f"--output={self.path}", "-"],
            input=export,
            capture_output=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def _entry(
        self,
        message: str | bytes,
        seconds: float,
        transport: str,
        host: str,
        fields: dict[str, str],
    ) -> bytes:
        self.entries += 1
        uptime = int(seconds * 1e6)
        values = {
            "__REALTIME_TIMESTAMP": str(int(BOOT_AT.timestamp()) * 1_000_000 + uptime),
            "__MONOTONIC_TIMESTAMP": str(uptime),
            "_BOOT_ID": BOOT_ID,
            "_TRANSPORT": transport,
            "_HOSTNAME": host,
            "_SOURCE_MONOTONIC_TIMESTAMP": str(uptime),
            "PRIORITY": "3",
            **fields,
        }
        lines = b"".join(f"{name}={value}\n".encode() for name, value in values.items())
        raw = message.encode() if isinstance(message, str) else message
        return lines + b"MESSAGE\n" + len(raw).to_bytes(8, "little") + raw + b"\n\n"
