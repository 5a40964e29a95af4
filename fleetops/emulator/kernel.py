"""Kernel logs of the emulated hosts: one file a host, in the record format of ``/dev/kmsg``.

A record is ``priority,sequence,microseconds,flags;text`` (Documentation/ABI/testing/dev-kmsg of
the Linux kernel). Microseconds are the monotonic clock's, as a kernel on this machine would write.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fleetops.core.clock import Clock
from fleetops.emulator.topology import ACCELERATORS_PER_HOST, PCI_BUSES

EMERGENCY, ERROR, WARNING, NOTICE, INFO = 0, 3, 4, 5, 6
NOISE_PROBABILITY_PER_SECOND = 0.02
NOISE = (
    "audit: backlog limit exceeded",
    "perf: interrupt took too long (2503 > 2500), lowering kernel.perf_event_max_sample_rate",
    "systemd[1]: Started Session of the node's health probe.",
    "IPv6: ADDRCONF(NETDEV_CHANGE): cali0: link becomes ready",
    "workqueue: drain_vmap_area_work hogged CPU for >10000us 4 times",
)
"""Lines that mean nothing for health; a reader has to pass them over."""

XID_TEXTS = {
    13: "Graphics SM Warp Exception on (GPC 2, TPC 1, SM 0): Out Of Range Address",
    31: "Ch 00000008, MMU Fault: ENGINE GRAPHICS GPCCLIENT_T1_0 faulted",
    48: "DBE (double bit error) ECC Error",
    63: "Row Remapper: New row marked for remapping",
    64: "Row Remapper: failed to remap a row",
    74: "NVLink: fatal error detected on link 3",
    79: "GPU has fallen off the bus.",
    94: "Contained ECC error",
    95: "Uncontained ECC error",
    119: "Timeout after 6s of waiting for RPC response from GSP!",
}


def pci_address(accelerator: int) -> str:
    """``0000:9d:00`` of an accelerator, as the driver prints it."""
    return f"0000:{PCI_BUSES[accelerator]:02x}:00"


class KernelLogs:
    """Appends records to ``DIR/HOST.log``, flushed line by line."""

    def __init__(
        self, folder: Path, hosts: Sequence[str], clock: Clock, rng: np.random.Generator
    ) -> None:
        """Starts every host's log anew with what a boot leaves behind."""
        folder.mkdir(parents=True, exist_ok=True)
        self._clock = clock
        self._rng = rng
        self._paths = [folder / f"{host}.log" for host in hosts]
        self._sequence = [0] * len(hosts)
        for index, host in enumerate(hosts):
            self._paths[index].write_text("")
            self._boot(index, host)

    def path(self, host: int) -> Path:
        """The log file of a host."""
        return self._paths[host]

    def write(self, host: int, priority: int, text: str) -> None:
        """One record, facility kernel."""
        microseconds = int(self._clock.monotonic() * 1e6)
        record = f"{priority},{self._sequence[host]},{microseconds},-;{text}\n"
        self._sequence[host] += 1
        with self._paths[host].open("a", encoding="utf-8") as file:
            file.write(record)

    def write_xid(self, host: int, accelerator: int, code: int) -> None:
        """The driver's lines for an XID error."""
        address = pci_address(accelerator)
        text = XID_TEXTS.get(code, "unnamed error")
        self.write(
            host,
            ERROR,
            f"NVRM: Xid (PCI:{address}): {code}, pid='<unknown>', name=<unknown>, {text}",
        )
        if code == 79:  # noqa: PLR2004  the code of the fault table, not a tunable
            self.write(host, ERROR, f"NVRM: GPU {address}.0: GPU has fallen off the bus.")

    def tick(self, seconds: float) -> None:
        """Now and then a host writes a line that means nothing."""
        chance = NOISE_PROBABILITY_PER_SECOND * seconds
        for host in np.flatnonzero(self._rng.random(len(self._paths)) < chance):
            self.write(int(host), INFO, NOISE[int(self._rng.integers(len(NOISE)))])

    def _boot(self, host: int, name: str) -> None:
        self.write(host, NOTICE, f"Linux version 6.8.0-emulated (build@{name}) #1 SMP")
        self.write(host, INFO, "NVRM: loading NVIDIA UNIX x86_64 Kernel Module  580.95.05")
        for accelerator in range(ACCELERATORS_PER_HOST):
            self.write(
                host,
                INFO,
                f"nvidia {pci_address(accelerator)}.0: enabling device (0140 -> 0142)",
            )
