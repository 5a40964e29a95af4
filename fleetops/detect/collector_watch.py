"""The collectors' heartbeats: which are alive, which fell silent, which targets answer them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from fleetops_schemas.records import CollectorReport, TargetReport


@dataclass(frozen=True, slots=True)
class _Failure:
    """A target that does not answer: the reports that said so, and when the first was heard."""

    reports: int
    since: float


@dataclass(slots=True)
class Watched:
    """One collector and its latest report."""

    report: CollectorReport
    heard_at: float
    """When the detector heard of it, by the detector's clock: seconds since 1970."""
    failures: dict[str, _Failure] = field(default_factory=dict)
    """By target that does not answer: since when."""

    @property
    def device(self) -> str:
        """What findings about this one collector are about: its name, unique everywhere."""
        return self.report.collector

    def failing(self, reports: int, seconds: float) -> list[TargetReport]:
        """Targets that did not answer for so many reports in a row and for so long."""
        return [
            target
            for target in self.report.targets
            if (failure := self.failures.get(target.target)) is not None
            and failure.reports >= reports
            and self.heard_at - failure.since >= seconds
        ]


@dataclass(frozen=True, slots=True)
class Silence:
    """A collector process, or one collector of a process that goes on, that fell silent."""

    device: str
    collectors: tuple[str, ...]
    seconds: float
    targets: int


class CollectorWatch:
    """Every collector that ever reported and did not announce its end."""

    def __init__(self, intervals: int, min_seconds: float) -> None:
        """Silent means: no report for ``intervals`` of its own, and at least ``min_seconds``."""
        self._intervals = intervals
        self._min_seconds = min_seconds
        self._watched: dict[str, Watched] = {}

    def take(self, report: CollectorReport, now: datetime) -> None:
        """A report arrived."""
        if report.stopping:
            self._watched.pop(report.collector, None)  # an announced stop is no outage
            return
        before = self._watched.get(report.collector)
        failures = before.failures if before is not None else {}
        watched = Watched(report, now.timestamp())
        for target in report.targets:
            if not target.up:
                past = failures.get(target.target, _Failure(0, watched.heard_at))
                watched.failures[target.target] = _Failure(past.reports + 1, past.since)
        self._watched[report.collector] = watched

    def excuse(self, seconds: float) -> None:
        """The detector heard nobody for so long through its own fault: it counts for nobody."""
        for watched in self._watched.values():
            watched.heard_at += seconds

    def all(self) -> Iterable[Watched]:
        """Every collector watched."""
        return self._watched.values()

    def alive(self, now: datetime) -> list[Watched]:
        """Those that reported lately."""
        return [watched for watched in self._watched.values() if not self._is_silent(watched, now)]

    def silences(self, now: datetime) -> Iterator[Silence]:
        """One for a process that fell silent as a whole, else one a silent collector.

        Collectors of one process report at their own intervals, so a process is judged only once
        the slowest of them is due: its death is never first told as that of its fastest collector.
        """
        by_instance: dict[str, list[Watched]] = {}
        for watched in self._watched.values():
            by_instance.setdefault(watched.report.instance, []).append(watched)
        for instance, members in sorted(by_instance.items()):
            silent = [watched for watched in members if self._is_silent(watched, now)]
            if len(silent) == len(members):
                whole = instance if len(members) > 1 else silent[0].device
                yield _silence(whole, silent, now)
                continue
            patience = max(self._patience(watched) for watched in members)
            for watched in silent:
                if now.timestamp() - watched.heard_at > 2 * patience:
                    yield _silence(watched.device, [watched], now)

    def why_not_silent(self, device: str, now: datetime) -> str | None:
        """Why a process or collector that was silent no longer is; None while that is not known."""
        for watched in self._watched.values():
            if device in {watched.report.instance, watched.device}:
                if not self._is_silent(watched, now):
                    return f"{device} reports again"
                if device == watched.device:
                    return f"{device}: all of {watched.report.instance} is silent"
        return None

    def is_host_up(self, host: str) -> bool:
        """Whether any target of the host answered its collector's last round."""
        return any(
            target.up
            for watched in self._watched.values()
            for target in watched.report.targets
            if target.host == host
        )

    def is_answering(self, name: str) -> bool:
        """Whether there are targets of that name, or of the host of that name, and all answered."""
        states = [
            target.up
            for watched in self._watched.values()
            for target in watched.report.targets
            if name in {target.host, target.target}
        ]
        return bool(states) and all(states)

    def _patience(self, watched: Watched) -> float:
        return max(self._intervals * watched.report.interval_seconds, self._min_seconds)

    def _is_silent(self, watched: Watched, now: datetime) -> bool:
        return now.timestamp() - watched.heard_at > self._patience(watched)


def _silence(device: str, members: list[Watched], now: datetime) -> Silence:
    return Silence(
        device=device,
        collectors=tuple(sorted(watched.report.collector for watched in members)),
        seconds=now.timestamp() - max(watched.heard_at for watched in members),
        targets=sum(len(watched.report.targets) for watched in members),
    )
