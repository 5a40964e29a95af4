from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetops.detect.peers import Floats, Ints, PeerRule, judge

RULE = PeerRule()


def job(
    replicas: int, stages: int, steps: int = 20, *, seed: int = 0, noise: float = 0.01
) -> tuple[Floats, Ints, Ints]:
    """(compute, stage, replica) of an even job; workers sorted by stage, then replica."""
    rng = np.random.default_rng(seed)
    compute = np.exp(rng.normal(0.0, noise, (steps, replicas * stages)))
    numbers = np.arange(replicas * stages)
    return compute, numbers // replicas, numbers % replicas


def slow(compute: Floats, stage: Ints, replica: Ints, **options: object) -> list[int]:
    judgement = judge(compute, stage, replica, PeerRule.model_validate(options))
    return [int(n) for n in np.flatnonzero(judgement.slow)]


def test_exactly_the_slow_worker() -> None:
    compute, stage, replica = job(8, 4)
    compute[:, 13] *= 1.3
    assert slow(compute, stage, replica) == [13]


def test_a_long_stage_is_the_jobs_and_nobody_is_slow() -> None:
    compute, stage, replica = job(2, 4)
    compute[:, stage == 3] *= 1.6
    judgement = judge(compute, stage, replica, RULE)
    assert not judgement.slow.any()
    assert judgement.long_stage == 3
    assert judgement.stage_ratio == pytest.approx(1.6, rel=0.03)


def test_a_slow_worker_inside_a_long_stage_is_still_found() -> None:
    compute, stage, replica = job(8, 4)
    compute[:, stage == 3] *= 1.5
    compute[:, 30] *= 1.3
    judgement = judge(compute, stage, replica, RULE)
    assert np.flatnonzero(judgement.slow).tolist() == [30]
    assert judgement.long_stage == 3


def test_uneven_sequences_flag_somebody_else_every_step_and_so_nobody() -> None:
    rng = np.random.default_rng(3)
    compute, stage, replica = job(32, 2, steps=40)
    for step in range(40):
        for number in rng.choice(32, 4, replace=False):
            compute[step, replica == number] *= rng.uniform(1.3, 1.9)
    judgement = judge(compute, stage, replica, RULE)
    assert not judgement.slow.any()
    assert judgement.slow_share.max() < 0.5


def test_a_replica_with_longer_data_is_slow_everywhere_and_not_blamed() -> None:
    compute, stage, replica = job(8, 4)
    compute[:, replica == 5] *= 1.4
    judgement = judge(compute, stage, replica, RULE)
    assert not judgement.slow.any()
    assert judgement.slow_replicas == (5,)


def test_a_replica_that_is_all_on_one_host_may_be_that_host() -> None:
    compute, stage, replica = job(8, 4)
    compute[:, replica == 5] *= 1.4
    judgement = judge(compute, stage, replica, RULE, host=replica)
    assert np.flatnonzero(judgement.slow).tolist() == [5, 13, 21, 29]


@pytest.mark.parametrize(("peers", "found"), [(1, False), (2, False), (3, True), (4, True)])
def test_it_takes_three_to_tell(peers: int, *, found: bool) -> None:
    compute, stage, replica = job(peers, 4)
    compute[:, 0] *= 1.8
    assert bool(slow(compute, stage, replica)) is found


@pytest.mark.parametrize(("steps", "found"), [(9, False), (10, True)])
def test_it_takes_ten_steps(steps: int, *, found: bool) -> None:
    compute, stage, replica = job(8, 2, steps=steps)
    compute[:, 0] *= 1.8
    assert bool(slow(compute, stage, replica)) is found


@pytest.mark.parametrize(("share", "found"), [(0.75, False), (0.8, True), (0.95, True)])
def test_it_must_persist(share: float, *, found: bool) -> None:
    compute, stage, replica = job(8, 2, steps=20)
    compute[: int(share * 20), 0] *= 1.8
    assert bool(slow(compute, stage, replica)) is found


@pytest.mark.parametrize(("factor", "found"), [(1.05, False), (1.09, False), (1.2, True)])
def test_it_must_matter(factor: float, *, found: bool) -> None:
    compute, stage, replica = job(8, 2, noise=0.001)
    compute[:, 0] *= factor
    assert bool(slow(compute, stage, replica)) is found


def test_far_above_ten_percent_but_within_the_noise_is_not_odd() -> None:
    compute, stage, replica = job(8, 2, noise=0.3)
    compute[:, 0] *= 1.2
    assert slow(compute, stage, replica) == []


def test_missing_steps_are_not_zero() -> None:
    compute, stage, replica = job(8, 2, steps=30)
    compute[:, 3] *= 1.5
    compute[::2, 3] = np.nan
    compute[:, 5] = np.nan
    compute[4, 6] = 0.0  # a rank that reported before its first step
    assert slow(compute, stage, replica) == [3]


def test_ranks_without_a_stage_have_no_peers() -> None:
    compute, stage, replica = job(8, 2)
    compute[:, 3] *= 1.8
    assert slow(compute, np.full_like(stage, -1), replica) == []


def test_nothing_at_all() -> None:
    empty = np.zeros((0, 4))
    judgement = judge(empty, np.zeros(4, np.int64), np.arange(4), RULE)
    assert judgement.steps == 0
    assert not judgement.slow.any()


@settings(max_examples=40, deadline=None)
@given(
    replicas=st.integers(2, 12),
    stages=st.integers(1, 5),
    seed=st.integers(0, 2**16),
    factors=st.lists(st.floats(0.5, 3.0), min_size=5, max_size=5),
)
def test_no_mixture_of_stage_lengths_ever_blames_a_worker(
    replicas: int, stages: int, seed: int, factors: list[float]
) -> None:
    compute, stage, replica = job(replicas, stages, seed=seed, noise=0.02)
    compute *= np.array(factors)[stage]
    assert slow(compute, stage, replica) == []
