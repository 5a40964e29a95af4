"""Causes within one host: which of its findings belong together, and what they amount to."""

from __future__ import annotations

from collections.abc import Sequence

from fleetops.detect.cause import Cause, cause_key, strongest_action, worst_severity
from fleetops.detect.families import THERMAL_KINDS, Family, family_of, precedence
from fleetops_schemas.faults import load_faults
from fleetops_schemas.records import Finding, RecommendedAction, Severity, Verdict
from fleetops_schemas.topology import Topology

_INSIDE_HOSTS = frozenset({Family.ACCELERATOR, Family.LEAK, Family.REACH, Family.LINK})
"""Families whose causes are parts of a host."""


def host_causes(host: str, findings: Sequence[Finding], topology: Topology) -> list[Cause]:
    """The causes behind the findings of one host, none of which a parent explains."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(_family(finding), []).append(finding)
    _fold_into_accelerator(groups)
    causes = []
    for family, members in groups.items():
        if family == Family.PERFORMANCE:
            kind, action = _performance(host, members, topology)
        else:
            kind = min(
                (f for f in members if _family(f) == family),
                key=lambda f: (-f.severity.rank, precedence(f.kind)),
            ).kind
            action = strongest_action(members)
        causes.append(_cause(host, family, kind, action, members, known=host in topology))
    return causes


def _family(finding: Finding) -> str:
    """An accelerator that is gone is a matter of the accelerator, not of reaching the host."""
    if finding.kind == "device_absent" and finding.device_class == "accelerator":
        return Family.ACCELERATOR
    return family_of(finding.kind)


def _fold_into_accelerator(groups: dict[str, list[Finding]]) -> None:
    """A faulty accelerator also explains slow ranks that are not hot, and a host that is gone."""
    faults = groups.get(Family.ACCELERATOR)
    if faults is None:
        return
    slow = groups.get(Family.PERFORMANCE, [])
    if slow and all(finding.kind == "slow_rank" for finding in slow):
        faults += groups.pop(Family.PERFORMANCE)
    if any(finding.severity is Severity.CRITICAL for finding in faults):
        faults += groups.pop(Family.REACH, []) + groups.pop("device_absent", [])


def _performance(
    host: str, findings: Sequence[Finding], topology: Topology
) -> tuple[str, RecommendedAction]:
    """What heat, throttling, flow and slow ranks of one host amount to.

    Two independent links of the chain flow -> heat -> throttling -> slow rank make a restricted
    cooling path. One alone is what it is, and only a slow rank by itself is reason to drain.
    """
    kinds = {finding.kind for finding in findings}
    placement = topology.get(host)
    liquid = placement is not None and placement.coolant_loop is not None
    hot, slow = bool(kinds & THERMAL_KINDS - {"host_hot"}), "slow_rank" in kinds
    low_flow = "host_coolant_flow_low" in kinds
    if liquid and hot + slow + low_flow >= 2:  # noqa: PLR2004  two independent links
        kind = "cold_plate_restricted"
    elif kinds == {"slow_rank"}:
        kind = "slow_rank"
    else:
        kind = min(kinds - {"slow_rank"}, key=precedence)
    return kind, load_faults().kind(kind).action


def _cause(
    host: str,
    family: str,
    kind: str,
    action: RecommendedAction,
    findings: Sequence[Finding],
    *,
    known: bool,
) -> Cause:
    owned = family_of(kind)
    is_job = action is RecommendedAction.CHECK_JOB
    return Cause(
        key=cause_key(family, host),
        kind=kind,
        device=_device(host, kind, findings),
        device_class=_device_class(host, kind, findings),
        verdict=Verdict.JOB if is_job else Verdict.HARDWARE,
        severity=worst_severity(kind, findings),
        action=action,
        findings=tuple(findings),
        # a host that the inventory does not know may share a fate that nobody can see
        suspects=(host,) if known and action.drains else (),
        affected=(host,),
        job=next((f.job for f in findings if f.job), None) if owned == Family.PERFORMANCE else None,
    )


def _device(host: str, kind: str, findings: Sequence[Finding]) -> str:
    """The device itself where one alone has the fault; else the host."""
    devices = {finding.device for finding in findings if finding.kind == kind}
    inside = kind == "device_absent" or family_of(kind) in _INSIDE_HOSTS
    return devices.pop() if inside and len(devices) == 1 else host


def _device_class(host: str, kind: str, findings: Sequence[Finding]) -> str:
    device = _device(host, kind, findings)
    classes = [f.device_class for f in findings if f.device == device and device != host]
    return classes[0] if classes else "host"
