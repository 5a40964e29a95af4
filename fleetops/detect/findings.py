"""A detector's own findings: which fire, and what has to be said of them since the last time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from fleetops_schemas.faults import load_faults
from fleetops_schemas.records import (
    Evidence,
    Finding,
    FindingStatus,
    RecommendedAction,
    Severity,
)
from fleetops_schemas.topology import Topology, host_of

REFRESH_SECONDS = 15.0
"""A finding that only got newer numbers is sent again this often at most."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What a finding is about."""

    device: str
    device_class: str
    host: str | None
    """None for devices that stand beside hosts: coolant units, shelves, switches, collectors."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a detector says holds. Severity and action are the fault kind's unless given."""

    kind: str
    subject: Subject
    summary: str
    started_at: datetime | None = None
    """When it began, as far as the data tell; now unless given."""
    severity: Severity | None = None
    action: RecommendedAction | None = None
    evidence: Sequence[Evidence] = ()
    job: str | None = None


STANDALONE_CLASSES = frozenset({"coolant_unit", "power_unit", "target"})
"""Classes whose devices may stand beside hosts, so that their first name need be no host."""


def subject_of(topology: Topology, device: str, device_class: str) -> Subject:
    """The subject of a device; its host is None where it belongs to a parent, or to none known.

    ``cdu1/pump1`` is a part of ``cdu1``, ``r01/shelf1/psu3`` one of ``r01/shelf1``.
    """
    host = host_of(device)
    standalone = device_class in STANDALONE_CLASSES and host not in topology
    beside = standalone or owner_of(topology, device) is not None
    return Subject(device, device_class, None if beside else host)


def owner_of(topology: Topology, device: str) -> str | None:
    """The shared parent that a device is or is a part of, the closest one; None for hosts'."""
    parts = device.split("/")
    if parts[0] in topology:
        return None
    for length in range(len(parts), 0, -1):
        name = "/".join(parts[:length])
        if topology.parent_named(name) is not None:
            return name
    return None


def finding_id(detector: str, kind: str, device: str) -> str:
    """The one id of a detector's finding of a kind on a device."""
    return f"{detector}:{kind}:{device}"


class FindingBook:
    """Keeps what fires, so that every firing is matched by one clearing and repeats are silent."""

    def __init__(self, detector: str) -> None:
        """Findings are signed with the detector's name."""
        self._detector = detector
        self._firing: dict[str, Finding] = {}
        self._changed: dict[str, Finding] = {}

    @property
    def firing(self) -> Mapping[str, Finding]:
        """What fires now, by id."""
        return self._firing

    def restore(self, findings: Mapping[str, Finding]) -> None:
        """Takes over what fired before a restart."""
        self._firing.update(findings)

    def get(self, kind: str, device: str) -> Finding | None:
        """The finding of that kind on that device, if it fires."""
        return self._firing.get(finding_id(self._detector, kind, device))

    def fire(self, claim: Claim, now: datetime) -> None:
        """Says that it holds; silent where nothing of it is new."""
        known = load_faults().kind(claim.kind)
        key = finding_id(self._detector, claim.kind, claim.subject.device)
        before = self._firing.get(key)
        finding = Finding(
            id=key,
            detector=self._detector,
            kind=claim.kind,
            status=FindingStatus.FIRING,
            started_at=before.started_at if before else (claim.started_at or now),
            updated_at=now,
            device=claim.subject.device,
            device_class=claim.subject.device_class,
            host=claim.subject.host,
            severity=claim.severity or known.severity,
            action=claim.action or known.action,
            summary=claim.summary,
            job=claim.job,
            evidence=tuple(claim.evidence),
        )
        if before is None or _is_news(before, finding):
            self._firing[key] = self._changed[key] = finding

    def clear(self, kind: str, device: str, now: datetime, summary: str | None = None) -> None:
        """Says that it no longer holds; nothing where it did not."""
        before = self._firing.pop(finding_id(self._detector, kind, device), None)
        if before is not None:
            self._changed[before.id] = before.model_copy(
                update={
                    "status": FindingStatus.CLEARED,
                    "updated_at": now,
                    "summary": summary or before.summary,
                }
            )

    def changes(self) -> list[Finding]:
        """What fired, changed or cleared since the last call."""
        changed, self._changed = list(self._changed.values()), {}
        return changed


def _is_news(before: Finding, after: Finding) -> bool:
    if (before.severity, before.action) != (after.severity, after.action):
        return True
    aged = (after.updated_at - before.updated_at).total_seconds() >= REFRESH_SECONDS
    return aged and (before.summary, before.evidence) != (after.summary, after.evidence)
