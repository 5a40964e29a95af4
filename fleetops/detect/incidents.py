"""Incidents: opened when a cause has held, updated while it lasts, resolved when it is over."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from fleetops.core.config import DetectConfig
from fleetops.detect.cause import Cause, Identity, key_of
from fleetops.detect.correlate import Scene
from fleetops.detect.explain import explanation, title
from fleetops_schemas.records import (
    Finding,
    FindingStatus,
    Incident,
    IncidentStatus,
    RecommendedAction,
    TimelineEntry,
    Verdict,
)

MAX_FINDINGS = 60
MAX_TIMELINE = 80
REFRESH_SECONDS = 15.0
"""An incident that only got newer numbers is sent again this often at most."""


@dataclass(slots=True)
class _Open:
    """An open incident and what the book remembers of it."""

    incident: Incident
    key: str
    sent: Incident | None = None
    quiet_since: datetime | None = None
    confirmed_at: datetime | None = None
    """When the cause itself, not only its after-effects, was last seen."""


class IncidentBook:
    """All open incidents. One cause has one incident, whose id never changes."""

    def __init__(self, config: DetectConfig) -> None:
        self._delay = timedelta(seconds=config.correlation_seconds)
        self._resolve_after = timedelta(seconds=config.resolve_after_seconds)
        self._open: dict[str, _Open] = {}
        self._held_since: dict[Identity, datetime] = {}

    def restore(self, incidents: Iterable[Incident], now: datetime) -> None:
        """Takes over the open incidents after a restart."""
        for incident in incidents:
            if incident.status is IncidentStatus.OPEN:
                known = _Open(incident, key_of(incident), sent=incident, confirmed_at=now)
                self._open[incident.id] = known

    @property
    def open(self) -> list[Incident]:
        """The open incidents."""
        return [known.incident for known in self._open.values()]

    def recovering_parents(self, now: datetime) -> frozenset[str]:
        """Keys of facility incidents whose after-effects on hosts are still theirs."""
        return frozenset(
            known.key
            for known in self._open.values()
            if known.incident.verdict is Verdict.FACILITY
            and known.confirmed_at is not None
            and now - known.confirmed_at <= self._resolve_after
        )

    def update(
        self,
        causes: Iterable[Cause],
        changed: Iterable[Finding],
        scene: Scene,
        now: datetime,
        acted: Collection[str] = frozenset(),
    ) -> list[Incident]:
        """What is to be told: incidents opened, changed or resolved.

        Args:
            causes: everything that holds now.
            changed: findings that fired, changed or cleared since the last call.
            scene: for explanations.
            now: the time.
            acted: ids of incidents for which something was done to a node: they are not absorbed.
        """
        by_key = _by_key(causes)
        self._note_held(by_key.values(), now)
        self._note_changes({finding.id: finding for finding in changed}, now)
        resolved: list[Incident] = []
        for key, cause in by_key.items():
            resolved += self._apply(cause, by_key, scene, now, acted)
            self._confirm(key, cause, now)
        resolved += self._resolve_quiet(by_key, now)
        return resolved + self._unsent(now)

    def _note_held(self, causes: Iterable[Cause], now: datetime) -> None:
        held = {cause.identity for cause in causes}
        kept = {key: since for key, since in self._held_since.items() if key in held}
        self._held_since = dict.fromkeys(held, now) | kept

    def _note_changes(self, changed: Mapping[str, Finding], now: datetime) -> None:
        """Keeps the incidents' own copies of findings current, the cleared ones too."""
        for known in self._open.values():
            before = known.incident.findings
            after = tuple(changed.get(finding.id, finding) for finding in before)
            if after != before:
                known.incident = known.incident.model_copy(
                    update={"findings": after, "updated_at": now}
                )

    def _apply(
        self,
        cause: Cause,
        by_key: Mapping[str, Cause],
        scene: Scene,
        now: datetime,
        acted: Collection[str],
    ) -> list[Incident]:
        known = self._find(cause.key)
        ready = now - self._held_since[cause.identity] >= self._patience(cause)
        if not ready:
            if known is not None:
                known.incident = _with_findings(known.incident, cause, now)
            return []
        absorbed = self._absorbed(cause, by_key, acted)
        if known is None and absorbed:
            known = absorbed.pop(0)
            known.incident = _reattributed(known.incident, cause, now)
            known.key = cause.key
        elif known is None:
            known = _Open(_opened(cause, scene, now), cause.key)
            self._open[known.incident.id] = known
        known.incident = _updated(known.incident, cause, scene, now)
        for other in absorbed:
            del self._open[other.incident.id]
        why = f"the same cause as {known.incident.id}"
        return [_resolved(other.incident, why, now) for other in absorbed]

    def _patience(self, cause: Cause) -> timedelta:
        """A host or a job is blamed only once a cause that it shares had time to show."""
        waits = cause.verdict in {Verdict.HARDWARE, Verdict.JOB}
        return self._delay if waits else timedelta(0)

    def _find(self, key: str) -> _Open | None:
        return next((known for known in self._open.values() if known.key == key), None)

    def _absorbed(
        self, cause: Cause, by_key: Mapping[str, Cause], acted: Collection[str]
    ) -> list[_Open]:
        """Incidents that blamed hosts for what turns out to be a parent's or the job's, by age."""
        if cause.verdict not in {Verdict.FACILITY, Verdict.JOB}:
            return []
        explained = {finding.id for finding in cause.findings}
        found = [
            known
            for known in self._open.values()
            if known.incident.verdict is not Verdict.FACILITY
            and known.key not in by_key
            and known.incident.id not in acted
            and explained & {finding.id for finding in known.incident.findings}
        ]
        return sorted(found, key=lambda known: (known.incident.opened_at, known.incident.id))

    def _confirm(self, key: str, cause: Cause, now: datetime) -> None:
        known = self._find(key)
        if known is not None:
            known.quiet_since = None
            if not cause.is_recovering:
                known.confirmed_at = now

    def _resolve_quiet(self, by_key: Mapping[str, Cause], now: datetime) -> list[Incident]:
        """Resolves what has been over for long enough."""
        resolved = []
        claimed = {finding.id for cause in by_key.values() for finding in cause.findings}
        for known in list(self._open.values()):
            if known.key in by_key:
                continue
            # what was acted on keeps its own findings, even where a parent explains them by now
            if known.incident.verdict is Verdict.HARDWARE and any(
                finding.status is FindingStatus.FIRING and finding.id in claimed
                for finding in known.incident.findings
            ):
                known.quiet_since = None
                continue
            known.quiet_since = known.quiet_since or now
            if now - known.quiet_since >= self._resolve_after:
                why = f"nothing of it was seen for {self._resolve_after.total_seconds():.0f} s"
                resolved.append(_resolved(known.incident, why, now))
                del self._open[known.incident.id]
        return resolved

    def _unsent(self, now: datetime) -> list[Incident]:
        """Open incidents with news; those with newer numbers alone only now and then."""
        due = []
        for known in self._open.values():
            if known.sent is None or _is_news(known.sent, known.incident, now):
                known.sent = known.incident
                due.append(known.incident)
        return due


def incident_id(key: str, opened_at: datetime) -> str:
    """The id of the incident of a cause that was opened at that moment."""
    digest = hashlib.sha256(f"{key}|{opened_at.isoformat()}".encode()).hexdigest()
    return f"inc-{digest[:12]}"


def _by_key(causes: Iterable[Cause]) -> dict[str, Cause]:
    """The causes by key; what an after-effect adds to a cause that holds itself goes to it."""
    by_key: dict[str, Cause] = {}
    for cause in sorted(causes, key=lambda cause: cause.is_recovering):
        by_key.setdefault(cause.key, cause)
    return by_key


def _opened(cause: Cause, scene: Scene, now: datetime) -> Incident:
    return Incident(
        id=incident_id(cause.key, now),
        status=IncidentStatus.OPEN,
        verdict=cause.verdict,
        kind=cause.kind,
        cause_device=cause.device,
        cause_device_class=cause.device_class,
        severity=cause.severity,
        title=title(cause, scene),
        explanation=explanation(cause, scene),
        action=cause.action,
        suspect_hosts=cause.suspects,
        affected_hosts=cause.affected,
        job=cause.job,
        opened_at=now,
        updated_at=now,
        timeline=(
            TimelineEntry(
                time=now,
                text=f"Opened: {title(cause, scene)}",
                device=cause.device,
                kind=cause.kind,
            ),
        ),
    )


def _updated(incident: Incident, cause: Cause, scene: Scene, now: datetime) -> Incident:
    """The incident with what the cause says now.

    A clearer kind replaces a weaker one, never the other way: a host that was drained for a clogged
    cold plate cools down, and that does not make it a smaller fault.
    """
    incident = _with_findings(incident, cause, now)
    if incident.verdict is Verdict.HARDWARE and _strength(cause) < _strength(incident):
        return incident
    timeline = incident.timeline
    if incident.kind != cause.kind:
        entry = TimelineEntry(
            time=now,
            text=f"Now known to be: {title(cause, scene)}",
            device=cause.device,
            kind=cause.kind,
        )
        timeline = (*timeline, entry)
    return incident.model_copy(
        update={
            "kind": cause.kind,
            "verdict": cause.verdict,
            "cause_device": cause.device,
            "cause_device_class": cause.device_class,
            "severity": cause.severity,
            "title": title(cause, scene),
            "explanation": explanation(cause, scene),
            "action": cause.action,
            "suspect_hosts": cause.suspects,
            "affected_hosts": cause.affected,
            "job": cause.job or incident.job,
            "timeline": timeline,
            "updated_at": now,
        }
    )


def _strength(what: Cause | Incident) -> tuple[int, int]:
    return list(RecommendedAction).index(what.action), what.severity.rank


def _with_findings(incident: Incident, cause: Cause, now: datetime) -> Incident:
    """The incident with the cause's findings in it, and a line for each new thing seen."""
    held = {finding.id: finding for finding in incident.findings}
    new = [finding for finding in cause.findings if finding.id not in held]
    held |= {finding.id: finding for finding in cause.findings}
    told = {(entry.kind, entry.device) for entry in incident.timeline}
    timeline = list(incident.timeline)
    for finding in new:
        place = finding.host or finding.device  # one line a host: eight hot accelerators are one
        if (finding.kind, place) not in told and len(timeline) < MAX_TIMELINE:
            told.add((finding.kind, place))
            timeline.append(
                TimelineEntry(
                    time=finding.started_at, text=finding.summary, device=place, kind=finding.kind
                )
            )
    findings = tuple(held.values())
    if len(findings) > MAX_FINDINGS:
        findings = tuple(sorted(findings, key=_worth)[:MAX_FINDINGS])
    if findings == incident.findings:
        return incident
    timeline.sort(key=lambda entry: entry.time)
    return incident.model_copy(
        update={"findings": findings, "timeline": tuple(timeline), "updated_at": now}
    )


def _worth(finding: Finding) -> tuple[bool, bool, int, str]:
    """Which findings an incident keeps where there are too many: the cause's own, the worst."""
    cleared = finding.status is FindingStatus.CLEARED
    return cleared, finding.host is not None, -finding.severity.rank, finding.id


def _reattributed(incident: Incident, cause: Cause, now: datetime) -> Incident:
    entry = TimelineEntry(
        time=now,
        text=(
            f"Not {incident.cause_device}: {cause.device} explains it and more. "
            "No host is blamed any longer."
        ),
        device=cause.device,
        kind=cause.kind,
    )
    return incident.model_copy(
        update={"verdict": cause.verdict, "timeline": (*incident.timeline, entry)}
    )


def _resolved(incident: Incident, why: str, now: datetime) -> Incident:
    entry = TimelineEntry(time=now, text=f"Resolved: {why}")
    return incident.model_copy(
        update={
            "status": IncidentStatus.RESOLVED,
            "resolved_at": now,
            "updated_at": now,
            "timeline": (*incident.timeline, entry),
        }
    )


def _is_news(sent: Incident, current: Incident, now: datetime) -> bool:
    if _essence(sent) != _essence(current):
        return True
    aged = (now - sent.updated_at).total_seconds() >= REFRESH_SECONDS
    return aged and (sent.findings, sent.explanation) != (current.findings, current.explanation)


def _essence(incident: Incident) -> tuple[object, ...]:
    """What is news when it changes: everything but numbers."""
    return (
        incident.verdict,
        incident.kind,
        incident.cause_device,
        incident.severity,
        incident.action,
        incident.suspect_hosts,
        incident.affected_hosts,
        len(incident.timeline),
        frozenset((finding.id, finding.status) for finding in incident.findings),
    )
