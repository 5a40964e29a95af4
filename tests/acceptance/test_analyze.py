"""``fleetops analyze job-trace``: the public traces, and what else may be recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.acceptance.commands import answer, fleetops, one_error
from tests.support import fixtures

pytestmark = pytest.mark.fixtures
KEYS = ["verdict", "workers", "stage", "slowdown", "explanation"]


def traces() -> Path:
    return fixtures() / "jobs" / "straggler-analysis"


def analyzed(tmp_path: Path, table: pa.Table) -> dict[str, Any]:
    pq.write_table(table, tmp_path / "trace.parquet")
    found: dict[str, Any] = answer("analyze", "job-trace", tmp_path / "trace.parquet")
    return found


def replaced(table: pa.Table, name: str, values: object) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, pa.array(values))


def column(table: pa.Table, name: str) -> np.ndarray[Any, Any]:
    values: np.ndarray[Any, Any] = table.column(name).to_numpy(zero_copy_only=False).copy()
    return values


def test_the_trace_with_a_slow_worker_names_exactly_it() -> None:
    found = answer(
        *("analyze", "job-trace", traces() / "trace-AR.parquet"),
        *("--meta", traces() / "meta-AR.yaml"),
    )
    assert [*found] == KEYS
    assert found["verdict"] == "hardware"
    (worker,) = found["workers"]
    assert (worker["worker"], worker["ranks"]) == ("dp0-pp0", [0])
    assert found["stage"] is None
    assert found["slowdown"] == pytest.approx(1.97, abs=0.05)


def test_the_trace_with_a_long_stage_names_it_and_no_worker() -> None:
    trace = (traces() / "trace-ST.parquet").read_bytes()
    found = answer("analyze", "job-trace", "-", stdin=trace)
    assert [*found] == KEYS
    assert (found["verdict"], found["workers"], found["stage"]) == ("job", [], 3)
    assert "Stage 3 (the last)" in found["explanation"]


def test_whoever_is_slow_is_named(tmp_path: Path) -> None:
    # the workers change places: who was (0, 0) is now (2, 3)
    table = pq.read_table(traces() / "trace-AR.parquet")
    moved = replaced(table, "dp_rank", (column(table, "dp_rank") + 2) % 4)
    moved = replaced(moved, "stage", 3 - column(table, "stage"))
    order = np.random.default_rng(7).permutation(moved.num_rows)
    found = analyzed(tmp_path, moved.take(pa.array(order)))
    assert found["verdict"] == "hardware"
    assert [worker["worker"] for worker in found["workers"]] == ["dp2-pp3"]


@pytest.mark.parametrize(("share", "blamed"), [(0.6, True), (0.43, False)])
def test_how_slow_a_worker_must_be(tmp_path: Path, share: float, blamed: bool) -> None:
    # the slow worker takes 2.35 x its peers: 0.6 leaves 41 % more than they, 0.43 about the same
    table = pq.read_table(traces() / "trace-AR.parquet")
    slow = (column(table, "dp_rank") == 0) & (column(table, "stage") == 0)
    duration = column(table, "duration")
    duration[slow] *= share
    found = analyzed(tmp_path, replaced(table, "duration", duration))
    assert [w["worker"] for w in found["workers"]] == (["dp0-pp0"] if blamed else [])
    assert (found["verdict"] == "hardware") is blamed


def test_a_part_of_the_steps_is_enough(tmp_path: Path) -> None:
    table = pq.read_table(traces() / "trace-AR.parquet")
    steps = np.unique(column(table, "step"))[:12]
    part = table.filter(pc.is_in(table.column("step"), value_set=pa.array(steps)))
    assert [w["worker"] for w in analyzed(tmp_path, part)["workers"]] == ["dp0-pp0"]


def test_sequences_of_uneven_length_are_the_jobs_own(tmp_path: Path) -> None:
    # every step other replicas of the healthy job get longer data, on all of their stages
    table = pq.read_table(traces() / "trace-AR.parquet")
    rng = np.random.default_rng(3)
    duration, rank = column(table, "duration"), column(table, "dp_rank")
    duration[(rank == 0) & (column(table, "stage") == 0)] /= 2.35
    step = column(table, "step")
    for number in np.unique(step):
        factor = rng.lognormal(0.0, 0.35, 4)
        chosen = step == number
        duration[chosen] *= factor[rank[chosen]]
    found = analyzed(tmp_path, replaced(table, "duration", duration))
    assert (found["verdict"], found["workers"]) == ("job", [])


def test_optional_columns_may_lack_and_others_are_named(tmp_path: Path) -> None:
    table = pq.read_table(traces() / "trace-ST.parquet")
    least = table.drop_columns(["rank", "seq_id", "mc", "mb_id", "gmc"])
    assert analyzed(tmp_path, least)["stage"] == 3
    pq.write_table(table.drop_columns(["stage"]), tmp_path / "cut.parquet")
    done = fleetops("analyze", "job-trace", tmp_path / "cut.parquet")
    one_error(done, 1, "cut.parquet: no column stage; a job trace has dp_rank, stage")
    assert done.stdout == ""


def test_what_is_no_trace_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "page.parquet").write_text("<html>")
    for name, words in (("page.parquet", "no Parquet file"), ("none.parquet", "no such file")):
        one_error(fleetops("analyze", "job-trace", tmp_path / name), 1, name, words)
    table = pq.read_table(traces() / "trace-ST.parquet")
    pq.write_table(table.filter(pc.equal(table.column("step"), table["step"][0])), tmp_path / "one")
    one_error(fleetops("analyze", "job-trace", tmp_path / "one"), 1, "one: it has too few steps, 1")
    other = ("--meta", traces() / "meta-AR.yaml")
    done = fleetops("analyze", "job-trace", traces() / "trace-ST.parquet", *other)
    one_error(done, 1, "trace-ST.parquet", "dp_size 4, the trace has 2")
