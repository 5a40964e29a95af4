from __future__ import annotations

from datetime import timedelta

import pytest

from fleetops.alerts.changes import Told
from fleetops_schemas.records import (
    Action,
    ActionKind,
    ActionState,
    Incident,
    IncidentStatus,
    Severity,
)
from tests.contract.alert_sink_contract import OPENED_AT, make_incident


def later(incident: Incident, seconds: float) -> Incident:
    return incident.model_copy(update={"updated_at": OPENED_AT + timedelta(seconds=seconds)})


def types(told: Told, *incidents: Incident) -> list[str | None]:
    found = [told.incident(incident) for incident in incidents]
    return [notification.type if notification else None for notification in found]


def test_only_opening_severity_cause_and_resolution_are_told() -> None:
    story = (
        make_incident(severity=Severity.WARNING),
        later(make_incident(severity=Severity.WARNING), 1),  # more evidence, nothing new
        later(make_incident(severity=Severity.CRITICAL), 2),
        later(make_incident(severity=Severity.CRITICAL), 3),
        later(make_incident(kind="cold_plate_restricted"), 4),
        later(make_incident(status=IncidentStatus.RESOLVED), 5),
        later(make_incident(status=IncidentStatus.RESOLVED), 6),
    )
    assert types(Told(), *story) == [
        "incident.opened",
        None,
        "incident.updated",
        None,
        "incident.updated",
        "incident.resolved",
        None,
    ]


def test_what_is_over_before_anybody_heard_is_not_told() -> None:
    assert types(Told(), make_incident(status=IncidentStatus.RESOLVED)) == [None]


def test_the_same_change_has_the_same_id_and_another_has_another() -> None:
    first, second = Told().incident(make_incident()), Told().incident(later(make_incident(), 9))
    assert first is not None
    assert second is not None
    assert first.id == second.id  # found again after a restart
    told = Told()
    told.incident(make_incident(severity=Severity.WARNING))
    ups_and_downs = [
        told.incident(later(make_incident(severity=severity), at))
        for at, severity in enumerate((Severity.CRITICAL, Severity.WARNING, Severity.CRITICAL), 1)
    ]
    assert len({notification.id for notification in ups_and_downs if notification}) == 3


@pytest.mark.parametrize(
    ("kind", "state", "told"),
    [
        (ActionKind.DRAIN, ActionState.DONE, "node.drained"),
        (ActionKind.UNDRAIN, ActionState.DONE, "node.undrained"),
        (ActionKind.DRAIN, ActionState.PENDING_APPROVAL, "action.pending_approval"),
        (ActionKind.DRAIN, ActionState.FAILED, "action.failed"),
    ],
)
def test_an_actions_states_are_told_once(kind: ActionKind, state: ActionState, told: str) -> None:
    action = Action(
        id="act-1",
        intent_id="i",
        kind=kind,
        target="node001",
        nodes=("node001",),
        state=state,
        reason="hot",
        requested_by="fleetops:planner",
        created_at=OPENED_AT,
        updated_at=OPENED_AT,
    )
    memory = Told()
    first = memory.action(action)
    assert first is not None
    assert first.type == told
    assert memory.action(action) is None
