"""Hand-made telemetry, events and reports for the detectors' tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from fleetops.detect.base import Detector, Inputs
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.readings import Quality, Reading
from fleetops_schemas.records import (
    CollectorReport,
    Event,
    Finding,
    FindingStatus,
    Severity,
    TargetReport,
)
from fleetops_schemas.telemetry import BatchBuilder, TelemetryHeader
from fleetops_schemas.topology import HostPlacement, Topology, host_of

START = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
Batch = tuple[TelemetryHeader, pa.RecordBatch]
Value = float | int | None


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def fleet(hosts: int = 16, hosts_per_rack: int = 8) -> Topology:
    """Racks of eight; a coolant unit and a power shelf a rack pair, a leaf switch a rack."""
    placements = []
    for index in range(hosts):
        rack = index // hosts_per_rack + 1
        loop = (rack - 1) // 2 + 1
        placements.append(
            HostPlacement(
                host=f"node{index + 1:03d}",
                rack=f"r{rack:02d}",
                coolant_loop=f"cdu{loop}",
                power_shelf=f"r{2 * loop - 1:02d}/shelf1",
                leaf_switch=f"leaf{rack}",
            )
        )
    return Topology(placements)


def rows(
    device_class: str,
    seconds: float,
    values: Mapping[str, Mapping[str, Value | Quality]],
    *,
    collector: str = "test",
    job: str | None = None,
) -> Batch:
    """One batch: device -> metric -> value, or the quality that made it null."""
    declared = load_catalog()[device_class]
    builder = BatchBuilder(declared)
    for device, metrics in values.items():
        readings = []
        for name, value in metrics.items():
            good = None if isinstance(value, Quality) else value
            quality = value if isinstance(value, Quality) else Quality.GOOD
            unit = declared.metric(name).unit
            readings.append(Reading(device_class, device, name, good, unit, quality))
        builder.add(
            readings,
            ts=at(seconds),
            host=host_of(device) if device.startswith("node") else "",
            rack="r01",
            labels={"job": job} if job is not None else None,
        )
    header = TelemetryHeader(device_class=device_class, collector=collector, sequence=0)
    return header, builder.build()


def ranks(
    seconds: float, step: int, compute: Mapping[str, Sequence[float]], *, stage_size: int = 8
) -> Batch:
    """A step of job 81: host -> compute seconds of its ranks; ranks of a stage are contiguous."""
    values: dict[str, Mapping[str, Value | Quality]] = {}
    rank = 0
    for host, seconds_of in compute.items():
        for own in seconds_of:
            values[f"{host}/job81/rank{rank}"] = {
                "rank": rank,
                "data_rank": rank % stage_size,
                "pipeline_stage": rank // stage_size,
                "step_total": step,
                "step_seconds": 2.0,
                "compute_seconds": own,
                "data_wait_seconds": 0.01,
            }
            rank += 1
    return rows("training_rank", seconds, values, job="81")


def event(  # noqa: PLR0913  each test names what it is about
    kind: str,
    device: str,
    seconds: float,
    *,
    code: int | None = None,
    severity: Severity = Severity.CRITICAL,
    read_after: float = 1.0,
    number: int = 0,
) -> Event:
    return Event(
        id=f"{kind}-{device}-{seconds}-{number}",
        time=at(seconds),
        observed_at=at(seconds + read_after),
        host=host_of(device),
        device=device,
        device_class="accelerator",
        source="kernel_log",
        kind=kind,
        code=code,
        severity=severity,
        text=f"{kind} happened",
    )


def report(
    collector: str,
    seconds: float,
    targets: Iterable[TargetReport] = (),
    *,
    instance: str = "collect-1",
    interval: float = 1.0,
    stopping: bool = False,
) -> CollectorReport:
    return CollectorReport(
        collector=collector,
        instance=instance,
        time=at(seconds),
        interval_seconds=interval,
        targets=tuple(targets),
        stopping=stopping,
    )


class Bench:
    """Feeds one detector and keeps what fires, checking that firing and clearing match."""

    def __init__(self, detector: Detector, topology: Topology | None = None) -> None:
        self.detector = detector
        self.topology = topology or fleet()
        self.firing: dict[str, Finding] = {}
        self.said: list[Finding] = []

    def feed(
        self,
        seconds: float,
        *batches: Batch,
        events: Iterable[Event] = (),
        reports: Iterable[CollectorReport] = (),
    ) -> list[Finding]:
        found = list(
            self.detector.evaluate(
                Inputs(at(seconds), self.topology, list(batches), list(events), list(reports))
            )
        )
        for finding in found:
            assert finding.id == f"{finding.detector}:{finding.kind}:{finding.device}"
            if finding.status is FindingStatus.CLEARED:
                before = self.firing.pop(finding.id)  # a clearing without a firing fails here
                assert before.started_at == finding.started_at
            else:
                self.firing[finding.id] = finding
        self.said += found
        return found

    def kinds(self) -> dict[str, str]:
        """By device, the kind that fires (the last one where several do)."""
        return {finding.device: finding.kind for finding in self.firing.values()}
