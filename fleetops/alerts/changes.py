"""What is worth telling: the difference between a record and what was told before. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid5

from fleetops.alerts.base import Notification
from fleetops_schemas.records import (
    Action,
    ActionKind,
    ActionState,
    Incident,
    IncidentStatus,
)

REMEMBERED_ACTIONS = 10_000
"""The latest to change; one older than these would be told again, under the same id."""
_NAMESPACE = UUID("6d1f3c1e-0f5b-5d0e-9a6c-2f6f2b7a9c11")


class Told:
    """The last state of each incident and action, from which changes are read."""

    def __init__(self) -> None:
        """Nothing was told yet."""
        self._incidents: dict[str, Incident] = {}
        self._actions: dict[str, ActionState] = {}

    @property
    def open_incidents(self) -> tuple[Incident, ...]:
        """Incidents that were told as open and not as resolved."""
        return tuple(self._incidents.values())

    def record(self, record: Incident | Action) -> Notification | None:
        """What is new about either."""
        return self.incident(record) if isinstance(record, Incident) else self.action(record)

    def incident(self, incident: Incident) -> Notification | None:
        """What is new about an incident: opened, its severity or cause changed, or resolved.

        An incident that is over before anybody heard of it is not told.
        """
        before = self._incidents.get(incident.id)
        if incident.status is IncidentStatus.RESOLVED:
            if self._incidents.pop(incident.id, None) is None:
                return None
            return _of_incident("resolved", incident, incident.resolved_at or incident.updated_at)
        self._incidents[incident.id] = incident
        if before is None:
            return _of_incident("opened", incident, incident.opened_at)
        if _gist(before) != _gist(incident):
            return _of_incident("updated", incident, incident.updated_at)
        return None

    def action(self, action: Action) -> Notification | None:
        """What is new about an action: its state."""
        before = self._actions.pop(action.id, None)
        self._actions[action.id] = action.state
        while len(self._actions) > REMEMBERED_ACTIONS:
            del self._actions[next(iter(self._actions))]
        if action.state is before:
            return None
        if action.state is ActionState.DONE:
            kind = "node.drained" if action.kind is ActionKind.DRAIN else "node.undrained"
        else:
            kind = f"action.{action.state}"
        return Notification(id=_id(action.id, kind, ""), type=kind, action=action)


def _gist(incident: Incident) -> tuple[str, ...]:
    return incident.severity, incident.verdict, incident.kind, incident.cause_device


def _of_incident(change: str, incident: Incident, at: datetime) -> Notification:
    kind = f"incident.{change}"
    moment = at.astimezone(UTC).isoformat(timespec="microseconds")
    return Notification(id=_id(incident.id, kind, moment), type=kind, incident=incident)


def _id(record: str, kind: str, moment: str) -> str:
    """The same change has the same id, also when it is found again after a restart."""
    return str(uuid5(_NAMESPACE, f"{record}|{kind}|{moment}"))
