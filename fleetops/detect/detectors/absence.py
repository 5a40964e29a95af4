"""What is no longer heard of: a device, a host, or the collector that spoke of them.

Missing data is a signal (accelerators that fall off the bus have no other numeric precursor, GWDG
2026), but whose? A device is absent only while its collector goes on telling of others; a host is
unreachable only when nothing of it answers any living collector; a collector that stopped is one
finding, and what stands behind it none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Self

from pydantic import Field
from typing_extensions import override

from fleetops.detect.base import Detector, DetectorConfig, Inputs
from fleetops.detect.collector_watch import CollectorWatch, Watched
from fleetops.detect.findings import Claim, FindingBook, Subject, subject_of
from fleetops.detect.presence import Missing, Presence
from fleetops_schemas.records import Evidence, Finding, RecommendedAction, Severity, TargetReport

SILENT = "collector_silent"
ABSENT = "device_absent"
UNREACHABLE = "host_unreachable"
COLLECTOR_CLASS = "collector"


class AbsenceConfig(DetectorConfig):
    """Settings of the absence detector."""

    intervals: int = Field(default=3, ge=2, le=1000)
    """Intervals missed before something counts as gone. Default 3: one lost scrape and one late
    one are common (1 to 5 % loss in practice)."""
    min_seconds: float = Field(default=15.0, ge=0)
    """Shortest absence that counts, however short the interval. 15 s: an overloaded collector or
    exporter misses several short rounds, and half a minute is soon enough (release gate)."""
    part_seconds: float = Field(default=60.0, ge=0)
    """The same for a part other than an accelerator, while its host goes on. One minute: a
    management controller under load leaves parts out of some answers, and none is urgent."""
    exporter_seconds: float = Field(default=300.0, ge=0)
    """The same for one exporter or controller that does not answer, while its host answers others.
    Five minutes: that is a gap in the monitoring, no fault of the host, and restarts take long."""
    max_gap_seconds: float = Field(default=5.0, gt=0)
    """When the detector itself did not run for longer than this, that time counts for nobody."""
    collector_share: float = Field(default=0.5, gt=0, le=1)
    """Share of a collector's targets that fail together which is the collector's own trouble ..."""
    collector_targets: int = Field(default=4, ge=2)
    """... where it has at least so many targets."""
    forget_seconds: float = Field(default=86_400.0, gt=0)
    """A device gone for so long is no longer expected. One day: a repair has begun by then."""


class AbsenceDetector(Detector):
    """Finds collectors that fell silent, hosts that do not answer, devices that vanished."""

    name: ClassVar[str] = "absence"
    config_model: ClassVar[type[DetectorConfig]] = AbsenceConfig

    def __init__(self, config: AbsenceConfig) -> None:
        self._config = config
        self._book = FindingBook(self.name)
        self._watch = CollectorWatch(config.intervals, config.min_seconds)
        self._presence = Presence(config.intervals, config.min_seconds, config.part_seconds)
        self._last_evaluated: datetime | None = None

    @classmethod
    @override
    def create(cls, config: DetectorConfig) -> Self:
        """Makes the detector."""
        assert isinstance(config, AbsenceConfig)  # noqa: S101
        return cls(config)

    @override
    def evaluate(self, inputs: Inputs) -> Iterable[Finding]:
        """Findings that fired, changed or cleared."""
        self._excuse_own_gap(inputs.now)
        for report in inputs.reports:
            self._watch.take(report, inputs.now)
        for header, batch in inputs.batches:
            self._presence.take(header, batch)
        claims = [
            *self._silent_collectors(inputs.now),
            *self._failing_targets(inputs),
            *self._missing_devices(inputs),
        ]
        self._settle(claims, inputs.now)
        return self._book.changes()

    @override
    def restore(self, findings: Mapping[str, Finding]) -> None:
        """Keeps what was gone until it is heard of again."""
        self._book.restore(findings)

    def _excuse_own_gap(self, now: datetime) -> None:
        if self._last_evaluated is not None:
            gap = (now - self._last_evaluated).total_seconds()
            if gap > self._config.max_gap_seconds:
                self._watch.excuse(gap)
        self._last_evaluated = now

    def _settle(self, claims: Iterable[Claim], now: datetime) -> None:
        """Fires what is claimed; ends what is heard of again, keeps what cannot be judged."""
        claimed = set()
        for claim in claims:
            claimed.add((claim.kind, claim.subject.device))
            self._book.fire(claim, now)
        for finding in list(self._book.firing.values()):
            if (finding.kind, finding.device) not in claimed:
                why = self._why_over(finding, now)
                if why is not None:
                    self._book.clear(finding.kind, finding.device, now, why)

    def _why_over(self, finding: Finding, now: datetime) -> str | None:
        """Why what was gone no longer counts as gone; None while nothing is known of it."""
        device = finding.device
        if (now - finding.started_at).total_seconds() > self._config.forget_seconds:
            return f"{device} has been gone for a day; no longer expected"
        if finding.kind == SILENT:
            return self._watch.why_not_silent(device, now)
        if finding.kind == UNREACHABLE:
            back = self._watch.is_host_up(device)
        else:
            back = self._presence.is_present(device) or self._watch.is_answering(device)
        return f"{device} is heard of again" if back else None

    def _silent_collectors(self, now: datetime) -> Iterable[Claim]:
        for silence in self._watch.silences(now):
            names = ", ".join(silence.collectors)
            text = (
                f"{silence.device}: no report for {silence.seconds:.0f} s from {names}; "
                f"nothing is known of the {silence.targets} targets behind it"
            )
            yield _claim_collector(silence.device, text, now - timedelta(seconds=silence.seconds))

    def _failing_targets(self, inputs: Inputs) -> Iterable[Claim]:
        """Hosts none of whose targets answer; single targets; collectors that reach too few."""
        failing: list[tuple[Watched, TargetReport]] = []
        for watched in self._watch.alive(inputs.now):
            down = watched.failing(self._config.intervals, self._config.min_seconds)
            total = len(watched.report.targets)
            if total >= self._config.collector_targets and (
                len(down) > self._config.collector_share * total
            ):
                text = (
                    f"{watched.device} reaches only {total - len(down)} of its {total} targets; "
                    f"the first error: {down[0].error or 'none given'}"
                )
                yield _claim_collector(watched.device, text, inputs.now)
            else:
                failing += [(watched, target) for target in self._gone(watched, down)]
        for watched, target in failing:
            yield self._target_claim(watched, target, inputs)

    def _gone(self, watched: Watched, down: list[TargetReport]) -> list[TargetReport]:
        """Of the targets that do not answer: those of hosts that are gone, or gone for long."""
        long = watched.failing(self._config.intervals, self._config.exporter_seconds)
        return [
            target
            for target in down
            if target in long
            or (target.host is not None and not self._watch.is_host_up(target.host))
        ]

    def _target_claim(self, watched: Watched, target: TargetReport, inputs: Inputs) -> Claim:
        report = watched.report
        why = f": {target.error}" if target.error else ""
        if target.host is not None and not self._watch.is_host_up(target.host):
            text = f"{target.host} answers no collector (asked by {report.collector}{why})"
            kind, subject = UNREACHABLE, Subject(target.host, "host", target.host)
        else:
            text = f"{target.target} does not answer {report.collector}{why}"
            if target.host is not None:
                text += f"; {target.host} answers others"
            kind = ABSENT
            subject = subject_of(
                inputs.topology, target.host or target.target, "host" if target.host else "target"
            )
        return Claim(
            kind=kind,
            subject=subject,
            summary=text,
            started_at=target.last_success_at or inputs.now,
            severity=None if kind == UNREACHABLE else Severity.WARNING,
            action=RecommendedAction.INSPECT,
            evidence=(Evidence(text=text, device=subject.device),),
        )

    def _missing_devices(self, inputs: Inputs) -> Iterable[Claim]:
        intervals = {w.report.collector: w.report.interval_seconds for w in self._watch.all()}
        alive = {watched.report.collector for watched in self._watch.alive(inputs.now)}
        answered = {
            (watched.report.collector, target.host): target.last_success_at
            for watched in self._watch.all()
            for target in watched.report.targets
            if target.up and target.host is not None and target.last_success_at is not None
        }
        for missing in self._presence.missing(intervals, answered):
            if missing.collector in alive and self._is_recent(missing, inputs.now):
                yield _claim_missing(missing, inputs)

    def _is_recent(self, missing: Missing, now: datetime) -> bool:
        return now.timestamp() - missing.last_seen_seconds <= self._config.forget_seconds


def _claim_collector(device: str, text: str, since: datetime) -> Claim:
    return Claim(
        kind=SILENT,
        subject=Subject(device, COLLECTOR_CLASS, None),
        summary=text,
        started_at=since,
        evidence=(Evidence(text=text, device=device, device_class=COLLECTOR_CLASS),),
    )


def _claim_missing(missing: Missing, inputs: Inputs) -> Claim:
    seconds = missing.behind_seconds
    text = (
        f"{missing.device} vanished from {missing.collector}: {seconds:.0f} s behind the rest, "
        "which goes on"
    )
    return Claim(
        kind=ABSENT,
        subject=subject_of(inputs.topology, missing.device, missing.device_class),
        summary=text,
        started_at=datetime.fromtimestamp(missing.last_seen_seconds, UTC),
        evidence=(
            Evidence(
                text=text,
                device_class=missing.device_class,
                device=missing.device,
                value=round(seconds, 1),
                unit="s",
            ),
        ),
    )
