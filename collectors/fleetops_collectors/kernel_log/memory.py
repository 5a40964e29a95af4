"""What earlier lines of a log said that later ones are understood by."""

from __future__ import annotations

import re
from collections import OrderedDict
from dataclasses import dataclass, field

from fleetops_collectors.kernel_log.links import LinkHistory

MAX_DEVICES = 64
MAX_HOSTS = 4096
_LITERAL = "NVRM: "
_GPU_AT = re.compile(
    r"NVRM: GPU at PCI:(?P<pci>[0-9A-Fa-f:.]{7,16}): (?P<uuid>GPU-[0-9a-f-]{8,40})"
)
_SERIAL = re.compile(r"NVRM: GPU Board Serial Number: (\w{4,32})")
_NAMED = re.compile(r"NVRM: The NVIDIA GPU (?P<pci>[0-9A-Fa-f:.]{7,16})")
_DRIVER = re.compile(r"NVRM: loading NVIDIA UNIX .{0,64}?Kernel Module .*?(\d{3}\.\d{1,3}[.\d]*)")
_TELLING = re.compile("NVRM: (?:GPU at PCI:|GPU Board Serial|The NVIDIA GPU|loading NVIDIA)")
_PCI = re.compile(r"(?:[0-9a-f]*?([0-9a-f]{4}):)?([0-9a-f]{2}:[0-9a-f]{2})(?:\.([0-9a-f]))?")


def normalise_pci(address: str) -> str:
    """``0000:9b:00.0`` of any spelling of a PCI address; the text itself where it is none."""
    lowered = address.lower().strip()
    match = _PCI.fullmatch(lowered)
    if match is None:
        return lowered
    return f"{match[1] or '0000'}:{match[2]}.{match[3] or '0'}"


@dataclass(slots=True)
class HostMemory:
    """The memory of one host's lines. Bounded."""

    uuids: dict[str, str] = field(default_factory=dict)
    """GPUs' UUIDs by PCI address: the driver names them before a GPU's first error."""
    serials: dict[str, str] = field(default_factory=dict)
    """Their boards' serial numbers."""
    announced: str = ""
    """PCI address of the GPU that the next line about "this system" or a serial means."""
    driver: str = ""
    """Version of NVIDIA's driver, as it said when it was loaded."""
    links: LinkHistory = field(default_factory=LinkHistory)

    def learn(self, text: str) -> None:
        """Takes what a line of the driver says of a GPU or of itself."""
        if not text.startswith(_LITERAL):
            return
        if found := _GPU_AT.match(text):
            self.announced = normalise_pci(found["pci"])
            _keep(self.uuids, self.announced, found["uuid"])
        elif found := _NAMED.match(text):
            self.announced = normalise_pci(found["pci"])
        elif self.announced and (found := _SERIAL.match(text)):
            _keep(self.serials, self.announced, found[1])
        elif found := _DRIVER.match(text):
            self.driver = found[1]

    def copy(self) -> HostMemory:
        """The same, apart."""
        return HostMemory(
            dict(self.uuids), dict(self.serials), self.announced, self.driver, self.links.copy()
        )


class LogMemory:
    """The memory of one log, which may hold the lines of many hosts. Bounded."""

    def __init__(self) -> None:
        """Knows nothing yet."""
        self._hosts: OrderedDict[str, HostMemory] = OrderedDict()

    def of(self, host: str) -> HostMemory:
        """What is known of a host; of those heard of longest ago nothing is kept."""
        known = self._hosts.setdefault(host, HostMemory())
        self._hosts.move_to_end(host)
        if len(self._hosts) > MAX_HOSTS:
            self._hosts.popitem(last=False)
        return known

    def copy(self) -> LogMemory:
        """The same, for a reading that may be given up."""
        other = LogMemory()
        other._hosts = OrderedDict((host, known.copy()) for host, known in self._hosts.items())
        return other


def tells_something(text: str) -> bool:
    """A cheap look: whether the text may hold something to remember."""
    return _TELLING.search(text) is not None


def _keep(known: dict[str, str], key: str, value: str) -> None:
    if key in known or len(known) < MAX_DEVICES:
        known[key] = value
