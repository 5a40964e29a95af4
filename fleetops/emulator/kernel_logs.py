"""Kernel logs of emulated hosts: one file a host, in the record format of ``/dev/kmsg``.

A record is ``priority,sequence,microseconds,flags;text`` (Documentation/ABI/testing/dev-kmsg of
the Linux kernel). Microseconds are the monotonic clock's, as a kernel on this machine would write.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from fleetops.core.clock import Clock
from fleetops.emulator.groups import Group
from fleetops.emulator.kernel_lines import LEVELS, NOISE, KernelText
from fleetops.emulator.pci import adapter_address, pci_address
from fleetops.emulator.site import Site

NOISE_PROBABILITY_PER_SECOND = 0.02


class KernelLogs:
    """Appends records to ``DIR/HOST.log``, flushed line by line."""

    def __init__(self, folder: Path, hosts: Sequence[str], clock: Clock, seed: int) -> None:
        """Starts every host's log anew, empty; ``seed`` is of the lines that mean nothing."""
        folder.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        self._rng = np.random.default_rng([seed, len(hosts)])
        self._paths = {host: folder / f"{host}.log" for host in hosts}
        self._sequences = dict.fromkeys(hosts, 0)
        for path in self._paths.values():
            path.write_text("")

    def path(self, host: str) -> Path:
        """The log file of a host."""
        return self._paths[host]

    def write(self, host: str, lines: Iterable[KernelText]) -> None:
        """One record a line, facility kernel."""
        microseconds = int(self._clock.monotonic() * 1e6)
        with self._paths[host].open("a", encoding="utf-8") as file:
            for line in lines:
                file.write(f"{line.level},{self._sequences[host]},{microseconds},-;{line.text}\n")
                self._sequences[host] += 1

    def tick(self, seconds: float, silent: frozenset[str]) -> None:
        """Now and then a host writes a line that means nothing; ``silent`` ones are down."""
        chance = 1.0 - (1.0 - NOISE_PROBABILITY_PER_SECOND) ** seconds
        draws = self._rng.random(len(self._paths))
        which = self._rng.integers(len(NOISE), size=len(self._paths))
        for host, draw, line in zip(self._paths, draws, which, strict=True):
            if draw < chance and host not in silent:
                self.write(host, [KernelText(LEVELS["info"], NOISE[line])])


def device_names(site: Site, group: Group) -> dict[str, str]:
    """By PCI address, what hosts of a group call their accelerators and ports."""
    accelerator = group.platform.accelerator
    part = accelerator.part if accelerator else ""
    found = {
        f"{pci_address(number)}.0": f"{part}{number}"
        for number in range(group.platform.accelerators)
    }
    ports = np.flatnonzero(site.ports.host_of == group.hosts.start)
    for number, port in enumerate(ports):
        found[adapter_address(number)] = site.ports.names[port].rpartition("/")[2]
    return found
