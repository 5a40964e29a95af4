"""Carries an approved action out on one node: read, claim on the ledger, read again, act, read.

Every call goes one step further from wherever the ledger and the scheduler stand, so a crash, an
ambiguous answer or a scheduler that was away are all continued in the same way.
"""

from __future__ import annotations

from fleetops.core.clock import Clock
from fleetops.core.errors import (
    AmbiguousWriteError,
    NotFoundError,
    RefusedError,
    SchedulerUnavailableError,
)
from fleetops.operate.commands import Act, ReadNode, Steps
from fleetops.operate.ledger import Ledger
from fleetops.operate.ownership import (
    Owner,
    describe,
    drain_reason,
    ident_of,
    owner_of,
    reason_in,
)
from fleetops_schemas.records import Action, ActionKind, ActionState, NodeOutcome, NodeState

MAX_ATTEMPTS = 3
"""Acts that were sent and did not show on the scheduler."""
ACT_LEASE_SECONDS = 30.0
"""Longest from a claim to its act: a holder that stalled in between claims again."""
WAITING = "waiting for the scheduler"


class Executor:
    """Takes approved actions to their end, node by node."""

    def __init__(self, ledger: Ledger, clock: Clock, prefix: str) -> None:
        """Works under one ledger; ``prefix`` marks our reasons on the scheduler."""
        self._ledger = ledger
        self._clock = clock
        self._prefix = prefix

    def carry_out(self, action: Action, node: str, objection: str | None = None) -> Steps[Action]:
        """Goes as far as it can now; returns the action as recorded.

        ``objection`` says why it is no longer wanted: then nothing more is done.

        Raises:
            FencedError, AmbiguousWriteError, BusUnavailableError: as :meth:`Ledger.record`.
        """
        before = outcome_of(action, node)
        try:
            state = yield ReadNode(node)
        except SchedulerUnavailableError as error:
            return (yield from self.wait(action, node, str(error)))
        outcome = self._settle(action, before, state)
        if outcome is None and objection is not None:
            outcome = _ended(before, ActionState.CANCELLED, objection)
        if outcome is None and action.expires_at and self._clock.now() > action.expires_at:
            text = "the scheduler did not come back before the action expired"
            outcome = _ended(before, ActionState.FAILED, text)
        if outcome is None and before.attempts >= MAX_ATTEMPTS:
            text = f"sent {before.attempts} times, and the scheduler does not show it"
            outcome = _ended(before, ActionState.FAILED, text)
        if outcome is None:
            action, outcome = yield from self._attempt(action, before, state)
        if outcome == outcome_of(action, node):
            return action
        return (yield from self._ledger.record(with_outcome(action, outcome)))

    def wait(self, action: Action, node: str, why: str) -> Steps[Action]:
        """Notes, once, that the scheduler is away; the action goes on when it is back."""
        before = outcome_of(action, node)
        if before.detail.startswith(WAITING):
            return action
        outcome = before.model_copy(update={"detail": f"{WAITING}: {why}"})
        return (yield from self._ledger.record(with_outcome(action, outcome)))

    def _attempt(
        self, action: Action, before: NodeOutcome, state: NodeState
    ) -> Steps[tuple[Action, NodeOutcome]]:
        """Claims, acts once, and says what the scheduler then shows."""
        number = before.attempts + 1
        claim = before.model_copy(
            update={
                "state": ActionState.EXECUTING,
                "detail": f"attempt {number}",
                "before": before.before or describe(state),
                "attempts": number,
            }
        )
        claimed_at = self._clock.monotonic()  # before the claim: it is not younger than that
        action = yield from self._ledger.record(with_outcome(action, claim))
        not_sent = claim.model_copy(update={"attempts": before.attempts})
        otherwise = claim
        try:
            # The claim took time: whoever else acts on nodes may have come first.
            if settled := self._settle(action, not_sent, (yield ReadNode(claim.node))):
                return action, settled
            if self._clock.monotonic() - claimed_at > ACT_LEASE_SECONDS:
                return action, not_sent.model_copy(update={"detail": "slow; claimed again"})
            yield Act(action.kind, claim.node, self._reason(action))
        except SchedulerUnavailableError as error:
            return action, not_sent.model_copy(update={"detail": f"{WAITING}: {error}"})
        except (NotFoundError, RefusedError) as error:
            otherwise = _ended(claim, ActionState.FAILED, str(error))
        except AmbiguousWriteError as error:
            otherwise = claim.model_copy(update={"detail": f"unclear answer: {error}"})
        try:
            settled = self._settle(action, claim, (yield ReadNode(claim.node)))
        except SchedulerUnavailableError as error:
            return action, claim.model_copy(update={"detail": f"{WAITING} to confirm: {error}"})
        return action, settled or otherwise

    def _settle(
        self, action: Action, before: NodeOutcome, state: NodeState | None
    ) -> NodeOutcome | None:
        """The node's outcome, if what the scheduler shows ends the matter; None to act."""
        if state is None:
            text = f"the scheduler knows no node {before.node}"
            return _ended(before, ActionState.FAILED, text)
        judge = self._settle_drain if action.kind is ActionKind.DRAIN else self._settle_undrain
        verdict = judge(action, before, state)
        if verdict is None:
            return None
        outcome = _ended(before, *verdict)
        seen = describe(state)
        return outcome.model_copy(update={"before": before.before or seen, "after": seen})

    def _settle_drain(
        self, action: Action, before: NodeOutcome, state: NodeState
    ) -> tuple[ActionState, str] | None:
        named = ident_of(self._prefix, state.reason)
        match owner_of(state, self._prefix):
            case Owner.OTHER:
                return ActionState.REFUSED, f"held by somebody else: {describe(state)}"
            case Owner.FLEETOPS if named == ident_of(self._prefix, self._reason(action)):
                return ActionState.DONE, "drained"
            case Owner.FLEETOPS:
                return ActionState.DONE, f"drained by FleetOps already: {state.reason}"
            case Owner.NOBODY:
                ours = named == ident_of(self._prefix, self._reason(action))
                if before.attempts and ours:  # Slurm keeps the reason of a lifted drain
                    return ActionState.DONE, "drained, then lifted by somebody: left alone"
        return None

    def _settle_undrain(
        self, _action: Action, before: NodeOutcome, state: NodeState
    ) -> tuple[ActionState, str] | None:
        match owner_of(state, self._prefix):
            case Owner.OTHER:
                return ActionState.REFUSED, f"held by somebody else: {describe(state)}"
            case Owner.NOBODY:
                return ActionState.DONE, "in service"
            case Owner.FLEETOPS:
                meant = ident_of(self._prefix, reason_in(before.before))
                found = ident_of(self._prefix, state.reason)
                if meant is not None and meant != found:
                    return ActionState.REFUSED, f"drained anew meanwhile: {state.reason}"
        return None

    def _reason(self, action: Action) -> str:
        ident = action.incident_id or action.intent_id
        return drain_reason(self._prefix, ident, action.reason)


def outcome_of(action: Action, node: str) -> NodeOutcome:
    """What became of one node so far; approved and untouched where nothing is recorded."""
    known = (outcome for outcome in action.outcomes if outcome.node == node)
    return next(known, NodeOutcome(node=node, state=ActionState.APPROVED))


def open_nodes(action: Action) -> list[str]:
    """Nodes of the action that are not finished."""
    return [node for node in action.nodes if not outcome_of(action, node).state.is_final]


def with_outcome(action: Action, outcome: NodeOutcome) -> Action:
    """The action with one node's outcome, and the state that follows from all of them."""
    by_node = {known.node: known for known in action.outcomes} | {outcome.node: outcome}
    outcomes = tuple(by_node[node] for node in action.nodes if node in by_node)
    states = {outcome_of(action, node).state for node in action.nodes if node not in by_node}
    states |= {known.state for known in outcomes}
    return action.model_copy(update={"outcomes": outcomes, "state": overall(states)})


def overall(states: set[ActionState]) -> ActionState:
    """An action's state from those of its nodes; a mixed end is a failure, told node by node."""
    if all(state.is_final for state in states):
        return next(iter(states)) if len(states) == 1 else ActionState.FAILED
    return ActionState.APPROVED if states == {ActionState.APPROVED} else ActionState.EXECUTING


def _ended(before: NodeOutcome, state: ActionState, detail: str) -> NodeOutcome:
    return before.model_copy(update={"state": state, "detail": detail})
