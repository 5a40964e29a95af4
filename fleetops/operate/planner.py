"""Turns incidents and people's intents into actions. Pure: the same input gives the same ids.

An action's id follows from its intent and target, and the planner's intent follows from the
incident and the host, so that whatever is delivered again leads to no second action.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from fleetops.operate.executor import outcome_of, overall
from fleetops.operate.ledger import Book
from fleetops.operate.ownership import Owner, describe, owner_of, reason_in
from fleetops.operate.policy import (
    NOT_FOR_NODES,
    PLANNER,
    PROTECTED,
    FleetView,
    NodeDecision,
    Request,
    Ruling,
    decide,
    objection_to,
    protected_nodes,
)
from fleetops.operate.preview import rulings
from fleetops_schemas.records import (
    Action,
    ActionKind,
    ActionState,
    Incident,
    IncidentStatus,
    Intent,
    IntentKind,
    NodeOutcome,
    Verdict,
)

STATE_OF = {
    Ruling.ALLOW: ActionState.APPROVED,
    Ruling.ASK: ActionState.PENDING_APPROVAL,
    Ruling.REFUSE: ActionState.REFUSED,
}


def action_id(intent_id: str, target: str) -> str:
    """The id of the action that an intent leads to for a target."""
    return "act-" + hashlib.sha256(f"{intent_id}\0{target}".encode()).hexdigest()[:16]


def planned_intent(
    incident: Incident, target: str, fleet: FleetView, book: Book, generation: str
) -> Intent | None:
    """What the planner asks for on an incident's behalf; None where it has had its answer.

    The id names the mode, the ``generation`` (the last reset of the breaker) and how often the
    wish was withdrawn: what was refused or cancelled under others may be planned again.
    """
    mine = [a for a in book.of_incident(incident.id) if a.target == target]
    mine = [a for a in mine if a.requested_by == PLANNER]
    open_ended = {ActionState.REFUSED, ActionState.CANCELLED, ActionState.PENDING_APPROVAL}
    if any(action.state not in open_ended for action in mine):
        return None
    withdrawals = sum(action.state is ActionState.CANCELLED for action in mine)
    seed = f"{incident.id}\0{target}\0{fleet.config.mode}\0{generation}\0{withdrawals}"
    return Intent(
        id="int-" + hashlib.sha256(seed.encode()).hexdigest()[:16],
        created_at=fleet.now,
        kind=IntentKind.DRAIN,
        nodes=(target,),
        reason=incident.title,
        requested_by=PLANNER,
        incident_id=incident.id,
    )


def plan_incident(
    incident: Incident, fleet: FleetView, book: Book, generation: str
) -> list[Action]:
    """New actions for an incident: one a blamed host, or one plan for a shared parent."""
    if incident.status is not IncidentStatus.OPEN:
        return []
    if incident.verdict is Verdict.FACILITY:
        plan = _plan_facility(incident, fleet, book, generation)
        return [plan] if plan else []
    if incident.verdict is not Verdict.HARDWARE or not incident.action.drains:
        return []
    planned: list[Action] = []
    under_way = {action.target for action in book.active() if action.kind is ActionKind.DRAIN}
    for host in incident.suspect_hosts:
        intent = planned_intent(incident, host, fleet, book, generation)
        # Where another incident's action for the host is under way and ends undone, this comes
        # again.
        if intent is None or host in under_way or book.get(action_id(intent.id, host)):
            continue
        view = replace(fleet, actions=[*fleet.actions, *planned])
        request = Request(ActionKind.DRAIN, host, PLANNER, intent.reason, incident)
        planned.append(_action(intent, host, (decide(request, view),), view))
    return planned


def _plan_facility(
    incident: Incident, fleet: FleetView, book: Book, generation: str
) -> Action | None:
    """One plan for all affected hosts, for a person to approve; renewed as the hosts change."""
    if incident.action in NOT_FOR_NODES or not incident.affected_hosts:
        return None
    target = incident.cause_device
    intent = planned_intent(incident, target, fleet, book, generation)
    if intent is None:
        return None
    before = book.get(action_id(intent.id, target))
    if before is not None:
        changed = set(before.nodes) != set(incident.affected_hosts)
        if before.state is not ActionState.PENDING_APPROVAL or not changed:
            return None
    requests = (
        Request(ActionKind.DRAIN, host, PLANNER, intent.reason, incident)
        for host in incident.affected_hosts
    )
    action = _action(intent, target, tuple(decide(request, fleet) for request in requests), fleet)
    if before is None:
        return action
    return action.model_copy(
        update={"created_at": before.created_at, "expires_at": before.expires_at}
    )


def plan_person(intent: Intent, fleet: FleetView, book: Book) -> list[Action]:
    """New actions for a person's drain or undrain: one a node, each decided by itself."""
    fresh = [n for n in dict.fromkeys(intent.nodes) if not book.get(action_id(intent.id, n))]
    if not fresh:
        return []
    decided = rulings(intent.model_copy(update={"nodes": tuple(fresh)}), fleet)
    return [_action(intent, decision.node, (decision,), fleet) for decision in decided]


def plan_blind(intent: Intent, fleet: FleetView, book: Book) -> list[Action]:
    """The same while the scheduler was never read: a node is judged when it is first read."""
    unread = "asked for by a person; the scheduler has not answered yet"
    protected = protected_nodes(fleet.config)
    decisions = (
        NodeDecision(node, Ruling.REFUSE, PROTECTED)
        if node in protected
        else NodeDecision(node, Ruling.ALLOW, unread)
        for node in dict.fromkeys(intent.nodes)
        if not book.get(action_id(intent.id, node))
    )
    return [_action(intent, decision.node, (decision,), fleet) for decision in decisions]


def noticed(fleet: FleetView, read_at: datetime, book: Book, *, keeps_reason: bool) -> list[Action]:
    """What follows from nodes that we drained and that are in service, undrained by nobody of us.

    Somebody lifted the drain: that is written down, and the node is left alone. Or the scheduler
    lost it (a controller killed before it saved its state, every 5 s with Slurm): it is drained
    again. ``read_at`` is when the reading of the nodes began: a drain that was done later is no
    evidence. ``keeps_reason`` is the scheduler's.
    """
    found = []
    for node, drain in book.last_done(ActionKind.DRAIN):
        state = fleet.nodes.get(node)
        if state is None or drain.updated_at >= read_at:
            continue
        if owner_of(state, fleet.config.reason_prefix) is not Owner.NOBODY:
            continue
        done = outcome_of(drain, node)
        untouched = state.reason == reason_in(done.before) != reason_in(done.after)
        lost = keeps_reason and done.attempts > 0 and untouched
        found.append((_restored if lost else _lifted)(drain, node, fleet))
    return [action for action in found if book.get(action.id) is None]


def _lifted(drain: Action, node: str, fleet: FleetView) -> Action:
    return _follow_up("lifted", drain, node, fleet).model_copy(
        update={
            "kind": ActionKind.UNDRAIN,
            "state": ActionState.DONE,
            "reason": f"the drain {drain.id} was lifted on the scheduler",
            "requested_by": "scheduler",
            "decided_by": "",
            "decision": "not done by FleetOps, only noticed; left alone for a while",
            "expires_at": None,
            "outcomes": (
                NodeOutcome(
                    node=node,
                    state=ActionState.DONE,
                    detail="lifted by somebody",
                    after=describe(fleet.nodes[node]),
                ),
            ),
        }
    )


def _restored(drain: Action, node: str, fleet: FleetView) -> Action:
    return _follow_up("restored", drain, node, fleet).model_copy(
        update={"decision": f"the scheduler lost the drain {drain.id}: drained again"}
    )


def _follow_up(what: str, drain: Action, node: str, fleet: FleetView) -> Action:
    intent_id = f"{what}:{drain.id}"
    return drain.model_copy(
        update={
            "id": action_id(intent_id, node),
            "intent_id": intent_id,
            "target": node,
            "nodes": (node,),
            "state": ActionState.APPROVED,
            "created_at": fleet.now,
            "expires_at": fleet.now + _expiry(fleet),
            "outcomes": (),
        }
    )


def approve(action: Action, intent: Intent, fleet: FleetView, incident: Incident | None) -> Action:
    """The action as a person's approval leaves it; everything is judged anew at this moment.

    ``intent.nodes``, where given, are the nodes the person saw: others of a plan are left out.
    """
    seen = set(intent.nodes) or set(action.nodes)
    outcomes = []
    for node in action.nodes:
        outcome = outcome_of(action, node)
        if not outcome.state.is_final:
            unseen = None if node in seen else "not among the nodes that were approved"
            why_not = unseen or objection(action, node, incident)
            outcome = _approved(action, node, intent, fleet, why_not)
        outcomes.append(outcome)
    return action.model_copy(
        update={
            "outcomes": tuple(outcomes),
            "state": overall({outcome.state for outcome in outcomes}),
            "decided_by": intent.requested_by,
            "decision": f"approved: {intent.reason}" if intent.reason else "approved",
            "expires_at": fleet.now + _expiry(fleet),
        }
    )


def _approved(
    action: Action, node: str, intent: Intent, fleet: FleetView, why_not: str | None
) -> NodeOutcome:
    if why_not is not None:
        return NodeOutcome(node=node, state=ActionState.CANCELLED, detail=why_not)
    request = Request(action.kind, node, intent.requested_by, action.reason, action_id=action.id)
    ruling = decide(request, fleet)
    return _outcome(ruling, fleet)


def closed(action: Action, state: ActionState, by: str, why: str) -> Action:
    """The action, ended without an act: denied, expired, cancelled or refused."""
    outcomes = (
        o if o.state.is_final else o.model_copy(update={"state": state, "detail": why})
        for o in (outcome_of(action, node) for node in action.nodes)
    )
    return action.model_copy(
        update={
            "state": state,
            "decided_by": by,
            "decision": why,
            "outcomes": tuple(outcomes),
        }
    )


def objection(action: Action, node: str, incident: Incident | None) -> str | None:
    """Why the planner's action is no longer wanted for a node; None while it is."""
    if action.requested_by != PLANNER:
        return None
    return objection_to(node, incident)


def withdrawn(action: Action, incident: Incident | None) -> str | None:
    """Why an action is no longer wanted for any of its nodes; None while it is for one."""
    objections = [objection(action, node, incident) for node in action.nodes]
    return objections[0] if objections and all(objections) else None


def reconsidered(action: Action, fleet: FleetView, incident: Incident | None) -> Action:
    """The planner's action on one node, judged again: before its act, and while it waits.

    What waits only for a cap goes ahead by itself once the cap has room.
    """
    request = Request(action.kind, action.target, PLANNER, action.reason, incident, action.id)
    ruling = decide(request, fleet)
    if STATE_OF[ruling.verdict] is action.state:
        return action
    return action.model_copy(
        update={
            "state": STATE_OF[ruling.verdict],
            "decision": ruling.reason,
            "outcomes": (_outcome(ruling, fleet),),
        }
    )


def _action(
    intent: Intent, target: str, decisions: Iterable[NodeDecision], fleet: FleetView
) -> Action:
    decisions = tuple(decisions)
    outcomes = tuple(_outcome(decision, fleet) for decision in decisions)
    states = {STATE_OF[decision.verdict] for decision in decisions}
    waiting = ActionState.PENDING_APPROVAL
    person = intent.requested_by != PLANNER
    return Action(
        id=action_id(intent.id, target),
        intent_id=intent.id,
        kind=ActionKind(intent.kind.value),
        target=target,
        nodes=tuple(decision.node for decision in decisions),
        state=waiting if waiting in states else overall(states),
        reason=intent.reason,
        requested_by=intent.requested_by,
        decided_by=intent.requested_by if person else "policy",
        decision="; ".join(dict.fromkeys(decision.reason for decision in decisions)),
        incident_id=intent.incident_id,
        created_at=fleet.now,
        updated_at=fleet.now,
        expires_at=fleet.now + _expiry(fleet),
        outcomes=outcomes,
    )


def _outcome(decision: NodeDecision, fleet: FleetView) -> NodeOutcome:
    state = fleet.nodes.get(decision.node)
    return NodeOutcome(
        node=decision.node,
        state=STATE_OF[decision.verdict],
        detail=decision.reason,
        before=describe(state) if state else "",
    )


def _expiry(fleet: FleetView) -> timedelta:
    return timedelta(seconds=fleet.config.policy.approval_expires_seconds)
