from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml

from fleetops.core.errors import InputError
from fleetops.detect.detectors.stragglers import StragglerConfig, StragglerDetector
from fleetops.detect.job_trace import analyze_job_trace, trace_steps
from fleetops_schemas.telemetry import TelemetryHeader
from tests.support import fixtures
from tests.unit.detect.support import START, Bench


def traces() -> Path:
    return fixtures() / "jobs" / "straggler-analysis"


def published(name: str) -> dict[str, float]:
    result: dict[str, float] = json.loads((traces() / f"result-{name}.json").read_text())
    return result


@pytest.mark.fixtures
def test_the_trace_with_one_slow_worker() -> None:
    meta = yaml.safe_load((traces() / "meta-AR.yaml").read_text())
    found = analyze_job_trace(traces() / "trace-AR.parquet", meta)
    assert found.verdict == "hardware"
    assert [(w.dp_rank, w.stage, w.ranks) for w in found.workers] == [(0, 0, (0,))]
    assert found.stage is None
    assert found.slowdown == pytest.approx(published("AR")["blocking_slowdown"], rel=0.02)
    assert "dp0-pp0" in found.explanation


@pytest.mark.fixtures
def test_the_trace_with_a_long_last_stage() -> None:
    meta = yaml.safe_load((traces() / "meta-ST.yaml").read_text())
    found = analyze_job_trace(traces() / "trace-ST.parquet", meta)
    assert (found.verdict, found.workers, found.stage) == ("job", (), 3)
    assert found.slowdown == pytest.approx(published("ST")["blocking_slowdown"], rel=0.02)
    assert "the last" in found.explanation


@pytest.mark.fixtures
def test_without_its_slow_worker_the_first_trace_is_healthy() -> None:
    table = pq.read_table(traces() / "trace-AR.parquet")
    rest = table.filter(pc.not_equal(table.column("dp_rank"), pa.scalar(0, pa.int8())))
    found = analyze_job_trace(rest)
    assert found.workers == ()
    assert found.verdict != "hardware"


@pytest.mark.fixtures
@pytest.mark.parametrize(
    ("name", "blamed"), [("AR", {"w000/jobtrace/rank0": "slow_rank"}), ("ST", {})]
)
def test_replayed_through_the_live_detector_it_says_the_same(
    name: str, blamed: dict[str, str]
) -> None:
    b = Bench(StragglerDetector(StragglerConfig(forget_seconds=1e6)))
    hosts = [f"w{n:03d}" for n in range(16)]
    header = TelemetryHeader(device_class="training_rank", collector="replay", sequence=0)
    for offset, batch in trace_steps(traces() / f"trace-{name}.parquet", hosts):
        b.feed(offset, (header, batch))
    ranks = {d: k for d, k in b.kinds().items() if k == "slow_rank"}
    assert ranks == blamed
    assert ("jobtrace" in b.kinds()) is (name == "ST")


def synthetic(  # noqa: PLR0913  a job has so many sides
    replicas: int,
    stages: int,
    *,
    steps: int = 15,
    passes: int = 8,
    factor: dict[tuple[int, int], float] | None = None,
    uneven: float = 0.0,
    seed: int = 0,
) -> pa.Table:
    """A job of one microbatch after another; ``uneven`` stretches random workers of a step."""
    rng = np.random.default_rng(seed)
    columns: dict[str, list[float | int | str]] = {
        k: [] for k in ("dp_rank", "stage", "step", "optype", "start_ts", "duration")
    }
    for step in range(steps):
        stretch = np.where(rng.random(replicas) < uneven, rng.uniform(1.4, 1.9, replicas), 1.0)
        work = {
            (r, s): 0.1 * (factor or {}).get((r, s), 1.0) * stretch[r]
            for r in range(replicas)
            for s in range(stages)
        }
        pace = max(work.values())
        for (replica, stage), own in work.items():
            for number in range(passes):
                for kind, share in (("forward-compute", 1.0), ("backward-compute", 2.0)):
                    begin = (number * 3 + share - 1 + stage) * pace
                    row = (replica, stage, step * 7, kind, begin, own * share * rng.normal(1, 0.01))
                    for name, value in zip(columns, row, strict=True):
                        columns[name].append(value)
    return pa.table(columns)


def test_healthy() -> None:
    found = analyze_job_trace(synthetic(4, 4))
    assert (found.verdict, found.workers, found.stage) == ("healthy", (), None)
    assert found.slowdown < 1.1


def test_slow_workers_anywhere() -> None:
    found = analyze_job_trace(synthetic(6, 3, factor={(4, 2): 1.5, (1, 0): 1.4}))
    assert found.verdict == "hardware"
    assert {w.name for w in found.workers} == {"dp4-pp2", "dp1-pp0"}


def test_uneven_sequences_are_the_jobs() -> None:
    found = analyze_job_trace(synthetic(16, 2, steps=30, uneven=0.1))
    assert (found.verdict, found.workers) == ("job", ())
    assert "uneven length" in found.explanation


def test_a_replica_with_longer_data_is_the_jobs() -> None:
    factor = {(2, stage): 1.6 for stage in range(3)}
    found = analyze_job_trace(synthetic(6, 3, factor=factor))
    assert (found.verdict, found.workers) == ("job", ())
    assert "its data are longer" in found.explanation


def test_with_two_workers_a_stage_nobody_is_blamed() -> None:
    found = analyze_job_trace(synthetic(2, 4, factor={(1, 1): 2.0}))
    assert (found.verdict, found.workers, found.stage) == ("job", (), None)
    assert "nobody can tell" in found.explanation


def test_a_single_stage_has_no_bubble_and_no_long_stage() -> None:
    found = analyze_job_trace(synthetic(8, 1, factor={(5, 0): 1.5}))
    assert [w.name for w in found.workers] == ["dp5-pp0"]
    assert found.to_dict()["workers"][0]["dp_rank"] == 5


def test_column_types_do_not_matter() -> None:
    table = synthetic(4, 2, factor={(1, 1): 1.5})
    optype = table.column("optype").dictionary_encode()
    table = table.set_column(table.column_names.index("optype"), "optype", optype)
    small = table.column("dp_rank").cast(pa.int8())
    table = table.set_column(table.column_names.index("dp_rank"), "dp_rank", small)
    assert [w.name for w in analyze_job_trace(table).workers] == ["dp1-pp1"]


def test_nulls_and_negative_durations_are_skipped() -> None:
    table = synthetic(4, 2)
    durations = table.column("duration").to_pylist()
    durations[0], durations[1] = None, -5.0
    table = table.set_column(table.column_names.index("duration"), "duration", [durations])
    assert analyze_job_trace(table).verdict == "healthy"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda t: t.drop_columns(["stage"]), "no column stage"),
        (lambda t: t.filter(pc.equal(t.column("step"), 0)), "too few steps, 1;"),
        (
            lambda t: t.set_column(3, "optype", pa.array(["send"] * t.num_rows)),
            "no operation is computing",
        ),
        (lambda t: t.set_column(5, "duration", pa.array(["x"] * t.num_rows)), "no numbers"),
    ],
)
def test_bad_traces_say_what_is_wrong(spoil: object, words: str) -> None:
    assert callable(spoil)
    with pytest.raises(InputError, match=words):
        analyze_job_trace(spoil(synthetic(4, 2)))


def test_a_file_that_is_no_parquet(tmp_path: Path) -> None:
    path = tmp_path / "trace.parquet"
    path.write_text("<html>")
    with pytest.raises(InputError, match="no Parquet file"):
        analyze_job_trace(path)


def test_meta_of_another_job() -> None:
    with pytest.raises(InputError, match="pp_size 8, the trace has 2"):
        analyze_job_trace(synthetic(4, 2), {"pp_size": 8})


def test_replay_needs_a_host_for_each_worker() -> None:
    with pytest.raises(InputError, match="8 workers need as many hosts"):
        next(trace_steps(synthetic(4, 2), ["node001"]))


def test_replay_batches_are_ranks_of_the_hosts() -> None:
    steps = list(trace_steps(synthetic(4, 2, steps=12), [f"w{n}" for n in range(8)], job="9"))
    assert len(steps) == 12
    offsets = [offset for offset, _ in steps]
    assert offsets == sorted(offsets)
    batch = steps[3][1]
    assert batch.num_rows == 8
    assert batch.column("device")[5].as_py() == "w5/job9/rank5"
    assert batch.column("step_total").to_pylist() == [21] * 8
    moment = batch.column("ts")[0].as_py() - START.replace(year=1970, month=1, day=1, hour=0)
    assert abs(moment - timedelta(seconds=offsets[3])) < timedelta(milliseconds=2)
