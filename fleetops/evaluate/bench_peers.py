"""Benchmark: every accelerator against its peers, over five minutes, against data frames.

Ours: the detectors' ring window of 100,000 accelerators x 40 metrics x 30 ticks (10 s apart), the
mean of each device over the five minutes, then its robust z among the accelerators of its job.
The baseline computes the same scores with pandas over a long table, as a notebook would, on a
hundredth of the fleet; both are compared by time a sample, in the same process.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict

from fleetops.core.errors import FleetOpsError
from fleetops.detect.window import masked_mean, robust_z

TICKS = 30
METRICS = 40
JOB_SIZE = 1024
ROUNDS = 3
BASELINE_SHARE = 100
MAD_TO_SIGMA = 1.4826
FLOOR_RATIO = 0.01
Values = npt.NDArray[np.float32]


class PeersResult(BaseModel):
    """What was measured; times are the fastest of three rounds."""

    model_config = ConfigDict(frozen=True)

    accelerators: int
    metrics: int
    ticks: int
    samples: int
    mean_seconds: float
    """The five-minute mean of every device and metric."""
    score_seconds: float
    """The robust z of every device and metric among its job."""
    seconds: float
    cpu_seconds: float
    baseline_accelerators: int
    baseline_seconds: float
    ratio_to_baseline: float
    """Baseline's time a sample over ours."""
    largest_difference: float
    """Between the two's scores, where both computed them."""


def bench_peers(accelerators: int = 100_000) -> PeersResult:
    """Runs both.

    Raises:
        FleetOpsError: they disagree, so one of them is wrong.
    """
    random = np.random.default_rng(0)
    values = random.normal(60.0, 3.0, (METRICS, accelerators, TICKS)).astype(np.float32)
    values[:, 7] *= 1.5
    groups = np.arange(accelerators) // JOB_SIZE
    means, mean_seconds, mean_cpu = _fastest(lambda: masked_mean(values))
    middle = means.astype(np.float32)
    scores, score_seconds, score_cpu = _fastest(lambda: robust_z(middle, groups, FLOOR_RATIO))

    few = max(JOB_SIZE, accelerators // BASELINE_SHARE)
    table = _long_table(values[:, :few], groups[:few])
    started = time.perf_counter()
    expected = _pandas_scores(table)
    baseline_seconds = time.perf_counter() - started
    difference = float(np.nanmax(np.abs(expected - robust_z(middle[:, :few], groups[:few]))))
    if difference > 0.01:  # noqa: PLR2004 - float32 against float64
        raise FleetOpsError(f"the two do not agree: scores differ by {difference}")
    seconds = mean_seconds + score_seconds
    assert scores.shape == middle.shape  # noqa: S101
    return PeersResult(
        accelerators=accelerators,
        metrics=METRICS,
        ticks=TICKS,
        samples=values.size,
        mean_seconds=mean_seconds,
        score_seconds=score_seconds,
        seconds=seconds,
        cpu_seconds=mean_cpu + score_cpu,
        baseline_accelerators=few,
        baseline_seconds=baseline_seconds,
        ratio_to_baseline=(baseline_seconds / len(table)) / (seconds / values.size),
        largest_difference=difference,
    )


def _fastest(work: Callable[[], Any]) -> tuple[Any, float, float]:
    best = (float("inf"), float("inf"))
    result = None
    for _ in range(ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        best = min(best, (time.perf_counter() - wall, time.process_time() - cpu))
    return result, *best


def _long_table(values: Values, groups: npt.NDArray[np.int64]) -> pd.DataFrame:
    metrics, devices, ticks = values.shape
    grid = np.meshgrid(np.arange(metrics), np.arange(devices), np.arange(ticks), indexing="ij")
    return pd.DataFrame(
        {
            "metric": grid[0].ravel(),
            "device": grid[1].ravel(),
            "job": groups[grid[1].ravel()],
            "value": values.ravel().astype(np.float64),
        }
    )


def _pandas_scores(table: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Scores as [metric, device]."""
    means = table.groupby(["metric", "job", "device"])["value"].mean().reset_index()
    job = means.groupby(["metric", "job"])["value"]
    center = job.transform("median")
    deviation = (means["value"] - center).abs()
    spread = deviation.groupby([means["metric"], means["job"]]).transform("median")
    floor = FLOOR_RATIO * center.abs()
    means["score"] = (means["value"] - center) / (MAD_TO_SIGMA * spread + floor)
    return means.pivot(index="metric", columns="device", values="score").to_numpy()
