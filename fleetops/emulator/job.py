"""One synchronous training job: ranks compute, then all wait for the slowest.

Ranks are numbered host by host. The pipeline stage is the outer coordinate (contiguous blocks of
ranks), the data-parallel coordinate the inner one, as in Megatron's default order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleetops.emulator.effects import Effects, Flags, Floats, Ints
from fleetops.emulator.topology import ACCELERATORS_PER_HOST

MAX_STAGES = 4
COMPUTE_SECONDS = 0.85
COMMUNICATION_SECONDS = 0.12
DATA_WAIT_SECONDS = 0.004
STEP_NOISE = 0.008
"""Standard deviation of ln(compute) from step to step."""
RANK_SPREAD = 0.004
"""The same from rank to rank, for good."""
LONG_SEQUENCE_PROBABILITY = 0.0015
"""That one data-parallel replica draws a long batch in a step ..."""
LONG_SEQUENCE_FACTOR = 1.15
"""... and how much longer it computes. Transient, on all its stages: never a fault."""
WAITING_ACTIVITY = 0.35
"""Dynamic power of a rank that spins in a collective, against one that computes."""


@dataclass(frozen=True, slots=True)
class Step:
    """What every rank reports of its last finished step; arrays are (ranks,)."""

    number: int
    step_seconds: float
    compute_seconds: Floats
    communication_seconds: Floats
    data_wait_seconds: Floats


class TrainingJob:
    """The job on the first ``hosts`` hosts; it never moves."""

    def __init__(self, job_id: str, hosts: int, rng: np.random.Generator) -> None:
        """Starts at step 0 on ``hosts`` (1 or more) hosts of eight accelerators."""
        self.id = job_id
        self.hosts = hosts
        self.ranks = hosts * ACCELERATORS_PER_HOST
        self.stages = MAX_STAGES
        self._rng = rng
        self._spread = np.exp(rng.normal(0.0, RANK_SPREAD, self.ranks))
        per_stage = self.ranks // self.stages
        self.stage_of: Ints = np.arange(self.ranks) // per_stage
        self.data_rank_of: Ints = np.arange(self.ranks) % per_stage
        self.stalled = False
        self._left_seconds = 0.0
        self._current = self._draw(0, np.ones(self.ranks))
        self.last = self._current
        self._left_seconds = self._current.step_seconds

    @property
    def expected_step_seconds(self) -> float:
        """Step time of a healthy run: the slowest of all ranks is some 3 sigma out."""
        return COMPUTE_SECONDS * float(np.exp(3.0 * STEP_NOISE)) + COMMUNICATION_SECONDS

    def rank_of(self, host: int, accelerator: int) -> int:
        """The rank that runs on an accelerator of one of the job's hosts."""
        return host * ACCELERATORS_PER_HOST + accelerator

    def advance(self, seconds: float, clock_ratio: Floats, effects: Effects) -> None:
        """Works on for ``seconds``; ``clock_ratio`` is (hosts, accelerators) of the fleet.

        A lost accelerator leaves the other ranks waiting in their next collective: no step ends.
        """
        self.stalled = bool(effects.off_bus[: self.hosts].any())
        if self.stalled:
            return
        self._left_seconds -= seconds
        while self._left_seconds <= 0.0:
            self.last = self._current
            slowness = effects.slowness[: self.hosts].ravel() * effects.stage_factor[self.stage_of]
            factor = slowness / clock_ratio[: self.hosts].ravel()
            self._current = self._draw(self.last.number + 1, factor)
            self._left_seconds += self._current.step_seconds

    def activity(self, hosts: int) -> Floats:
        """(hosts, accelerators) share of full dynamic power that the job asks for now."""
        activity = np.zeros((hosts, ACCELERATORS_PER_HOST))
        step = self._current
        busy = np.zeros(self.ranks) if self.stalled else step.compute_seconds / step.step_seconds
        share = busy + (1.0 - busy) * WAITING_ACTIVITY
        activity[: self.hosts] = share.reshape(self.hosts, ACCELERATORS_PER_HOST)
        return activity

    def holds(self, hosts: int) -> Flags:
        """(hosts,) whether the job runs on the host."""
        return np.arange(hosts) < self.hosts

    def _draw(self, number: int, factor: Floats) -> Step:
        """One step: every rank's compute time, and the wait that the slowest imposes."""
        noise = np.exp(self._rng.normal(0.0, STEP_NOISE, self.ranks))
        replicas = self._rng.random(self.ranks // self.stages) < LONG_SEQUENCE_PROBABILITY
        long_batch = np.where(replicas, LONG_SEQUENCE_FACTOR, 1.0)[self.data_rank_of]
        compute = COMPUTE_SECONDS * self._spread * noise * long_batch * factor
        wait = DATA_WAIT_SECONDS * self._rng.lognormal(0.0, 0.3, self.ranks)
        step_seconds = float((compute + wait).max()) + COMMUNICATION_SECONDS
        return Step(number, step_seconds, compute, step_seconds - compute - wait, wait)
