"""PCI addresses of accelerators, as driver, exporter and kernel log print them."""

from __future__ import annotations

PCI_BUSES = (
    0x1B, 0x43, 0x52, 0x61, 0x9D, 0xC3, 0xD1, 0xDF,
    0x24, 0x34, 0x6B, 0x77, 0xA6, 0xB2, 0xE4, 0xED,
)  # fmt: skip
"""Bus of accelerator 0 to 15: spread over two root complexes, as on an eight-way board."""


def pci_address(accelerator: int) -> str:
    """``0000:9d:00`` of an accelerator."""
    return f"0000:{PCI_BUSES[accelerator % len(PCI_BUSES)]:02x}:00"


ADAPTER_BUSES = (
    0x18, 0x40, 0x4F, 0x5E, 0x9A, 0xC0, 0xCE, 0xDC,
    0x21, 0x31, 0x68, 0x74, 0xA3, 0xAF, 0xE1, 0xEA,
)  # fmt: skip
"""Bus of back-end adapter 0 to 15: beside its accelerator, under the same switch."""


def adapter_address(adapter: int) -> str:
    """``0000:9a:00.0`` of a back-end adapter."""
    function, bus = divmod(adapter, len(ADAPTER_BUSES))
    return f"0000:{ADAPTER_BUSES[bus]:02x}:00.{function}"
