"""Which part sits where: what each source says of a device, and what they say together."""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from fleetops_schemas.records import Record

CONFIGURED = "inventory:"
"""Begins the name of a source that is a file of the site, not the hardware itself."""


class Part(Record):
    """Which piece of hardware it is. Every text is empty where nobody says it."""

    serial: str = ""
    uuid: str = ""
    model: str = ""
    manufacturer: str = ""
    part_number: str = ""
    firmware: str = ""


PART_FIELDS = tuple(Part.model_fields)


class DeviceIdentity(Part):
    """One source's word on one device. Another serial at the same place is a swapped part."""

    device: str
    """The place: ``node001/gpu5``, ``r012/shelf1/psu3``, ``cdu1``."""
    device_class: str
    """Empty where a site's file does not say it."""
    host: str = ""
    """The host it stands in, or empty for what stands beside hosts."""
    source: str
    """The protocol (redfish, nvml, rackmon, slurm ...), or ``inventory:FILE``."""
    address: str = ""
    """Where the source found it: PCI address, Redfish URI, ``port:address@baud``."""
    placement: dict[str, str] = Field(default_factory=dict)
    """Of a host: rack, leaf_switch, power_shelf, coolant_loop ... as far as the source knows."""
    precedence: int = 0
    """Among files of the site: the lower goes first."""
    observed_at: AwareDatetime

    @property
    def key(self) -> str:
        """Key on the bus: sources are kept apart, so that a conflict stays visible."""
        return f"{self.source}:{self.device}"

    @property
    def is_configured(self) -> bool:
        """Whether it is what a site's file expects, not what was found."""
        return self.source.startswith(CONFIGURED)


class InventoryDevice(Part):
    """One device of the one inventory: what all sources say, and where they disagree."""

    device: str
    device_class: str
    host: str = ""
    placement: dict[str, str] = Field(default_factory=dict)
    since: AwareDatetime
    """When this part was first seen at this place."""
    conflicts: tuple[str, ...] = ()
    """Where sources disagree, for people. Nothing is overwritten silently."""
    claims: tuple[DeviceIdentity, ...] = ()
    """The newest word of each source."""
