"""What may be done to a node, and what a person must be asked first. Pure: no clock, no I/O.

Refused is what must not happen; asked for is what may, but not without a person. A person's own
request needs no approval: ownership and protected nodes alone bind it, and caps are reported.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from fleetops.core.config import OperateConfig
from fleetops.core.hostlist import expand
from fleetops.operate.ownership import Owner, describe, is_spare, owner_of
from fleetops_schemas.records import (
    Action,
    ActionKind,
    ActionState,
    Incident,
    IncidentStatus,
    Job,
    NodeState,
    RecommendedAction,
    Severity,
    Verdict,
)
from fleetops_schemas.topology import Topology

PLANNER = "fleetops:planner"
PERSON = "user:"
PROTECTED = "the node is protected (operate.policy.protected_nodes)"
HOUR = timedelta(hours=1)
NOT_FOR_NODES = frozenset(
    {RecommendedAction.NONE, RecommendedAction.WATCH, RecommendedAction.CHECK_JOB}
)
"""Recommendations that never lead to a plan, not even for a facility's."""


class Ruling(StrEnum):
    """What the policy says to one node."""

    ALLOW = "allow"
    ASK = "ask"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class NodeDecision:
    """The ruling on one node, and why."""

    node: str
    verdict: Ruling
    reason: str


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for one node."""

    kind: ActionKind
    node: str
    requested_by: str
    reason: str
    incident: Incident | None = None
    """The incident it serves, if any."""
    action_id: str = ""
    """The action that is decided again; it does not count against its own caps."""

    @property
    def by_person(self) -> bool:
        """Whether a person asks."""
        return self.requested_by.startswith(PERSON)


@dataclass(frozen=True, slots=True)
class FleetView:
    """Everything a decision rests on, as of one moment."""

    now: datetime
    config: OperateConfig
    nodes: Mapping[str, NodeState]
    topology: Topology = field(default_factory=Topology)
    jobs: Collection[Job] = ()
    actions: Collection[Action] = ()
    """Those not final, and the recent ones."""
    suspects: frozenset[str] = frozenset()
    """Hosts that open incidents blame."""
    breaker: str | None = None
    """Why the circuit breaker is tripped; None while it is not."""

    def taken(self, without: str = "") -> frozenset[str]:
        """Nodes that FleetOps holds out of service, or is about to."""
        prefix = self.config.reason_prefix
        ours = {n for n, s in self.nodes.items() if owner_of(s, prefix) is Owner.FLEETOPS}
        for action in self.actions:
            decided = action.state in {ActionState.APPROVED, ActionState.EXECUTING}
            if action.kind is ActionKind.DRAIN and decided and action.id != without:
                ours.update(action.nodes)
        return frozenset(ours)


def decide(request: Request, fleet: FleetView) -> NodeDecision:
    """The ruling on one node."""
    state = fleet.nodes.get(request.node)
    if state is None:
        text = f"the scheduler knows no node {request.node}"
        return NodeDecision(request.node, Ruling.REFUSE, text)
    judge = _drain if request.kind is ActionKind.DRAIN else _undrain
    ruling, reason = judge(request, state, fleet)
    return NodeDecision(request.node, ruling, reason)


def _undrain(request: Request, state: NodeState, fleet: FleetView) -> tuple[Ruling, str]:
    if not request.by_person:
        return Ruling.REFUSE, "only a person puts a node back into service"
    if request.node in protected_nodes(fleet.config):
        return Ruling.REFUSE, PROTECTED
    match owner_of(state, fleet.config.reason_prefix):
        case Owner.OTHER:
            return Ruling.REFUSE, f"held by somebody else: {_held(state)}"
        case Owner.NOBODY:
            return Ruling.ALLOW, "in service already: nothing to do"
        case Owner.FLEETOPS:
            return Ruling.ALLOW, f"drained by FleetOps: {state.reason}"


def _drain(request: Request, state: NodeState, fleet: FleetView) -> tuple[Ruling, str]:
    if not request.reason.strip():
        return Ruling.REFUSE, "a drain needs a reason; give one"
    match owner_of(state, fleet.config.reason_prefix):
        case Owner.FLEETOPS:
            return Ruling.ALLOW, f"drained by FleetOps already: nothing to do ({state.reason})"
        case Owner.OTHER:
            return Ruling.REFUSE, f"held by somebody else: {_held(state)}"
        case Owner.NOBODY:
            pass
    if request.node in protected_nodes(fleet.config):
        return Ruling.REFUSE, PROTECTED
    if request.by_person:
        notes = [f"beyond the policy: {cap}" for cap in _caps(request, state, fleet)]
        if fleet.breaker:
            notes.append("the circuit breaker is tripped")
        return Ruling.ALLOW, "; ".join(["asked for by a person", *notes])
    return _automatic(request, state, fleet)


def _automatic(request: Request, state: NodeState, fleet: FleetView) -> tuple[Ruling, str]:
    incident = request.incident
    objection = "no incident asks for it" if incident is None else _unfit(request.node, incident)
    if objection is None and incident is not None:
        objection = _too_mild(incident, fleet) or _cooling_off(request.node, fleet)
    if objection is None and fleet.breaker:
        objection = f"the circuit breaker is tripped: {fleet.breaker}"
    if objection is not None or incident is None:
        return Ruling.REFUSE, objection or ""
    wishes = list(_caps(request, state, fleet))
    if incident.verdict is Verdict.FACILITY:
        wishes.insert(0, f"{incident.cause_device} is shared: its hosts are never drained unasked")
    match fleet.config.mode:
        case "observe":
            would = f"would ask: {'; '.join(wishes)}" if wishes else "would drain"
            return Ruling.REFUSE, f"mode observe: nothing is done; mode auto {would}"
        case "approve":
            return Ruling.ASK, "; ".join(["mode approve: a person decides", *wishes])
        case "auto":
            inside = "inside the policy"
            return (Ruling.ASK, "; ".join(wishes)) if wishes else (Ruling.ALLOW, inside)


def objection_to(node: str, incident: Incident | None) -> str | None:
    """Why an incident no longer asks for the node's drain; None while it does."""
    return "its incident is gone" if incident is None else _unfit(node, incident)


def _unfit(node: str, incident: Incident) -> str | None:
    if incident.status is not IncidentStatus.OPEN:
        return f"incident {incident.id} is resolved"
    if incident.verdict is Verdict.FACILITY:
        if node not in incident.affected_hosts:
            return f"incident {incident.id} does not affect {node}"
        weak = incident.action in NOT_FOR_NODES
    elif incident.verdict is Verdict.HARDWARE:
        if node not in incident.suspect_hosts:
            return f"incident {incident.id} does not blame {node}"
        weak = not incident.action.drains
    else:
        return f"incident {incident.id} has the verdict {incident.verdict}: no node's fault"
    return f"incident {incident.id} recommends {incident.action}" if weak else None


def _too_mild(incident: Incident, fleet: FleetView) -> str | None:
    least = Severity(fleet.config.policy.min_severity)
    if incident.severity.rank >= least.rank:
        return None
    return f"severity {incident.severity} is below {least} (operate.policy.min_severity)"


def _cooling_off(node: str, fleet: FleetView) -> str | None:
    since = fleet.now - timedelta(seconds=fleet.config.policy.redrain_cool_off_seconds)
    for action in fleet.actions:
        freed = action.kind is ActionKind.UNDRAIN and action.state is ActionState.DONE
        if freed and node in action.nodes and action.updated_at > since:
            when = f"{action.updated_at:%Y-%m-%d %H:%M:%S} UTC"
            return f"a person put it back into service at {when}: left alone for a while"
    return None


def _caps(request: Request, state: NodeState, fleet: FleetView) -> Iterator[str]:
    """Every cap that one more drain would break, in words."""
    policy = fleet.config.policy
    taken = fleet.taken(without=request.action_id) | {request.node}
    share = int(policy.max_drained_ratio * len(fleet.nodes))
    cap = min(policy.max_drained, share)
    if len(taken) > cap:
        yield f"{len(taken)} nodes would be out of service, the cap is {cap}"
    yield from _rack_cap(request.node, taken, fleet)
    for job in fleet.jobs:
        if request.node in job.nodes or job.id in state.jobs:
            hit = len(taken.intersection(job.nodes))
            if hit > policy.max_drained_per_job:
                yield f"{hit} nodes of job {job.id} would be drained, the cap is " + str(
                    policy.max_drained_per_job
                )
    lately = _drained_since(fleet.now - HOUR, request, fleet) + 1
    if lately > policy.max_drains_per_hour:
        yield f"{lately} drains within an hour, the cap is {policy.max_drains_per_hour}"
    unfit = taken | fleet.suspects
    spares = sum(n not in unfit and is_spare(s) for n, s in fleet.nodes.items())
    if spares < policy.min_spare_nodes:
        yield f"{spares} healthy idle nodes would remain, {policy.min_spare_nodes} must"


def _rack_cap(node: str, taken: frozenset[str], fleet: FleetView) -> Iterator[str]:
    if not len(fleet.topology):
        return
    place = fleet.topology.get(node)
    if place is None:
        yield f"the rack of {node} is unknown (it is not in the topology)"
        return
    places = (fleet.topology.get(other) for other in taken)
    hit = sum(other is not None and other.rack == place.rack for other in places)
    cap = fleet.config.policy.max_drained_per_rack
    if hit > cap:
        yield f"{hit} nodes of rack {place.rack} would be drained, the cap is {cap}"


def _drained_since(since: datetime, request: Request, fleet: FleetView) -> int:
    counted = {ActionState.APPROVED, ActionState.EXECUTING, ActionState.DONE}
    drains = (a for a in fleet.actions if a.kind is ActionKind.DRAIN and a.id != request.action_id)
    return sum(len(a.nodes) for a in drains if a.state in counted and a.updated_at > since)


def _held(state: NodeState) -> str:
    by = f" (by {state.reason_by})" if state.reason_by else ""
    return f"{describe(state)}{by}"


def protected_nodes(config: OperateConfig) -> frozenset[str]:
    """Nodes that are never touched, not even for a person.

    Raises:
        InputError: ``policy.protected_nodes`` is no hostlist.
    """
    return _expanded(config.policy.protected_nodes)


@lru_cache(maxsize=8)
def _expanded(hostlist: str) -> frozenset[str]:
    return frozenset(expand(hostlist)) if hostlist.strip() else frozenset()
