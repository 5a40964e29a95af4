"""Readings beyond their limits, by rules that are data, with hysteresis and a hold time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field
from typing_extensions import override

from fleetops.detect.base import Detector, DetectorConfig, Inputs
from fleetops.detect.devices import DeviceIndex, Rows, column_values, grown, rounds, times_seconds
from fleetops.detect.findings import Claim, FindingBook, subject_of
from fleetops.detect.threshold_rule import RuleState, ThresholdRule, shipped_rules
from fleetops.detect.window import masked_median
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.records import Evidence, Finding
from fleetops_schemas.topology import ParentKind, Topology

Floats = npt.NDArray[np.float64]
MIN_LOOP_HOSTS = 3
"""Hosts of a loop, itself included, that make a median worth comparing with."""
FRESH_SECONDS = 120.0
"""A peer's reading older than the newest by more than this is no reference."""


class ThresholdConfig(DetectorConfig):
    """Settings of the threshold rules."""

    rules: dict[str, ThresholdRule] = Field(default_factory=dict)
    """Further rules, or replacements of shipped ones by name. Default none."""
    disabled: tuple[str, ...] = ()
    """Names of shipped rules that are not applied. Default none."""
    forget_seconds: float = Field(default=3600.0, gt=0)
    """A finding ends without a reading after so many seconds: the device is no longer read, which
    the absence detector has said by then. One hour: longer than any restart."""


class ThresholdDetector(Detector):
    """Finds devices whose readings break a rule."""

    name: ClassVar[str] = "thresholds"
    config_model: ClassVar[type[DetectorConfig]] = ThresholdConfig

    def __init__(self, config: ThresholdConfig) -> None:
        rules = shipped_rules() | config.rules
        self._forget_seconds = config.forget_seconds
        self._book = FindingBook(self.name)
        self._classes: dict[str, _ClassState] = {}
        self._restored: dict[str, list[Finding]] = {}
        """What fired before a restart, by device, until the device is first read again."""
        for name, rule in rules.items():
            if name not in config.disabled:
                self._classes.setdefault(rule.device_class, _ClassState()).add(rule)

    @classmethod
    @override
    def create(cls, config: DetectorConfig) -> Self:
        """Makes the detector."""
        assert isinstance(config, ThresholdConfig)  # noqa: S101
        return cls(config)

    @override
    def evaluate(self, inputs: Inputs) -> Iterable[Finding]:
        """Findings that fired, changed or cleared."""
        touched: dict[str, set[int]] = {name: set() for name in self._classes}
        for header, batch in inputs.batches:
            state = self._classes.get(header.device_class)
            if state is not None:
                touched[header.device_class].update(self._take(state, batch))
        for name, state in self._classes.items():
            touched[name].update(state.judge_peers(inputs.topology))
            for row in sorted(touched[name]):
                self._report(name, state, row, inputs)
        self._forget(inputs.now)
        return self._book.changes()

    @override
    def restore(self, findings: Mapping[str, Finding]) -> None:
        """Keeps what fired until readings say otherwise."""
        self._book.restore(findings)
        for finding in findings.values():
            self._restored.setdefault(finding.device, []).append(finding)

    def _take(self, state: _ClassState, batch: pa.RecordBatch) -> list[int]:
        before = len(state.devices)
        changed = state.take(batch)
        if len(state.devices) > before and self._restored:
            for row in range(before, len(state.devices)):
                for finding in self._restored.pop(state.devices.names[row], ()):
                    state.restore(row, finding)
        return changed

    def _report(self, device_class: str, state: _ClassState, row: int, inputs: Inputs) -> None:
        """Says what holds of a device, a kind at a time: several rules may be about one kind."""
        device = state.devices.names[row]
        for kind in dict.fromkeys(rule.rule.kind for rule in state.rules):
            firing = [r for r in state.rules if r.rule.kind == kind and r.firing[row]]
            if not firing:
                self._book.clear(kind, device, inputs.now, f"{device}: back in order")
                continue
            evidence = [_evidence(rule, device, row) for rule in firing]
            since = np.nanmin([rule.raised_since[row] for rule in firing] + [np.inf])
            severities = [rule.rule.severity for rule in firing if rule.rule.severity]
            claim = Claim(
                kind=kind,
                subject=subject_of(inputs.topology, device, device_class),
                summary="; ".join(item.text for item in evidence),
                started_at=datetime.fromtimestamp(since, UTC) if np.isfinite(since) else None,
                severity=max(severities, key=lambda severity: severity.rank, default=None),
                evidence=evidence,
            )
            self._book.fire(claim, inputs.now)

    def _forget(self, now: datetime) -> None:
        for finding in list(self._book.firing.values()):
            state = self._classes.get(finding.device_class)
            row = state.devices.row(finding.device) if state is not None else None
            seen = state.last_seen[row] if state is not None and row is not None else np.nan
            last = finding.updated_at.timestamp() if np.isnan(seen) else float(seen)
            if now.timestamp() - last > self._forget_seconds:
                if state is not None and row is not None:
                    state.forget(row, finding.kind)
                text = f"no reading for {self._forget_seconds:.0f} s; no longer judged"
                self._book.clear(finding.kind, finding.device, now, f"{finding.device}: {text}")


class _ClassState:
    """The rules of one device class and what they remember."""

    def __init__(self) -> None:
        self.devices = DeviceIndex()
        self.rules: list[RuleState] = []
        self.last_seen = np.zeros(0)

    def add(self, rule: ThresholdRule) -> None:
        self.rules.append(RuleState(rule))

    def take(self, batch: pa.RecordBatch) -> list[int]:
        rows, times = self.devices.rows(batch), times_seconds(batch)
        self.last_seen = grown(self.last_seen, len(self.devices), fill=np.nan)
        changed: set[int] = set()
        columns: dict[str, Floats] = {}
        for state in self.rules:
            state.grow(len(self.devices))
            for metric in filter(None, (state.rule.metric, state.rule.reference_metric)):
                columns.setdefault(metric, column_values(batch, metric))
        for chosen in rounds(rows, times):
            late = times[chosen] <= self.last_seen[rows[chosen]]
            chosen = chosen[~late]  # noqa: PLW2901  what is late was judged already
            for state in self.rules:
                changed.update(_judge(state, rows[chosen], times[chosen], columns, chosen))
            self.last_seen[rows[chosen]] = times[chosen]
        firing = [rows[state.firing[rows]] for state in self.rules]
        return sorted(changed.union(*(f.tolist() for f in firing)))

    def judge_peers(self, topology: Topology) -> list[int]:
        """Applies the rules that compare devices, to everything read lately."""
        changed: set[int] = set()
        for state in self.rules:
            if state.rule.is_peer_rule and len(self.devices):
                rows = np.arange(len(self.devices))
                times = self.last_seen[rows]
                fresh = times >= np.nanmax(times) - FRESH_SECONDS
                values = np.where(fresh, state.current[rows], np.nan)
                reference = _reference(state.rule, values, self.devices, topology)
                changed.update(state.judge(rows, values, reference, times).tolist())
        return sorted(changed)

    def restore(self, row: int, finding: Finding) -> None:
        metrics = {evidence.metric for evidence in finding.evidence}
        for state in self.rules:
            if state.rule.kind == finding.kind and state.rule.metric in metrics:
                state.restore(row)

    def forget(self, row: int, kind: str) -> None:
        for state in self.rules:
            if state.rule.kind == kind:
                state.firing[row] = False


def _judge(
    state: RuleState, rows: Rows, times: Floats, columns: Mapping[str, Floats], chosen: Rows
) -> list[int]:
    rule = state.rule
    values = columns[rule.metric][chosen]
    if rule.bits is not None:
        known = ~np.isnan(values)
        masked = np.where(known, values, 0).astype(np.uint64) & np.uint64(rule.bits)
        values = np.where(known, (masked != 0).astype(np.float64), np.nan)
    if rule.is_peer_rule:
        state.current[rows] = values
        return []
    references = np.ones(len(values))
    if rule.reference_metric is not None:
        rated = columns[rule.reference_metric][chosen]
        references = np.where(rated > 0, rated, np.nan)
    if rule.relative_to == "baseline":
        references = state.baselines(rows, values, times)
    changed: list[int] = state.judge(rows, values, references, times).tolist()
    return changed


def _reference(
    rule: ThresholdRule, values: Floats, devices: DeviceIndex, topology: Topology
) -> Floats:
    """(devices,) what each is compared with, NaN where it has no peers."""
    groups: dict[str, list[int]] = {}
    for row, name in enumerate(devices.names):
        group = _loop_of(devices.hosts[row], topology) if rule.relative_to == "loop" else None
        if rule.relative_to == "siblings" and "/" in name:
            group = name.rsplit("/", 1)[0]
        if group is not None:
            groups.setdefault(group, []).append(row)
    reference = np.full(len(values), np.nan)
    for members in groups.values():
        there = values[members]
        known = int((~np.isnan(there)).sum())
        if rule.relative_to == "siblings" and known > 1:
            reference[members] = np.nanmax(there)
        elif rule.relative_to == "loop" and known >= MIN_LOOP_HOSTS:
            reference[members] = float(masked_median(there.astype(np.float32)[None, :])[0])
    return np.where(reference > 0, reference, np.nan)


def _loop_of(host: str, topology: Topology) -> str | None:
    parents = topology.parents(host)
    return next((p.device for p in parents if p.kind is ParentKind.COOLANT_LOOP), None)


_AGAINST = {
    "value": "the limit is {limit}",
    "rated": "{ratio:.0%} of {reference} rated",
    "baseline": "{ratio:.0%} of its own {reference} before",
    "siblings": "{ratio:.0%} of the {reference} of its sibling",
    "loop": "{ratio:.0%} of the {reference} median of its loop",
}


def _evidence(state: RuleState, device: str, row: int) -> Evidence:
    rule = state.rule
    metric = load_catalog()[rule.device_class].metric(rule.metric)
    value, reference = float(state.value[row]), float(state.reference[row])
    relative = rule.relative_to != "value"
    against = _AGAINST[rule.relative_to].format(
        limit=_quantity(rule.raise_at, metric.unit),
        reference=_quantity(reference, metric.unit),
        ratio=value / reference if reference else 0.0,
    )
    text = f"{device} {metric.words} {_quantity(value, metric.unit)}, {against}"
    if rule.bits is not None:
        text = f"{device} is held down by its thermal protection (clock event bits 0x{rule.bits:x})"
    elif metric.states:
        text = f"{device} {metric.words}: {metric.states.get(int(value), value)}"
    return Evidence(
        text=text,
        device_class=rule.device_class,
        device=device,
        metric=rule.metric,
        value=value,
        unit=metric.unit,
        reference=reference if relative else rule.raise_at,
    )


def _quantity(value: float, unit: str) -> str:
    return f"{value:.3g}" if unit == "1" else f"{value:.1f} {unit}"
