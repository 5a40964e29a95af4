"""What people see of nodes, put together from a snapshot: pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime

from fleetops.api.models import (
    Fleet,
    FleetCounts,
    FleetHost,
    FleetParent,
    FleetRack,
    IncidentRef,
    Node,
    NodeDetail,
    NodeStatus,
    ParentRef,
)
from fleetops.api.state import Snapshot, hosts_of
from fleetops.api.telemetry import Warmth
from fleetops.core.errors import NotFoundError
from fleetops.operate.ownership import Owner, owner_of
from fleetops_schemas.records import (
    ActionState,
    CollectorReport,
    Incident,
    IncidentStatus,
    NodeState,
    Severity,
)
from fleetops_schemas.topology import HostPlacement, Parent, ParentKind

STALE_AFTER_SECONDS = 60.0
"""Four missed rounds of the slowest collector's usual 15 s."""
SILENT_AFTER_INTERVALS = 3.0
"""A collector that missed so many heartbeats counts as down; as the absence detector has it."""
RECENT = 20
"""Incidents and actions that a node's detail carries."""


def status(state: NodeState | None) -> NodeStatus:
    """A node's state in one word."""
    if state is None:
        return NodeStatus.UNKNOWN
    if any(flag.startswith(("DOWN", "NOT_RESPONDING")) for flag in state.states):
        return NodeStatus.DOWN
    if state.drained:
        return NodeStatus.DRAINING if state.busy else NodeStatus.DRAINED
    return NodeStatus.BUSY if state.busy else NodeStatus.IDLE


def node(snapshot: Snapshot, name: str, reason_prefix: str) -> Node:
    """One node.

    Raises:
        NotFoundError: neither the inventory nor the scheduler knows it.
    """
    placement, state = snapshot.placements.get(name), snapshot.nodes.get(name)
    if placement is None and state is None:
        raise NotFoundError(
            f"no node {name!r} in the inventory or on the scheduler; "
            "`fleetops node list` names them"
        )
    incidents = snapshot.open_by_host.get(name, ())
    return Node(
        name=name,
        rack=placement.rack if placement else None,
        status=status(state),
        severity=_worst(incidents),
        reason=state.reason if state is not None and state.drained else "",
        drained_by_fleetops=(
            state is not None and owner_of(state, reason_prefix) is Owner.FLEETOPS
        ),
        jobs=state.jobs if state else (),
        incidents=tuple(_reference(incident, name) for incident in incidents),
        scheduler=state,
        placement=placement,
    )


def node_detail(snapshot: Snapshot, name: str, reason_prefix: str) -> NodeDetail:
    """One node with all that concerns it.

    Raises:
        NotFoundError: neither the inventory nor the scheduler knows it.
    """
    found = node(snapshot, name, reason_prefix)
    named = [incident for incident in snapshot.incidents.values() if name in hosts_of(incident)]
    named.sort(key=lambda i: (i.status is IncidentStatus.OPEN, i.updated_at, i.id), reverse=True)
    actions = [action for action in snapshot.actions.values() if name in action.nodes]
    actions.sort(key=lambda action: (action.created_at, action.id), reverse=True)
    return NodeDetail(
        node=found,
        incidents=tuple(named[:RECENT]),
        actions=tuple(actions[:RECENT]),
        jobs=tuple(job for job in map(snapshot.jobs.get, found.jobs) if job is not None),
        parents=tuple(
            ParentRef(kind=parent.kind, device=parent.device)
            for parent in snapshot.topology.parents(name)
        ),
        collectors=_collectors_of(snapshot.collectors.values(), name),
    )


def fleet(
    snapshot: Snapshot,
    warmth: Mapping[str, Warmth],
    now: datetime,
    warnings: tuple[str, ...] = (),
) -> Fleet:
    """Everything the fleet page shows. ``warmth`` is by host, from the store."""
    hosts = [_host(snapshot, name, warmth.get(name), now) for name in snapshot.names]
    return Fleet(
        generated_at=now,
        stale_after_seconds=STALE_AFTER_SECONDS,
        racks=_racks(snapshot, hosts),
        parents=_parents(snapshot),
        counts=_counts(snapshot, hosts, now),
        breaker=snapshot.breaker,
        warnings=warnings,
    )


def collector_up(report: CollectorReport, now: datetime) -> bool:
    """Whether the collector's heartbeat is not overdue."""
    age_seconds = (now - report.time).total_seconds()
    return not report.stopping and age_seconds <= SILENT_AFTER_INTERVALS * report.interval_seconds


def _host(snapshot: Snapshot, name: str, warmth: Warmth | None, now: datetime) -> FleetHost:
    state, placement = snapshot.nodes.get(name), snapshot.placements.get(name)
    incidents = snapshot.open_by_host.get(name, ())
    age = max((now - warmth.observed_at).total_seconds(), 0.0) if warmth else None
    stale = age is None or age > STALE_AFTER_SECONDS
    return FleetHost(
        name=name,
        rack_position=placement.rack_position if placement else 0,
        status=status(state),
        severity=_worst(incidents),
        suspect=any(name in incident.suspect_hosts for incident in incidents),
        hottest_celsius=None if stale or warmth is None else warmth.hottest_celsius,
        hottest_device=None if stale or warmth is None else warmth.hottest_device,
        observed_at=warmth.observed_at if warmth else None,
        age_seconds=age,
        stale=stale,
        jobs=state.jobs if state else (),
    )


def _racks(snapshot: Snapshot, hosts: Iterable[FleetHost]) -> tuple[FleetRack, ...]:
    nowhere = HostPlacement(host="unknown", rack="unplaced", row="")
    by_rack: dict[tuple[str, str], list[FleetHost]] = {}
    for host in hosts:
        placement = snapshot.placements.get(host.name, nowhere)
        by_rack.setdefault((placement.row, placement.rack), []).append(host)
    return tuple(
        FleetRack(
            name=rack,
            row=row,
            hosts=tuple(sorted(members, key=lambda host: (host.rack_position, host.name))),
        )
        for (row, rack), members in sorted(by_rack.items())
    )


def _parents(snapshot: Snapshot) -> tuple[FleetParent, ...]:
    severities: dict[str, Severity] = {}
    for incident in reversed(snapshot.open_incidents):
        severities[incident.cause_device] = incident.severity
    parents = {parent for placed in snapshot.placements.values() for parent in placed.parents()}

    def order(parent: Parent) -> tuple[int, str]:
        return list(ParentKind).index(parent.kind), parent.device

    return tuple(
        FleetParent(
            kind=parent.kind,
            device=parent.device,
            hosts=len(snapshot.topology.children(parent)),
            severity=severities.get(parent.device),
        )
        for parent in sorted(parents, key=order)
        if parent.kind is not ParentKind.RACK
    )


def _counts(snapshot: Snapshot, hosts: list[FleetHost], now: datetime) -> FleetCounts:
    statuses = Counter(host.status for host in hosts)
    severities = Counter(incident.severity for incident in snapshot.open_incidents)
    waiting = ActionState.PENDING_APPROVAL
    return FleetCounts(
        hosts=len(hosts),
        by_status={one: statuses[one] for one in NodeStatus},
        suspect=sum(host.suspect for host in hosts),
        stale=sum(host.stale for host in hosts),
        incidents_open={one: severities[one] for one in Severity},
        actions_pending_approval=sum(a.state is waiting for a in snapshot.actions.values()),
        collectors_up=sum(collector_up(report, now) for report in snapshot.collectors.values()),
        collectors=len(snapshot.collectors),
    )


def _worst(incidents: Iterable[Incident]) -> Severity | None:
    return max((i.severity for i in incidents), key=lambda s: s.rank, default=None)


def _reference(incident: Incident, name: str) -> IncidentRef:
    return IncidentRef(
        id=incident.id,
        kind=incident.kind,
        title=incident.title,
        severity=incident.severity,
        verdict=incident.verdict,
        suspect=name in incident.suspect_hosts,
    )


def _collectors_of(reports: Iterable[CollectorReport], name: str) -> tuple[CollectorReport, ...]:
    cut = (
        report.model_copy(update={"targets": tuple(t for t in report.targets if t.host == name)})
        for report in reports
    )
    return tuple(sorted((r for r in cut if r.targets), key=lambda report: report.collector))
