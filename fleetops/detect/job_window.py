"""The last steps of one job: compute time by step and rank, and the job's own past."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from fleetops.detect.devices import Rows, grown
from fleetops.detect.window import masked_median

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
OLD_STEPS_KEPT = 4
"""Multiple of the steps kept that a number may fall behind before the job counts as restarted."""
MAX_POOL = 4
"""Steps that are pooled at most: ranks that are read less often than every fourth step are seen too
seldom to compare them within a minute or so of short steps."""
COMPLETE_AFTER = 4
"""Newer steps after which a step has been heard of from all ranks."""


class JobWindow:
    """Ranks are rows in order of appearance; steps are a ring of distinct step numbers."""

    def __init__(self, job: str, steps: int, baseline_steps: int, warm_up_steps: int) -> None:
        """Judges ``steps`` steps; its baseline is ``baseline_steps`` after ``warm_up_steps``."""
        self.job = job
        self.ranks: list[str] = []
        self.hosts: list[str] = []
        self._rows: dict[str, int] = {}
        self._window = steps
        self._learned = -1
        self._numbers: deque[int] = deque()
        self._compute: dict[int, Floats] = {}
        self._busy: dict[int, Floats] = {}
        self._stage = np.zeros(0, np.int64)
        self._replica = np.zeros(0, np.int64)
        self._host_of = np.zeros(0, np.int64)
        self._host_numbers: dict[str, int] = {}
        self._baseline: deque[float] = deque(maxlen=baseline_steps)
        self._warm_up = warm_up_steps

    def row(self, device: str, host: str) -> int:
        """The row of a rank, a new one where it was not seen before."""
        row = self._rows.get(device)
        if row is None:
            row = self._rows[device] = len(self.ranks)
            self.ranks.append(device)
            self.hosts.append(host)
            self._stage = grown(self._stage, row + 1, fill=-1)
            self._replica = grown(self._replica, row + 1, fill=-1)
            self._host_of = grown(self._host_of, row + 1, fill=0)
            self._host_of[row] = self._host_numbers.setdefault(host, len(self._host_numbers))
        return row

    def find(self, device: str) -> int | None:
        """The row of a rank that was seen."""
        return self._rows.get(device)

    def take(self, rows: Rows, columns: dict[str, Floats]) -> None:
        """Takes rows in: ``columns`` holds step, stage, replica, compute and wait."""
        stage, replica = columns["stage"], columns["replica"]
        known = ~np.isnan(stage)
        self._stage[rows[known]] = stage[known].astype(np.int64)
        known = ~np.isnan(replica)
        self._replica[rows[known]] = replica[known].astype(np.int64)
        step = columns["step"]
        usable = ~np.isnan(step) & (columns["compute"] > 0)
        for number in np.unique(step[usable]).astype(np.int64).tolist():
            chosen = usable & (step == number)
            if self._open(number):
                wait = np.nan_to_num(columns["wait"][chosen])
                self._compute[number] = _put(
                    self._compute[number], rows[chosen], columns["compute"][chosen]
                )
                self._busy[number] = _put(
                    self._busy[number], rows[chosen], columns["compute"][chosen] + wait
                )

    def compute(self) -> Floats:
        """(steps, ranks) compute seconds of the newest steps, oldest first; NaN is unknown.

        Where ranks are read less often than they step, each is seen in some steps only, and hardly
        two in the same: then a row is the mean over as many steps as it takes to see nearly all.
        """
        return self._newest(self._compute)

    def busy(self) -> Floats:
        """The same with the time spent waiting for input data; without waiting for peers."""
        return self._newest(self._busy)

    @property
    def stage(self) -> Ints:
        """(ranks,) pipeline stage, -1 where unknown."""
        return self._stage[: len(self.ranks)]

    @property
    def replica(self) -> Ints:
        """(ranks,) data-parallel rank, -1 where unknown."""
        return self._replica[: len(self.ranks)]

    @property
    def host_numbers(self) -> Ints:
        """(ranks,) a number for each host."""
        return self._host_of[: len(self.ranks)]

    @property
    def baseline_seconds(self) -> float:
        """The job's own normal: median over ranks of compute and data wait; NaN until known."""
        if self._baseline.maxlen is None or len(self._baseline) < self._baseline.maxlen:
            return float("nan")
        return float(np.median(self._baseline))

    def _newest(self, values: dict[int, Floats]) -> Floats:
        matrix = _matrix([values[number] for number in self._numbers], len(self.ranks))
        numbers = np.array(self._numbers, np.int64)
        width = _pool_width(matrix)
        if width > 1:
            matrix = _pooled(matrix, numbers // width)
        return matrix[-self._window :]

    def _open(self, number: int) -> bool:
        """Makes room for a step; False for one that is too old to be of use."""
        if number in self._compute:
            return True
        if self._numbers and number < self._numbers[0]:
            if self._numbers[0] - number < OLD_STEPS_KEPT * len(self._numbers):
                return False
            self._restart()
        position = len(self._numbers)
        while position and self._numbers[position - 1] > number:
            position -= 1
        self._numbers.insert(position, number)
        self._compute[number] = np.full(len(self.ranks), np.nan)
        self._busy[number] = np.full(len(self.ranks), np.nan)
        self._learn_baseline()
        if len(self._numbers) > self._window * MAX_POOL:
            oldest = self._numbers.popleft()
            del self._compute[oldest], self._busy[oldest]
        return number in self._compute

    def _learn_baseline(self) -> None:
        """The first steps that are complete, after the warm-up, become the job's own normal."""
        if len(self._baseline) == self._baseline.maxlen or len(self._numbers) <= COMPLETE_AFTER:
            return
        number = self._numbers[-1 - COMPLETE_AFTER]
        if number <= self._learned:
            return
        self._learned = number
        if self._warm_up > 0:
            self._warm_up -= 1
            return
        busy = self._busy[number].astype(np.float32)
        self._baseline.append(float(masked_median(busy[None, :])[0]))

    def _restart(self) -> None:
        """The job went back to a checkpoint: its steps are counted anew."""
        self._learned = -1
        self._numbers.clear()
        self._compute.clear()
        self._busy.clear()


def _put(values: Floats, rows: Rows, new: Floats) -> Floats:
    if len(rows) and rows.max() >= len(values):
        values = np.r_[values, np.full(int(rows.max()) + 1 - len(values), np.nan)]
    values[rows] = new
    return values


def _matrix(steps: list[Floats], ranks: int) -> Floats:
    matrix = np.full((len(steps), ranks), np.nan)
    for position, values in enumerate(steps):
        matrix[position, : len(values)] = values
    return matrix


def _pool_width(matrix: Floats) -> int:
    """Steps to pool so that nearly every rank is seen: 1 over the share of steps it is seen in."""
    known = ~np.isnan(matrix)
    present = known.any(axis=0)
    if not present.any():
        return 1
    coverage = float(known[:, present].mean())
    return int(np.clip(round(1.0 / coverage), 1, MAX_POOL))


def _pooled(matrix: Floats, bucket: npt.NDArray[np.int64]) -> Floats:
    """Mean of what is known over the steps of each bucket; buckets are ascending."""
    starts = np.flatnonzero(np.r_[True, np.diff(bucket) != 0])
    counts = np.add.reduceat((~np.isnan(matrix)).astype(np.int64), starts, axis=0)
    totals = np.add.reduceat(np.nan_to_num(matrix), starts, axis=0)
    pooled: Floats = np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)
    return pooled
