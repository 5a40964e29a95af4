"""Tells the collector on this host how a rank of a training job spends its steps.

This file needs the standard library alone and nothing of FleetOps: install the distribution with
``pip install --no-deps``, or copy the file into a training image.

    reporter = StepReporter(pipeline_stage=3, pipeline_stages=8)
    for batch in batches:
        with reporter.step():
            with reporter.phase("compute"):
                loss = model(batch)
            with reporter.phase("communication"):
                reduce_gradients()

A report is one datagram of fixed layout to a Unix socket, sent without waiting. Where nobody
listens, or the collector is slow, it is dropped and counted, and the next one that arrives tells
the count. Nothing here raises into the job, waits, starts a thread, or writes a file.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import socket
import struct
import threading
import time
from collections.abc import Mapping
from types import TracebackType

SOCKET_VARIABLE = "FLEETOPS_TRAINING_SOCKET"
DEFAULT_SOCKET = "/run/fleetops/training.sock"
MAX_SOCKET_PATH = 107
"""Bytes of a Unix socket's path (``sun_path``, without the closing zero)."""
MAX_JOB = 64
"""Bytes of a job's name."""
RETRY_SECONDS = 0.25
"""Pause between attempts to find a listener: an attempt costs more than a report."""
PHASES = ("compute", "communication", "data_wait")

MAGIC = b"FOTR"
VERSION = 1
"""Raised when a field changes its place; new fields go to the end."""
HEAD = struct.Struct("<4sBBIiiidI")
"""Little-endian, unpadded: magic, version, bytes of the job's name; rank, data rank, pipeline
stage, pipeline stages (-1 is not given), expected step seconds (NaN is not given), the reporter's
own number, which tells it from an earlier one of the same rank. The job's name in UTF-8 follows."""
BODY = struct.Struct("<QQQQddddd")
"""Sequence, reports dropped and refused so far, step; time of its end (seconds since 1970), step,
compute, communication and data wait seconds (NaN is not given)."""

_RANK_VARIABLES = ("RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK")
_JOB_VARIABLES = ("FLEETOPS_JOB", "SLURM_JOB_ID", "TORCHELASTIC_RUN_ID")
_NAN = math.nan
_NUMBERS = (float, int)
_Seconds = tuple[float, float, float, float]
_LOG = logging.getLogger("fleetops.training")
_forks = 0
"""How many forks this process is away from the first. Asking for the process id costs a call."""


def _forked() -> None:
    global _forks  # noqa: PLW0603  the one thing that a fork changes
    _forks += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class StepReporter:
    """Reports the steps of one rank. Cheap (a few microseconds a step) and harmless.

    ``report`` may be called from any thread. ``step`` and ``phase`` belong to the thread that runs
    the training loop. In a process forked from the one that made it (a DataLoader's worker) it does
    nothing.
    """

    def __init__(  # noqa: PLR0913  keywords of one call, each with a default
        self,
        *,
        rank: int | None = None,
        job: str | None = None,
        data_rank: int | None = None,
        pipeline_stage: int | None = None,
        pipeline_stages: int | None = None,
        expected_step_seconds: float | None = None,
        socket_path: str | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Makes the reporter; where something is missing, one that says so once and is off.

        Args:
            rank: Global rank; else RANK, SLURM_PROCID, OMPI_COMM_WORLD_RANK, PMIX_RANK, PMI_RANK.
            job: The job's id; else FLEETOPS_JOB, SLURM_JOB_ID, TORCHELASTIC_RUN_ID.
            data_rank: Data-parallel coordinate.
            pipeline_stage: Pipeline-parallel coordinate: ranks of one stage are compared.
            pipeline_stages: Number of pipeline stages.
            expected_step_seconds: Step time of a healthy run, where the job knows it.
            socket_path: Where the collector listens; else FLEETOPS_TRAINING_SOCKET.
            environ: The environment.
        """
        self.dropped = 0
        """Reports that nobody took."""
        self.refused = 0
        """Reports with a value that is no number, and phases of an unknown name."""
        self._sequence = 0
        self._last_step = 0
        self._phase: _Phase | None = None
        self._spent = dict.fromkeys(PHASES, _NAN)
        self._lock = threading.RLock()  # reentrant: a signal handler may report as well
        self._forks = _forks
        self._connected = False
        self._retry_at = 0.0
        self._socket: socket.socket | None = None
        try:
            path = socket_path or environ.get(SOCKET_VARIABLE) or DEFAULT_SOCKET
            self._path = _checked_path(path)
            own_rank = _rank(rank, environ)
            name = _job(job, environ)
            self._head = HEAD.pack(
                *(MAGIC, VERSION, len(name), own_rank),
                *(
                    -1 if one is None else int(one)
                    for one in (data_rank, pipeline_stage, pipeline_stages)
                ),
                *(_NAN if expected_step_seconds is None else expected_step_seconds, _own_number()),
            )
            self._head += name
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
        except Exception as error:  # noqa: BLE001  no job may die of its telemetry
            _warn(f"steps are not reported: {error}")

    @property
    def enabled(self) -> bool:
        """Whether reports are sent at all."""
        return self._socket is not None and self._forks == _forks

    def report(
        self,
        *,
        step: int,
        step_seconds: float,
        compute_seconds: float | None = None,
        communication_seconds: float | None = None,
        data_wait_seconds: float | None = None,
    ) -> bool:
        """Reports a finished step; whether the collector's socket took it. Never raises.

        Args:
            step: The step's number, the same on every rank.
            step_seconds: Its wall time.
            compute_seconds: Time spent computing, as the device measured it.
            communication_seconds: Time in collectives, waiting for peers included.
            data_wait_seconds: Time spent waiting for input.
        """
        try:
            if self._forks != _forks:
                return False
            seconds = (
                step_seconds,
                _NAN if compute_seconds is None else compute_seconds,
                _NAN if communication_seconds is None else communication_seconds,
                _NAN if data_wait_seconds is None else data_wait_seconds,
            )
            for value in seconds:
                if not isinstance(value, _NUMBERS):
                    raise TypeError(f"{type(value).__name__} is no number of seconds; pass a float")
            with self._lock:
                return self._send(step, seconds)
        except Exception as error:  # noqa: BLE001  no job may die of its telemetry
            self.refused += 1
            if self.refused == 1:
                _warn(f"a step was not reported: {error}")
            return False

    def step(self, number: int | None = None) -> _Step:
        """Measures a step, and reports it unless it ended by an exception.

        Args:
            number: The step's number; one more than the last by default.
        """
        return _Step(self, number)

    def phase(self, name: str) -> _Phase:
        """Measures a part of a step: ``compute``, ``communication`` or ``data_wait``.

        A phase within a phase is taken off the outer one, so that no time counts twice. What a GPU
        does meanwhile is not seen: give ``report`` the times of its events instead.
        """
        if name not in self._spent:
            self.refused += 1
            if self.refused == 1:
                _warn(f"no phase {name!r}; there are {', '.join(PHASES)}")
        return _Phase(self, name)

    def close(self) -> None:
        """Sends nothing more. Need not be called."""
        opened, self._socket = self._socket, None
        if opened is not None:
            opened.close()

    def __enter__(self) -> StepReporter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_socket", None) is not None:
            self.close()

    def _send(self, step: int, seconds: _Seconds) -> bool:
        sender = self._socket
        if sender is None:
            return False
        counts = (self._sequence, self.dropped, self.refused, step)
        message = self._head + BODY.pack(*counts, time.time(), *seconds)
        self._sequence += 1
        self._last_step = step
        if self._delivered(sender, message):
            return True
        self.dropped += 1
        return False

    def _delivered(self, sender: socket.socket, message: bytes) -> bool:
        """Whether a listener took the message; one that is away is tried now and then only."""
        if not self._connected:
            now = time.monotonic()
            if now < self._retry_at:
                return False
            self._retry_at = now + RETRY_SECONDS
            try:
                sender.connect(self._path)
            except OSError:
                return False
            self._connected = True
        try:
            sender.send(message)
        except BlockingIOError:  # it is behind: its queue is full
            return False
        except OSError:  # it went away; another one may be there by the next report
            self._connected = False
            return False
        return True

    def _begin(self) -> None:
        self._phase = None
        for name in PHASES:
            self._spent[name] = _NAN

    def _end(self, number: int | None, seconds: float) -> None:
        self.report(
            step=self._last_step + 1 if number is None else number,
            step_seconds=seconds,
            compute_seconds=self._spent["compute"],
            communication_seconds=self._spent["communication"],
            data_wait_seconds=self._spent["data_wait"],
        )


class _Step:
    """A step under measurement."""

    __slots__ = ("_began", "_number", "_reporter")

    def __init__(self, reporter: StepReporter, number: int | None) -> None:
        self._reporter = reporter
        self._number = number
        self._began = 0.0

    def __enter__(self) -> _Step:
        self._reporter._begin()
        self._began = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        seconds = time.perf_counter() - self._began
        if kind is None:
            self._reporter._end(self._number, seconds)


class _Phase:
    """A phase under measurement."""

    __slots__ = ("_began", "_inner", "_name", "_outer", "_reporter")

    def __init__(self, reporter: StepReporter, name: str) -> None:
        self._reporter = reporter
        self._name = name
        self._outer: _Phase | None = None
        self._inner = 0.0
        """Seconds that phases within this one took."""
        self._began = 0.0

    def __enter__(self) -> _Phase:
        reporter = self._reporter
        self._outer, reporter._phase = reporter._phase, self
        self._began = time.perf_counter()
        return self

    def __exit__(self, *exception: object) -> None:
        seconds = time.perf_counter() - self._began
        reporter = self._reporter
        reporter._phase = self._outer
        if self._outer is not None:
            self._outer._inner += seconds
        before = reporter._spent.get(self._name)
        if before is not None:
            own = seconds - self._inner
            reporter._spent[self._name] = own if math.isnan(before) else before + own


def _rank(rank: int | None, environ: Mapping[str, str]) -> int:
    if rank is None:
        text = next((environ[name] for name in _RANK_VARIABLES if environ.get(name)), None)
        if text is None:
            raise ValueError("no rank: pass rank=, or set RANK as torchrun does")
        rank = int(text)
    if not 0 <= rank < 2**32:
        raise ValueError(f"{rank} is no rank")
    return int(rank)


def _job(job: str | None, environ: Mapping[str, str]) -> bytes:
    if job is None:
        names = (environ.get(name, "") for name in _JOB_VARIABLES)
        job = next((name for name in names if name not in {"", "none"}), "")
    encoded = str(job).encode()
    if not encoded:
        raise ValueError("no job: pass job=, or set FLEETOPS_JOB or SLURM_JOB_ID")
    if len(encoded) > MAX_JOB:
        raise ValueError(f"job {job!r} is longer than {MAX_JOB} bytes")
    return encoded


def _checked_path(path: str) -> str:
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise ValueError(f"{path} is longer than {MAX_SOCKET_PATH} bytes, which no socket may be")
    return path


def _own_number() -> int:
    return int.from_bytes(os.urandom(4), "little")


def _warn(text: str) -> None:
    with contextlib.suppress(Exception):  # a handler of the job's own may raise
        _LOG.warning("fleetops: %s", text)
