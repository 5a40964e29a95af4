"""What reporting a step costs the training job: time of a call, in the job's own thread."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import BaseModel, ConfigDict

from fleetops.core.errors import FleetOpsError
from fleetops_collectors.training import StepReporter

PAUSE_SECONDS = 0.0005
"""Between calls: a job makes one a step, and never finds its caches warm from the last."""
START_SECONDS = 30.0


class ReporterCost(BaseModel):
    """Microseconds a call, by percentile."""

    model_config = ConfigDict(frozen=True)

    calls: int
    report_p50_us: float
    """``report`` with all four times; another process listens."""
    report_p99_us: float
    burst_p50_us: float
    """The same without a pause: what the call itself costs, without waking the listener."""
    burst_p99_us: float
    absent_p50_us: float
    """The same where nobody listens: the report is dropped and counted."""
    absent_p99_us: float
    step_p50_us: float
    """``step`` with three phases around nothing; another process listens."""
    step_p99_us: float
    dropped: int
    """Reports that the listener was too slow for; not counted in the burst."""


def bench_reporter(calls: int = 4_000) -> ReporterCost:
    """Measures so many calls of each kind.

    Raises:
        FleetOpsError: the listening process did not start.
    """
    with TemporaryDirectory(prefix="fleetops-") as folder:
        path = Path(folder, "training.sock")
        with _reporter(path) as reporter:
            absent = _measure(calls, lambda: _report(reporter))
        listener = get_context("spawn").Process(target=listen, args=(str(path),), daemon=True)
        listener.start()
        try:
            _wait_for(path)
            with _reporter(path) as reporter:
                reports = _measure(calls, lambda: _report(reporter))
                steps = _measure(calls, lambda: _step(reporter))
                dropped = reporter.dropped
                burst = _measure(calls, lambda: _report(reporter), pause_seconds=0.0)
        finally:
            listener.terminate()
            listener.join()
            listener.close()
    return ReporterCost(
        calls=calls,
        report_p50_us=_percentile(reports, 0.50),
        report_p99_us=_percentile(reports, 0.99),
        burst_p50_us=_percentile(burst, 0.50),
        burst_p99_us=_percentile(burst, 0.99),
        absent_p50_us=_percentile(absent, 0.50),
        absent_p99_us=_percentile(absent, 0.99),
        step_p50_us=_percentile(steps, 0.50),
        step_p99_us=_percentile(steps, 0.99),
        dropped=dropped,
    )


def listen(path: str) -> None:
    """Takes reports for ever, in a process of its own as the collector is."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        while True:
            listener.recv(4096)


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not path.exists():
        if time.monotonic() > deadline:
            raise FleetOpsError(f"no process listens at {path} after {START_SECONDS:.0f} s")
        time.sleep(0.01)


def _reporter(path: Path) -> StepReporter:
    return StepReporter(
        rank=3, job="81", pipeline_stage=1, pipeline_stages=4, socket_path=str(path)
    )


def _report(reporter: StepReporter) -> None:
    reporter.report(
        step=1,
        step_seconds=1.25,
        compute_seconds=1.0,
        communication_seconds=0.2,
        data_wait_seconds=0.05,
    )


def _step(reporter: StepReporter) -> None:
    with reporter.step():
        for name in ("data_wait", "compute", "communication"):
            with reporter.phase(name):
                pass


def _measure(
    calls: int, call: Callable[[], None], pause_seconds: float = PAUSE_SECONDS
) -> list[int]:
    """Nanoseconds of each call, ascending."""
    times = []
    for _ in range(calls):
        if pause_seconds:
            time.sleep(pause_seconds)
        began = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - began)
    return sorted(times)


def _percentile(ascending: list[int], share: float) -> float:
    return ascending[min(len(ascending) - 1, int(share * len(ascending)))] / 1000
