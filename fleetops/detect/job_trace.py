"""Recorded traces of training jobs: whose fault is it that the job is slow?

The verdict comes from the very rule that judges live ranks (:mod:`fleetops.detect.peers`).

A *worker* is what the trace calls one: a (data-parallel rank, pipeline stage). With tensor
parallelism it is several accelerators that compute in lockstep and were recorded as one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fleetops.core.errors import InputError
from fleetops.detect.peers import Judgement, PeerRule, judge
from fleetops.detect.trace import TraceSteps, read_trace
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.readings import Quality, Reading
from fleetops_schemas.telemetry import BatchBuilder

SLOW_JOB = 1.10
"""Slowdown from which the what-if study calls a job straggling."""
CLASS = "training_rank"


@dataclass(frozen=True, slots=True)
class Worker:
    """One (data-parallel rank, stage) of a trace."""

    dp_rank: int
    stage: int
    ranks: tuple[int, ...]
    """Global ranks recorded for it; with tensor parallelism the first of each group."""
    compute_seconds: float
    """Median over steps."""
    peer_seconds: float
    """Median of the workers of its stage."""

    @property
    def name(self) -> str:
        """``dp0-pp3``."""
        return f"dp{self.dp_rank}-pp{self.stage}"


@dataclass(frozen=True, slots=True)
class TraceVerdict:
    """What a trace says."""

    verdict: str
    """``hardware`` (the workers named), ``job`` (nobody is to be drained) or ``healthy``."""
    workers: tuple[Worker, ...]
    stage: int | None
    """The long stage, where there is one."""
    slowdown: float
    """Step time against an ideal in which every worker takes the mean."""
    explanation: str

    def to_dict(self) -> dict[str, Any]:
        """As printed by ``fleetops analyze job-trace``."""
        return {
            "verdict": self.verdict,
            "workers": [
                {
                    "worker": worker.name,
                    "dp_rank": worker.dp_rank,
                    "stage": worker.stage,
                    "ranks": list(worker.ranks),
                    "compute_seconds": round(worker.compute_seconds, 4),
                    "peer_seconds": round(worker.peer_seconds, 4),
                }
                for worker in self.workers
            ],
            "stage": self.stage,
            "slowdown": round(self.slowdown, 4),
            "explanation": self.explanation,
        }


def analyze_job_trace(
    trace: Path | str | pa.Table | TraceSteps,
    meta: Mapping[str, Any] | None = None,
    rule: PeerRule | None = None,
) -> TraceVerdict:
    """The verdict on a recorded trace.

    Args:
        trace: a Parquet file, its table, or what :func:`read_trace` made of it.
        meta: the job's parallelism (``dp_size``, ``pp_size``, ``tp_size``, ``vpp_size`` ...), where
            known; what it says is checked against the trace.
        rule: limits of the peer rule.

    Raises:
        InputError: it is no such trace; says what is missing.
    """
    rule = rule or PeerRule()
    steps = trace if isinstance(trace, TraceSteps) else read_trace(trace)
    _check_meta(steps, meta or {})
    compute = steps.compute_seconds
    judgement = judge(compute, steps.stage, steps.dp_rank, rule)
    if judgement.steps < rule.min_steps:
        raise InputError(
            f"it has too few steps, {judgement.steps}; at least {rule.min_steps} are needed to "
            "tell a slow worker from a slow moment: record more"
        )
    slowdown = estimate_slowdown(steps)
    workers = tuple(
        Worker(
            dp_rank=int(steps.dp_rank[position]),
            stage=int(steps.stage[position]),
            ranks=steps.ranks[position],
            compute_seconds=float(judgement.compute_seconds[position]),
            peer_seconds=float(judgement.peer_median_seconds[position]),
        )
        for position in np.flatnonzero(judgement.slow)
    )
    slow_job = slowdown >= SLOW_JOB
    verdict = "hardware" if workers else "job" if slow_job else "healthy"
    stage = judgement.long_stage if verdict == "job" else None
    text = _explain(verdict, workers, steps, judgement, slowdown)
    return TraceVerdict(verdict, workers, stage, slowdown, text)


def estimate_slowdown(steps: TraceSteps) -> float:
    """Mean step time against an ideal one in which every worker computes the mean.

    The ideal is that of a 1F1B pipeline: T = C (1 + (p - 1) / m) + O, with the mean compute time C
    of a worker, p stages, m passes a step (microbatches times virtual stages), and what is done
    once a step, O (Narayanan et al. 2021, the pipeline bubble). The study's own simulation replays
    every operation; on its two public traces at hand this agrees within 1.5 %.
    """
    bubble = (len(np.unique(steps.stage)) - 1) / steps.passes
    ideal = float(np.nanmean(steps.compute_seconds)) * (1.0 + bubble) + steps.overhead_seconds
    return float(np.mean(steps.step_seconds)) / ideal


def trace_steps(
    trace: Path | str | pa.Table | TraceSteps,
    hosts: Sequence[str],
    job: str = "trace",
    racks: Mapping[str, str] | None = None,
) -> Iterator[tuple[float, pa.RecordBatch]]:
    """The trace as the reports of its workers: (offset in seconds, batch), a step at a time.

    Each worker is one rank on one host, ``HOST/jobJOB/rankRANK``; batches carry times relative to
    1970, so that whoever replays them moves ``ts`` to now. Steps are numbered as recorded and
    follow each other without the gaps between sampled ones.

    Args:
        trace: a Parquet file, its table, or what :func:`read_trace` made of it.
        hosts: where the workers stand, the first worker on the first host.
        job: the id that the job reports under.
        racks: by host, its rack.

    Raises:
        InputError: it is no such trace, or there are fewer hosts than workers.
    """
    steps = trace if isinstance(trace, TraceSteps) else read_trace(trace)
    workers = len(steps.stage)
    if len(hosts) < workers:
        raise InputError(f"{workers} workers need as many hosts; {len(hosts)} were given")
    offset = 0.0
    stages = len(np.unique(steps.stage))
    for position, number in enumerate(steps.numbers.tolist()):
        offset += float(steps.step_seconds[position])
        builder = BatchBuilder(load_catalog()[CLASS])
        for worker in range(workers):
            rank = steps.ranks[worker][0]
            device = f"{hosts[worker]}/job{job}/rank{rank}"
            compute = float(steps.compute_seconds[position, worker])
            step_seconds = float(steps.step_seconds[position])
            known = np.isfinite(compute)
            values: dict[str, float | None] = {
                "rank": rank,
                "data_rank": int(steps.dp_rank[worker]),
                "pipeline_stage": int(steps.stage[worker]),
                "pipeline_stages": stages,
                "step_total": number,
                "step_seconds": step_seconds,
                "compute_seconds": compute if known else None,
                "communication_seconds": max(step_seconds - compute, 0.0) if known else None,
                "data_wait_seconds": 0.0,
            }
            builder.add(
                [_reading(device, name, value) for name, value in values.items()],
                ts=datetime.fromtimestamp(0, UTC) + timedelta(seconds=offset),
                host=hosts[worker],
                rack=(racks or {}).get(hosts[worker], ""),
                labels={"job": job},
            )
        yield offset, builder.build()


def _reading(device: str, metric: str, value: float | None) -> Reading:
    unit = load_catalog()[CLASS].metric(metric).unit
    quality = Quality.MISSING if value is None else Quality.GOOD
    return Reading(CLASS, device, metric, value, unit, quality)


def _check_meta(steps: TraceSteps, meta: Mapping[str, Any]) -> None:
    for key, found in (
        ("pp_size", len(np.unique(steps.stage))),
        ("dp_size", len(np.unique(steps.dp_rank))),
    ):
        said = meta.get(key)
        if said is not None and int(said) != found:
            raise InputError(
                f"the meta file says {key} {said}, the trace has {found}: they belong to "
                "different jobs, or the trace is cut"
            )


def _explain(
    verdict: str,
    workers: Sequence[Worker],
    steps: TraceSteps,
    judgement: Judgement,
    slowdown: float,
) -> str:
    about = (
        f"{len(steps.stage)} workers (dp x pp), {judgement.steps} steps, mean step "
        f"{steps.step_seconds.mean():.3g} s, {slowdown:.2f} x the ideal."
    )
    if verdict == "hardware":
        names = "; ".join(
            f"{w.name} (rank {', '.join(map(str, w.ranks))}) computes {w.compute_seconds:.3g} s a "
            f"step against {w.peer_seconds:.3g} s of its stage"
            for w in workers
        )
        return f"{names}, step after step, while the others agree with each other. {about}"
    if verdict == "healthy":
        return f"No worker stands out from its stage, and the job is close to its ideal. {about}"
    if judgement.slow_replicas:
        which = ", ".join(map(str, judgement.slow_replicas))
        return f"Data-parallel rank {which} is slow on all its stages: its data are longer. {about}"
    if judgement.long_stage is not None:
        last = " (the last)" if judgement.long_stage == steps.stage.max() else ""
        return (
            f"Stage {judgement.long_stage}{last} takes {judgement.stage_ratio - 1:.0%} longer than "
            "the other stages on all of its workers, which agree with each other: the partition of "
            f"the model is the cause, no worker is. {about}"
        )
    few = _workers_a_stage(steps) < PeerRule().min_peers
    if few:
        return (
            "No stage is longer as a whole, and with fewer than three workers a stage nobody can "
            f"tell which of them is odd: no worker is blamed. {about}"
        )
    return (
        "No worker is slow persistently and no stage is longer: steps vary from worker to worker, "
        f"as with sequences of uneven length. {about}"
    )


def _workers_a_stage(steps: TraceSteps) -> int:
    return int(np.bincount(steps.stage).max())
