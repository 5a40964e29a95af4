"""Fault events (XID and SXid lines, machine checks, log entries) by the fault catalog.

Storms collapse: one production site saw 168,924 XID 45 lines against 10 of all others. Events of
one kind on one device are one finding that counts them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Self

from pydantic import Field
from typing_extensions import override

from fleetops.detect.base import Detector, DetectorConfig, Inputs
from fleetops.detect.findings import Claim, FindingBook, subject_of
from fleetops_schemas.faults import UNCLASSIFIED, FaultCatalog, load_faults
from fleetops_schemas.records import Event, Evidence, Finding, RecommendedAction, Severity
from fleetops_schemas.topology import Topology

LATCHED = frozenset(
    {
        "accelerator_fallen_off_bus",
        "accelerator_gsp",
        "accelerator_memory_uncorrectable",
        "accelerator_power_lost",
        "accelerator_reset_required",
    }
)
"""Kinds that hold until somebody acted: silence after them is no recovery."""
REMEMBERED_IDS = 100_000
"""Event ids kept to drop a second delivery; the bus delivers at least once."""
ACTION_ATTRIBUTE = "recommended_action"


class FaultEventConfig(DetectorConfig):
    """Settings of the fault event detector."""

    coalesce_seconds: float = Field(default=5.0, ge=0, le=3600)
    """Events of one kind on one device closer than this are one occurrence. 5 s: the window of
    the Delta A100/H100 study (SC'25)."""
    quiet_seconds: float = Field(default=300.0, gt=0)
    """A kind that does not latch ends after so many seconds without an event. 5 min: the health
    check interval of Meta's research clusters (HPCA'25)."""
    max_age_seconds: float = Field(default=900.0, gt=0)
    """Events that were this old when they were read are history (a log read from its start) and
    blame nobody today. 15 min: longer than a collector's restart."""

    stale_seconds: float = Field(default=3600.0, gt=0)
    """Events read longer ago than this, while the detector was away, are told but drain nothing:
    somebody may have mended the node since. One hour: an on-call engineer's time to react."""


@dataclass(slots=True)
class _Series:
    """The events behind one finding."""

    event: Event
    action: RecommendedAction
    first_at: datetime
    last_at: datetime
    events: int = 0
    occurrences: int = 0


class FaultEventDetector(Detector):
    """Turns fault events into findings."""

    name: ClassVar[str] = "fault_events"
    config_model: ClassVar[type[DetectorConfig]] = FaultEventConfig

    def __init__(self, config: FaultEventConfig) -> None:
        self._config = config
        self._faults = load_faults()
        self._book = FindingBook(self.name)
        self._series: dict[tuple[str, str], _Series] = {}
        self._seen: OrderedDict[str, None] = OrderedDict()

    @classmethod
    @override
    def create(cls, config: DetectorConfig) -> Self:
        """Makes the detector."""
        assert isinstance(config, FaultEventConfig)  # noqa: S101
        return cls(config)

    @override
    def evaluate(self, inputs: Inputs) -> Iterable[Finding]:
        """Findings that fired, changed or cleared."""
        touched = dict.fromkeys(
            key for event in inputs.events if (key := self._take(event)) is not None
        )
        for key in touched:
            self._report(self._series[key], inputs.now, inputs.topology)
        self._clear_quiet(inputs.now)
        return self._book.changes()

    @override
    def restore(self, findings: Mapping[str, Finding]) -> None:
        """Keeps what fired; quiet time counts from the last event that is known."""
        self._book.restore(findings)

    def _take(self, event: Event) -> tuple[str, str] | None:
        """Adds an event to its series; None where it says nothing about hardware today."""
        if event.id in self._seen:
            return None
        self._seen[event.id] = None
        if len(self._seen) > REMEMBERED_IDS:
            self._seen.popitem(last=False)
        age = (event.observed_at - event.time).total_seconds()
        action = action_of(event, self._faults)
        if event.kind == UNCLASSIFIED or action is RecommendedAction.NONE:
            return None
        if age > self._config.max_age_seconds:
            return None
        key = (event.kind, event.device)
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = _Series(event, action, event.time, event.time)
        gap = (event.time - series.last_at).total_seconds()
        if series.events == 0 or gap > self._config.coalesce_seconds:
            series.occurrences += 1
        series.events += 1
        series.first_at = min(series.first_at, event.time)
        series.last_at = max(series.last_at, event.time)
        if _weight(event, action) > _weight(series.event, series.action):
            series.event, series.action = event, action
        return key

    def _report(self, series: _Series, now: datetime, topology: Topology) -> None:
        event = series.event
        action = series.action
        if (now - series.event.observed_at).total_seconds() > self._config.stale_seconds:
            action = _at_most_inspect(action)
        often = f" ({series.events} events, {series.occurrences} occurrences)"
        code = f"{_code_name(event)}: " if event.code is not None else ""
        claim = Claim(
            kind=event.kind,
            subject=subject_of(topology, event.device, event.device_class),
            summary=f"{event.device} {code}{event.text}"[:500] + often * (series.events > 1),
            started_at=series.first_at,
            severity=event.severity,
            action=action,
            evidence=(
                Evidence(
                    text=f"{event.device}, {event.source} at {event.time:%H:%M:%S}: {event.text}",
                    device_class=event.device_class,
                    device=event.device,
                    value=float(series.events),
                    unit="1",
                ),
            ),
        )
        self._book.fire(claim, now)

    def _clear_quiet(self, now: datetime) -> None:
        quiet = timedelta(seconds=self._config.quiet_seconds)
        for finding in list(self._book.firing.values()):
            key = (finding.kind, finding.device)
            series = self._series.get(key)
            # by the clock of the detector: a source's own clock may be wrong
            last = max(series.last_at, finding.updated_at) if series else finding.updated_at
            if finding.kind in LATCHED or now - last < quiet:
                continue
            self._series.pop(key, None)
            text = f"{finding.device}: none for {self._config.quiet_seconds:.0f} s"
            self._book.clear(finding.kind, finding.device, now, text)


def action_of(event: Event, faults: FaultCatalog) -> RecommendedAction:
    """What to do about an event: as its decoder says, else by its code, else by its kind."""
    said = event.attributes.get(ACTION_ATTRIBUTE)
    if isinstance(said, str) and said in set(RecommendedAction):
        return RecommendedAction(said)
    if event.code is not None:
        for code in (faults.xid(event.code), faults.sxid(event.code)):
            if code.known and code.kind == event.kind:
                return code.action
    kind = faults.kind(event.kind)
    if event.severity.rank < kind.severity.rank:
        return _at_most_inspect(kind.action)  # a small leak calls for eyes, not for a drain
    return kind.action


def _at_most_inspect(action: RecommendedAction) -> RecommendedAction:
    return RecommendedAction.INSPECT if action.drains else action


def _weight(event: Event, action: RecommendedAction) -> tuple[int, int]:
    return list(RecommendedAction).index(action), list(Severity).index(event.severity)


def _code_name(event: Event) -> str:
    switch = event.kind == "nvswitch_fault"
    return f"{'SXid' if switch else 'XID'} {event.code}"
