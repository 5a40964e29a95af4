"""Which part sits where: what a source says of the one piece of hardware behind a device name."""

from __future__ import annotations

from pydantic import AwareDatetime

from fleetops_schemas.records import Record


class DeviceIdentity(Record):
    """One source's word on one device. Another serial at the same place is a swapped part.

    Every text is empty where the source does not say it.
    """

    device: str
    """The place: ``node001/gpu5``, ``r012/shelf1/psu3``, ``cdu1``."""
    device_class: str
    host: str = ""
    """The host it stands in, or empty for what stands beside hosts."""
    source: str
    """The protocol: redfish, nvml, rackmon, slurm ..."""
    serial: str = ""
    uuid: str = ""
    model: str = ""
    manufacturer: str = ""
    part_number: str = ""
    firmware: str = ""
    address: str = ""
    """Where the source found it: PCI address, Redfish URI, ``port:address@baud``."""
    observed_at: AwareDatetime

    @property
    def key(self) -> str:
        """Key on the bus: sources are kept apart, so that a conflict stays visible."""
        return f"{self.source}:{self.device}"
