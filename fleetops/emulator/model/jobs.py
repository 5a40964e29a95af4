"""Jobs: which hosts each holds, and what it asks of them while it trains or serves.

Ranks are numbered host by host: tensor parallel innermost, then data, pipeline stages outermost, as
in Megatron's default order. What chance brings to a step depends on the seed and the step's number
alone, so that a faulty and a healthy run of one seed go through the same steps.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fleetops.core.errors import ConfigError
from fleetops.emulator.groups import Indices
from fleetops.emulator.model.effects import Effects, Floats, Scope
from fleetops.emulator.site import Site
from fleetops_schemas.clusters import COMPUTE, Placement
from fleetops_schemas.profiles import load_profile
from fleetops_schemas.workloads import Demand, Phase, Workload

FIRST_JOB_ID = 81
MAX_STEPS_DRAWN = 3
"""Steps drawn one by one in a tick; a longer tick skips whole steps of the same length."""
LEAST_RATE = 0.02
"""A dead link makes collectives fifty times slower: nothing ends before somebody's time-out."""
DEMANDS = ("compute", "memory", "network", "scale_up", "power", "kernels")
SPINNING_POWER = 0.3
"""Of the span from idle to rated power: less is drawn where no kernel runs, unless a workload says
otherwise."""
PHASES = ("checkpoint", "evaluation", "compile", "restore")
"""A phase that a fault forces is numbered by its place here, from 1."""
FORCED_DEMANDS = {
    "checkpoint": (0.0, 0.1, 0.3, 0.0, 0.2, 0.0),
    "evaluation": (0.3, 0.4, 0.1, 0.2, 0.75, 1.0),
    "compile": (0.0, 0.02, 0.0, 0.0, 0.03, 0.0),
    "restore": (0.0, 0.15, 0.4, 0.0, 0.15, 0.0),
}
"""Where the workload has no such phase of its own (assumed), in the order of :data:`DEMANDS`."""


@dataclass(frozen=True, slots=True)
class Step:
    """What every rank reports of its last finished step; arrays are (ranks,)."""

    number: int
    step_seconds: float
    compute_seconds: Floats
    communication_seconds: Floats
    data_wait_seconds: Floats


@dataclass(frozen=True, slots=True)
class Conditions:
    """What steps meet beside the workload's own chance; arrays are (ranks,)."""

    factors: Floats
    """On compute time."""
    working: NDArray[np.bool_]
    """Ranks that take part."""
    communication: float = 1.0
    data_wait: float = 1.0
    spread: float = 0.0
    """Added to the deviation of ln(compute)."""
    long_batches: float = 0.0
    """Added to the chance of a long batch."""


def vector(demand: Demand) -> Floats:
    """A demand as an array, in the order of :data:`DEMANDS`."""
    runs = float(demand.compute) > 0.0 or float(demand.power) > SPINNING_POWER
    kernels = float(runs) if demand.kernels is None else float(demand.kernels)
    return np.array([*(float(getattr(demand, name)) for name in DEMANDS[:-1]), kernels])


class Job:
    """One job on hosts of its own; it never moves."""

    def __init__(
        self, job_id: str, workload: Workload, hosts: Indices, ranks: Indices, seed: int
    ) -> None:
        """Begins at step 0.

        Args:
            job_id: as the scheduler calls it.
            workload: what it does.
            hosts: indices of its hosts.
            ranks: index of each rank's accelerator.
            seed: of what chance brings.

        Raises:
            ConfigError: it has no rank.
        """
        if not len(ranks):
            raise ConfigError(f"job {job_id} ({workload.name}) has no accelerator")
        self.id = job_id
        self.workload = workload
        self.hosts = hosts
        self.accelerators = ranks
        self.ranks = len(ranks)
        self._seed = seed
        self.tensor, self.stages = _layout(workload, self.ranks)
        per_stage = self.ranks // self.stages
        self.stage_of: NDArray[np.int64] = np.arange(self.ranks) // per_stage
        self.data_rank_of: NDArray[np.int64] = np.arange(self.ranks) % per_stage // self.tensor
        spread = float(workload.step.rank_spread_ratio)
        self._spread = np.exp(self._rng(-1).normal(0.0, spread, self.ranks))
        self._last_stage = np.where(
            self.stage_of == self.stages - 1, float(workload.parallel.last_stage_factor), 1.0
        )
        self._neutral = Conditions(np.ones(self.ranks), np.ones(self.ranks, dtype=np.bool_))
        self._current = self._draw(1, self._neutral)
        self.last = self._current
        self._left_seconds = self._current.step_seconds
        self.phase: Phase | None = self._begins_with()
        self._phase_left = float(self.phase.seconds) if self.phase else 0.0
        self.stalled = False
        self._shares = np.zeros((len(DEMANDS), self.ranks))

    @property
    def expected_step_seconds(self) -> float:
        """Step time of a healthy run: the slowest of all ranks is some 3 sigma out."""
        step = self.workload.step
        slowest = float(step.compute_seconds) * float(np.exp(3.0 * float(step.noise_ratio)))
        factor = max(float(self.workload.parallel.last_stage_factor), 1.0)
        return slowest * factor + float(step.communication_seconds)

    @property
    def trains(self) -> bool:
        """Whether its ranks step together and report their steps."""
        return self.workload.kind == "training"

    def advance(
        self, seconds: float, clock: Floats, links: Floats, index: int, effects: Effects
    ) -> Floats:
        """Works on for ``seconds``.

        Args:
            seconds: to move on by.
            clock: (accelerators,) clock ratio.
            links: (accelerators,) share of its link's rate that each has.
            index: of the job, in the channels of jobs.
            effects: what is wrong.

        Returns:
            (demands, ranks) what the ranks asked for on the mean of the time.
        """
        self._shares[:] = 0.0
        working = effects["released"][self._host_of_rank] <= 0.0
        if effects["ended"][index] or effects["crashed"][index] or not working.any():
            return self._shares
        gone = effects["gone"][self.accelerators] + effects["hung"][self.accelerators]
        gone = gone + effects["down"][self._host_of_rank]
        self.stalled = bool((gone * working).any())
        forced = int(effects["phase"][index])
        if self.stalled or effects["paused"][index]:
            self._account(seconds, vector(self.workload.waiting) * (1.0 - effects["paused"][index]))
        elif forced:
            self._account(seconds, self._forced_demand(PHASES[forced - 1]))
        elif self.trains:
            self._train(seconds, self._conditions(clock, links, working, index, effects))
        else:
            self._serve(seconds, index, effects)
        return self._shares * working / seconds

    def _forced_demand(self, phase: str) -> Floats:
        own = (vector(one.demand) for one in self.workload.phases if one.name == phase)
        return next(own, np.array(FORCED_DEMANDS[phase]))

    def _conditions(
        self,
        clock: Floats,
        links: Floats,
        working: NDArray[np.bool_],
        index: int,
        effects: Effects,
    ) -> Conditions:
        slow = effects["slowness"][self.accelerators] * effects["job_slowness"][index]
        stage = effects["stage"][self._stage_offset + self.stage_of]
        # the ranks that are left share the same global batch
        share = effects["batch"][index] * self.ranks / working.sum()
        rate = max(float(links[self.accelerators][working].min()), LEAST_RATE)
        return Conditions(
            factors=slow * stage * share / clock[self.accelerators],
            working=working,
            communication=float(effects["communication"][index]) / rate,
            data_wait=float(effects["data_wait"][index]),
            spread=float(effects["spread"][index]),
            long_batches=float(effects["long_batches"][index]),
        )

    _stage_offset = 0
    """Of its stages among those of all jobs; set by whoever holds them all."""
    _host_of_rank: Indices

    def _train(self, seconds: float, conditions: Conditions) -> None:
        left, drawn = seconds, 0
        while left > 0.0:
            if self.phase is not None:
                spent = min(left, self._phase_left)
                self._account(spent, vector(self.phase.demand))
                self._phase_left -= spent
                left -= spent
                if self._phase_left > 0.0:
                    return
                self.phase = None
                continue
            spent = min(left, self._left_seconds)
            self._account_step(spent)
            self._left_seconds -= spent
            left -= spent
            if self._left_seconds > 0.0:
                return
            self.last = self._current
            drawn += 1
            skipped = self._skippable(left) if drawn >= MAX_STEPS_DRAWN else 0
            if skipped:
                spent = skipped * self.last.step_seconds
                self._account_step(spent)
                left -= spent
                self.last = replace(self.last, number=self.last.number + skipped)
            self._current = self._draw(self.last.number + 1, conditions)
            self._left_seconds = self._current.step_seconds
            self._enter_phase(self.last.number)

    def _skippable(self, left: float) -> int:
        """Whole steps that fit before the last one of the tick, up to the next phase."""
        count = int(left / self.last.step_seconds) - 1
        for phase in self.workload.phases:
            if every := int(phase.every_steps):
                count = min(count, -self.last.number % every)
        return max(count, 0)

    def _enter_phase(self, number: int) -> None:
        for phase in self.workload.phases:
            every = int(phase.every_steps)
            if every and number % every == 0:
                self.phase, self._phase_left = phase, float(phase.seconds)
                return

    def _begins_with(self) -> Phase | None:
        first = (phase for phase in self.workload.phases if not int(phase.every_steps))
        return next(first, None)

    def _serve(self, seconds: float, index: int, effects: Effects) -> None:
        """Requests come as the seed and the round say; each replica is busy for a share of them."""
        self._current = self._draw(self.last.number + 1, self._neutral)
        self.last = self._current
        busy = np.clip(
            self._current.compute_seconds
            / float(self._current.step_seconds)
            * float(effects["batch"][index]),
            0.0,
            1.0,
        )
        self._blend(seconds, busy)

    def _account(self, seconds: float, demand: Floats) -> None:
        self._shares += seconds * demand[:, None]

    def _account_step(self, seconds: float) -> None:
        step = self._current
        self._blend(seconds, step.compute_seconds / step.step_seconds)

    def _blend(self, seconds: float, busy: Floats) -> None:
        computing, waiting = vector(self.workload.computing), vector(self.workload.waiting)
        self._shares += seconds * (computing[:, None] * busy + waiting[:, None] * (1.0 - busy))

    def _rng(self, step: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=[self._seed, step + 1]))

    def _draw(self, number: int, conditions: Conditions) -> Step:
        """One step: every rank's compute time, and the wait that the slowest imposes."""
        rng, step = self._rng(number), self.workload.step
        noise = rng.normal(0.0, float(step.noise_ratio) + conditions.spread, self.ranks)
        chance = float(step.long_batch_probability) + conditions.long_batches
        replicas = rng.random(int(self.data_rank_of.max()) + 1) < chance
        long_batch = np.where(replicas, float(step.long_batch_factor), 1.0)[self.data_rank_of]
        own = self._spread * self._last_stage * np.exp(noise) * long_batch
        compute = float(step.compute_seconds) * own * conditions.factors
        wait = float(step.data_wait_seconds) * conditions.data_wait
        waited = wait * rng.lognormal(0.0, 0.3, self.ranks)
        longest = float((compute + waited)[conditions.working].max())
        step_seconds = longest + float(step.communication_seconds) * conditions.communication
        return Step(number, step_seconds, compute, step_seconds - compute - waited, waited)


class Jobs:
    """All jobs of a site, and what they ask of every accelerator and host together."""

    def __init__(self, site: Site, seed: int, first_id: int = FIRST_JOB_ID) -> None:
        """Jobs in the order of the cluster's profile, on the compute hosts in their order."""
        self.jobs = _place(site, seed, first_id)
        offset = 0
        for job in self.jobs:
            job._stage_offset = offset
            job._host_of_rank = site.host_of_accelerator[job.accelerators]
            offset += job.stages
        self.stages = offset
        self._host_of = site.host_of_accelerator
        hosts, accelerators = len(site.hosts), len(site.accelerators)
        self.job_of_host: NDArray[np.int64] = np.full(hosts, -1, dtype=np.int64)
        self.job_of_accelerator: NDArray[np.int64] = np.full(accelerators, -1, dtype=np.int64)
        self.memory_ratio: Floats = np.zeros(accelerators)
        for index, job in enumerate(self.jobs):
            self.job_of_host[job.hosts] = index
            self.job_of_accelerator[job.accelerators] = index
        self.demand: dict[str, Floats] = {name: np.zeros(accelerators) for name in DEMANDS}
        self.load: Floats = np.zeros(hosts)
        """(hosts,) of the processors."""
        self._idle_load = np.full(hosts, IDLE_LOAD)
        for group in site.groups:
            if group.role not in COMPUTE:
                self._idle_load[group.hosts] = SERVICE_LOAD

    def sizes(self) -> dict[Scope, int]:
        """Entries of the channels of jobs and stages."""
        return {Scope.JOB: len(self.jobs), Scope.STAGE: self.stages}

    def advance(self, seconds: float, clock: Floats, links: Floats, effects: Effects) -> None:
        """Moves all jobs on; arguments as of :meth:`Job.advance`."""
        demand = np.zeros((len(DEMANDS), len(self.job_of_accelerator)))
        self.load = self._idle_load.copy()
        for index, job in enumerate(self.jobs):
            demand[:, job.accelerators] = job.advance(seconds, clock, links, index, effects)
            runs = not (effects["ended"][index] or effects["crashed"][index])
            holds = runs * (effects["released"] <= 0.0)
            self.memory_ratio[job.accelerators] = (
                float(job.workload.memory_ratio) * holds[job._host_of_rank]
            )
            if not effects["paused"][index]:
                busy = job.hosts[holds[job.hosts] > 0]
                self.load[busy] = float(job.workload.processor_load)
        works = 1.0 - np.maximum(effects["gone"], effects["down"][self._host_of])
        self.demand = dict(zip(DEMANDS, demand * works, strict=True))


IDLE_LOAD = 0.03
SERVICE_LOAD = 0.45
"""Of hosts that cache storage or prepare data (assumed)."""


def _place(site: Site, seed: int, first_id: int) -> list[Job]:
    hosts = [
        host
        for group in site.groups
        if group.role in COMPUTE and group.platform.accelerators
        for host in range(group.hosts.start, group.hosts.stop)
    ]
    jobs: list[Job] = []
    taken = 0
    for number, placement in enumerate(site.cluster.jobs):
        held = hosts[taken : taken + _hosts_of(placement, len(hosts), len(hosts) - taken)]
        if not held:
            break
        taken += len(held)
        ranks = _ranks(site, held, placement)
        workload = load_profile(Workload, placement.workload)
        jobs.append(
            Job(
                str(first_id + number),
                workload,
                np.array(held, dtype=np.intp),
                ranks,
                seed * 1009 + number,
            )
        )
    return jobs


def _ranks(site: Site, held: list[int], placement: Placement) -> Indices:
    """Indices of the job's accelerators: the first of each of its hosts, or all."""
    every = np.flatnonzero(np.isin(site.host_of_accelerator, held)).astype(np.intp)
    if placement.accelerators is None:
        return every
    host = site.host_of_accelerator[every]
    number = np.arange(len(every)) - np.searchsorted(host, host)
    return every[number < int(placement.accelerators)]


def _hosts_of(placement: Placement, hosts: int, left: int) -> int:
    return min(max(int(hosts * float(placement.share)), 1), left)


def _layout(workload: Workload, ranks: int) -> tuple[int, int]:
    """(tensor, stages) that fit the ranks: as the workload says, or the next smaller divisor."""
    tensor = _divisor(int(workload.parallel.tensor), ranks)
    return tensor, _divisor(int(workload.parallel.pipeline), ranks // tensor)


def _divisor(wanted: int, number: int) -> int:
    return next(size for size in range(max(wanted, 1), 0, -1) if number % size == 0)
