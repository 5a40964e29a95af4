"""Recorded answers of Slurm: JSON of nodes and jobs, what scontrol shows, tables with a header."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import orjson

from fleetops.core.errors import InputError
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.json_input import read_file
from fleetops_collectors.slurm.cluster import decode_cluster
from fleetops_collectors.slurm.shapes import listed
from fleetops_collectors.slurm.shown import read_shown
from fleetops_collectors.slurm.sinfo import nodes_of_sinfo
from fleetops_collectors.slurm.tables import read_tables

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
    payload = read_file(path)
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
        return _decode_text(payload.decode("utf-8", "replace"), now)
    if not isinstance(answer, dict):
        raise InputError(f"a JSON {type(answer).__name__} instead of an object with nodes or jobs")
    found = {key: listed(answer, key, "JSON") for key in LISTS if key in answer}
    if not found:
        raise InputError("JSON with neither nodes nor jobs; record: scontrol show node --json")
    nodes = [*found.get("nodes", []), *nodes_of_sinfo(found.get("sinfo", []))]
    return decode_cluster(nodes, found.get("jobs", []), now, states=None)


def _decode_text(text: str, now: datetime) -> Decoded:
    """What scontrol shows, or a table."""
    nodes, jobs = read_shown(text)
    if nodes or jobs:
        return decode_cluster(nodes, jobs, now, states=None)
    tables = read_tables(text)
    decoded = decode_cluster(list(tables.nodes.values()), tables.jobs, now, states=None)
    decoded.problems = [*tables.problems, *decoded.problems]
    if tables.steps:
        decoded.problems.append(f"{tables.steps} rows are steps of jobs; left to their jobs")
    return decoded
