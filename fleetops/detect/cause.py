"""A cause: what correlation makes of findings, before it becomes an incident."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fleetops.detect.families import SHARED_FAMILY, Family, family_of
from fleetops_schemas.faults import load_faults
from fleetops_schemas.records import Finding, Incident, RecommendedAction, Severity, Verdict
from fleetops_schemas.topology import host_of

Identity = tuple[str, str, RecommendedAction, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause with the findings it explains."""

    key: str
    """``family:device``: the same cause has the same key while its kind becomes clearer."""
    kind: str
    device: str
    device_class: str
    verdict: Verdict
    severity: Severity
    action: RecommendedAction
    findings: tuple[Finding, ...]
    suspects: tuple[str, ...] = ()
    affected: tuple[str, ...] = ()
    job: str | None = None
    is_recovering: bool = False
    """The parent itself is in order again; what its hosts still show is an after-effect."""

    @property
    def identity(self) -> Identity:
        """What must hold for a while before anybody is blamed."""
        return self.key, self.kind, self.action, self.suspects


def cause_key(family: str, device: str) -> str:
    """The key of a cause."""
    return f"{family}:{device}"


def key_of(incident: Incident) -> str:
    """The key that the cause of an incident has: how a restart finds its incidents again."""
    family, device = family_of(incident.kind), incident.cause_device
    if incident.verdict is Verdict.FACILITY:
        family = SHARED_FAMILY.get(family, family)
    elif incident.verdict in {Verdict.HARDWARE, Verdict.JOB} and family != Family.JOB:
        if incident.kind == "device_absent" and incident.cause_device_class == "accelerator":
            family = Family.ACCELERATOR
        device = host_of(device)
    return cause_key(family, device)


def strongest_action(findings: Iterable[Finding]) -> RecommendedAction:
    """The strongest of what the findings recommend."""
    order = list(RecommendedAction)
    return max((f.action for f in findings), key=order.index, default=RecommendedAction.NONE)


def worst_severity(kind: str, findings: Iterable[Finding]) -> Severity:
    """The worst of the findings of the kind; the kind's own where none is of it."""
    own = [finding.severity for finding in findings if finding.kind == kind]
    return max(own, key=lambda severity: severity.rank, default=load_faults().kind(kind).severity)
