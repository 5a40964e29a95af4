"""Transitions of links between two rounds, as events."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from fleetops_schemas.readings import Reading
from fleetops_schemas.records import Event, Severity

_DOWN, _UP = 0, 1
"""Of ``fabric_port.link_state``. A port that somebody disabled did not fail."""

FLAPPING_TIMES = 3
"""Of the kind ``link_flapping``; a round is far shorter than the ten minutes that it allows."""


class _Link(NamedTuple):
    state: int | None
    downs: int | None
    """How often it went down, as the port counts; a port may count less than it saw, never more."""


class LinkWatch:
    """Remembers the links of each target's ports, as of its last round.

    One event a port a round, however often it went down: a storm becomes a count. The first round
    tells nothing, for nothing is known of what was before.
    """

    def __init__(self, protocol: str) -> None:
        """``protocol`` is the events' source."""
        self._protocol = protocol
        self._links: dict[str, dict[str, _Link]] = {}

    def observe(
        self, target: str, readings: Iterable[Reading], host: str, now: datetime
    ) -> list[Event]:
        """What happened to the links of a target since it was last observed.

        Args:
            target: Whose readings they are.
            readings: Of one round; ``link_state`` and ``link_downed_total`` are looked at.
            host: The host the ports stand in.
            now: When the round was, aware.
        """
        links = _links(readings)
        before, self._links[target] = self._links.get(target, {}), links
        events = []
        for device, link in links.items():
            times = _times_down(before.get(device), link)
            if times:
                events.append(self._event(device, link, times, host, now))
        return events

    def _event(self, device: str, link: _Link, times: int, host: str, now: datetime) -> Event:
        gone = link.state == _DOWN
        kind = "link_flapping" if times >= FLAPPING_TIMES else "link_down"
        often = "" if times == 1 else f" {times} times"
        text = f"link went down{often} since the last round" + ("" if gone else " and is up again")
        return Event(
            id=sha256(f"{device}\0{kind}\0{now.isoformat()}".encode()).hexdigest()[:32],
            time=now,
            observed_at=now,
            host=host,
            device=device,
            device_class="fabric_port",
            source=self._protocol,
            kind=kind,
            # that it stays down is told by the port's state, which is watched for itself
            severity=Severity.WARNING,
            text=text,
            attributes={"occurrences": times},
        )


def _links(readings: Iterable[Reading]) -> dict[str, _Link]:
    links: dict[str, _Link] = {}
    for reading in readings:
        value = None if reading.value is None else int(reading.value)
        link = links.get(reading.device, _Link(None, None))
        if reading.metric == "link_state":
            links[reading.device] = link._replace(state=value)
        elif reading.metric == "link_downed_total":
            links[reading.device] = link._replace(downs=value)
    return links


def _times_down(before: _Link | None, link: _Link) -> int:
    """How often the link went down between two rounds, as far as they tell."""
    if before is None:
        return 0
    counted = 0
    if before.downs is not None and link.downs is not None:
        counted = max(0, link.downs - before.downs)  # less than before: the counter was reset
    if before.state == _UP and link.state == _DOWN:
        return max(1, counted)
    return counted if link.state == _UP else 0
