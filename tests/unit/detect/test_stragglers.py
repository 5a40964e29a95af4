from __future__ import annotations

import numpy as np
import pyarrow.compute as pc

from fleetops.detect.detectors.stragglers import StragglerConfig, StragglerDetector
from fleetops_schemas.readings import Quality
from fleetops_schemas.records import RecommendedAction
from tests.unit.detect.support import Batch, Bench, ranks, rows

HOSTS = [f"node{n:03d}" for n in range(1, 9)]
PER_HOST = 4
STAGE_SIZE = 16


def bench(**config: object) -> Bench:
    return Bench(StragglerDetector(StragglerConfig.model_validate(config)))


class Job:
    """Eight hosts of four ranks; two pipeline stages of sixteen ranks."""

    def __init__(self) -> None:
        self.factor = np.ones((len(HOSTS), PER_HOST))
        self.rng = np.random.default_rng(7)
        self.step = 0

    def next(self) -> Batch:
        self.step += 1
        compute = self.factor * np.exp(self.rng.normal(0.0, 0.01, self.factor.shape))
        values = {host: compute[index].tolist() for index, host in enumerate(HOSTS)}
        return ranks(self.step * 2.0, self.step, values, stage_size=STAGE_SIZE)

    def run(self, b: Bench, steps: int) -> None:
        for _ in range(steps):
            batch = self.next()
            b.feed(self.step * 2.0, batch)


def test_one_slow_rank_and_nobody_who_waits_for_it() -> None:
    b, job = bench(), Job()
    job.run(b, 15)
    assert b.said == []
    job.factor[2, 1] = 1.35
    job.run(b, 15)
    (finding,) = b.firing.values()
    assert (finding.kind, finding.host, finding.job) == ("slow_rank", "node003", "81")
    assert finding.device == "node003/job81/rank9"
    assert "16 ranks of stage 0" in finding.summary
    assert finding.evidence[0].value is not None
    assert finding.evidence[0].reference is not None
    assert finding.evidence[0].value / finding.evidence[0].reference > 1.3


def test_it_clears_when_the_rank_keeps_up_again() -> None:
    b, job = bench(), Job()
    job.factor[2, 1] = 1.35
    job.run(b, 15)
    assert len(b.firing) == 1
    job.factor[2, 1] = 1.0
    job.run(b, 15)
    assert b.firing == {}


def test_a_long_stage_is_the_job() -> None:
    b, job = bench(), Job()
    job.run(b, 15)
    job.factor[4:] = 1.4
    job.run(b, 15)
    (finding,) = b.firing.values()
    assert (finding.kind, finding.device, finding.host) == ("job_stage_imbalance", "job81", None)
    assert finding.action is RecommendedAction.CHECK_JOB
    assert "stage 1 (the last)" in finding.summary


def test_everybody_slower_than_before_is_the_job() -> None:
    b, job = bench(), Job()
    job.run(b, 60)
    assert b.said == []
    job.factor[:] = 1.4
    job.run(b, 15)
    assert b.kinds() == {"job81": "job_slowdown"}
    job.factor[:] = 1.0
    job.run(b, 15)
    assert b.firing == {}


def test_a_slow_rank_slows_the_step_and_is_still_no_slowdown_of_the_job() -> None:
    b, job = bench(), Job()
    job.run(b, 60)
    job.factor[0, 0] = 2.0
    job.run(b, 15)
    assert set(b.kinds().values()) == {"slow_rank"}


def test_polls_that_see_a_step_twice_or_miss_one() -> None:
    b, job = bench(), Job()
    job.factor[2, 1] = 1.35
    for _ in range(30):
        batch = job.next()
        if job.step % 3 != 0:
            b.feed(job.step * 2.0, batch)
            b.feed(job.step * 2.0 + 1, batch)
    assert set(b.kinds()) == {"node003/job81/rank9"}


def seen_by(batch: Batch, host: str) -> Batch:
    """The rows of one host: it is read when the others are not."""
    header, rows_of_all = batch
    return header, rows_of_all.filter(pc.equal(rows_of_all.column("host").cast("string"), host))


def test_hosts_that_are_read_in_turn_share_hardly_a_step() -> None:
    for slow, found in ((True, {"node003"}), (False, set())):
        b, job = bench(), Job()
        job.factor[2] = 1.35 if slow else 1.0  # a whole host: alone in a step it looks even
        for _ in range(70):
            batch = job.next()
            for index, host in enumerate(HOSTS):
                if (job.step + index) % 3 == 0:
                    b.feed(job.step * 2.0, seen_by(batch, host))
        assert {finding.host for finding in b.firing.values()} == found


def test_scrapes_that_are_lost_at_random() -> None:
    b, job = bench(), Job()
    job.factor[2, 1] = 1.35
    for _ in range(60):
        batch = job.next()
        for host in HOSTS:
            if job.rng.random() < 0.6:
                b.feed(job.step * 2.0, seen_by(batch, host))
    assert set(b.kinds()) == {"node003/job81/rank9"}


def test_a_hanging_job_blames_nobody() -> None:
    b, job = bench(), Job()
    job.run(b, 20)
    batch = job.next()
    for second in range(100):
        b.feed(job.step * 2.0 + second, batch)  # the last step, reported again and again
    assert b.said == []


def test_a_job_that_ended_takes_its_findings_along() -> None:
    b, job = bench(forget_seconds=60), Job()
    job.factor[2, 1] = 1.35
    job.run(b, 15)
    assert len(b.firing) == 1
    b.feed(job.step * 2.0 + 61)
    assert b.firing == {}
    job.run(b, 15)  # and comes back under the same id
    assert len(b.firing) == 1


def test_steps_counted_anew_after_a_checkpoint() -> None:
    b, job = bench(), Job()
    job.step = 10_000
    job.run(b, 15)
    job.step, job.factor[1, 1] = 0, 1.4
    for _ in range(15):
        batch = job.next()
        b.feed(20_100 + job.step * 2.0, batch)
    assert b.kinds() == {"node002/job81/rank5": "slow_rank"}


def test_null_compute_is_not_judged() -> None:
    b = bench()
    for step in range(20):
        values = {
            f"node001/job81/rank{n}": {
                "rank": n,
                "pipeline_stage": 0,
                "step_total": step,
                "compute_seconds": Quality.MISSING if n == 0 else 1.0,
            }
            for n in range(6)
        }
        b.feed(step, rows("training_rank", step, values, job="81"))
    assert b.said == []


def test_restart_says_nothing_twice_and_clears_by_evidence_alone() -> None:
    b, job = bench(), Job()
    job.factor[2, 1] = 1.35
    job.run(b, 15)
    again = StragglerDetector(StragglerConfig())
    again.restore(dict(b.firing))
    b.detector = again
    said = len(b.said)
    job.run(b, 5)
    assert len(b.said) == said
    job.factor[2, 1] = 1.0
    job.run(b, 5)
    assert len(b.firing) == 1 or b.said[-1].status == "cleared"
    job.run(b, 15)
    assert b.firing == {}
