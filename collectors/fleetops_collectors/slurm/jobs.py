"""Jobs: who holds which nodes and accelerators, from one entry of ``squeue --json``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from fleetops.core.errors import InputError
from fleetops.core.hostlist import expand
from fleetops_collectors.allocations import Share, allocations
from fleetops_collectors.slurm.gres import accelerators
from fleetops_collectors.slurm.shapes import Raw, text_of, texts_of, time_of, whole, words
from fleetops_schemas.records import Allocation, Job

HOLDING_STATES = frozenset(
    {
        "RUNNING",
        "SUSPENDED",
        "STOPPED",
        "COMPLETING",
        "CONFIGURING",
        "RESIZING",
        "SIGNALING",
        "STAGE_OUT",
    }
)
"""Job states in which a job has nodes."""
MAX_TASKS = 1_000_000
NO_NODES = "None assigned"
"""sacct's word for the nodes of a job that waits."""
BLOCK = "block"
"""The distribution in which a node's ranks follow one another (srun --distribution)."""


def parse_job(raw: Raw, now: datetime, distribution: str = "") -> Job:
    """One job of ``squeue --json``. A task of an array is a job of its own.

    Args:
        raw: The entry.
        now: When it was read, aware.
        distribution: How its tasks lie on its nodes, as of :func:`distributions`.

    Raises:
        InputError: its nodes are no hostlist.
    """
    raw = _as_squeue_has_it(raw)
    states = words(raw.get("job_state"))
    nodes = text_of(raw.get("nodes"))
    holds = HOLDING_STATES.intersection(states)
    if any(map(str.isspace, nodes)):
        raise InputError(f"{nodes[:80]!r} is not a hostlist")
    names = tuple(expand(nodes)) if holds and nodes else ()
    return Job(
        id=str(whole(raw.get("job_id")) or raw.get("job_id")),
        name=str(raw.get("name") or ""),
        user=str(raw.get("user_name") or raw.get("user_id") or ""),
        state=next(iter(s for s in states if s in holds), states[0] if states else "UNKNOWN"),
        nodes=names,
        started_at=time_of(raw.get("start_time")) if holds else None,
        tasks=whole(raw.get("tasks")) if names else None,
        allocations=_allocations(raw, names, distribution),
        observed_at=now,
    )


def _as_squeue_has_it(raw: Raw) -> Raw:
    """The entry; of ``sacct --json`` and slurmdbd's REST, which keep state and times deeper."""
    state, time = raw.get("state"), raw.get("time")
    if "job_state" in raw or not isinstance(state, dict):
        return raw
    return {
        **raw,
        "job_state": state.get("current"),
        "start_time": time.get("start") if isinstance(time, dict) else None,
        "user_name": raw.get("user"),
        "nodes": "" if raw.get("nodes") == NO_NODES else raw.get("nodes"),
    }


def distributions(steps: Iterable[Raw]) -> Mapping[str, str]:
    """By job, how the tasks of its largest running step lie, of ``scontrol show step --json``."""
    largest: dict[str, tuple[int, str]] = {}
    for step in steps:
        # 1.0 is a step, 1.batch the script itself
        job, _, number = str(step.get("id")).partition(".")
        task = step.get("task")
        if not number.isdecimal() or not isinstance(task, dict):
            continue
        found = (whole(step.get("number_tasks")) or 0, text_of(task.get("distribution")))
        largest[job] = max(largest.get(job, found), found)
    return {job: distribution for job, (_, distribution) in largest.items()}


def holders(jobs: Sequence[Job]) -> Mapping[str, list[str]]:
    """By node, the jobs that hold it."""
    found: dict[str, list[str]] = {}
    for job in jobs:
        for node in job.nodes:
            found.setdefault(node, []).append(job.id)
    return found


def _allocations(raw: Raw, nodes: Sequence[str], distribution: str) -> tuple[Allocation, ...]:
    """What the job holds of each node, in the order of its nodes."""
    detail = list(texts_of(raw["gres_detail"])) if isinstance(raw.get("gres_detail"), list) else []
    each = accelerators(text_of(raw.get("tres_per_node")))
    per_node = _tasks_per_node(raw, len(nodes))
    in_blocks = len(nodes) == 1 or distribution.lower().startswith(BLOCK)
    shares = []
    for number, node in enumerate(nodes):
        # one text a node, in the order of the nodes; another number of texts says nothing
        held = accelerators(detail[number]) if len(detail) == len(nodes) else each
        shares.append(
            Share(
                node=node,
                accelerators=held.indices if held else (),
                accelerator_count=held.total if held else None,
                tasks=per_node,
                first_rank=number * per_node if per_node and in_blocks else None,
            )
        )
    return allocations(shares)


def _tasks_per_node(raw: Raw, nodes: int) -> int | None:
    """Tasks of each node, where that is certain: asked for so, or all on one node."""
    tasks, asked = whole(raw.get("tasks")), whole(raw.get("tasks_per_node"))
    if not tasks or not nodes or tasks > MAX_TASKS:
        return None
    if nodes == 1:
        return tasks
    return asked if asked and asked * nodes == tasks else None
