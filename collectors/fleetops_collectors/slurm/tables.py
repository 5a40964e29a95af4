"""Slurm's tables: ``sinfo -o``, ``squeue -o`` and ``sacct -P`` with a header, between bars.

A field may hold line breaks (a job's name, a comment), so a row ends when it has all its fields.
Also read: lines of JSON with the short keys that prometheus-slurm-exporter asks ``-o`` for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from fleetops.core.errors import InputError
from fleetops_collectors.slurm.jobs import NO_NODES
from fleetops_collectors.slurm.shapes import Raw, hundredths

_SEPARATOR = re.compile(r"\|#?")
MIN_COLUMNS = 2
_NODE_COLUMNS = {
    # ours: theirs, the first that is there counts
    "name": ("NODELIST", "NODE", "HOSTNAMES", "NODEHOST", "NODE_ADDR"),
    "state": ("STATE", "STATELONG", "STATECOMPACT"),
    "reason": ("REASON",),
    "reason_set_by_user": ("USER", "USERLONG"),
    "reason_changed_at": ("TIMESTAMP",),
    "partitions": ("PARTITION", "PARTITIONNAME"),
    "cpu_load": ("CPU_LOAD", "CPUSLOAD"),
    "free_mem": ("FREE_MEM", "FREEMEM"),
    "real_memory": ("MEMORY",),
    "gres": ("GRES",),
    "gres_used": ("GRES_USED", "GRESUSED"),
}
_JOB_COLUMNS = {
    "job_id": ("JOBIDRAW", "JOBID", "JOBARRAYID"),
    "name": ("NAME", "JOBNAME"),
    "user_name": ("USER", "USERNAME"),
    "job_state": ("STATE", "ST", "STATECOMPACT"),
    "nodes": ("NODELIST", "NODELIST(REASON)"),
    "start_time": ("START_TIME", "STARTTIME", "START"),
    "tasks": ("NTASKS", "TASKS", "NUMTASKS"),
    "tres_per_node": ("TRES_PER_NODE",),
}
_LAST_COUNTS = frozenset({"JOBID"})
"""Columns that %all prints twice: an array's task as 7_1 first, then by the number of its own."""
_SHORT_KEYS = {
    **{"s": "STATE", "n": "NODELIST", "l": "CPU_LOAD", "p": "PARTITION", "fmem": "FREE_MEM"},
    **{"mem": "MEMORY", "id": "JOBID", "state": "STATE", "r": "NODELIST(REASON)"},
}


@dataclass(slots=True)
class Tables:
    """Rows of tables, as if they were entries of Slurm's JSON."""

    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By name: sinfo prints a node once for each of its partitions."""
    jobs: list[Raw] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    steps: int = 0
    """Rows of sacct that are steps of jobs: counted, and left to their jobs."""

    def add(self, row: Mapping[str, str]) -> None:
        """Takes a row, by the names of its columns."""
        if any(name in row for name in _JOB_COLUMNS["job_id"]):
            self._add_job(_renamed(row, _JOB_COLUMNS))
        elif any(name in row for name in _NODE_COLUMNS["name"]):
            self._add_node(_renamed(row, _NODE_COLUMNS))

    def _add_job(self, job: dict[str, Any]) -> None:
        if "." in job["job_id"]:
            self.steps += 1
            return
        nodes = job.get("nodes", "")
        if nodes.startswith("(") or nodes == NO_NODES:
            job["nodes"] = ""  # why it waits
        job["job_state"] = job.get("job_state", "").partition(" ")[0]  # CANCELLED by 1000
        self.jobs.append(job)

    def _add_node(self, node: dict[str, Any]) -> None:
        partition = node.pop("partitions", "").rstrip("*")  # the default one has a star
        if "cpu_load" in node:
            node["cpu_load"] = hundredths(node["cpu_load"])
        known = self.nodes.setdefault(node["name"], {**node, "partitions": []})
        if partition and partition not in known["partitions"]:
            known["partitions"].append(partition)


def read_tables(text: str) -> Tables:
    """The nodes and jobs in a table.

    Raises:
        InputError: it is no table of nodes or jobs.
    """
    if text.lstrip().startswith("{"):
        return _json_lines(text)
    first, _, rest = text.lstrip("\n").partition("\n")
    columns = [name.strip().upper() for name in _SEPARATOR.split(first)]
    separator = "|#" if "|#" in first else "|"
    tables = Tables()
    if len(columns) < MIN_COLUMNS or not _known(columns):
        raise InputError(
            "no table of Slurm: its first line names no columns of nodes or jobs; "
            "record with: sinfo -N -o %all, squeue -o %all, or better with --json"
        )
    width = len(columns) - (columns[-1] == "")
    for number, fields in _rows(rest, separator, width):
        if len(fields) != width:
            tables.problems.append(f"line {number}: {len(fields)} fields instead of {width}")
            continue
        row: dict[str, str] = {}
        for name, value in zip(columns, fields, strict=False):
            if name not in row or name in _LAST_COUNTS:
                row[name] = value.strip()
        tables.add(row)
    return tables


def _known(columns: list[str]) -> bool:
    names = set(columns)
    of_nodes = any(name in names for name in _NODE_COLUMNS["name"])
    of_jobs = any(name in names for name in _JOB_COLUMNS["job_id"])
    return (of_nodes or of_jobs) and bool(names & {"STATE", "ST", "STATELONG", "STATECOMPACT"})


def _rows(text: str, separator: str, width: int) -> Iterator[tuple[int, list[str]]]:
    """Rows with the number of their first line. Lines are joined until a row is full."""
    pending, began = "", 2
    for number, line in enumerate(text.split("\n"), start=2):
        if not pending and not line.strip():
            continue
        alone = _fields(line, separator, width)
        if pending and len(alone) == width:  # what was pending is a row that broke off
            yield began, pending.split(separator)
            pending = ""
        began = began if pending else number
        pending = f"{pending}\n{line}" if pending else line
        fields = _fields(pending, separator, width)
        if len(fields) >= width:
            yield began, fields
            pending = ""
    if pending.strip():
        yield began, pending.split(separator)


def _fields(row: str, separator: str, width: int) -> list[str]:
    """The fields of a row; some formats end it with a separator."""
    fields = row.split(separator)
    return fields[:-1] if len(fields) == width + 1 and not fields[-1].strip() else fields


def _json_lines(text: str) -> Tables:
    tables = Tables()
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            found = orjson.loads(line)
        except orjson.JSONDecodeError:
            tables.problems.append(f"line {number}: no JSON")
            continue
        if isinstance(found, dict):
            tables.add({_SHORT_KEYS.get(key, ""): str(value) for key, value in found.items()})
    if not tables.nodes and not tables.jobs:
        raise InputError("broken or cut-off JSON, and no lines of nodes or jobs either")
    return tables


def _renamed(row: Mapping[str, str], columns: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """The row by our names; what has no column is left out."""
    return {
        ours: next((row[name] for name in theirs if row.get(name)), "")
        for ours, theirs in columns.items()
        if any(name in row for name in theirs)
    }
