"""Kernel logs: findings instead of readings, so the check is another."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from typing_extensions import override

from fleetops_collectors.kernel_log import KernelFinding, decode_kernel_log
from fleetops_collectors.kernel_log.record import bounded_lines
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.faults import load_faults
from tests.fuzz.decoder_fuzz import DecoderFuzz

NOW = datetime(2026, 11, 21, tzinfo=UTC)
BOOT = datetime(2026, 11, 20, tzinfo=UTC)
KMSG = b"""6,1,100000,-;NVRM: loading NVIDIA UNIX x86_64 Kernel Module  580.95.05
3,2,200000,-;NVRM: GPU at PCI:0000:9b:00: GPU-509665ad-b600-ac93-3616-d754b23d636d
3,3,300000,-;NVRM: Xid (PCI:0000:9b:00): 74, NVLink: fatal error detected on link 6(0x10000, 0x0)
3,4,400000,-;NVRM: Xid (PCI:0000:9b:00): 149, NETIR_LINK_EVT Fatal XC0 i0 Link 03 (0x025001c6 0x0)
3,5,500000,-;NVRM: Xid (PCI:0000:9b:00): 154, GPU recovery action changed from 0x0 (None) to 0x1 (X)
3,6,600000,-;mce: [Hardware Error]: CPU 12: Machine Check: 0 Bank 7: be00000000800400
4,7,700000,-;mlx5_core 0000:5e:00.0 ens3: Link down
 SUBSYSTEM=pci
 DEVICE=+pci:0000:5e:00.0
4,8,800000,-;mlx5_core 0000:5e:00.0 ens3: Link down
4,9,900000,-;mlx5_core 0000:5e:00.0 ens3: Link down
"""
TEXT = b"""[Sun Nov 22 16:24:18 2026] nvidia-nvswitch0: SXid (PCI:c2:00.0): 20034, Fatal, Link 28
Nov 20 16:24:18 n7 kernel: [ 12.5] message repeated 3 times: [ EDAC MC0: 1 CE memory read error]
2026-11-20T16:24:18.250000+00:00 n7 kernel: Out of memory: Killed process 4711 (python3)
<3>1 2026-11-20T16:24:18Z n7 kernel - - - nvme nvme0: I/O 12 QID 3 timeout, aborting
1795190658.250000 n7 kernel: [Hardware Error]: CPU:2 (19:1:1) MC20_STATUS[-|UE]: 0xbc00240000000145
kern  :err   : [    5.000000] amdgpu 0000:c1:00.0: 2 uncorrectable hardware errors detected in x
"""


def entry(message: object) -> bytes:
    fields: dict[str, Any] = {
        "__CURSOR": "s=1;i=2;b=3;m=4;t=5;x=6",
        "__REALTIME_TIMESTAMP": "1795190658250000",
        "__MONOTONIC_TIMESTAMP": "20000000",
        "_SOURCE_MONOTONIC_TIMESTAMP": "12500000",
        "_TRANSPORT": "kernel",
        "_HOSTNAME": "n7",
        "_KERNEL_DEVICE": "+pci:0000:9b:00.0",
        "MESSAGE": message,
    }
    return json.dumps(fields).encode() + b"\n"


class TestFuzzKernelLog(DecoderFuzz):
    @override
    def seeds(self) -> Sequence[bytes]:
        text = "NVRM: Xid (PCI:0000:9b:00): 79, GPU has fallen off the bus."
        return [KMSG, TEXT, entry(text) + entry([*text.encode(), 255]) + entry([text, "b"])]

    @override
    def decode(self, payload: bytes) -> Iterable[Any]:
        lines = bounded_lines(BytesIO(payload))
        return decode_kernel_log(lines, boot_time=BOOT, now=NOW)

    @override
    def check(self, readings: list[Any]) -> None:
        """What was found is of known kinds, dated by a calendar, bounded, and can travel."""
        faults, catalog = load_faults(), load_catalog()
        for finding in readings:
            assert isinstance(finding, KernelFinding)
            assert finding.kind in faults.kinds
            assert finding.device_class in catalog.classes
            assert finding.device.split("/")[0] == finding.host
            assert finding.time is None or finding.time.tzinfo is not None
            assert len(finding.text) <= 1024
            event = finding.as_event("mark", "n1", NOW)
            assert type(event).decode(event.encode()) == event
