"""Jobs: how ranks are laid out, what a step takes, and what stops it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest

from fleetops.core.errors import ConfigError
from fleetops.emulator.groups import indices
from fleetops.emulator.model.effects import Effects, Floats
from fleetops.emulator.model.fleet import sizes
from fleetops.emulator.model.jobs import DEMANDS, LEAST_RATE, PHASES, Job, Jobs, Step
from fleetops.emulator.site import build_site
from fleetops_schemas.clusters import Placement
from fleetops_schemas.fleet_profiles import cluster_of
from fleetops_schemas.profiles import Basis, Figure, load_profile
from fleetops_schemas.workloads import Demand, Parallel, Phase, Workload

BUSY_HOSTS, RANKS, STAGE_RANKS = 24, 192, 48
COMMUNICATION = 0.12
"""Seconds of a healthy step of the demonstration's job."""


def figure(value: float) -> Figure:
    return Figure(value=value, basis=Basis.ASSUMED, why="a test's")


class Bench:
    """Jobs of a fleet, without its heat and power: clocks and links are what a test says."""

    def __init__(self, workload: str = "llm_training", share: float = 0.75, seed: int = 1) -> None:
        placement = Placement(workload=workload, share=figure(share))
        cluster = cluster_of("demo").model_copy(update={"jobs": (placement,)})
        self.site = build_site(cluster)
        self.jobs = Jobs(self.site, seed)
        self.effects = Effects(sizes(self.site) | self.jobs.sizes())
        count = len(self.site.accelerators)
        self.clock: Floats = np.ones(count)
        self.links: Floats = np.ones(count)

    @property
    def job(self) -> Job:
        return self.jobs.jobs[0]

    def strike(self, channel: str, devices: list[int], value: float) -> None:
        self.effects.apply(channel, indices(devices), value, 1.0)

    def advance(self, seconds: float, tick: float = 0.25) -> None:
        for _ in range(round(seconds / tick)):
            self.jobs.advance(tick, self.clock, self.links, self.effects)

    def steps(self, count: int, tick: float = 0.25) -> list[Step]:
        """The next steps that end."""
        seen = [self.job.last]
        while len(seen) <= count:
            self.advance(tick, tick)
            if self.job.last.number != seen[-1].number:
                seen.append(self.job.last)
        return seen[1:]

    def demand(self, accelerators: slice = slice(0, RANKS)) -> Mapping[str, float]:
        """The mean of what is asked for."""
        return {name: float(self.jobs.demand[name][accelerators].mean()) for name in DEMANDS}


def median_compute(observed: list[Step]) -> Floats:
    median: Floats = np.median([step.compute_seconds for step in observed], axis=0)
    return median


@pytest.fixture
def bench() -> Bench:
    return Bench()


class TestLayout:
    def test_tensor_ranks_are_innermost_and_stages_outermost(self, bench: Bench) -> None:
        job = bench.job
        assert (job.id, job.ranks, len(job.hosts)) == ("81", RANKS, BUSY_HOSTS)
        assert (job.tensor, job.stages) == (8, 4)
        assert np.bincount(job.stage_of).tolist() == [STAGE_RANKS] * 4
        assert np.array_equal(job.stage_of, np.repeat(np.arange(4), STAGE_RANKS))
        # a host is one tensor group, six groups are a stage's replicas
        assert np.array_equal(job.data_rank_of, np.tile(np.repeat(np.arange(6), 8), 4))
        assert np.array_equal(job.accelerators, np.arange(RANKS))

    @pytest.mark.parametrize(
        ("ranks", "tensor", "pipeline", "layout"),
        [
            (192, 8, 4, (8, 4)),
            (64, 8, 16, (8, 8)),
            (24, 8, 4, (8, 3)),
            (12, 8, 4, (6, 2)),
            (7, 8, 4, (7, 1)),
            (1, 8, 4, (1, 1)),
        ],
    )
    def test_a_small_job_takes_the_next_smaller_layout_that_fits(
        self, ranks: int, tensor: int, pipeline: int, layout: tuple[int, int]
    ) -> None:
        parallel = Parallel(
            tensor=figure(tensor), pipeline=figure(pipeline), last_stage_factor=figure(1)
        )
        workload = load_profile(Workload, "llm_training").model_copy(update={"parallel": parallel})
        job = Job("1", workload, indices([0]), indices(range(ranks)), seed=1)
        assert (job.tensor, job.stages) == layout
        counts = Counter(zip(job.stage_of, job.data_rank_of, strict=True))
        assert set(counts.values()) == {job.tensor}

    def test_a_job_without_ranks_is_none(self) -> None:
        with pytest.raises(ConfigError, match=r"job 7 \(llm_training\) has no accelerator"):
            Job("7", load_profile(Workload, "llm_training"), indices([0]), indices([]), seed=1)

    def test_jobs_hold_hosts_of_their_own_and_leave_spares(self) -> None:
        jobs = (("llm_training", 0.5), ("llm_prefill", 0.25), ("llm_decode", 0.125))
        placed = tuple(Placement(workload=name, share=figure(share)) for name, share in jobs)
        cluster = cluster_of("demo").model_copy(update={"jobs": placed})
        made = Jobs(build_site(cluster), seed=1, first_id=400)
        assert [job.id for job in made.jobs] == ["400", "401", "402"]
        assert [len(job.hosts) for job in made.jobs] == [16, 8, 4]
        assert made.job_of_host.tolist() == [0] * 16 + [1] * 8 + [2] * 4 + [-1] * 4
        assert np.array_equal(made.job_of_accelerator, np.repeat(made.job_of_host, 8))

    def test_hosts_without_accelerators_run_no_job(self) -> None:
        site = build_site(cluster_of("llm_roce_32k"), 40)
        made = Jobs(site, seed=1)
        compute = len(site.accelerators) // 8
        assert all((job.hosts < compute).all() for job in made.jobs)
        assert not Jobs(build_site(cluster_of("tioga_pass")), seed=1).jobs


class TestSteps:
    def test_a_step_takes_its_slowest_rank_and_the_communication(self, bench: Bench) -> None:
        for step in bench.steps(10):
            own = step.compute_seconds + step.data_wait_seconds
            assert step.communication_seconds + own == pytest.approx(step.step_seconds)
            assert step.communication_seconds.min() == pytest.approx(COMMUNICATION)
            assert step.step_seconds == pytest.approx(own.max() + COMMUNICATION)

    def test_healthy_steps_come_one_by_one_and_take_what_is_expected(self, bench: Bench) -> None:
        observed = bench.steps(60)
        first = observed[0].number
        assert [step.number for step in observed] == list(range(first, first + 60))
        median = np.median([step.step_seconds for step in observed])
        assert median == pytest.approx(bench.job.expected_step_seconds, rel=0.02)

    def test_healthy_ranks_stay_within_the_straggler_limit(self, bench: Bench) -> None:
        """No rank is 10 % over its stage's median in most of the steps."""
        compute = np.array([step.compute_seconds for step in bench.steps(60)])
        by_stage = compute.reshape(60, 4, STAGE_RANKS)
        over = by_stage > 1.10 * np.median(by_stage, axis=2, keepdims=True)
        assert over.mean(axis=0).max() < 0.2

    def test_half_the_clock_doubles_the_compute_of_its_ranks_and_holds_all(
        self, bench: Bench
    ) -> None:
        bench.clock[48:56] = 0.5
        observed = bench.steps(9)[1:]
        compute = median_compute(observed)
        slow = np.isin(np.arange(RANKS), np.arange(48, 56))
        assert np.median(compute[slow]) == pytest.approx(2.0 * 0.85, rel=0.02)
        assert np.median(compute[~slow]) == pytest.approx(0.85, rel=0.02)
        assert observed[-1].step_seconds > 1.7
        # the others wait for them: more communication, less power
        wait = np.median([step.communication_seconds for step in observed], axis=0)
        assert wait[~slow].min() > 0.8
        assert wait[slow].max() < 0.3
        assert bench.demand(slice(0, 48))["power"] < 0.75 < bench.demand(slice(48, 56))["power"]

    def test_a_slow_rank_is_slow_alone(self, bench: Bench) -> None:
        bench.strike("slowness", [115], 1.35)
        compute = median_compute(bench.steps(9)[1:])
        assert compute[115] == pytest.approx(1.35 * np.median(compute), rel=0.03)
        assert np.delete(compute, 115).max() < 1.05 * np.median(compute)

    def test_an_imbalanced_stage_slows_all_its_ranks_alike(self, bench: Bench) -> None:
        bench.strike("stage", [3], 1.3)
        compute = median_compute(bench.steps(9)[1:]).reshape(4, STAGE_RANKS)
        medians = np.median(compute, axis=1)
        assert medians[3] == pytest.approx(1.3 * medians[:3].mean(), rel=0.02)
        assert (compute < 1.05 * medians[:, None]).all()

    def test_the_slowest_link_sets_the_communication_of_all(self, bench: Bench) -> None:
        bench.links[17] = 0.25
        step = bench.steps(3)[-1]
        assert step.communication_seconds.min() == pytest.approx(COMMUNICATION / 0.25)
        bench.links[17] = 0.0
        bench.advance(2.0)
        step = bench.steps(2)[-1]
        assert step.communication_seconds.min() == pytest.approx(COMMUNICATION / LEAST_RATE)
        bench.links[:] = 1.0
        bench.links[RANKS:] = 0.0
        assert bench.steps(2)[-1].communication_seconds.min() < 0.5, "spares' links do not count"

    def test_a_longer_wait_for_input_is_told_as_such(self, bench: Bench) -> None:
        bench.strike("data_wait", [0], 100.0)
        step = bench.steps(3)[-1]
        assert np.median(step.data_wait_seconds) == pytest.approx(0.4, rel=0.1)
        assert np.median(step.compute_seconds) == pytest.approx(0.85, rel=0.02)

    def test_a_run_with_a_fault_goes_through_the_same_steps(self) -> None:
        """What chance brings depends on the seed and the step's number alone."""
        healthy, slow = Bench(), Bench()
        slow.strike("slowness", [115], 1.35)
        one = {step.number: step for step in healthy.steps(12)}
        for step in slow.steps(9)[1:]:
            ratio = step.compute_seconds / one[step.number].compute_seconds
            assert np.delete(ratio, 115) == pytest.approx(np.ones(RANKS - 1))
            assert ratio[115] == pytest.approx(1.35)

    @pytest.mark.parametrize("tick", [10.0, 60.0])
    def test_long_ticks_skip_steps_and_keep_their_rate(self, tick: float) -> None:
        short, long = Bench(), Bench()
        short.advance(600.0, 0.25)
        long.advance(600.0, tick)
        assert short.job.last.number > 500
        assert long.job.last.number == pytest.approx(short.job.last.number, rel=0.02)
        means: list[Mapping[str, float]] = []
        for one, length in ((short, 0.25), (long, tick)):
            sums = dict.fromkeys(DEMANDS, 0.0)
            for _ in range(round(120.0 / length)):
                one.advance(length, length)
                sums = {name: sums[name] + value for name, value in one.demand().items()}
            means.append({name: value * length / 120.0 for name, value in sums.items()})
        assert means[1] == pytest.approx(means[0], rel=0.03)


class TestStalls:
    @pytest.mark.parametrize(("channel", "device"), [("gone", 93), ("hung", 93), ("down", 11)])
    def test_a_lost_accelerator_stalls_the_job(
        self, bench: Bench, channel: str, device: int
    ) -> None:
        bench.advance(3.0)
        number = bench.job.last.number
        bench.strike(channel, [device], 1.0)
        bench.advance(10.0)
        assert bench.job.stalled
        assert bench.job.last.number == number
        waiting = float(load_profile(Workload, "llm_training").waiting.power)
        assert bench.demand(slice(0, 80))["power"] == pytest.approx(waiting), "all spin"
        bench.effects.reset()
        bench.advance(3.0)
        assert not bench.job.stalled
        assert bench.job.last.number > number

    def test_a_spares_loss_stalls_nobody(self, bench: Bench) -> None:
        bench.strike("gone", [RANKS], 1.0)
        assert len(bench.steps(3)) == 3
        assert not bench.job.stalled

    def test_without_a_host_the_others_share_its_work(self, bench: Bench) -> None:
        bench.strike("released", [0, 1, 2, 3, 4, 5], 1.0)
        step = bench.steps(3)[-1]
        assert np.median(step.compute_seconds) == pytest.approx(0.85 * 192 / 144, rel=0.02)
        assert bench.demand(slice(0, 48))["power"] == 0.0

    @pytest.mark.parametrize("channel", ["ended", "crashed"])
    def test_a_job_that_is_over_asks_for_nothing(self, bench: Bench, channel: str) -> None:
        bench.strike(channel, [0], 1.0)
        bench.advance(1.0)
        assert set(bench.demand().values()) == {0.0}
        assert bench.jobs.load[0] == bench.jobs.load[31]
        assert not bench.jobs.memory_ratio.any()

    def test_a_paused_job_keeps_its_memory(self, bench: Bench) -> None:
        bench.strike("paused", [0], 1.0)
        number = bench.job.last.number
        bench.advance(5.0)
        assert set(bench.demand().values()) == {0.0}
        assert bench.job.last.number == number
        assert bench.jobs.memory_ratio[0] == pytest.approx(0.87)


def demand(power: float) -> Demand:
    zero = figure(0.0)
    return Demand(compute=zero, memory=zero, network=zero, scale_up=zero, power=figure(power))


@pytest.fixture
def phased() -> Job:
    """A job that compiles first and then saves after every fourth step."""
    phases = (
        Phase(
            name="compile",
            every_steps=figure(0),
            seconds=figure(20),
            demand=demand(0.05),
            storage_bytes_per_second=figure(0),
        ),
        Phase(
            name="checkpoint",
            every_steps=figure(4),
            seconds=figure(5),
            demand=demand(0.2),
            storage_bytes_per_second=figure(1e9),
        ),
    )
    workload = load_profile(Workload, "llm_training").model_copy(update={"phases": phases})
    job = Job("1", workload, indices([0]), indices(range(8)), seed=1)
    job._host_of_rank = indices([0] * 8)
    return job


def phases_of(job: Job, seconds: float, tick: float) -> tuple[list[str], Floats]:
    """The phase after each tick, and the mean demand over all."""
    site = build_site(cluster_of("demo"), 1)
    effects = Effects(sizes(site) | Jobs(site, 1).sizes())
    names: list[str] = []
    total, ones = np.zeros(len(DEMANDS)), np.ones(8)
    for _ in range(round(seconds / tick)):
        total += job.advance(tick, ones, ones, 0, effects).mean(axis=1) * tick
        names.append(job.phase.name if job.phase else "")
    mean: Floats = total / seconds
    return names, mean


class TestPhases:
    def test_it_compiles_once_and_saves_after_every_fourth_step(self, phased: Job) -> None:
        names, _ = phases_of(phased, 60.0, 0.5)
        assert names[:39] == ["compile"] * 39
        assert names[39:].count("compile") == 0
        saving = "".join("s" if name == "checkpoint" else "." for name in names[39:])
        runs = [len(run) for run in saving.split(".") if run]
        assert runs[:-1] == pytest.approx([10] * (len(runs) - 1), abs=1)
        # forty seconds hold four rounds of four steps and a checkpoint
        assert len(runs) == pytest.approx(40.0 / (4 * 0.99 + 5.0), abs=1.0)

    def test_long_ticks_do_not_jump_over_a_checkpoint(self) -> None:
        workload = load_profile(Workload, "ranking_training")
        checkpoint = workload.phases[0]
        every = checkpoint.model_copy(update={"every_steps": figure(400)})
        workload = workload.model_copy(update={"phases": (every,)})
        numbers, power = [], []
        for tick in (0.1, 30.0):
            job = Job("1", workload, indices([0]), indices(range(8)), seed=1)
            job._host_of_rank = indices([0] * 8)
            _, mean = phases_of(job, 600.0, tick)
            numbers.append(job.last.number)
            power.append(mean[DEMANDS.index("power")])
        assert numbers[1] == pytest.approx(numbers[0], rel=0.02)
        assert power[1] == pytest.approx(power[0], rel=0.03)

    @pytest.mark.parametrize("phase", PHASES)
    def test_a_phase_out_of_turn_holds_the_steps(self, bench: Bench, phase: str) -> None:
        bench.advance(2.0)
        number = bench.job.last.number
        bench.strike("phase", [0], PHASES.index(phase) + 1)
        bench.advance(5.0)
        assert bench.job.last.number == number
        assert bench.demand()["compute"] < 0.35


class TestServing:
    def test_decode_is_bound_by_memory_and_not_by_compute(self) -> None:
        bench = Bench("llm_decode", 1.0)
        assert not bench.job.trains
        bench.advance(60.0, 1.0)
        asked = bench.demand(slice(0, 256))
        assert asked["compute"] < 0.12
        assert asked["memory"] > 0.6

    def test_prefill_is_bound_by_compute(self) -> None:
        bench = Bench("llm_prefill", 1.0)
        bench.advance(60.0, 1.0)
        assert bench.demand(slice(0, 256))["compute"] > 3 * 0.12

    def test_twice_the_requests_make_it_busier(self) -> None:
        quiet, busy = Bench("llm_decode", 1.0), Bench("llm_decode", 1.0)
        quiet.strike("batch", [0], 0.5)
        for one in (quiet, busy):
            one.advance(30.0, 1.0)
        assert quiet.demand()["memory"] < 0.7 * busy.demand()["memory"]
