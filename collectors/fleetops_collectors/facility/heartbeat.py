"""The sign of life of a building management: a time that advances every 10 seconds.

Without it nobody can tell "nothing changed" from "the building management is offline".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from fleetops_collectors.facility.topics import BMS_PUBLISHER, KINDS
from fleetops_collectors.facility.values import Sample, time_of

TYPE_LEVELS = 2
"""Levels of a point's key before its path: object type and point type."""


@dataclass(slots=True)
class Heartbeat:
    """One heartbeat point. A publisher with several MQTT clients has one a client, by scope."""

    key: str
    name: str
    """Of the system it is of."""
    scope: str
    """Which topics it stands for; empty for all."""
    advanced_at: datetime
    """When it last advanced here; when it was first heard of, until it does."""
    alive_since: datetime
    """What was received earlier than this came from before a silence."""
    value: float | None = None
    ever_beat: bool = False
    """Whether it advanced at all. What a publisher that is gone left behind never does."""

    def beat(self, sample: Sample, silence: timedelta) -> timedelta | None:
        """Takes a value; one that does not advance is no sign of life.

        Returns:
            How far this clock is ahead of the publisher's, where the value says it.
        """
        before, self.value = self.value, self.value if sample.value is None else sample.value
        if before is None or before == self.value:
            return None  # the first may be an old one that the broker kept
        if self.is_silent(sample.received_at, silence):
            self.alive_since = sample.received_at
        self.ever_beat = True
        self.advanced_at = max(self.advanced_at, sample.received_at)
        said = time_of(self.value)
        return sample.received_at - said if said else None

    def is_silent(self, now: datetime, silence: timedelta) -> bool:
        """Whether it has not advanced for longer than ``silence``."""
        return now - self.advanced_at > silence

    def covers(self, key: str) -> bool:
        """Whether it stands for a point: by topic filter, or by the beginning of its path."""
        scope = _levels_of(self.scope)
        levels = key.split("/")
        return _begin(levels, scope) or _begin(levels[TYPE_LEVELS:], scope)


def _levels_of(scope: str) -> list[str]:
    """A scope's levels below publisher and kind, which one that is written as a topic begins with.

    None for one that stands for all: empty, or everything of the publisher.
    """
    levels = [level for level in scope.strip().removesuffix("#").split("/") if level]
    kinds = [at for at, level in enumerate(levels[:-1], 1) if level in KINDS]
    publishers = [at + 1 for at, level in enumerate(levels, 1) if level == BMS_PUBLISHER]
    return levels[max((*kinds, *publishers), default=0) :]


def _begin(levels: list[str], scope: list[str]) -> bool:
    """Whether the levels begin as the scope says, in which ``+`` stands for any one level."""
    return len(levels) >= len(scope) and all(
        wanted in {"+", level} for level, wanted in zip(levels, scope, strict=False)
    )
