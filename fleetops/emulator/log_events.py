"""Events of kernel logs in compressed time: the collector's own decoder, without files.

What a controller notes of its own accord is not among them: in compressed time its readings are.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from fleetops.emulator.kernel_logs import device_names
from fleetops.emulator.log_lines import LogLine
from fleetops.emulator.site import Site
from fleetops_collectors.kernel_log.decode import KernelLogDecoder
from fleetops_collectors.kernel_log.lines import LineReader
from fleetops_schemas.records import Event

MICROSECONDS = 1_000_000


class LogEvents:
    """Makes events of lines, host by host, as the kernel_log collector would."""

    def __init__(self, site: Site, began: datetime) -> None:
        """``began`` is when fleet time, and every kernel, began."""
        self._site = site
        self._began = began
        self._names: dict[int, Mapping[str, str]] = {}
        self._decoders: dict[str, KernelLogDecoder] = {}
        self._count = 0

    def of(self, line: LogLine) -> Event | None:
        """The event that a line is; None where it means nothing, or is of another log."""
        if line.log != "kernel":
            return None
        self._count += 1
        stamp = round(line.at_seconds * MICROSECONDS)
        record = f"{line.level},{self._count},{stamp},-;{line.text}"
        finding = self._decoder(line.owner).decode(self._count, record)
        if finding is None:
            return None
        at = self._began + timedelta(seconds=line.at_seconds)
        return finding.as_event(str(self._count), line.owner, at)

    def _decoder(self, host: str) -> KernelLogDecoder:
        if host not in self._decoders:
            index = self._site.index("hosts", host)
            group = self._site.group_of(index)
            first = group.hosts.start
            if first not in self._names:
                self._names[first] = device_names(self._site, group)
            reader = LineReader(now=self._began, boot_time=self._began)
            self._decoders[host] = KernelLogDecoder(reader, host=host, devices=self._names[first])
        return self._decoders[host]
