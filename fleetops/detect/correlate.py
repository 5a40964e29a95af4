"""From findings to causes: one cause for what one thing explains, and blame in the right place.

In this order: collectors; parents that have a finding of their own, with what it explains on their
hosts; symptoms that most hosts of a parent share; hosts; jobs. What an earlier step explains is
gone for the later ones. In doubt a cause names no suspect host: draining a healthy node is the
dearest error.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

from fleetops.detect.cause import Cause, cause_key, strongest_action, worst_severity
from fleetops.detect.facts import Facts
from fleetops.detect.families import (
    ABSORBS,
    JOB_KINDS,
    PARENTS_OF,
    SHARED_FAMILY,
    Family,
    family_of,
    precedence,
)
from fleetops.detect.findings import owner_of
from fleetops.detect.host_cause import host_causes
from fleetops_schemas.records import Finding, RecommendedAction, Severity, Verdict
from fleetops_schemas.topology import Parent, ParentKind, Topology

MIN_SHARED_HOSTS = 3
"""Hosts with one symptom below one parent that make it the parent's. Two can be chance."""
SHARED_SHARE = 0.5
"""Or half of the parent's hosts, whichever is more."""
MAX_SLOW_HOSTS = 2
"""Hosts of one job that may be slow for reasons of their own at once ..."""
MAX_SLOW_SHARE = 0.1
"""... or this share of its hosts. More is likelier the job (worker faults explain 1.7 % of slow
jobs, what-if study)."""
_CLASS_OF = {
    ParentKind.COOLANT_LOOP: "coolant_unit",
    ParentKind.POWER_SHELF: "power_unit",
    ParentKind.LEAF_SWITCH: "switch",
    ParentKind.RACK: "rack",
}


@dataclass(slots=True)
class Scene:
    """What correlation knows beside the findings."""

    topology: Topology
    facts: Facts
    open_parents: Collection[str] = field(default_factory=frozenset)
    """Keys of open facility incidents: what they explain stays theirs while they recover."""


def correlate(findings: Iterable[Finding], scene: Scene) -> list[Cause]:
    """The causes of everything that fires."""
    rest = [finding for finding in findings if is_notable(finding)]
    causes: list[Cause] = []
    for step in (_collectors, _parents, _recovering_parents, _shared, _hosts):
        found, rest = step(rest, scene)
        causes += found
    causes = _doubtful_slow_hosts(causes, scene)
    return _jobs(rest, causes, scene)


def is_notable(finding: Finding) -> bool:
    """Whether somebody should hear of it: the rest is kept for the node's page only."""
    if finding.kind in JOB_KINDS:
        return True
    return finding.severity.rank >= Severity.WARNING.rank


Step = tuple[list[Cause], list[Finding]]


def _split(
    findings: Iterable[Finding], belongs: Callable[[Finding], bool]
) -> tuple[list[Finding], list[Finding]]:
    taken: list[Finding] = []
    rest: list[Finding] = []
    for finding in findings:
        (taken if belongs(finding) else rest).append(finding)
    return taken, rest


def _below(
    findings: Iterable[Finding], hosts: Collection[str], families: Collection[str]
) -> tuple[list[Finding], list[Finding]]:
    return _split(findings, lambda f: f.host in hosts and family_of(f.kind) in families)


def _collectors(findings: list[Finding], scene: Scene) -> Step:
    silent, rest = _split(findings, lambda f: family_of(f.kind) == Family.COLLECTOR)
    causes = [
        Cause(
            key=cause_key(Family.COLLECTOR, finding.device),
            kind=finding.kind,
            device=finding.device,
            device_class=finding.device_class,
            verdict=Verdict.COLLECTOR,
            severity=finding.severity,
            action=RecommendedAction.NONE,
            findings=(finding,),
        )
        for finding in silent
    ]
    return causes, rest


def _parents(findings: list[Finding], scene: Scene) -> Step:
    """Devices beside hosts with findings of their own, and what those explain below them."""
    own, rest = _split(findings, lambda f: f.host is None and family_of(f.kind) != Family.JOB)
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in own:
        device = owner_of(scene.topology, finding.device) or finding.device
        groups.setdefault((device, family_of(finding.kind)), []).append(finding)
    causes = []
    for (device, family), members in groups.items():
        absorbed: frozenset[str] = frozenset().union(
            *(ABSORBS.get(f.kind, frozenset()) for f in members)
        )
        hosts = _hosts_below(device, scene.topology)
        below, rest = _below(rest, hosts, absorbed)
        causes.append(_parent_cause(device, family, members, below, scene))
    return causes, rest


def _recovering_parents(findings: list[Finding], scene: Scene) -> Step:
    """What hosts still show while their parent's incident is open stays the parent's."""
    causes = []
    rest = findings
    for key in scene.open_parents:
        family, device = key.split(":", 1)
        symptoms = {own for own, shared in SHARED_FAMILY.items() if shared == family} | {family}
        hosts = _hosts_below(device, scene.topology)
        below, rest = _below(rest, hosts, symptoms)
        if below:
            cause = _parent_cause(device, family, (), below, scene)
            causes.append(replace(cause, is_recovering=True))
    return causes, rest


def _shared(findings: list[Finding], scene: Scene) -> Step:
    """Symptoms that most hosts of a parent show: the parent's, though it says nothing itself."""
    causes = []
    rest = findings
    families = dict.fromkeys(family_of(f.kind) for f in findings if f.host is not None)
    for family in families:
        while (parent := _common_parent(family, rest, scene)) is not None:
            hosts = scene.topology.children(parent)
            below, rest = _below(rest, hosts, {family})
            shared = SHARED_FAMILY.get(family, family)
            causes.append(_parent_cause(parent.device, shared, (), below, scene))
    return causes, rest


def _common_parent(family: str, findings: Sequence[Finding], scene: Scene) -> Parent | None:
    """The parent most of whose hosts show a symptom of the family.

    The one that explains the most of them, so that none is left over to be blamed; of equals the
    better covered one.
    """
    hosts = {f.host for f in findings if f.host is not None and family_of(f.kind) == family}
    kinds = PARENTS_OF.get(family, tuple(ParentKind))
    busy = scene.facts.busy_hosts() if family == Family.PERFORMANCE else frozenset()
    best: tuple[int, float, Parent] | None = None
    candidates = dict.fromkeys(p for host in sorted(hosts) for p in scene.topology.parents(host))
    for parent in candidates:
        children = scene.topology.children(parent)
        able = (children & busy) | (children & hosts) if children & busy else children
        count = len(children & hosts)
        if parent.kind not in kinds or count < max(MIN_SHARED_HOSTS, SHARED_SHARE * len(able)):
            continue
        rank = (count, count / len(able), parent)
        if best is None or rank[:2] > best[:2]:
            best = rank
    return best[2] if best is not None else None


def _hosts(findings: list[Finding], scene: Scene) -> Step:
    mine, rest = _split(findings, lambda f: f.host is not None)
    by_host: dict[str, list[Finding]] = {}
    for finding in mine:
        by_host.setdefault(finding.host or "", []).append(finding)
    causes = [
        cause
        for host, members in by_host.items()
        for cause in host_causes(host, members, scene.topology)
    ]
    return causes, rest


def _doubtful_slow_hosts(causes: list[Cause], scene: Scene) -> list[Cause]:
    """Many slow hosts in one job at once, without any other evidence, are the job's matter."""
    by_job: dict[str, list[Cause]] = {}
    for cause in causes:
        if cause.kind == "slow_rank" and cause.job is not None:
            by_job.setdefault(cause.job, []).append(cause)
    for job, slow in by_job.items():
        if len(slow) > max(MAX_SLOW_HOSTS, MAX_SLOW_SHARE * len(scene.facts.hosts_of(job))):
            causes = [cause for cause in causes if cause not in slow]
            findings = [finding for cause in slow for finding in cause.findings]
            causes.append(_job_cause(job, findings, scene))
    return causes


def _jobs(findings: list[Finding], causes: list[Cause], scene: Scene) -> list[Cause]:
    """What jobs say of themselves: explained by a cause below them, or the job's own."""
    by_job: dict[str, list[Finding]] = {}
    for finding in findings:
        by_job.setdefault(finding.job or finding.device, []).append(finding)
    for job, members in by_job.items():
        hosts = scene.facts.hosts_of(job)
        own = cause_key(Family.JOB, f"job{job}")
        explaining = next((c for c in causes if c.key == own or _explains(c, job, hosts)), None)
        if explaining is None:
            causes = [*causes, _job_cause(job, members, scene)]
        else:
            merged = _with_findings(explaining, members)
            causes = [merged if cause is explaining else cause for cause in causes]
    return causes


def _explains(cause: Cause, job: str, hosts: frozenset[str]) -> bool:
    """Whether a cause is why the job is slow."""
    if cause.verdict is Verdict.FACILITY:
        return bool(hosts & set(cause.affected)) and any(
            f.kind in ABSORBS or family_of(f.kind) == Family.PERFORMANCE for f in cause.findings
        )
    if cause.verdict is not Verdict.HARDWARE or not hosts & set(cause.affected):
        return False
    return cause.action.drains or family_of(cause.kind) == Family.PERFORMANCE


def _with_findings(cause: Cause, more: Sequence[Finding]) -> Cause:
    return replace(cause, findings=(*cause.findings, *more), job=cause.job or more[0].job)


def _parent_cause(
    device: str, family: str, own: Sequence[Finding], below: Sequence[Finding], scene: Scene
) -> Cause:
    parent = scene.topology.parent_named(device)
    kind = min((f.kind for f in (own or below)), key=precedence)
    if not own and parent is not None and parent.kind is ParentKind.LEAF_SWITCH:
        kind = "leaf_switch_fault" if family == Family.LINK else kind
    action = strongest_action(own)
    if action.drains or not own:
        action = RecommendedAction.INSPECT  # a parent cannot be drained, and its hosts are healthy
    hosts = _hosts_below(device, scene.topology)
    whole = any(f.kind in ABSORBS or f.severity is Severity.CRITICAL for f in own) or not own
    affected = hosts if whole else {f.host for f in below if f.host is not None}
    class_of = _CLASS_OF[parent.kind] if parent is not None else None
    return Cause(
        key=cause_key(family, device),
        kind=kind,
        device=device,
        device_class=class_of or own[0].device_class,
        verdict=Verdict.FACILITY,
        severity=max((f.severity for f in (*own, *below)), key=lambda s: s.rank),
        action=action,
        findings=(*own, *below),
        affected=tuple(sorted(affected)),
    )


def _job_cause(job: str, findings: Sequence[Finding], scene: Scene) -> Cause:
    said = [f.kind for f in findings if f.kind in JOB_KINDS]
    kind = min(said, key=precedence, default="job_slowdown")
    device = f"job{job}"
    return Cause(
        key=cause_key(Family.JOB, device),
        kind=kind,
        device=device,
        device_class="job",
        verdict=Verdict.JOB,
        severity=worst_severity(kind, findings),
        action=RecommendedAction.CHECK_JOB,
        findings=tuple(findings),
        affected=tuple(sorted(scene.facts.hosts_of(job))),
        job=job,
    )


def _hosts_below(device: str, topology: Topology) -> frozenset[str]:
    parent = topology.parent_named(device)
    return topology.children(parent) if parent is not None else frozenset()
