"""Leaks: two levels, latched, and told apart from a broken detector.

A leak that dried is still a leak until somebody looked: the finding stays. A detector that is
faulty, unplugged or silent says nothing about a leak, so that is a finding of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field
from typing_extensions import override

from fleetops.detect.base import Detector, DetectorConfig, Inputs
from fleetops.detect.devices import column_values
from fleetops.detect.findings import Claim, FindingBook, Subject, subject_of
from fleetops_schemas.records import (
    Evidence,
    Finding,
    FindingStatus,
    RecommendedAction,
    Severity,
)
from fleetops_schemas.telemetry import NULLS_COLUMN
from fleetops_schemas.topology import Topology

LEAK = "coolant_leak"
DETECTOR_FAULT = "coolant_leak_detector_fault"
DRY, WARNING, CRITICAL = 0, 1, 2
CLASS = "coolant_unit"


class LeakConfig(DetectorConfig):
    """Settings of the leak detector."""

    confirm_readings: int = Field(default=2, ge=1, le=100)
    """Readings in a row that make a leak. Default 2: one wrong reading must not drain a host, and
    a real leak is still told within one more interval."""
    fault_readings: int = Field(default=3, ge=1, le=100)
    """Readings in a row without a usable state that make a detector fault. Default 3: a management
    controller that restarts answers without some sensors for a moment."""


@dataclass(slots=True)
class _Sensor:
    """What is known of one leak detector."""

    level: int = DRY
    """Highest level confirmed: latched."""
    wet_in_a_row: int = 0
    critical_in_a_row: int = 0
    faulty_in_a_row: int = 0
    started_at: datetime | None = None


class LeakDetector(Detector):
    """Finds leaks and broken leak detectors."""

    name: ClassVar[str] = "leaks"
    config_model: ClassVar[type[DetectorConfig]] = LeakConfig

    def __init__(self, config: LeakConfig) -> None:
        self._config = config
        self._book = FindingBook(self.name)
        self._sensors: dict[str, _Sensor] = {}

    @classmethod
    @override
    def create(cls, config: DetectorConfig) -> Self:
        """Makes the detector."""
        assert isinstance(config, LeakConfig)  # noqa: S101
        return cls(config)

    @override
    def evaluate(self, inputs: Inputs) -> Iterable[Finding]:
        """Findings that fired, changed or cleared."""
        for header, batch in inputs.batches:
            if header.device_class == CLASS:
                for device, time, level in _readings(batch, list(self._sensors)):
                    self._take(device, time, level, inputs)
        return self._book.changes()

    @override
    def restore(self, findings: Mapping[str, Finding]) -> None:
        """Leaks stay latched, with the level they had."""
        self._book.restore(findings)
        for finding in findings.values():
            sensor = self._sensors.setdefault(finding.device, _Sensor())
            if finding.kind == LEAK and finding.status is FindingStatus.FIRING:
                sensor.level = CRITICAL if finding.severity is Severity.CRITICAL else WARNING

    def _take(self, device: str, time: datetime, level: int | None, inputs: Inputs) -> None:
        sensor = self._sensors.setdefault(device, _Sensor())
        if level is None:
            sensor.faulty_in_a_row += 1
            sensor.wet_in_a_row = sensor.critical_in_a_row = 0
            if sensor.faulty_in_a_row >= self._config.fault_readings:
                self._report_fault(device, time, inputs)
            return
        sensor.faulty_in_a_row = 0
        self._book.clear(DETECTOR_FAULT, device, inputs.now, f"{device}: the detector works again")
        sensor.wet_in_a_row = sensor.wet_in_a_row + 1 if level >= WARNING else 0
        sensor.critical_in_a_row = sensor.critical_in_a_row + 1 if level >= CRITICAL else 0
        if sensor.wet_in_a_row == 1:
            sensor.started_at = time
        confirmed = DRY
        if sensor.critical_in_a_row >= self._config.confirm_readings:
            confirmed = CRITICAL
        elif sensor.wet_in_a_row >= self._config.confirm_readings:
            confirmed = WARNING
        if confirmed > sensor.level:
            sensor.level = confirmed
            self._report_leak(device, sensor, inputs)

    def _report_leak(self, device: str, sensor: _Sensor, inputs: Inputs) -> None:
        critical = sensor.level == CRITICAL
        subject = subject_of(inputs.topology, device, CLASS)
        size = "large leak (critical level)" if critical else "small leak (warning level)"
        text = f"{device} reports a {size}; latched until somebody has looked"
        claim = Claim(
            kind=LEAK,
            subject=subject,
            summary=text,
            started_at=sensor.started_at,
            severity=Severity.CRITICAL if critical else Severity.WARNING,
            action=_action(subject, inputs.topology, critical=critical),
            evidence=(_evidence(device, text, float(sensor.level), float(WARNING)),),
        )
        self._book.fire(claim, inputs.now)

    def _report_fault(self, device: str, time: datetime, inputs: Inputs) -> None:
        text = f"{device} is faulty or unplugged: whether there is a leak is not known"
        claim = Claim(
            kind=DETECTOR_FAULT,
            subject=subject_of(inputs.topology, device, CLASS),
            summary=text,
            started_at=time,
            evidence=(Evidence(text=text, device_class=CLASS, device=device, metric="leak_state"),),
        )
        self._book.fire(claim, inputs.now)


def _action(subject: Subject, topology: Topology, *, critical: bool) -> RecommendedAction:
    """Only liquid in a host's own tray, at the critical level, takes a host out of service."""
    in_a_host = subject.host is not None and subject.host in topology
    return RecommendedAction.DRAIN if critical and in_a_host else RecommendedAction.INSPECT


def _evidence(device: str, text: str, value: float, reference: float) -> Evidence:
    return Evidence(
        text=text,
        device_class=CLASS,
        device=device,
        metric="leak_state",
        value=value,
        unit="1",
        reference=reference,
    )


def _readings(
    batch: pa.RecordBatch, watched: Iterable[str]
) -> Iterable[tuple[str, datetime, int | None]]:
    """(device, time, level) of what is not plainly dry, and of the devices watched.

    The level is None where it is not known. A row without a leak state, and without a reason why
    it has none, is no leak detector; neither is one whose source says that it is not installed.
    """
    state, working = column_values(batch, "leak_state"), column_values(batch, "leak_detector_ok")
    reasons = batch.column(NULLS_COLUMN).cast(pa.string())
    nulled = _matches(reasons, "leak_state=") & ~_matches(reasons, "leak_state=absent")
    unknown = nulled | (working == 0)
    names = batch.column("device").cast(pa.string())
    known = pc.is_in(names, value_set=pa.array(watched, pa.string()))
    is_sensor = unknown | ~np.isnan(state)
    chosen = unknown | (state > DRY) | (known.to_numpy(zero_copy_only=False) & is_sensor)
    rows = np.flatnonzero(chosen)
    order = rows[np.argsort(batch.column("ts").to_numpy(zero_copy_only=False)[rows], kind="stable")]
    for row in order.tolist():
        level = None if unknown[row] else int(state[row])
        yield names[row].as_py(), batch.column("ts")[row].as_py(), level


def _matches(texts: pa.Array, part: str) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = pc.match_substring(texts, part).to_numpy(zero_copy_only=False)
    return found
