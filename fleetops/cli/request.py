"""Requests of people from the command line: preview, confirm, ask, wait, tell what became of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import uuid4

import typer
from pydantic import BaseModel

from fleetops.api.client import Client
from fleetops.api.models import NodeOutlook, Outlook, Receipt
from fleetops.cli.output import Column, ExitCode, Format, View, say
from fleetops.core.errors import TemporaryError
from fleetops.core.hostlist import fold
from fleetops_schemas.records import Action, ActionKind, ActionState

POLL_SECONDS = 0.5
ReasonOption = Annotated[
    str, typer.Option("--reason", "-r", help="Why; it is kept and, for a drain, on the scheduler.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
WaitOption = Annotated[bool, typer.Option(help="Wait for the outcome.")]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", min=0.1, max=86_400, help="Seconds to wait.")
]
DONE, REFUSED, RUNNING = "done", "refused", "running"
MEANS = {
    ActionKind.DRAIN: "Nodes take no new work; jobs that run there go on to their end.",
    ActionKind.UNDRAIN: "Nodes take work again; only drains that FleetOps made are lifted.",
}
SETTLED_AGAINST = {ActionState.REFUSED, ActionState.DENIED, ActionState.CANCELLED}


class NodeResult(BaseModel):
    """What became of one node of a request."""

    node: str
    result: str
    """An action's state, ``running`` where it is not final yet, or a dry run's outlook."""
    detail: str = ""
    action_id: str | None = None


RESULTS: View[NodeResult] = View(
    "node_result",
    lambda result: result.node,
    (
        Column("node", lambda result: result.node),
        Column("result", lambda result: result.result),
        Column("action", lambda result: result.action_id, wide=True),
        Column("detail", lambda result: result.detail),
    ),
)


@dataclass(frozen=True, slots=True)
class Manner:
    """How a request is made."""

    dry_run: bool
    yes: bool
    wait: bool
    timeout_seconds: float
    output: Format


def request(client: Client, kind: ActionKind, nodes: str, reason: str, manner: Manner) -> ExitCode:
    """The whole of a drain or an undrain."""
    plan = client.request_action(kind, nodes, reason, dry_run=True)
    explain(kind, plan, reason)
    if manner.dry_run:
        outlook = [_outlook(one) for one in plan.nodes]
        RESULTS.show(outlook, manner.output, {"dry_run": True, "intent_id": None})
        return _outlook_code(plan.nodes)
    if all(one.verdict is Outlook.REFUSE for one in plan.nodes):
        RESULTS.show([_outlook(one) for one in plan.nodes], manner.output, {"intent_id": None})
        return ExitCode.REFUSED
    if not (manner.yes or confirmed(f"{kind.value} these nodes?")):
        return ExitCode.FAILED
    receipt = client.request_action(kind, nodes, reason, key=uuid4().hex)
    say(f"asked for: request {receipt.intent_id}")
    results = wait_for(client, receipt, manner.timeout_seconds if manner.wait else 0.0)
    RESULTS.show(results, manner.output, {"dry_run": False, "intent_id": receipt.intent_id})
    return code_of(results) if manner.wait else ExitCode.DONE


def explain(kind: ActionKind, plan: Receipt, reason: str) -> None:
    """Says on stderr what will be done, before anything is."""
    say(f"{kind.value}, reason: {reason}")
    say(MEANS[kind])
    by_outlook: dict[tuple[Outlook, str], list[str]] = {}
    for one in plan.nodes:
        by_outlook.setdefault((one.verdict, one.reason), []).append(one.node)
    for (verdict, why), names in by_outlook.items():
        say(f"  {fold(names)}: {verdict.value}: {why}")


def confirmed(question: str) -> bool:
    """Asks on stderr.

    Raises:
        typer.BadParameter: nobody is there to answer.
    """
    if not sys.stdin.isatty():
        raise typer.BadParameter("nobody is there to confirm: give --yes, or look with --dry-run")
    return typer.confirm(question, err=True)


def wait_for(client: Client, receipt: Receipt, timeout_seconds: float) -> list[NodeResult]:
    """The results of a request's nodes, as soon as all are final or the time is over."""
    deadline = time.monotonic() + timeout_seconds
    refused = {one.node: _outlook(one) for one in receipt.nodes if one.left_out}
    while True:
        actions = _actions(client, receipt.intent_id)
        results = [refused.get(one.node) or _result(one.node, actions) for one in receipt.nodes]
        if all(one.result != RUNNING for one in results) or time.monotonic() >= deadline:
            return results
        time.sleep(POLL_SECONDS)


def wait_for_action(client: Client, action_id: str, timeout_seconds: float) -> Action:
    """The action when it is final, or as it is when the time is over."""
    deadline = time.monotonic() + timeout_seconds
    while True:
        action = client.action(action_id)
        if action.state.is_final or time.monotonic() >= deadline:
            return action
        time.sleep(POLL_SECONDS)


def code_of(results: Sequence[NodeResult]) -> ExitCode:
    """The exit code of what became of the nodes."""
    found = {one.result for one in results}
    if RUNNING in found:
        return ExitCode.TIMED_OUT
    if found == {DONE}:
        return ExitCode.DONE
    if DONE in found:
        return ExitCode.PARTIAL
    against = {state.value for state in SETTLED_AGAINST}
    return ExitCode.REFUSED if found <= against else ExitCode.FAILED


def code_of_state(state: ActionState) -> ExitCode:
    """The exit code of an action that was waited for."""
    return code_of([NodeResult(node="", result=state.value if state.is_final else RUNNING)])


def _outlook_code(nodes: Collection[NodeOutlook]) -> ExitCode:
    refused = sum(one.verdict is Outlook.REFUSE for one in nodes)
    if not refused:
        return ExitCode.DONE
    return ExitCode.REFUSED if refused == len(nodes) else ExitCode.PARTIAL


def _outlook(one: NodeOutlook) -> NodeResult:
    result = REFUSED if one.verdict is Outlook.REFUSE else one.verdict.value
    return NodeResult(node=one.node, result=result, detail=one.reason)


def _actions(client: Client, intent_id: str) -> list[Action]:
    try:
        return [*client.all_actions(intent=intent_id)]
    except TemporaryError as error:
        say(f"still waiting: {error}")
        return []


def _result(node: str, actions: Collection[Action]) -> NodeResult:
    for action in actions:
        if node not in action.nodes:
            continue
        outcome = next((one for one in action.outcomes if one.node == node), None)
        state = outcome.state if outcome else action.state
        if not state.is_final and action.state is not ActionState.PENDING_APPROVAL:
            break
        detail = (outcome.detail if outcome else "") or action.decision
        if action.state is ActionState.PENDING_APPROVAL:
            return NodeResult(
                node=node,
                result=RUNNING,
                detail=f"waits for an approval: fleetops action approve {action.id}",
                action_id=action.id,
            )
        return NodeResult(node=node, result=state.value, detail=detail, action_id=action.id)
    return NodeResult(node=node, result=RUNNING, detail="not decided yet")
