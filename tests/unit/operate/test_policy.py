"""What the policy allows, asks and refuses."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from fleetops.operate.policy import FleetView, Request, Ruling, decide
from fleetops.operate.preview import preview
from fleetops_schemas.records import (
    ActionKind,
    ActionState,
    Incident,
    IncidentStatus,
    IntentKind,
    Job,
    NodeState,
    RecommendedAction,
    Severity,
    Verdict,
)
from fleetops_schemas.topology import HostPlacement, Topology
from tests.unit.operate.builders import (
    NOW,
    a_config,
    a_node,
    an_action,
    an_incident,
    an_intent,
    some_nodes,
)

NODE = "node001"
OURS = "fleetops:inc-9 too hot"


def a_fleet(
    mode: str = "auto", nodes: dict[str, NodeState] | None = None, **policy: object
) -> FleetView:
    return FleetView(NOW, a_config(mode, **policy), nodes or some_nodes(20))


def planned(incident: Incident | None = None, node: str = NODE) -> Request:
    incident = an_incident() if incident is None else incident
    return Request(ActionKind.DRAIN, node, "fleetops:planner", incident.title, incident)


def by_person(kind: ActionKind = ActionKind.DRAIN, reason: str = "RMA") -> Request:
    return Request(kind, NODE, "user:ann", reason)


def drained(fleet: FleetView, *names: str) -> FleetView:
    held = {name: a_node(name, "IDLE", "DRAIN", reason=OURS) for name in names}
    return replace(fleet, nodes={**fleet.nodes, **held})


class TestModes:
    def test_auto_allows_inside_the_policy(self) -> None:
        assert decide(planned(), a_fleet()).verdict is Ruling.ALLOW

    def test_approve_asks(self) -> None:
        assert decide(planned(), a_fleet("approve")).verdict is Ruling.ASK

    def test_observe_refuses_and_says_what_auto_would_do(self) -> None:
        decision = decide(planned(), a_fleet("observe"))
        assert decision.verdict is Ruling.REFUSE
        assert "would drain" in decision.reason
        capped = decide(planned(), a_fleet("observe", max_drained=0))
        assert "would ask" in capped.reason


class TestOwnership:
    @pytest.mark.parametrize("mode", ["observe", "approve", "auto"])
    def test_drained_by_us_already_is_nothing_to_do(self, mode: str) -> None:
        decision = decide(planned(), drained(a_fleet(mode), NODE))
        assert decision.verdict is Ruling.ALLOW
        assert "already" in decision.reason

    @pytest.mark.parametrize("request_", [planned(), by_person(), by_person(ActionKind.UNDRAIN)])
    @pytest.mark.parametrize("flags", [("IDLE", "DRAIN"), ("DOWN",)])
    def test_held_by_somebody_else_is_refused(
        self, request_: Request, flags: tuple[str, ...]
    ) -> None:
        nodes = some_nodes(20) | {NODE: a_node(NODE, *flags, reason="ops: RMA")}
        decision = decide(request_, a_fleet(nodes=nodes))
        assert decision.verdict is Ruling.REFUSE
        assert "ops: RMA" in decision.reason

    def test_the_reason_that_stays_after_a_resume_proves_nothing(self) -> None:
        nodes = some_nodes(20) | {NODE: a_node(NODE, "IDLE", reason="ops: RMA")}
        assert decide(planned(), a_fleet(nodes=nodes)).verdict is Ruling.ALLOW

    def test_an_unknown_node_is_refused(self) -> None:
        decision = decide(planned(an_incident(hosts=("nope",)), "nope"), a_fleet())
        assert (decision.verdict, decision.node) == (Ruling.REFUSE, "nope")


class TestIncident:
    @pytest.mark.parametrize(
        ("incident", "why"),
        [
            (an_incident(status=IncidentStatus.RESOLVED), "resolved"),
            (an_incident(verdict=Verdict.JOB), "verdict job"),
            (an_incident(verdict=Verdict.COLLECTOR), "verdict collector"),
            (an_incident(action=RecommendedAction.INSPECT), "recommends inspect"),
            (an_incident(hosts=("node002",)), "does not blame"),
            (an_incident(severity=Severity.INFO), "severity info"),
        ],
    )
    def test_nothing_else_ever_drains(self, incident: Incident, why: str) -> None:
        decision = decide(planned(incident), a_fleet())
        assert decision.verdict is Ruling.REFUSE
        assert why in decision.reason

    def test_a_planner_without_an_incident_is_refused(self) -> None:
        request = Request(ActionKind.DRAIN, NODE, "fleetops:planner", "x")
        assert decide(request, a_fleet()).verdict is Ruling.REFUSE

    def test_a_facility_is_asked_for_even_in_auto(self) -> None:
        incident = an_incident(verdict=Verdict.FACILITY, action=RecommendedAction.INSPECT)
        decision = decide(planned(incident), a_fleet())
        assert decision.verdict is Ruling.ASK
        assert "shared" in decision.reason
        assert decide(planned(incident), a_fleet("observe")).verdict is Ruling.REFUSE


class TestCaps:
    def asked(self, fleet: FleetView, why: str) -> None:
        decision = decide(planned(), fleet)
        assert (decision.verdict, why in decision.reason) == (Ruling.ASK, True), decision

    def test_absolute(self) -> None:
        assert decide(planned(), drained(a_fleet(max_drained=2), "node005")).verdict == "allow"
        self.asked(drained(a_fleet(max_drained=2), "node005", "node006"), "the cap is 2")

    def test_ratio_rounds_down(self) -> None:
        self.asked(a_fleet(nodes=some_nodes(9), max_drained_ratio=0.1), "the cap is 0")
        fleet = a_fleet(nodes=some_nodes(10), max_drained_ratio=0.1)
        assert decide(planned(), fleet).verdict is Ruling.ALLOW

    def test_decided_actions_count_before_the_scheduler_shows_them(self) -> None:
        fleet = replace(a_fleet(max_drained=1), actions=[an_action("node007")])
        self.asked(fleet, "2 nodes would be out of service")
        waiting = an_action("node007", state=ActionState.PENDING_APPROVAL)
        assert decide(planned(), replace(fleet, actions=[waiting])).verdict is Ruling.ALLOW

    def test_an_action_does_not_count_against_itself(self) -> None:
        action = an_action(NODE)
        fleet = replace(a_fleet(max_drained=1, max_drains_per_hour=1), actions=[action])
        again = replace(planned(), action_id=action.id)
        assert decide(again, fleet).verdict is Ruling.ALLOW

    def test_rack(self) -> None:
        hosts = [
            HostPlacement(host=f"node{n:03}", rack="r01" if n < 9 else "r02") for n in range(21)
        ]
        fleet = replace(a_fleet(max_drained_per_rack=1), topology=Topology(hosts))
        assert decide(planned(), drained(fleet, "node010")).verdict is Ruling.ALLOW
        self.asked(drained(fleet, "node002"), "rack r01")

    def test_a_node_outside_the_topology_is_asked_for(self) -> None:
        topology = Topology([HostPlacement(host="node002", rack="r01")])
        self.asked(replace(a_fleet(), topology=topology), "unknown")

    def test_job(self) -> None:
        job = Job(id="81", state="RUNNING", nodes=(NODE, "node002", "node003"), observed_at=NOW)
        fleet = replace(a_fleet(max_drained_per_job=1), jobs=[job])
        assert decide(planned(), drained(fleet, "node009")).verdict is Ruling.ALLOW
        self.asked(drained(fleet, "node002"), "job 81")

    def test_hour(self) -> None:
        done = an_action("node005", state=ActionState.DONE)
        fleet = replace(a_fleet(max_drains_per_hour=1), actions=[done])
        self.asked(fleet, "within an hour")
        later = replace(fleet, now=NOW + timedelta(hours=1, seconds=1))
        assert decide(planned(), later).verdict is Ruling.ALLOW

    def test_spares_are_idle_healthy_and_not_suspect(self) -> None:
        names = some_nodes(20)
        busy = {name: a_node(name, "ALLOCATED", jobs=("81",)) for name in names}
        fleet = a_fleet(nodes=busy | {"node020": a_node("node020")})
        assert decide(planned(), fleet).verdict is Ruling.ALLOW
        self.asked(replace(fleet, suspects=frozenset({"node020"})), "0 healthy idle nodes")
        for flags in (("IDLE", "NOT_RESPONDING"), ("IDLE", "MAINT"), ("DOWN",)):
            self.asked(a_fleet(nodes=busy | {"node020": a_node("node020", *flags)}), "0 healthy")

    def test_the_drained_node_is_no_spare(self) -> None:
        nodes = {name: a_node(name, "ALLOCATED") for name in some_nodes(20)} | {NODE: a_node(NODE)}
        self.asked(a_fleet(nodes=nodes), "0 healthy idle nodes")


class TestLeftAlone:
    def test_protected_nodes(self) -> None:
        fleet = a_fleet(protected_nodes="node[001-003]")
        for request in (planned(), by_person(), by_person(ActionKind.UNDRAIN)):
            decision = decide(request, fleet)
            assert decision.verdict is Ruling.REFUSE
            assert "protected" in decision.reason

    def test_cool_off_after_a_person_put_it_back(self) -> None:
        freed = an_action(
            NODE,
            kind=ActionKind.UNDRAIN,
            state=ActionState.DONE,
            updated_at=NOW - timedelta(seconds=59),
        )
        fleet = replace(a_fleet(redrain_cool_off_seconds=60), actions=[freed])
        decision = decide(planned(), fleet)
        assert decision.verdict is Ruling.REFUSE
        assert "put it back" in decision.reason
        later = replace(fleet, now=NOW + timedelta(seconds=2))
        assert decide(planned(), later).verdict is Ruling.ALLOW
        assert decide(by_person(), fleet).verdict is Ruling.ALLOW

    def test_the_breaker_stops_the_planner_and_not_a_person(self) -> None:
        fleet = replace(a_fleet(), breaker="5 hosts blamed")
        assert decide(planned(), fleet).verdict is Ruling.REFUSE
        decision = decide(by_person(), fleet)
        assert decision.verdict is Ruling.ALLOW
        assert "breaker" in decision.reason


class TestPerson:
    @pytest.mark.parametrize("mode", ["observe", "approve", "auto"])
    def test_needs_no_approval(self, mode: str) -> None:
        assert decide(by_person(), a_fleet(mode)).verdict is Ruling.ALLOW

    def test_is_told_of_caps(self) -> None:
        decision = decide(by_person(), a_fleet(max_drained=0))
        assert decision.verdict is Ruling.ALLOW
        assert "beyond the policy: 1 nodes" in decision.reason

    def test_must_say_why(self) -> None:
        assert decide(by_person(reason="  "), a_fleet()).verdict is Ruling.REFUSE

    def test_undrain(self) -> None:
        undrain = by_person(ActionKind.UNDRAIN)
        assert "nothing to do" in decide(undrain, a_fleet()).reason
        assert decide(undrain, drained(a_fleet(), NODE)).verdict is Ruling.ALLOW
        by_planner = replace(undrain, requested_by="fleetops:planner")
        assert decide(by_planner, drained(a_fleet(), NODE)).verdict is Ruling.REFUSE


def test_preview_is_the_same_code() -> None:
    nodes = some_nodes(4) | {"node002": a_node("node002", "IDLE", "DRAIN", reason="ops: RMA")}
    decisions = preview(
        an_intent(IntentKind.DRAIN, "node001", "node002", "node001", "nope"),
        nodes=nodes,
        topology=Topology(),
        actions=[],
        jobs=[],
        config=a_config("observe"),
        now=NOW,
    )
    assert [(d.node, d.verdict) for d in decisions] == [
        ("node001", Ruling.ALLOW),
        ("node002", Ruling.REFUSE),
        ("nope", Ruling.REFUSE),
    ]
