"""Records for tests of operations, each with the least that matters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from fleetops.core.config import OperateConfig, PolicyConfig
from fleetops_schemas.records import (
    Action,
    ActionKind,
    ActionState,
    Incident,
    IncidentStatus,
    Intent,
    IntentKind,
    NodeOutcome,
    NodeState,
    RecommendedAction,
    Severity,
    Verdict,
)

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def an_action(
    node: str = "node001",
    *,
    kind: ActionKind = ActionKind.DRAIN,
    state: ActionState = ActionState.APPROVED,
    outcome: ActionState | None = None,
    requested_by: str = "user:ann",
    updated_at: datetime = NOW,
) -> Action:
    outcomes = () if outcome is None else (NodeOutcome(node=node, state=outcome),)
    return Action(
        id=f"act-{kind.value}-{node}",
        intent_id=f"int-{kind.value}-{node}",
        kind=kind,
        target=node,
        nodes=(node,),
        state=state,
        reason="too hot",
        requested_by=requested_by,
        created_at=updated_at,
        updated_at=updated_at,
        outcomes=outcomes,
    )


def an_incident(  # noqa: PLR0913
    ident: str = "inc-1",
    hosts: Sequence[str] = ("node001",),
    *,
    verdict: Verdict = Verdict.HARDWARE,
    action: RecommendedAction = RecommendedAction.DRAIN,
    severity: Severity = Severity.CRITICAL,
    status: IncidentStatus = IncidentStatus.OPEN,
    opened_at: datetime = NOW,
) -> Incident:
    facility = verdict is Verdict.FACILITY
    return Incident(
        id=ident,
        status=status,
        verdict=verdict,
        kind="coolant_pump_degraded" if facility else "accelerator_fallen_off_bus",
        cause_device="cdu1" if facility else f"{hosts[0]}/gpu3" if hosts else "job81",
        cause_device_class="coolant_unit" if facility else "accelerator",
        severity=severity,
        title="GPU 3 fell off the bus",
        explanation="",
        action=action,
        suspect_hosts=() if facility else tuple(hosts),
        affected_hosts=tuple(hosts),
        opened_at=opened_at,
        updated_at=opened_at,
    )


def a_node(name: str, *flags: str, reason: str = "", jobs: Sequence[str] = ()) -> NodeState:
    states = flags or ("IDLE",)
    return NodeState(
        node=name,
        states=states,
        drained="DRAIN" in states,
        busy=bool(jobs) or "ALLOCATED" in states,
        reason=reason,
        jobs=tuple(jobs),
        observed_at=NOW,
    )


def some_nodes(count: int) -> dict[str, NodeState]:
    names = [f"node{number:03}" for number in range(1, count + 1)]
    return {name: a_node(name) for name in names}


def an_intent(
    kind: IntentKind = IntentKind.DRAIN,
    *nodes: str,
    ident: str = "int-1",
    by: str = "user:ann",
    action_id: str | None = None,
) -> Intent:
    return Intent(
        id=ident,
        created_at=NOW,
        kind=kind,
        nodes=nodes,
        reason="RMA 4711",
        requested_by=by,
        action_id=action_id,
    )


def a_config(mode: str = "auto", **policy: object) -> OperateConfig:
    return OperateConfig.model_validate({"mode": mode, "policy": PolicyConfig(**policy)})
