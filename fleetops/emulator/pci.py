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
