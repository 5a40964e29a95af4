"""Actions: list, detail; and requests, which become intents on the bus."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Response

from fleetops.api.auth import Admin, Operator, Principal, Viewer
from fleetops.api.intents import Subject
from fleetops.api.models import (
    MAX_NODES,
    ActionRequest,
    ApprovalRequest,
    NodeOutlook,
    Outlook,
    Page,
    ReasonRequest,
    Receipt,
)
from fleetops.api.paging import paginate, time_key
from fleetops.api.parts import Parts, PartsOf
from fleetops.api.problem import responses
from fleetops.api.routes.parameters import DEFAULT_LIMIT, Cursor, IdempotencyKey, Limit, Name
from fleetops.core import hostlist
from fleetops.core.errors import InputError, NotFoundError, RefusedError
from fleetops.operate.preview import preview
from fleetops_schemas.records import Action, ActionKind, ActionState, Intent, IntentKind

router = APIRouter(tags=["actions"])
_REFUSALS = responses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE)


@router.get("/actions", summary="Actions, the newest first")
def list_actions(  # noqa: PLR0913, PLR0917 - one parameter a filter
    _: Viewer,
    parts: PartsOf,
    state: ActionState | None = None,
    kind: ActionKind | None = None,
    node: Name = None,
    intent: Name = None,
    incident: Name = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Action]:
    """Actions of the ledger by creation time, filtered."""
    chosen = (
        action
        for action in parts.snapshot.actions.values()
        if (state is None or action.state is state)
        and (kind is None or action.kind is kind)
        and (node is None or node in action.nodes)
        and (intent is None or action.intent_id == intent)
        and (incident is None or action.incident_id == incident)
    )
    items, following = paginate(
        chosen, lambda a: (time_key(a.created_at), a.id), cursor, limit, newest_first=True
    )
    return Page(items=items, next_cursor=following)


@router.get(
    "/actions/{action_id:path}", summary="One action", responses=responses(HTTPStatus.NOT_FOUND)
)
def get_action(action_id: str, _: Viewer, parts: PartsOf) -> Action:
    """One action with what became of each node."""
    action = parts.snapshot.actions.get(action_id)
    if action is None:
        raise NotFoundError(f"no action {action_id!r}; `fleetops action list` names them")
    return action


@router.post(
    "/actions",
    status_code=HTTPStatus.ACCEPTED,
    summary="Ask for a drain or an undrain",
    responses={**_REFUSALS, 200: {"model": Receipt, "description": "The outlook of a dry run."}},
)
def request_action(
    body: ActionRequest,
    principal: Operator,
    parts: PartsOf,
    response: Response,
    key: IdempotencyKey = None,
) -> Receipt:
    """Publishes the request; what becomes of it shows in ``GET /actions?intent=ID``.

    Unknown nodes are refused by name and the rest goes on. The policy is judged again when the
    request is carried out; the outlook says what it would answer now.
    """
    known, unknown = _nodes(parts, body.nodes)
    if body.incident_id is not None and body.incident_id not in parts.snapshot.incidents:
        raise NotFoundError(f"no incident {body.incident_id!r}; `fleetops incident list`")
    intent = parts.intents.draft(
        principal,
        IntentKind(body.kind),
        body.reason,
        Subject(nodes=known, incident_id=body.incident_id),
        key,
    )
    outlook = (*_outlook(parts, intent), *unknown)
    if body.dry_run:
        response.status_code = HTTPStatus.OK
    else:
        parts.intents.publish(intent)
    return Receipt(intent_id=intent.id, kind=intent.kind, dry_run=body.dry_run, nodes=outlook)


@router.post(
    "/actions/{action_id:path}/approve",
    status_code=HTTPStatus.ACCEPTED,
    summary="Approve a waiting action",
    responses=_REFUSALS,
)
def approve(
    action_id: str,
    body: ApprovalRequest,
    principal: Operator,
    parts: PartsOf,
    key: IdempotencyKey = None,
) -> Receipt:
    """The action is judged by the policy once more before it is carried out.

    A plan for a shared parent is renewed as its hosts change, so name the nodes that were seen.
    """
    seen = None if body.nodes is None else _names(body.nodes)
    return _decide(parts, principal, action_id, IntentKind.APPROVE, body.reason, key, seen)


@router.post(
    "/actions/{action_id:path}/deny",
    status_code=HTTPStatus.ACCEPTED,
    summary="Deny a waiting action",
    responses=_REFUSALS,
)
def deny(
    action_id: str,
    body: ReasonRequest,
    principal: Operator,
    parts: PartsOf,
    key: IdempotencyKey = None,
) -> Receipt:
    """The action is closed as denied and nothing is done."""
    return _decide(parts, principal, action_id, IntentKind.DENY, body.reason, key)


@router.post(
    "/breaker/reset",
    status_code=HTTPStatus.ACCEPTED,
    summary="Let automation act again after the circuit breaker tripped",
    responses=responses(HTTPStatus.SERVICE_UNAVAILABLE),
)
def reset_breaker(
    body: ReasonRequest, principal: Admin, parts: PartsOf, key: IdempotencyKey = None
) -> Receipt:
    """Only a person resets the breaker, and says why."""
    intent = parts.intents.draft(principal, IntentKind.RESET_BREAKER, body.reason, Subject(), key)
    parts.intents.publish(intent)
    return Receipt(intent_id=intent.id, kind=intent.kind)


def _decide(  # noqa: PLR0913, PLR0917 - the request, as it came
    parts: Parts,
    principal: Principal,
    action_id: str,
    kind: IntentKind,
    reason: str,
    key: str | None,
    seen: tuple[str, ...] | None = None,
) -> Receipt:
    action = get_action(action_id, principal, parts)
    intent = parts.intents.draft(
        principal,
        kind,
        reason,
        Subject(action.nodes if seen is None else seen, action.incident_id, action_id),
        key,
    )
    repeated = parts.intents.earlier(intent) is not None
    if action.state is not ActionState.PENDING_APPROVAL and not repeated:
        raise RefusedError(f"action {action_id} waits for no approval: it is {action.state}")
    parts.intents.publish(intent)
    return Receipt(intent_id=intent.id, kind=kind)


def _names(asked: tuple[str, ...] | str) -> tuple[str, ...]:
    names = hostlist.expand(asked if isinstance(asked, str) else ",".join(asked))
    if len(names) > MAX_NODES:
        raise InputError(f"nodes: {len(names)} nodes; {MAX_NODES} a request at most")
    return tuple(names)


def _nodes(
    parts: Parts, asked: tuple[str, ...] | str
) -> tuple[tuple[str, ...], tuple[NodeOutlook, ...]]:
    names = _names(asked)
    there = set(parts.snapshot.names)
    unknown = tuple(name for name in names if name not in there)
    if len(unknown) == len(names):
        raise NotFoundError(
            f"no node {hostlist.fold(unknown)} in the inventory or on the scheduler; "
            "`fleetops node list` names them"
        )
    refused = (
        NodeOutlook(node=name, verdict=Outlook.REFUSE, reason="no such node", left_out=True)
        for name in unknown
    )
    return tuple(name for name in names if name in there), tuple(refused)


def _outlook(parts: Parts, intent: Intent) -> tuple[NodeOutlook, ...]:
    snapshot = parts.snapshot
    decisions = preview(
        intent,
        nodes=snapshot.nodes,
        topology=snapshot.topology,
        actions=snapshot.actions.values(),
        jobs=snapshot.jobs.values(),
        config=parts.config.operate,
        now=parts.clock.now(),
    )
    return tuple(
        NodeOutlook(node=decision.node, verdict=Outlook(decision.verdict), reason=decision.reason)
        for decision in decisions
    )
