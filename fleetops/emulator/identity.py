"""What is burnt into emulated devices: the same over every interface, and in every run."""

from __future__ import annotations

import uuid


def uuid_of(device: str) -> uuid.UUID:
    """Of a device by its name (``node001/gpu0``)."""
    return uuid.uuid5(uuid.NAMESPACE_DNS, f"{device.replace('/', '.')}.emulated")


def serial_of(device: str) -> str:
    """Twelve characters, by the device's name."""
    return uuid_of(device).hex[:12].upper()
