from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fleetops.emulator.fleet import Fleet
from fleetops.emulator.job import Step
from tests.unit.emulator.fleets import advance, make_fleet, strike


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return make_fleet(tmp_path)


def steps(fleet: Fleet, count: int) -> list[Step]:
    seen = [fleet.job.last]
    while len(seen) <= count:
        advance(fleet, 0.25)
        if fleet.job.last.number != seen[-1].number:
            seen.append(fleet.job.last)
    return seen[1:]


def median_compute(observed: list[Step]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.median([step.compute_seconds for step in observed], axis=0)


def test_the_job_has_192_ranks_in_four_stages_on_24_hosts(fleet: Fleet) -> None:
    job = fleet.job
    assert (job.ranks, job.hosts, job.stages) == (192, 24, 4)
    assert np.bincount(job.stage_of).tolist() == [48] * 4
    assert job.rank_of(6, 2) == 50
    cells = set(zip(job.stage_of.tolist(), job.data_rank_of.tolist(), strict=True))
    assert len(cells) == 192


def test_a_step_takes_its_slowest_rank_and_the_communication(fleet: Fleet) -> None:
    for step in steps(fleet, 10):
        own = step.compute_seconds + step.data_wait_seconds
        assert step.communication_seconds + own == pytest.approx(step.step_seconds)
        assert step.communication_seconds.min() == pytest.approx(0.12)
        assert step.step_seconds == pytest.approx(own.max() + 0.12)


def test_a_healthy_step_takes_about_a_second(fleet: Fleet) -> None:
    observed = steps(fleet, 60)
    assert [step.number for step in observed] == list(
        range(observed[0].number, observed[0].number + 60)
    )
    median = np.median([step.step_seconds for step in observed])
    assert median == pytest.approx(fleet.job.expected_step_seconds, rel=0.02)


def test_healthy_ranks_stay_within_the_straggler_limit(fleet: Fleet) -> None:
    """No rank is 10 % over its stage's median in most of the steps."""
    compute = np.array([step.compute_seconds for step in steps(fleet, 60)])
    by_stage = compute.reshape(60, 4, 48)
    over = by_stage > 1.10 * np.median(by_stage, axis=2, keepdims=True)
    assert over.mean(axis=0).max() < 0.2


def test_throttling_slows_the_host_s_ranks_and_with_them_the_job(fleet: Fleet) -> None:
    strike(fleet, "cold_plate_clog", {"host_index": 6})
    advance(fleet, 25)
    observed = steps(fleet, 10)
    compute = median_compute(observed)
    peers = np.median(compute[fleet.job.stage_of == 1])
    slow = slice(48, 56)
    assert (compute[slow] > 1.15 * peers).all()
    assert np.delete(compute, np.arange(48, 56)).max() < 1.05 * peers
    assert observed[-1].step_seconds > 1.1 * fleet.job.expected_step_seconds
    # the others wait, and so draw less
    assert fleet.physics.power_watts[:6].mean() < 600.0


def test_a_slow_rank_is_slow_cool_and_at_full_clock(fleet: Fleet) -> None:
    strike(fleet, "slow_rank", {"host_index": 14, "accelerator": 3}, {"factor": 1.35})
    advance(fleet, 5)
    compute = median_compute(steps(fleet, 8))
    rank = fleet.job.rank_of(14, 3)
    assert compute[rank] == pytest.approx(1.35 * np.median(compute), rel=0.03)
    assert np.delete(compute, rank).max() < 1.05 * np.median(compute)
    assert fleet.physics.clock_ratio[14, 3] == 1.0
    assert fleet.physics.temperature_celsius[14, 3] < 70.0


def test_an_imbalanced_stage_slows_all_its_ranks_alike(fleet: Fleet) -> None:
    strike(fleet, "stage_imbalance", {"stage": -1}, {"factor": 1.3})
    advance(fleet, 5)
    compute = median_compute(steps(fleet, 8)).reshape(4, 48)
    medians = np.median(compute, axis=1)
    assert medians[3] == pytest.approx(1.3 * medians[:3].mean(), rel=0.02)
    assert (compute < 1.05 * medians[:, None]).all()


def test_a_lost_accelerator_hangs_the_job(fleet: Fleet) -> None:
    strike(fleet, "xid", {"host_index": 11, "accelerator": 5})
    advance(fleet, 2)
    number = fleet.job.last.number
    advance(fleet, 10)
    assert fleet.job.stalled
    assert fleet.job.last.number == number
    assert fleet.physics.power_watts[0].mean() < 350.0


def test_an_xid_that_loses_nothing_does_not_hang_the_job(fleet: Fleet) -> None:
    strike(fleet, "xid", {"host_index": 11, "accelerator": 5}, {"code": 31})
    advance(fleet, 5)
    assert not fleet.job.stalled
    assert fleet.readings.accelerators.present.all()
    assert fleet.readings.accelerators.last_xid[11, 5] == 31
