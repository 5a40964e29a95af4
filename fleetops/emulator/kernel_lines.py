"""What kernels of emulated hosts say: the driver's lines of a code, and lines that mean nothing.

Wordings are those of NVIDIA's open kernel modules, mlx5, nvme, EDAC and AER as kernels 5.15 to 6.8
print them; the collector's patterns name the sources file by file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fleetops.emulator.pci import pci_address

LEVELS = {
    "emerg": 0,
    "alert": 1,
    "crit": 2,
    "err": 3,
    "warning": 4,
    "notice": 5,
    "info": 6,
}
"""Of syslog, as the first number of a record."""
OFF_BUS = 79
DRIVER_VERSION = "580.95.05"
XID_TEXTS = {
    13: "Graphics SM Warp Exception on (GPC 2, TPC 1, SM 0): Out Of Range Address",
    31: "Ch 00000008, intr 00000000. MMU Fault: ENGINE GRAPHICS GPCCLIENT_T1_0 faulted",
    43: "Ch 00000010, engmask 00000101, intr 10000000",
    45: "Ch 00000010, engmask 00000101, intr 10000000",
    48: "DBE (double bit error) ECC Error",
    63: "Row Remapper: New row (0x0000000000017ce8) marked for remapping, reset gpu to activate.",
    64: "Row Remapper: remapping table is full",
    74: "NVLink: fatal error detected on link 3(0x10000, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0)",
    79: "GPU has fallen off the bus.",
    94: "Contained: CE User Channel (0x9). RST: No, D-RST: No",
    95: "Uncontained: L2TAGRAM. RST: Yes, D-RST: No",
    119: "Timeout after 6s of waiting for RPC response from GPU0 GSP! Expected function 76.",
}
HARMLESS_TEXTS = {
    74: "NVLink: fatal error detected on link 3(0x1, 0x0, 0x0, 0x0, 0x0, 0x0, 0x0)",
}
"""Of codes in a stream of noise: bit 0 of the first register may be ignored (NVIDIA's workflow)."""
AMD_TEXTS = {
    13: "[gfxhub0] no-retry page fault (src_id:0 ring:24 vmid:8 pasid:32769)",
    31: "[gfxhub0] no-retry page fault (src_id:0 ring:24 vmid:8 pasid:32769)",
    43: "ring comp_1.0.0 timeout, but soft recovered",
    45: "ring comp_1.0.0 timeout, but soft recovered",
    48: "socket: 0, die: 0, 1 new uncorrectable hardware errors detected in umc block",
    63: "socket: 0, die: 0, 1 new correctable hardware errors detected in umc block",
    64: "RAS records:12 exceed threshold:10",
    74: "socket: 0, die: 0, 1 new correctable hardware errors detected in xgmi_wafl block",
    79: "GPU reset(1) failed",
    94: "socket: 0, die: 0, 1 new uncorrectable hardware errors detected in umc block",
    95: "socket: 0, die: 0, 1 new uncorrectable hardware errors detected in gfx block",
    119: "GPU reset begin!",
}
"""What AMD's driver says of what NVIDIA's has the code for; wording of amdgpu, Linux 6.8."""
NOISE = (
    "audit: backlog limit exceeded",
    "perf: interrupt took too long (2503 > 2500), lowering kernel.perf_event_max_sample_rate",
    "IPv6: ADDRCONF(NETDEV_CHANGE): cali0: link becomes ready",
    "workqueue: drain_vmap_area_work hogged CPU for >10000us 4 times",
)
"""Lines that mean nothing for health; a reader has to pass them over."""


@dataclass(frozen=True, slots=True)
class KernelText:
    """One line before it has a time."""

    level: int
    text: str


def driver_lines(
    vendor: str, accelerator: int, code: int, *, harmless: bool = False
) -> Iterator[KernelText]:
    """What a vendor's driver says where NVIDIA's would say the code.

    Of vendors without a published driver nothing is known, and nothing said.

    Args:
        vendor: of the accelerator.
        accelerator: its number in its host.
        code: Xid.
        harmless: whether the code is noise.
    """
    if vendor == "nvidia":
        yield from _xid_lines(accelerator, code, harmless=harmless)
    elif vendor == "amd" and code in AMD_TEXTS:
        text = f"amdgpu {pci_address(accelerator)}.0: amdgpu: {AMD_TEXTS[code]}"
        yield KernelText(LEVELS["err"], text)


def _xid_lines(accelerator: int, code: int, *, harmless: bool) -> Iterator[KernelText]:
    address = pci_address(accelerator)
    detail = XID_TEXTS.get(code, "unnamed error")
    if harmless:
        detail = HARMLESS_TEXTS.get(code, detail)
    process = "pid='<unknown>', name=<unknown>"
    yield KernelText(LEVELS["err"], f"NVRM: Xid (PCI:{address}): {code}, {process}, {detail}")
    if code == OFF_BUS:
        text = f"NVRM: GPU {address}.0: GPU has fallen off the bus."
        yield KernelText(LEVELS["err"], text)


def sxid_lines(switch: int, code: int) -> Iterator[KernelText]:
    """The switch driver's line; its switches stand behind the accelerators."""
    address = f"0000:{0x05 + switch:02x}:00.0"
    yield KernelText(
        LEVELS["err"],
        f"nvidia-nvswitch{switch}: SXid (PCI:{address}): {code}, Non-fatal, Link 28 egress error",
    )


def boot_lines(host: str, accelerators: int, vendor: str = "nvidia") -> Iterator[KernelText]:
    """What a boot leaves behind."""
    yield KernelText(LEVELS["notice"], f"Linux version 6.8.0-emulated (build@{host}) #1 SMP")
    if vendor == "amd":
        yield KernelText(LEVELS["info"], "[drm] amdgpu kernel modesetting enabled.")
    if vendor != "nvidia":
        return
    if accelerators:
        yield KernelText(
            LEVELS["info"], f"NVRM: loading NVIDIA UNIX x86_64 Kernel Module  {DRIVER_VERSION}"
        )
    for number in range(accelerators):
        text = f"nvidia {pci_address(number)}.0: enabling device (0140 -> 0142)"
        yield KernelText(LEVELS["info"], text)
