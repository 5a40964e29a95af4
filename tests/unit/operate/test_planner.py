"""From incidents and intents to actions."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from fleetops.operate.ledger import Book
from fleetops.operate.planner import (
    approve,
    closed,
    noticed,
    plan_blind,
    plan_incident,
    plan_person,
    reconsidered,
    withdrawn,
)
from fleetops.operate.policy import FleetView
from fleetops_schemas.records import (
    Action,
    ActionKind,
    ActionState,
    IncidentStatus,
    IntentKind,
    NodeOutcome,
    RecommendedAction,
    Verdict,
)
from tests.unit.operate.builders import (
    NOW,
    a_config,
    a_node,
    an_incident,
    an_intent,
    some_nodes,
)

LOOP = an_incident(
    "inc-7",
    ("node001", "node002"),
    verdict=Verdict.FACILITY,
    action=RecommendedAction.INSPECT,
)


def a_fleet(mode: str = "auto", **policy: object) -> FleetView:
    return FleetView(NOW, a_config(mode, **policy), some_nodes(20))


def book_of(*actions: Action) -> Book:
    book = Book()
    for action in actions:
        assert book.apply(action)
    return book


def only(actions: list[Action]) -> Action:
    (action,) = actions
    return action


class TestIncidents:
    def test_one_action_a_blamed_host(self) -> None:
        incident = an_incident(hosts=("node001", "node002"))
        planned = plan_incident(incident, a_fleet(), Book(), "")
        assert [a.target for a in planned] == ["node001", "node002"]
        assert {a.state for a in planned} == {ActionState.APPROVED}
        assert {a.requested_by for a in planned} == {"fleetops:planner"}
        assert {a.decided_by for a in planned} == {"policy"}
        assert all(a.incident_id == "inc-1" for a in planned)

    def test_the_same_incident_again_makes_no_second_action(self) -> None:
        first = only(plan_incident(an_incident(), a_fleet(), Book(), ""))
        for state in ActionState:
            book = book_of(first.model_copy(update={"state": state}))
            again = plan_incident(an_incident(), a_fleet(), book, "")
            # withdrawn before the act, and blamed again: that is a new wish
            assert len(again) == (state is ActionState.CANCELLED)
        assert only(plan_incident(an_incident(), a_fleet(), Book(), "")).id == first.id

    def test_caps_count_what_the_same_incident_asks_for(self) -> None:
        incident = an_incident(hosts=("node001", "node002"))
        planned = plan_incident(incident, a_fleet(max_drained=1), Book(), "")
        states = [a.state for a in planned]
        assert states == [ActionState.APPROVED, ActionState.PENDING_APPROVAL]

    def test_two_incidents_on_one_host_make_one_action_at_a_time(self) -> None:
        first = only(plan_incident(an_incident(), a_fleet(), Book(), ""))
        assert plan_incident(an_incident("inc-2"), a_fleet(), book_of(first), "") == []
        ended = first.model_copy(update={"state": ActionState.CANCELLED})
        assert len(plan_incident(an_incident("inc-2"), a_fleet(), book_of(ended), "")) == 1

    def test_what_was_refused_is_planned_again_under_another_mode_or_after_a_reset(self) -> None:
        refused = only(plan_incident(an_incident(), a_fleet("observe"), Book(), ""))
        assert refused.state is ActionState.REFUSED
        book = book_of(refused)
        assert plan_incident(an_incident(), a_fleet("observe"), book, "") == []
        assert only(plan_incident(an_incident(), a_fleet(), book, "")).state == "approved"
        assert len(plan_incident(an_incident(), a_fleet("observe"), book, "reset-1")) == 1

    @pytest.mark.parametrize("verdict", [Verdict.JOB, Verdict.COLLECTOR])
    def test_no_plan_for_what_is_no_nodes_fault(self, verdict: Verdict) -> None:
        assert plan_incident(an_incident(verdict=verdict), a_fleet(), Book(), "") == []

    def test_no_plan_for_a_resolved_incident_or_a_weak_action(self) -> None:
        resolved = an_incident(status=IncidentStatus.RESOLVED)
        assert plan_incident(resolved, a_fleet(), Book(), "") == []
        weak = an_incident(action=RecommendedAction.INSPECT)
        assert plan_incident(weak, a_fleet(), Book(), "") == []


class TestFacility:
    def test_one_plan_that_waits_even_in_auto(self) -> None:
        for mode in ("approve", "auto"):
            plan = only(plan_incident(LOOP, a_fleet(mode), Book(), ""))
            assert plan.state is ActionState.PENDING_APPROVAL
            assert (plan.target, plan.nodes) == ("cdu1", ("node001", "node002"))
            assert plan.expires_at == NOW + timedelta(seconds=3600)

    def test_observe_only_records_it(self) -> None:
        plan = only(plan_incident(LOOP, a_fleet("observe"), Book(), ""))
        assert plan.state is ActionState.REFUSED

    def test_the_plan_follows_the_affected_hosts_while_it_waits(self) -> None:
        plan = only(plan_incident(LOOP, a_fleet(), Book(), ""))
        assert plan_incident(LOOP, a_fleet(), book_of(plan), "") == []
        grown = LOOP.model_copy(update={"affected_hosts": ("node001", "node002", "node003")})
        later = replace(a_fleet(), now=NOW + timedelta(seconds=60))
        renewed = only(plan_incident(grown, later, book_of(plan), ""))
        assert (renewed.id, len(renewed.nodes)) == (plan.id, 3)
        assert (renewed.created_at, renewed.expires_at) == (plan.created_at, plan.expires_at)
        denied = closed(plan, ActionState.DENIED, "user:ann", "no")
        assert plan_incident(grown, later, book_of(denied), "") == []

    def test_a_pending_plan_does_not_keep_a_blamed_host_in_service(self) -> None:
        plan = only(plan_incident(LOOP, a_fleet(), Book(), ""))
        assert len(plan_incident(an_incident(), a_fleet(), book_of(plan), "")) == 1

    def test_approval_judges_every_node_anew(self) -> None:
        plan = only(plan_incident(LOOP, a_fleet(), Book(), ""))
        foreign = a_node("node002", "IDLE", "DRAIN", reason="ops: RMA")
        fleet = a_fleet()
        fleet = replace(fleet, nodes={**fleet.nodes, "node002": foreign})
        approved = approve(plan, an_intent(IntentKind.APPROVE, action_id=plan.id), fleet, LOOP)
        assert [o.state for o in approved.outcomes] == [ActionState.APPROVED, ActionState.REFUSED]
        assert approved.decided_by == "user:ann"
        assert not approved.state.is_final

    def test_only_the_nodes_that_were_seen_are_approved(self) -> None:
        plan = only(plan_incident(LOOP, a_fleet(), Book(), ""))
        seen = an_intent(IntentKind.APPROVE, "node001", action_id=plan.id)
        approved = approve(plan, seen, a_fleet(), LOOP)
        assert [o.state for o in approved.outcomes] == [ActionState.APPROVED, ActionState.CANCELLED]


class TestApproval:
    def test_of_what_is_no_longer_wanted_cancels_it(self) -> None:
        pending = only(plan_incident(an_incident(), a_fleet("approve"), Book(), ""))
        assert pending.state is ActionState.PENDING_APPROVAL
        intent = an_intent(IntentKind.APPROVE, action_id=pending.id)
        resolved = an_incident(status=IncidentStatus.RESOLVED)
        assert approve(pending, intent, a_fleet(), resolved).state is ActionState.CANCELLED
        assert approve(pending, intent, a_fleet(), None).state is ActionState.CANCELLED
        approved = approve(pending, intent, a_fleet(), an_incident())
        assert approved.state is ActionState.APPROVED

    def test_withdrawn(self) -> None:
        pending = only(plan_incident(an_incident(), a_fleet("approve"), Book(), ""))
        assert withdrawn(pending, an_incident()) is None
        assert "does not blame" in (withdrawn(pending, an_incident(hosts=("node009",))) or "")
        mine = only(plan_person(an_intent(IntentKind.DRAIN, "node001"), a_fleet(), Book()))
        assert withdrawn(mine, None) is None

    def test_reconsidered_before_the_act(self) -> None:
        action = only(plan_incident(an_incident(), a_fleet(), Book(), ""))
        assert reconsidered(action, a_fleet(), an_incident()) is action
        tripped = replace(a_fleet(), breaker="many")
        assert reconsidered(action, tripped, an_incident()).state is ActionState.REFUSED
        capped = reconsidered(action, a_fleet(max_drained=0), an_incident())
        assert capped.state is ActionState.PENDING_APPROVAL
        assert reconsidered(capped, a_fleet(max_drained=0), an_incident()) is capped
        assert reconsidered(capped, a_fleet(), an_incident()).state is ActionState.APPROVED


class TestPeople:
    def test_one_action_a_node_each_by_itself(self) -> None:
        intent = an_intent(IntentKind.DRAIN, "node001", "nope", "node002")
        actions = plan_person(intent, a_fleet("observe"), Book())
        assert [(a.target, a.state.value) for a in actions] == [
            ("node001", "approved"),
            ("nope", "refused"),
            ("node002", "approved"),
        ]
        assert plan_person(intent, a_fleet(), book_of(*actions)) == []

    def test_blind_while_the_scheduler_was_never_read(self) -> None:
        fleet = replace(a_fleet(protected_nodes="node002"), nodes={})
        intent = an_intent(IntentKind.DRAIN, "node001", "node002")
        actions = plan_blind(intent, fleet, Book())
        assert [a.state.value for a in actions] == ["approved", "refused"]
        assert plan_blind(intent, fleet, book_of(*actions)) == []


class TestNoticed:
    def drained(self, after: str = "IDLE+DRAIN fleetops:inc-1 x") -> Action:
        outcome = NodeOutcome(
            node="node001", state=ActionState.DONE, before="IDLE", after=after, attempts=1
        )
        action = only(plan_incident(an_incident(), a_fleet(), Book(), ""))
        return action.model_copy(update={"state": ActionState.DONE, "outcomes": (outcome,)})

    def look(self, drain: Action, reason: str = "", *, keeps_reason: bool = False) -> list[Action]:
        fleet = a_fleet()
        fleet = replace(fleet, nodes={"node001": a_node("node001", reason=reason)})
        later = NOW + timedelta(seconds=1)
        return noticed(fleet, later, book_of(drain), keeps_reason=keeps_reason)

    def test_a_lifted_drain_is_written_down_once_and_cools_off(self) -> None:
        drain = self.drained()
        seen = only(self.look(drain))
        assert (seen.kind, seen.state) == (ActionKind.UNDRAIN, ActionState.DONE)
        later = NOW + timedelta(seconds=1)
        book = book_of(drain, seen)
        assert noticed(a_fleet(), later, book, keeps_reason=False) == []
        fleet = replace(a_fleet(), actions=list(book))
        refused = only(plan_incident(an_incident("inc-2"), fleet, book, ""))
        assert refused.state is ActionState.REFUSED
        assert "left alone" in refused.decision

    def test_a_reading_that_began_before_the_drain_is_no_evidence(self) -> None:
        drain = self.drained()
        assert noticed(a_fleet(), NOW, book_of(drain), keeps_reason=False) == []

    def test_a_drain_lost_with_the_schedulers_state_is_done_again(self) -> None:
        drain = self.drained()
        again = only(self.look(drain, keeps_reason=True))
        assert (again.kind, again.state) == (ActionKind.DRAIN, ActionState.APPROVED)
        assert again.id != drain.id
        assert again.incident_id == drain.incident_id
        lifted = only(self.look(drain, "fleetops:inc-1 x", keeps_reason=True))
        assert lifted.kind is ActionKind.UNDRAIN
        taken_over = only(self.look(drain, "ops: looked at it", keeps_reason=True))
        assert taken_over.kind is ActionKind.UNDRAIN
