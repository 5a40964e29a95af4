"""Optics: power by component of a link end, for pluggable modules and for co-packaged optics."""

from __future__ import annotations

from typing import ClassVar, Literal

from fleetops_schemas.profiles import Figure, Identifier, Profile, Section


class Component(Section):
    """One part of a link end."""

    name: Identifier
    title: str
    watts: Figure
    """For one port of the profile's rate."""


class Optics(Profile):
    """One kind of link end. Co-packaged optics have an external laser as a part of its own."""

    folder: ClassVar[str] = "optics"

    kind: Literal["pluggable", "co_packaged", "linear_pluggable"]
    gigabits_per_second: Figure
    lanes: Figure
    components: tuple[Component, ...]
    transmit_milliwatts: Figure
    """Optical, a lane."""
    receive_milliwatts: Figure
    laser_milliwatts: Figure | None = None
    """Optical, of a fibre of the external laser; needed with co-packaged optics."""
    bias_milliamperes: Figure
    temperature_rise_kelvin: Figure
    """Case above the air (or the switch's plate) at full power."""

    @property
    def watts(self) -> float:
        """Electrical power of a link end."""
        return sum(float(component.watts) for component in self.components)
