"""What a :class:`StepReporter` sent, as readings. Pure: no socket, no clock."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from typing import NamedTuple

from fleetops.core.errors import InputError
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.training.ranks import RankNames, reading_of, time_of
from fleetops_collectors.training.reporter import BODY, HEAD, MAGIC, VERSION
from fleetops_schemas.readings import Reading

MAX_DATAGRAM = 4096
_COORDINATES = ("data_rank", "pipeline_stage", "pipeline_stages")
_SECONDS = ("step_seconds", "compute_seconds", "communication_seconds", "data_wait_seconds")


class Step(NamedTuple):
    """One report: the fields of the wire (``reporter.HEAD`` and ``BODY``), in their order."""

    rank: int
    data_rank: int
    pipeline_stage: int
    pipeline_stages: int
    expected_step_seconds: float
    reporter: int
    """Number of the reporter: another one means that the job was started anew."""
    sequence: int
    """Reports that it made before this one."""
    dropped: int
    refused: int
    step: int
    time: float
    step_seconds: float
    compute_seconds: float
    communication_seconds: float
    data_wait_seconds: float
    job: str


def parse_step(datagram: bytes) -> Step:
    """The report in a datagram.

    Raises:
        InputError: it is none, or one of another version.
    """
    if datagram[: len(MAGIC)] != MAGIC:
        raise InputError(f"a datagram that begins {datagram[:8]!r} is no report of a step")
    if len(datagram) > len(MAGIC) and datagram[len(MAGIC)] != VERSION:
        raise InputError(
            f"a report of version {datagram[len(MAGIC)]}, where {VERSION} is known; "
            "install the same FleetOps in the job and in the collector"
        )
    try:
        _magic, _version, length, *head = HEAD.unpack_from(datagram)
        name = datagram[HEAD.size : HEAD.size + length]
        body = BODY.unpack_from(datagram, HEAD.size + length)
    except struct.error as error:
        raise InputError("a report that was cut off") from error
    if not name:
        raise InputError("a report without the name of its job")
    return Step._make((*head, *body, name.decode("utf-8", "replace")))


def readings_of(step: Step, names: RankNames) -> Iterable[Reading]:
    """The step's readings; what the job did not give has none."""
    device = names.device(step.rank, step.job)
    time = time_of(step.time)
    values: dict[str, float] = {"rank": step.rank, "step_total": step.step}
    given = {name: getattr(step, name) for name in (*_SECONDS, "expected_step_seconds")}
    values |= {name: value for name, value in given.items() if not math.isnan(value)}
    coordinates = {name: getattr(step, name) for name in _COORDINATES}
    values |= {name: value for name, value in coordinates.items() if value >= 0}
    for metric, value in values.items():
        yield reading_of(device, metric, value, time)


def decode_steps(steps: Iterable[Step], names: RankNames) -> Decoded:
    """The readings of steps, one a rank."""
    decoded = Decoded()
    for step in steps:
        decoded.readings += readings_of(step, names)
        decoded.labels[names.device(step.rank, step.job)] = {"job": step.job}
    return decoded
