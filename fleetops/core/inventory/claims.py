"""What one source says of hosts and parts, before it is held against the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PLACES = ("site", "room", "row", "rack", "coolant_loop", "power_shelf", "leaf_switch", "platform")
"""What is said in words: two sources that differ in one of these contradict each other."""
NUMBERS = ("rack_position", "accelerators")


@dataclass(slots=True)
class Claims:
    """One source's word."""

    source: str
    hosts: dict[str, dict[str, str]] = field(default_factory=dict)
    """By host: fields of :class:`~fleetops_schemas.topology.HostPlacement`, as text."""
    parts: dict[str, dict[str, str]] = field(default_factory=dict)
    """By device: fields of :class:`~fleetops_schemas.identity.DeviceIdentity`."""
    problems: list[str] = field(default_factory=list)
    """What could not be used, with its place; the rest is good."""

    def say(self, host: str, words: Mapping[str, str]) -> None:
        """Takes what is said of a host; empty words say nothing."""
        known = self.hosts.setdefault(host, {})
        known.update({key: text.strip() for key, text in words.items() if text.strip()})

    def name(self, device: str, words: Mapping[str, str]) -> None:
        """Takes what is said of a part; empty words say nothing."""
        known = self.parts.setdefault(device, {})
        known.update({key: text.strip() for key, text in words.items() if text.strip()})
