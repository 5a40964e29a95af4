"""Watches a scenario unfold through the API, as a person would, and judges how it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fleetops.api.client import Client
from fleetops.api.models import Node, NodeStatus
from fleetops.core.clock import Clock
from fleetops.emulator.scenario import Checkpoint, Outcome
from fleetops.evaluate.outcome import Observed, mismatches
from fleetops_schemas.records import Action, Incident, IncidentStatus

PAGE = 1000
DRAINED = frozenset({NodeStatus.DRAINED, NodeStatus.DRAINING})
Tell = Callable[[str, dict[str, Any]], None]


@dataclass(slots=True)
class Watch:
    """What was there before the scenario, what came since, and whether that is right."""

    client: Client
    clock: Clock
    outcome: Outcome | None
    """None: nothing is stated; it is only told what happens."""
    tell: Tell
    began_at: datetime | None = None
    _began: float = 0.0
    _drained_before: frozenset[str] = frozenset()
    _told: dict[str, str] = field(default_factory=dict)
    _checkpoints: list[Checkpoint] = field(default_factory=list)
    _failed: list[str] = field(default_factory=list)
    _true_since: float | None = None

    def begin(self) -> None:
        """The scenario's clock starts: whatever was there before is not its doing."""
        self._drained_before = frozenset(self._drained())
        self.began_at, self._began = self.clock.now(), self.clock.monotonic()
        points = self.outcome.checkpoints if self.outcome else ()
        self._checkpoints = sorted(points, key=lambda one: one.at_seconds)

    def look(self) -> bool | None:
        """Looks once: True when the outcome came true and held, False when it cannot any more."""
        observed = self._observe()
        self._report(observed)
        if self.outcome is None:
            return None
        elapsed = self.clock.monotonic() - self._began
        while self._checkpoints and elapsed >= self._checkpoints[0].at_seconds:
            point = self._checkpoints.pop(0)
            wrong = mismatches(point, observed)
            self._failed += [f"after {point.at_seconds:.0f} s: {text}" for text in wrong]
            self.tell("checkpoint", {"at_seconds": point.at_seconds, "mismatches": wrong})
        wrong = mismatches(self.outcome, observed)
        if wrong or self._checkpoints:
            self._true_since = None
            return False if elapsed > self.outcome.within_seconds else None
        if self._true_since is None:
            self._true_since = elapsed
            self.tell("outcome.true", {"after_seconds": round(elapsed, 1)})
        if elapsed - self._true_since < self.outcome.hold_seconds:
            return None
        return not self._failed

    def mismatches(self) -> list[str]:
        """What does not hold now, and what did not at the checkpoints."""
        wrong = mismatches(self.outcome, self._observe()) if self.outcome else []
        return self._failed + wrong

    def drained(self) -> frozenset[str]:
        """Nodes that are drained now and were not before."""
        return frozenset(self._drained()) - self._drained_before

    def _observe(self) -> Observed:
        return Observed(
            incidents=tuple(one for one in self._incidents() if self._is_new(one.opened_at)),
            actions=tuple(one for one in self._actions() if self._is_new(one.created_at)),
            drained=self.drained(),
        )

    def _is_new(self, moment: datetime) -> bool:
        return self.began_at is None or moment >= self.began_at

    def _incidents(self) -> list[Incident]:
        return list(self.client.incidents(status=None, limit=PAGE).items)

    def _actions(self) -> list[Action]:
        return list(self.client.actions(limit=PAGE).items)

    def _drained(self) -> Iterator[str]:
        return (node.name for node in self._nodes() if node.status in DRAINED)

    def _nodes(self) -> list[Node]:
        return list(self.client.nodes(limit=PAGE).items)

    def _report(self, observed: Observed) -> None:
        for incident in observed.incidents:
            self._tell_once(incident.id, _incident_event(incident), _incident_line(incident))
        for action in observed.actions:
            line = {
                "id": action.id,
                "kind": action.kind,
                "target": action.target,
                "nodes": list(action.nodes),
                "decision": action.decision,
                "incident": action.incident_id,
            }
            self._tell_once(action.id, f"action.{action.state}", line)
        for node in sorted(observed.drained):
            self._tell_once(f"node:{node}", "node.drained", {"node": node})

    def _tell_once(self, key: str, event: str, line: dict[str, Any]) -> None:
        """Told again only when it changed in what a person would see."""
        mark = event + repr(sorted((name, str(value)) for name, value in line.items()))
        if self._told.get(key) != mark:
            self._told[key] = mark
            self.tell(event, line)


def _incident_event(incident: Incident) -> str:
    return "incident.open" if incident.status is IncidentStatus.OPEN else "incident.resolved"


def _incident_line(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "kind": incident.kind,
        "verdict": incident.verdict,
        "severity": incident.severity,
        "cause_device": incident.cause_device,
        "suspect_hosts": list(incident.suspect_hosts),
        "affected_hosts": len(incident.affected_hosts),
        "title": incident.title,
    }
