"""A training job of four processes, and its files, through the commands of a user."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.commands import answer, fleetops
from tests.support import ROOT, fixtures
from tests.unit.collectors.training_data import as_json, as_pickle, stalled_job

EXAMPLE = ROOT / "docs" / "examples" / "training.yaml"
RANKS = 4
JOB = """
import sys, time
from fleetops_collectors.training import StepReporter

slow = int(sys.argv[1])
reporter = StepReporter(data_rank=slow, pipeline_stage=0, pipeline_stages=1)
while True:
    with reporter.step():
        with reporter.phase("data_wait"):
            time.sleep(0.005)
        with reporter.phase("compute"):
            time.sleep(0.02 * (1 + slow))
        with reporter.phase("communication"):
            time.sleep(0.01)
"""


@contextmanager
def running_job(socket_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Four ranks that train until the context ends."""
    environ = {**os.environ, "FLEETOPS_TRAINING_SOCKET": str(socket_path), "SLURM_JOB_ID": "81"}
    ranks = [
        subprocess.Popen([sys.executable, "-c", JOB, str(rank)], env={**environ, "RANK": str(rank)})
        for rank in range(RANKS)
    ]
    try:
        yield ranks
    finally:
        for process in ranks:
            process.terminate()
        for process in ranks:
            process.wait(30)


def test_the_ranks_of_a_running_job_are_read(tmp_path: Path) -> None:
    path = tmp_path / "s"
    environ = {"TRAINING_SOCKET": str(path), "TRAINING_HOST": "node007"}
    with running_job(path) as job:
        done = fleetops("collect", "once", "-o", "json", config=EXAMPLE, environ=environ)
        assert [process.poll() for process in job] == [None] * RANKS, "nothing harms the job"
    assert done.returncode == 0, done.stderr
    (scrape,) = json.loads(done.stdout)
    rows: dict[str, dict[str, Any]] = {}
    for reading in scrape["readings"]:
        assert reading["device_class"] == "training_rank"
        assert reading["quality"] == "good"
        rows.setdefault(reading["device"], {})[reading["metric"]] = reading["value"]
    assert sorted(rows) == [f"node007/job81/rank{rank}" for rank in range(RANKS)]
    for rank in range(RANKS):
        row = rows[f"node007/job81/rank{rank}"]
        assert row["rank"] == row["data_rank"] == rank
        assert row["step_total"] >= 1
        assert row["compute_seconds"] >= 0.02 * (1 + rank)
        parts = ("compute_seconds", "communication_seconds", "data_wait_seconds")
        assert sum(row[name] for name in parts) <= row["step_seconds"]
    assert not path.exists()


def test_a_host_without_a_job_is_no_failure(tmp_path: Path) -> None:
    done = fleetops(
        "collect", "once", config=EXAMPLE, environ={"TRAINING_SOCKET": str(tmp_path / "s")}
    )
    assert done.returncode == 0, done.stderr
    assert "1 targets read, 0 failed" in done.stderr


@pytest.mark.parametrize("write", [as_pickle, as_json], ids=["pickle", "json"])
def test_dumps_of_a_hung_job_say_whom_it_waits_for(
    write: Callable[[Any], bytes], tmp_path: Path
) -> None:
    for rank, document in stalled_job().items():
        path = tmp_path / f"nccl_trace_rank_{rank}"
        path.write_bytes(write(document))
        os.utime(path, (1_795_219_900, 1_795_219_900))
    done = fleetops("decode", "training", tmp_path, "--host", "node001", "-o", "json")
    assert done.returncode == 0, done.stderr
    assert "collective_stalled: all_reduce 12 of process group default_pg" in done.stderr
    assert "ranks 2 never entered it" in done.stderr
    completed = {
        one["device"]: one["value"]
        for one in json.loads(done.stdout)
        if one["metric"] == "collectives_launched_total"
    }
    assert [completed[f"node001/jobunknown/rank{rank}"] for rank in range(RANKS)] == [
        *(12, 12, 11, 12)
    ]


def test_a_pickle_that_would_run_something_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nccl_trace_rank_0"
    path.write_bytes(b"\x80\x02cos\nsystem\nX\x05\x00\x00\x00touch\x85R.")
    done = fleetops("decode", "training", path)
    assert done.returncode == 1
    assert "only plain data is read" in done.stderr


@pytest.mark.fixtures
def test_the_samples_of_the_writers() -> None:
    jobs = fixtures() / "jobs"
    names = ("nccl-inspector-0.json", "nvrx-straggler-scores-sample.json")
    readings = answer("decode", "training", *(jobs / name for name in names))
    assert len(readings) == 4 + 8
    scores = {
        one["device"]: one["value"]
        for one in readings
        if one["metric"] == "relative_performance_score"
    }
    assert scores["unknown/jobunknown/rank6"] == 0.72
