"""The fleet as the bus tells it: one view a compacted topic, read as immutable snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from fleetops.bus.base import Bus
from fleetops.bus.view import View
from fleetops.core.clock import Clock
from fleetops_schemas import topics
from fleetops_schemas.identity import InventoryDevice
from fleetops_schemas.records import (
    Action,
    CollectorReport,
    Incident,
    IncidentStatus,
    Intent,
    IntentKind,
    Job,
    NodeState,
)
from fleetops_schemas.topology import HostPlacement, InventoryRecord, Topology


@dataclass(frozen=True)
class Snapshot:
    """Everything known at one moment. Never changes, so requests read it without a lock."""

    placements: Mapping[str, HostPlacement] = field(default_factory=dict)
    nodes: Mapping[str, NodeState] = field(default_factory=dict)
    incidents: Mapping[str, Incident] = field(default_factory=dict)
    actions: Mapping[str, Action] = field(default_factory=dict)
    jobs: Mapping[str, Job] = field(default_factory=dict)
    collectors: Mapping[str, CollectorReport] = field(default_factory=dict)
    intents: Mapping[str, Intent] = field(default_factory=dict)
    devices: Mapping[str, InventoryDevice] = field(default_factory=dict)

    @cached_property
    def topology(self) -> Topology:
        """The placements with look-ups both ways."""
        return Topology(self.placements.values())

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Every host that the inventory or the scheduler knows, sorted."""
        return tuple(sorted({*self.placements, *self.nodes}))

    @cached_property
    def open_incidents(self) -> tuple[Incident, ...]:
        """The open ones, the worst first, then the oldest."""
        still_open = (i for i in self.incidents.values() if i.status is IncidentStatus.OPEN)
        return tuple(sorted(still_open, key=lambda i: (-i.severity.rank, i.opened_at, i.id)))

    @cached_property
    def open_by_host(self) -> Mapping[str, tuple[Incident, ...]]:
        """By host, the open incidents that blame it or name it as affected, worst first."""
        found: dict[str, list[Incident]] = {}
        for incident in self.open_incidents:
            for host in hosts_of(incident):
                found.setdefault(host, []).append(incident)
        return {host: tuple(incidents) for host, incidents in found.items()}

    @cached_property
    def breaker(self) -> str | None:
        """Why the circuit breaker is tripped; None while it is not."""
        kinds = {IntentKind.TRIP_BREAKER, IntentKind.RESET_BREAKER}
        heard = (intent for intent in self.intents.values() if intent.kind in kinds)
        last = max(heard, key=lambda intent: intent.created_at, default=None)
        return last.reason if last and last.kind is IntentKind.TRIP_BREAKER else None


def hosts_of(incident: Incident) -> tuple[str, ...]:
    """Every host that the incident names, each once, the blamed ones first."""
    return tuple(dict.fromkeys((*incident.suspect_hosts, *incident.affected_hosts)))


class StateView:
    """Keeps a :class:`Snapshot` up to date. One thread refreshes; any thread reads."""

    def __init__(self, bus: Bus, clock: Clock) -> None:
        """Opens the views; nothing is read yet."""
        self._clock = clock
        self._placements = View(bus, topics.INVENTORY, InventoryRecord)
        self._nodes = View(bus, topics.NODES, NodeState)
        self._incidents = View(bus, topics.INCIDENTS, Incident)
        self._actions = View(bus, topics.ACTIONS, Action)
        self._jobs = View(bus, topics.JOBS, Job)
        self._collectors = View(bus, topics.COLLECTORS, CollectorReport)
        self._intents = View(bus, topics.INTENTS, Intent)
        self._devices = View(bus, topics.DEVICES, InventoryDevice)
        self._views = (
            self._placements,
            self._nodes,
            self._incidents,
            self._actions,
            self._jobs,
            self._collectors,
            self._intents,
            self._devices,
        )
        self._snapshot = Snapshot()
        self._refreshed_at: datetime | None = None

    @property
    def snapshot(self) -> Snapshot:
        """The newest snapshot."""
        return self._snapshot

    @property
    def refreshed_at(self) -> datetime | None:
        """When the bus was last looked at; None until the first catch-up ended."""
        return self._refreshed_at

    def catch_up(self, timeout_seconds: float) -> None:
        """Reads everything that is on the bus now.

        Raises:
            BusUnavailableError: the end was not reached in time.
        """
        deadline = self._clock.monotonic() + timeout_seconds
        for view in self._views:
            view.catch_up(max(deadline - self._clock.monotonic(), 0.1))
        self._publish()

    def refresh(self, timeout_seconds: float = 0.0) -> bool:
        """Takes in what is new; whether there was anything."""
        sizes = [len(view) for view in self._views]
        changes = [len(view.refresh(timeout_seconds)) for view in self._views]
        # a deletion is no changed record, so sizes tell of it
        changed = any(changes) or sizes != [len(view) for view in self._views]
        if changed:
            self._publish()
        self._refreshed_at = self._clock.now()
        return changed

    def close(self) -> None:
        """Closes the views; safe to call twice."""
        for view in self._views:
            view.close()

    def _publish(self) -> None:
        self._snapshot = Snapshot(
            placements={value.host: value for value in self._placements.values()},
            nodes={value.node: value for value in self._nodes.values()},
            incidents={value.id: value for value in self._incidents.values()},
            actions={value.id: value for value in self._actions.values()},
            jobs={value.id: value for value in self._jobs.values()},
            collectors={value.collector: value for value in self._collectors.values()},
            intents={value.id: value for value in self._intents.values()},
            devices={value.device: value for value in self._devices.values()},
        )
        self._refreshed_at = self._clock.now()
