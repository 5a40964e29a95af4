"""The last steps of one job: compute time by step and rank, and the job's own past."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from fleetops.detect.devices import Rows
from fleetops.detect.window import masked_median

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
OLD_STEPS_KEPT = 4
"""Multiple of the window that a step number may fall behind before the job counts as restarted."""


class JobWindow:
    """Ranks are rows in order of appearance; steps are a ring of distinct step numbers."""

    def __init__(self, job: str, steps: int, baseline_steps: int, warm_up_steps: int) -> None:
        """Keeps ``steps`` steps; its baseline is ``baseline_steps`` after ``warm_up_steps``."""
        self.job = job
        self.ranks: list[str] = []
        self.hosts: list[str] = []
        self._rows: dict[str, int] = {}
        self._steps = steps
        self._numbers: deque[int] = deque()
        self._compute: dict[int, Floats] = {}
        self._busy: dict[int, Floats] = {}
        self._stage = np.zeros(0, np.int64)
        self._replica = np.zeros(0, np.int64)
        self._baseline: deque[float] = deque(maxlen=baseline_steps)
        self._warm_up = warm_up_steps

    def row(self, device: str, host: str) -> int:
        """The row of a rank, a new one where it was not seen before."""
        row = self._rows.get(device)
        if row is None:
            row = self._rows[device] = len(self.ranks)
            self.ranks.append(device)
            self.hosts.append(host)
            self._stage = np.r_[self._stage, -1]
            self._replica = np.r_[self._replica, -1]
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
        """(steps, ranks) compute seconds of the steps kept, oldest first; NaN is unknown."""
        return _matrix([self._compute[number] for number in self._numbers], len(self.ranks))

    def busy(self) -> Floats:
        """The same with the time spent waiting for input data; without waiting for peers."""
        return _matrix([self._busy[number] for number in self._numbers], len(self.ranks))

    @property
    def stage(self) -> Ints:
        """(ranks,) pipeline stage, -1 where unknown."""
        return self._stage

    @property
    def replica(self) -> Ints:
        """(ranks,) data-parallel rank, -1 where unknown."""
        return self._replica

    @property
    def host_numbers(self) -> Ints:
        """(ranks,) a number for each host."""
        return np.unique(np.array(self.hosts), return_inverse=True)[1].astype(np.int64)

    @property
    def baseline_seconds(self) -> float:
        """The job's own normal: median over ranks of compute and data wait; NaN until known."""
        if self._baseline.maxlen is None or len(self._baseline) < self._baseline.maxlen:
            return float("nan")
        return float(np.median(self._baseline))

    def _open(self, number: int) -> bool:
        """Makes room for a step; False for one that is too old to be of use."""
        if number in self._compute:
            return True
        if self._numbers and number < self._numbers[0]:
            if self._numbers[0] - number < OLD_STEPS_KEPT * self._steps:
                return False
            self._restart()
        position = len(self._numbers)
        while position and self._numbers[position - 1] > number:
            position -= 1
        self._numbers.insert(position, number)
        self._compute[number] = np.full(len(self.ranks), np.nan)
        self._busy[number] = np.full(len(self.ranks), np.nan)
        if len(self._numbers) > self._steps:
            self._retire(self._numbers.popleft())
        return number in self._compute

    def _retire(self, number: int) -> None:
        """A step leaves the window: the first ones, after the warm-up, become the baseline."""
        self._compute.pop(number)
        busy = self._busy.pop(number)
        if self._warm_up > 0:
            self._warm_up -= 1
        elif self._baseline.maxlen is not None and len(self._baseline) < self._baseline.maxlen:
            self._baseline.append(float(masked_median(busy.astype(np.float32)[None, :])[0]))

    def _restart(self) -> None:
        """The job went back to a checkpoint: its steps are counted anew."""
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
