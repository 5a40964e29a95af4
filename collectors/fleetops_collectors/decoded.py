"""What one payload says, as every decoder returns it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from fleetops_schemas.identity import DeviceIdentity
from fleetops_schemas.readings import Reading
from fleetops_schemas.records import Event, Job, NodeState

NAMED_COLUMNS = 8
"""Names of values without a column that are told; all are counted."""


@dataclass(slots=True)
class Decoded:
    """Readings, events and facts of one payload. A decoder is pure: no network, no clock."""

    readings: list[Reading] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    """By device: the labels of its class."""
    identities: list[DeviceIdentity] = field(default_factory=list)
    nodes: list[NodeState] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    unmapped: Counter[str] = field(default_factory=Counter)
    """Well-formed values without a column in the catalog, by the source's name for them."""
    problems: list[str] = field(default_factory=list)
    """Parts that could not be used, with their place; the rest is good."""

    def warnings(self) -> list[str]:
        """What could not be used, and one line that names what has no column."""
        named = sorted(+self.unmapped)
        if not named:
            return list(self.problems)
        some = ", ".join(named[:NAMED_COLUMNS])
        more = ", ..." if len(named) > NAMED_COLUMNS else ""
        total = self.unmapped.total()
        return [*self.problems, f"{total} values have no column in the catalog: {some}{more}"]
