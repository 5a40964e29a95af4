"""StepReporter inside a job: what it sends, and that nothing it meets can harm the job."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleetops_collectors.training import StepReporter, reporter
from fleetops_collectors.training.steps import Step
from tests.unit.collectors.step_listener import TIMES, Listener, rank3


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    opened = Listener(tmp_path / "s")
    yield opened
    opened.close()


def test_a_report_says_who_when_and_how_long(listener: Listener) -> None:
    before = time.time()
    coordinates = {"data_rank": 2, "pipeline_stage": 1, "pipeline_stages": 4}
    with rank3(listener.path, **coordinates, expected_step_seconds=1.0) as sender:
        assert sender.enabled
        assert sender.report(step=1200, **TIMES)
    (step,) = listener.steps()
    assert (step.job, step.rank, step.step, step.sequence) == ("81", 3, 1200, 0)
    assert (step.data_rank, step.pipeline_stage, step.pipeline_stages) == (2, 1, 4)
    assert step.expected_step_seconds == 1.0
    assert {name: getattr(step, name) for name in TIMES} == TIMES
    assert before <= step.time <= time.time()


def test_what_is_not_given_is_not_zero(listener: Listener) -> None:
    with rank3(listener.path) as sender:
        sender.report(step=1, step_seconds=1)
    (step,) = listener.steps()
    assert math.isnan(step.compute_seconds)
    assert math.isnan(step.expected_step_seconds)
    assert step.pipeline_stage == -1


def test_phases_of_a_step_do_not_count_twice(listener: Listener) -> None:
    with rank3(listener.path) as sender:
        with sender.step(), sender.phase("compute"):
            time.sleep(0.02)
            with sender.phase("communication"):
                time.sleep(0.02)
            with sender.phase("communication"):
                time.sleep(0.01)
        with sender.step(number=7):
            pass
        with sender.step():
            pass
    first, second, third = listener.steps()
    assert [first.step, second.step, third.step] == [1, 7, 8]
    assert first.compute_seconds >= 0.02
    assert first.communication_seconds >= 0.03
    assert first.compute_seconds + first.communication_seconds <= first.step_seconds
    assert math.isnan(first.data_wait_seconds)
    assert math.isnan(second.compute_seconds), "a phase counts in its own step alone"


def test_a_step_that_failed_is_not_reported_and_its_error_is_the_jobs(listener: Listener) -> None:
    with rank3(listener.path) as sender:
        with pytest.raises(ZeroDivisionError), sender.step(), sender.phase("compute"):
            raise ZeroDivisionError
        with sender.step():
            pass
    (step,) = listener.steps()
    assert step.step == 1
    assert math.isnan(step.compute_seconds)


@pytest.mark.parametrize(
    "wrong",
    [
        {"step": "one"},
        {"step": -1},
        {"step": 1.5},
        {"step": 2**64},
        {"step_seconds": "fast"},
        {"step_seconds": None, "compute_seconds": object()},
        {"compute_seconds": 10**400},
    ],
    ids=str,
)
def test_wrong_values_are_refused_counted_and_raise_nothing(
    wrong: dict[str, Any], listener: Listener
) -> None:
    with rank3(listener.path) as sender:
        assert not sender.report(**{"step": 1, **TIMES, **wrong})
        assert sender.refused == 1
        assert sender.report(step=1, **TIMES)
    assert [step.refused for step in listener.steps()] == [1]


def test_a_tensor_is_refused_rather_than_waited_for(listener: Listener) -> None:
    class Tensor:
        def __float__(self) -> float:
            raise AssertionError("this would wait for the device")

    with rank3(listener.path) as sender:
        assert not sender.report(step=1, **{**TIMES, "compute_seconds": Tensor()})
    assert not listener.steps()


def test_a_phase_of_an_unknown_name_is_counted(listener: Listener) -> None:
    with rank3(listener.path) as sender:
        with sender.step(), sender.phase("comptue"):
            pass
        assert sender.refused == 1
    assert len(listener.steps()) == 1


def test_without_a_listener_reports_are_dropped_and_the_next_one_tells(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with rank3(path) as sender:
        for step in range(5):
            assert not sender.report(step=step, **TIMES)
        assert sender.dropped == 5
        listener = Listener(path)
        time.sleep(reporter.RETRY_SECONDS)
        assert sender.report(step=5, **TIMES)
        assert [(s.step, s.dropped, s.sequence) for s in listener.steps()] == [(5, 5, 5)]
        listener.close()
        assert not sender.report(step=6, **TIMES)
        listener = Listener(path)
        time.sleep(reporter.RETRY_SECONDS)
        assert sender.report(step=7, **TIMES), "a collector that was started anew is found"
        assert [(s.step, s.dropped) for s in listener.steps()] == [(7, 6)]
        listener.close()


def test_a_listener_that_hangs_costs_no_time(listener: Listener) -> None:
    with rank3(listener.path) as sender:
        began = time.perf_counter()
        sent = sum(sender.report(step=step, **TIMES) for step in range(5000))
        seconds = time.perf_counter() - began
        assert sender.dropped == 5000 - sent > 0
    assert seconds / 5000 < 0.001
    assert len(listener.steps()) == sent


@pytest.mark.parametrize(
    "path", ["/proc/1/nothing/here", "/dev/null", "/", "/" + "x" * 200, "\0bad", "."], ids=repr
)
def test_no_path_can_harm(path: str) -> None:
    with StepReporter(rank=0, job="1", socket_path=path) as sender:
        assert not sender.report(step=1, **TIMES)


@pytest.mark.parametrize(
    ("options", "environ", "words"),
    [
        ({}, {}, "no rank"),
        ({"rank": 1}, {}, "no job"),
        ({"rank": 1}, {"TORCHELASTIC_RUN_ID": "none"}, "no job"),
        ({"job": "1"}, {"RANK": "first"}, "'first'"),
        ({"rank": -1, "job": "1"}, {}, "-1 is no rank"),
        ({"rank": 1, "job": "x" * 65}, {}, "longer than 64"),
        ({"rank": 1, "job": "1", "pipeline_stage": "last"}, {}, "'last'"),
    ],
)
def test_misuse_turns_it_off_with_one_warning(
    options: dict[str, Any],
    environ: dict[str, str],
    words: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sender = StepReporter(**options, environ=environ)
    with sender.step(), sender.phase("compute"):
        pass
    assert not sender.report(step=1, **TIMES)
    assert not sender.enabled
    (record,) = caplog.records
    assert words in record.getMessage()
    assert "steps are not reported" in record.getMessage()


@pytest.mark.parametrize(
    ("environ", "rank", "job"),
    [
        ({"RANK": "17", "SLURM_PROCID": "2", "SLURM_JOB_ID": "4711"}, 17, "4711"),
        ({"SLURM_PROCID": "2", "SLURM_JOB_ID": "4711", "FLEETOPS_JOB": "mine"}, 2, "mine"),
        ({"RANK": "0", "TORCHELASTIC_RUN_ID": "run-9"}, 0, "run-9"),
        ({"PMIX_RANK": "5", "SLURM_JOB_ID": "1"}, 5, "1"),
    ],
)
def test_rank_and_job_come_from_the_environment(
    environ: dict[str, str], rank: int, job: str, listener: Listener
) -> None:
    own = {**environ, reporter.SOCKET_VARIABLE: str(listener.path)}
    with StepReporter(environ=own) as sender:
        assert sender.report(step=1, **TIMES)
    (step,) = listener.steps()
    assert (step.rank, step.job) == (rank, job)


def test_threads_may_report_at_once(listener: Listener) -> None:
    found: list[Step] = []
    with rank3(listener.path) as sender:

        def work(first: int) -> None:
            for step in range(first, first + 50):
                while not sender.report(step=step, **TIMES):
                    time.sleep(0.001)

        threads = [threading.Thread(target=work, args=(n * 50,)) for n in range(4)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            found += listener.steps()
        for thread in threads:
            thread.join()
        found += listener.steps()
        assert len(found) == 200
        sequences = [step.sequence for step in found]
        assert sequences == sorted(set(sequences))
        assert sequences[-1] + 1 == 200 + sender.dropped


def test_a_report_from_a_signal_handler_does_not_lock_up(listener: Listener) -> None:
    with rank3(listener.path) as sender, sender._lock:
        assert sender.report(step=1, **TIMES)


def test_after_close_nothing_is_sent(listener: Listener) -> None:
    sender = rank3(listener.path)
    sender.close()
    sender.close()
    assert not sender.report(step=1, **TIMES)
    assert not sender.enabled
    assert not listener.steps()
