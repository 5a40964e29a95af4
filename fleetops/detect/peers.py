"""Stragglers: which workers of a job are slow by themselves, and when it is the job instead.

One rule for live ranks and for recorded traces. Public traces show that comparing all ranks of a
job blames the healthy ranks of a long last stage in every step; comparing the ranks of one stage
blames nobody there, and exactly the slow worker of the other trace. Worker faults explain 1.7 % of
slow jobs, the last stage 39.3 % (what-if study, OSDI 2025), so "it is the job" is the usual answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from fleetops.detect.window import masked_median, robust_z

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class PeerRule(BaseModel):
    """The limits of the rule; the defaults got both public traces right in every step."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_steps: Annotated[int, Field(ge=2)] = 10
    """Distinct steps, below which nothing is said. Sequence-length imbalance flags 0.6 % of
    worker-steps at random; ten steps make a persistent one of it impossible in practice."""
    min_peers: Annotated[int, Field(ge=3)] = 3
    """Ranks of one stage, itself included. With two, nobody can tell which of them is odd."""
    min_score: Annotated[float, Field(gt=0)] = 3.5
    """Robust z, no unit (Iglewicz and Hoaglin 1993; detection study, section 0)."""
    min_ratio: Annotated[float, Field(gt=1)] = 1.10
    """Compute time against the stage's median, no unit. The what-if study calls 10 % slow."""
    min_share: Annotated[float, Field(gt=0, le=1)] = 0.8
    """Share of the window's steps in which it must hold (detection study, section 0)."""
    min_imbalance: Annotated[float, Field(gt=1)] = 1.10
    """A stage's median against the other stages' that makes it the long one, no unit."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the rule says of one job's window. Arrays are (workers,)."""

    steps: int
    """Distinct steps that were judged."""
    peer_median_seconds: Floats
    """Median over steps of the stage's median compute time."""
    compute_seconds: Floats
    """Median over steps of the worker's own."""
    slow_share: Floats
    """Share of the worker's steps in which it stood out."""
    slow: Flags
    """Stands out persistently, by itself: the hardware below it is suspect."""
    slow_replicas: tuple[int, ...]
    """Data-parallel ranks that are slow on all their stages: their data, not their hardware."""
    long_stage: int | None
    """The stage that is longer than the others on all its workers."""
    stage_ratio: float
    """Median of the longest stage against the median of the others; 1 for a single stage."""

    @property
    def ratio(self) -> Floats:
        """(workers,) own median against the peers'."""
        ratio: Floats = self.compute_seconds / self.peer_median_seconds
        return ratio


def judge(
    compute_seconds: Floats, stage: Ints, replica: Ints, rule: PeerRule, host: Ints | None = None
) -> Judgement:
    """Applies the rule to a window of steps.

    Args:
        compute_seconds: (steps, workers) time spent computing, without waiting; NaN is unknown.
        stage: (workers,) pipeline stage; workers of one stage are peers. -1 is unknown: without
            its stage nobody knows a worker's peers, so it is not judged.
        replica: (workers,) data-parallel rank, -1 where unknown.
        rule: the limits.
        host: (workers,) number of the worker's host, where known.

    Returns:
        The judgement. Workers without enough peers or steps are never slow.
    """
    compute = np.where(compute_seconds > 0, compute_seconds, np.nan)
    median = np.full(compute.shape, np.nan)
    for members in _stages(stage):
        median[:, members] = _median(compute[:, members].T)[:, None]
    counts = _peer_counts(compute, stage)
    known = ~np.isnan(compute) & (counts >= rule.min_peers) & (stage >= 0)
    with np.errstate(invalid="ignore"):
        odd = (robust_z(compute.astype(np.float32), stage) > rule.min_score) & (
            compute > rule.min_ratio * median
        )
    seen = known.sum(axis=0)
    share = (odd & known).sum(axis=0) / np.maximum(seen, 1)
    slow = (seen >= rule.min_steps) & (share >= rule.min_share)
    replicas = _slow_replicas(slow, stage, replica, host)
    for number in replicas:
        slow &= replica != number
    worker, peers = _median(compute), _median(median)
    long_stage, stage_ratio = _long_stage(compute, stage, rule)
    return Judgement(
        steps=int((~np.isnan(compute)).any(axis=1).sum()),
        peer_median_seconds=peers,
        compute_seconds=worker,
        slow_share=share,
        slow=slow,
        slow_replicas=replicas,
        long_stage=long_stage,
        stage_ratio=stage_ratio,
    )


def _stages(stage: Ints) -> list[Ints]:
    return [np.flatnonzero(stage == number) for number in np.unique(stage)]


def _median(values: Floats) -> Floats:
    """Median over the first axis of what is known."""
    if values.shape[0] == 0:
        return np.full(values.shape[1:], np.nan)
    return masked_median(values.T.astype(np.float32)).astype(np.float64).T


def _peer_counts(compute: Floats, stage: Ints) -> Ints:
    """(steps, workers) ranks of the worker's stage that reported the step."""
    counts = np.zeros(compute.shape, np.int64)
    for members in _stages(stage):
        counts[:, members] = (~np.isnan(compute[:, members])).sum(axis=1)[:, None]
    return counts


def _slow_replicas(slow: Flags, stage: Ints, replica: Ints, host: Ints | None) -> tuple[int, ...]:
    """Replicas slow on each of several stages and over several hosts: long sequences."""
    found = []
    for number in np.unique(replica[slow]):
        members = np.flatnonzero(replica == number)
        several_stages = len(np.unique(stage[members])) > 1
        several_hosts = host is None or len(np.unique(host[members])) > 1
        if number >= 0 and several_stages and several_hosts and slow[members].all():
            found.append(int(number))
    return tuple(found)


def _long_stage(compute: Floats, stage: Ints, rule: PeerRule) -> tuple[int | None, float]:
    """The stage whose median is longer than the others' in most steps, and by how much."""
    numbers = np.unique(stage[stage >= 0])
    if len(numbers) < 2:  # noqa: PLR2004  nothing to compare with
        return None, 1.0
    per_stage = np.stack([_median(compute[:, stage == number].T) for number in numbers], axis=1)
    known = ~np.isnan(per_stage).any(axis=1)
    per_stage = per_stage[known]
    if len(per_stage) == 0:
        return None, 1.0
    longest = int(np.argmax(_median(per_stage)))
    others = _median(np.delete(per_stage, longest, axis=1).T)
    ratios = per_stage[:, longest] / others
    persistent = (ratios >= rule.min_imbalance).mean() >= rule.min_share
    # one slow worker among few must not make its stage long: nearly all of them have to be
    workers = _median(compute[known][:, stage == numbers[longest]])
    quick = float(np.nanpercentile(workers, 10, method="lower"))
    shared = quick >= rule.min_imbalance * float(np.median(others))
    found = persistent and shared and len(per_stage) >= rule.min_steps
    return (int(numbers[longest]) if found else None), float(np.median(ratios))
