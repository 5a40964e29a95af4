"""Slow ranks of running jobs, and jobs that are slow by themselves.

Only computing counts: a rank that waits for a slow one in a collective is not slow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field
from typing_extensions import override

from fleetops.detect.base import Detector, DetectorConfig, Inputs
from fleetops.detect.devices import DeviceIndex, column_values
from fleetops.detect.findings import Claim, FindingBook, Subject, subject_of
from fleetops.detect.job_window import JobWindow
from fleetops.detect.peers import Judgement, PeerRule, judge
from fleetops_schemas.records import Evidence, Finding
from fleetops_schemas.topology import Topology

Ints = npt.NDArray[np.int64]
CLASS = "training_rank"
JOB_CLASS = "job"
SLOW_RANK = "slow_rank"
STAGE_IMBALANCE = "job_stage_imbalance"
SLOWDOWN = "job_slowdown"
COLUMNS = {
    "step": "step_total",
    "stage": "pipeline_stage",
    "replica": "data_rank",
    "compute": "compute_seconds",
    "wait": "data_wait_seconds",
}


class StragglerConfig(DetectorConfig):
    """Settings of the straggler detector."""

    rule: PeerRule = PeerRule()
    """Limits of the peer rule; each states its source."""
    window_steps: int = Field(default=15, ge=3, le=10_000)
    """Steps looked at. Default 15: ten that a rank must be seen in, and half as many to spare for
    scrapes that are lost or late; few enough that a fault shows within half a minute of one-second
    steps that are read every second."""
    baseline_steps: int = Field(default=20, ge=3, le=10_000)
    """Steps that make the job's own normal."""
    warm_up_steps: int = Field(default=5, ge=0, le=10_000)
    """First steps seen that are no part of it: compilation, caches."""
    slowdown_ratio: float = Field(default=1.15, gt=1)
    """Median over ranks against the job's own normal that is a slowdown of the whole job. 15 %:
    above the 10 % of the what-if study, and the 1 to 2 % daily swing of Llama 3."""
    slowdown_share: float = Field(default=0.8, gt=0, le=1)
    """Share of the ranks that must be slower by that much: else it is not the whole job."""
    forget_seconds: float = Field(default=120.0, gt=0)
    """A job that reports no step for so long has ended or hangs: its ranks are no longer judged."""


class StragglerDetector(Detector):
    """Applies the peer rule to every job's latest steps."""

    name: ClassVar[str] = "stragglers"
    config_model: ClassVar[type[DetectorConfig]] = StragglerConfig

    def __init__(self, config: StragglerConfig) -> None:
        self._config = config
        self._book = FindingBook(self.name)
        self._jobs: dict[str, JobWindow] = {}
        self._heard_at: dict[str, float] = {}
        """By job: when it last reported, by the detector's clock, seconds since 1970."""
        self._devices = DeviceIndex()
        self._job_names: list[str] = []
        self._job_of: Ints = np.zeros(0, np.int64)
        """(devices,) position in the names of jobs."""
        self._rank_of: Ints = np.zeros(0, np.int64)
        """(devices,) row in the job's window."""

    @classmethod
    @override
    def create(cls, config: DetectorConfig) -> Self:
        """Makes the detector."""
        assert isinstance(config, StragglerConfig)  # noqa: S101
        return cls(config)

    @override
    def evaluate(self, inputs: Inputs) -> Iterable[Finding]:
        """Findings that fired, changed or cleared."""
        touched: dict[str, None] = {}
        for header, batch in inputs.batches:
            if header.device_class == CLASS:
                touched.update(dict.fromkeys(self._take(batch)))
        for job in touched:
            self._heard_at[job] = inputs.now.timestamp()
            self._judge(self._jobs[job], inputs)
        self._forget(inputs)
        return self._book.changes()

    @override
    def restore(self, findings: Mapping[str, Finding]) -> None:
        """Keeps what fired until enough steps were seen to say otherwise."""
        self._book.restore(findings)

    def _take(self, batch: pa.RecordBatch) -> list[str]:
        """Sorts the rows to their jobs; the jobs."""
        rows = self._devices.rows(batch)
        self._place_new(batch, rows)
        columns = {key: column_values(batch, metric) for key, metric in COLUMNS.items()}
        numbers = self._job_of[rows]
        names = []
        for number in np.unique(numbers).tolist():
            chosen = np.flatnonzero(numbers == number)
            name = self._job_names[number]
            names.append(name)
            part = {key: values[chosen] for key, values in columns.items()}
            self._jobs[name].take(self._rank_of[rows[chosen]], part)
        return names

    def _place_new(self, batch: pa.RecordBatch, rows: Ints) -> None:
        """Gives the ranks that were not seen before a row in the window of their job."""
        more = len(self._devices) - len(self._job_of)
        if more == 0:
            return
        known = len(self._job_of)
        self._job_of = np.r_[self._job_of, np.zeros(more, np.int64)]
        self._rank_of = np.r_[self._rank_of, np.zeros(more, np.int64)]
        new, first = np.unique(rows, return_index=True)
        for row, position in zip(new.tolist(), first.tolist(), strict=True):
            if row >= known:
                name = batch.column("job")[position].as_py()
                if name not in self._job_names:
                    self._job_names.append(name)
                self._job_of[row] = self._job_names.index(name)
                job = self._window_of(name)
                self._rank_of[row] = job.row(self._devices.names[row], self._devices.hosts[row])

    def _window_of(self, job: str) -> JobWindow:
        window = self._jobs.get(job)
        if window is None:
            config = self._config
            window = self._jobs[job] = JobWindow(
                job, config.window_steps, config.baseline_steps, config.warm_up_steps
            )
        return window

    def _judge(self, job: JobWindow, inputs: Inputs) -> None:
        compute = job.compute()
        judgement = judge(compute, job.stage, job.replica, self._config.rule, host=job.host_numbers)
        if judgement.steps < self._config.rule.min_steps:
            return
        for row in np.flatnonzero(judgement.slow).tolist():
            self._book.fire(_slow_rank(job, judgement, row, inputs.topology), inputs.now)
        quick = judgement.slow_share < self._config.rule.min_share / 2
        for finding in self._firing(SLOW_RANK, job.job):
            place = job.find(finding.device)
            if place is None or quick[place]:
                text = f"{finding.device} keeps up with its peers, or runs no more"
                self._book.clear(SLOW_RANK, finding.device, inputs.now, text)
        self._judge_job(job, judgement, inputs)

    def _judge_job(self, job: JobWindow, judgement: Judgement, inputs: Inputs) -> None:
        subject = Subject(f"job{job.job}", JOB_CLASS, None)
        if judgement.long_stage is not None:
            self._book.fire(_stage_imbalance(job, judgement, subject), inputs.now)
        else:
            text = f"job {job.job}: its stages are even again"
            self._book.clear(STAGE_IMBALANCE, subject.device, inputs.now, text)
        ratio = self._slowdown(job)
        if ratio is not None and judgement.long_stage is None:
            self._book.fire(_slowdown_claim(job, ratio, subject), inputs.now)
        else:
            text = f"job {job.job}: as fast as before"
            self._book.clear(SLOWDOWN, subject.device, inputs.now, text)

    def _slowdown(self, job: JobWindow) -> float | None:
        """How much slower than its own normal the whole job is, None where it is not."""
        baseline, busy = job.baseline_seconds, job.busy()
        if np.isnan(baseline) or not len(busy):
            return None
        with np.errstate(invalid="ignore"):
            ratios = busy / baseline
            known = ~np.isnan(ratios)
            slow = (ratios > self._config.slowdown_ratio) & known
        of_ranks = slow.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        whole = of_ranks >= self._config.slowdown_share
        if whole.mean() < self._config.rule.min_share:
            return None
        return float(np.nanmedian(ratios[whole]))

    def _forget(self, inputs: Inputs) -> None:
        """Ends the findings of jobs that report no more."""
        now = inputs.now.timestamp()
        for finding in list(self._book.firing.values()):
            job = finding.job or ""
            if now - self._heard_at.setdefault(job, now) > self._config.forget_seconds:
                text = f"job {job} reports no steps any more"
                self._book.clear(finding.kind, finding.device, inputs.now, text)
        for job, heard_at in list(self._heard_at.items()):
            if now - heard_at > self._config.forget_seconds:
                del self._heard_at[job]
                self._jobs.pop(job, None)
                self._forget_places()

    def _forget_places(self) -> None:
        """Where ranks are kept is learned anew; the windows of the jobs stay."""
        self._devices = DeviceIndex()
        self._job_names = []
        self._job_of = self._rank_of = np.zeros(0, np.int64)

    def _firing(self, kind: str, job: str) -> list[Finding]:
        return [f for f in self._book.firing.values() if f.kind == kind and f.job == job]


def _slow_rank(job: JobWindow, judgement: Judgement, row: int, topology: Topology) -> Claim:
    device, stage = job.ranks[row], int(job.stage[row])
    own, peers = float(judgement.compute_seconds[row]), float(judgement.peer_median_seconds[row])
    count = int((job.stage == stage).sum())
    of_stage = f" of stage {stage}" if stage >= 0 else ""
    text = (
        f"{device} computes {own:.3g} s a step against a median of {peers:.3g} s of the {count} "
        f"ranks{of_stage} (+{own / peers - 1:.0%}), in {judgement.slow_share[row]:.0%} of the last "
        f"{judgement.steps} steps"
    )
    evidence = Evidence(
        text=text,
        device_class=CLASS,
        device=device,
        metric="compute_seconds",
        value=own,
        unit="s",
        reference=peers,
    )
    subject = subject_of(topology, device, CLASS)
    return Claim(SLOW_RANK, subject, text, evidence=(evidence,), job=job.job)


def _stage_imbalance(job: JobWindow, judgement: Judgement, subject: Subject) -> Claim:
    stage = judgement.long_stage
    members = job.stage == stage
    own = float(np.nanmedian(judgement.compute_seconds[members]))
    others = own / judgement.stage_ratio
    last = " (the last)" if stage == job.stage.max() else ""
    text = (
        f"job {job.job}: all {members.sum()} ranks of stage {stage}{last} compute {own:.3g} s a "
        f"step against {others:.3g} s of the other stages (+{judgement.stage_ratio - 1:.0%}); "
        "the ranks of the stage agree with each other"
    )
    evidence = Evidence(
        text=text,
        device_class=CLASS,
        metric="compute_seconds",
        value=own,
        unit="s",
        reference=others,
    )
    return Claim(STAGE_IMBALANCE, subject, text, evidence=(evidence,), job=job.job)


def _slowdown_claim(job: JobWindow, ratio: float, subject: Subject) -> Claim:
    normal = job.baseline_seconds
    text = (
        f"job {job.job}: nearly all of its {len(job.ranks)} ranks compute and load data for "
        f"{ratio * normal:.3g} s a step against {normal:.3g} s before (+{ratio - 1:.0%})"
    )
    evidence = Evidence(
        text=text,
        device_class=CLASS,
        metric="compute_seconds",
        value=ratio * normal,
        unit="s",
        reference=normal,
    )
    return Claim(SLOWDOWN, subject, text, evidence=(evidence,), job=job.job)
