"""A message on its way to the bus, and how dear it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fleetops_schemas.records import Record
from fleetops_schemas.topics import Topic


class Lane(StrEnum):
    """What becomes of a message while the bus is away."""

    TELEMETRY = "telemetry"
    """Kept on disk, first to go when the disk budget is spent."""
    EVENTS = "events"
    """Kept on disk, last to go."""
    VOLATILE = "volatile"
    """Not kept: it speaks of now, and the next one replaces it (heartbeats)."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message."""

    topic: str
    key: str
    value: bytes
    lane: Lane
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, topic: Topic, key: str, record: Record, lane: Lane) -> Outgoing:
        """A record as a message."""
        return cls(topic.name, key, record.encode(), lane)
