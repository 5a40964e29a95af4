"""Recorded answers of Slurm: JSON of nodes and jobs, what scontrol shows, tables with a header."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import orjson

from fleetops.core.errors import InputError
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.slurm.cluster import decode_cluster
from fleetops_collectors.slurm.shapes import records
from fleetops_collectors.slurm.shown import read_shown
from fleetops_collectors.slurm.sinfo import nodes_of_sinfo
from fleetops_collectors.slurm.tables import read_tables

MAX_BYTES = 256 * 1024 * 1024
LISTS = ("nodes", "jobs", "sinfo")


def decode_recording(path: Path, now: datetime) -> Decoded:
    """What a recorded answer says.

    Args:
        path: Output of ``scontrol show node --json``, ``sinfo --json``, ``squeue --json``,
            slurmrestd's nodes or jobs, ``scontrol show node``, ``scontrol show job``,
            ``sinfo -o``, ``squeue -o`` or ``sacct -P``.
        now: When it was recorded, where it does not say.

    Raises:
        InputError: it cannot be read, or holds no nodes and no jobs.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: larger than {MAX_BYTES} bytes")
        payload = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read it: {error.strerror}") from error
    try:
        return decode_payload(payload, now)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def decode_payload(payload: bytes, now: datetime) -> Decoded:
    """What an answer says.

    Raises:
        InputError: it holds no nodes and no jobs.
    """
    try:
        answer = orjson.loads(payload)
    except orjson.JSONDecodeError:
        text = payload.decode("utf-8", "replace")
        nodes, jobs = read_shown(text)
        if nodes or jobs:
            return decode_cluster(nodes, jobs, now, states=None)
        tables = read_tables(text)
        decoded = decode_cluster(list(tables.nodes.values()), tables.jobs, now, states=None)
        decoded.problems = [*tables.problems, *decoded.problems]
        if tables.steps:
            decoded.problems.append(f"{tables.steps} rows are steps of jobs; left to their jobs")
        return decoded
    if isinstance(answer, dict) and not any(key in answer for key in LISTS):
        raise InputError("JSON with neither nodes nor jobs; record: scontrol show node --json")
    found = {key: records(payload, key, "JSON") for key in LISTS if _has(answer, key)}
    nodes = [*found.get("nodes", []), *nodes_of_sinfo(found.get("sinfo", []))]
    return decode_cluster(nodes, found.get("jobs", []), now, states=None)


def _has(answer: object, key: str) -> bool:
    return not isinstance(answer, dict) or key in answer
