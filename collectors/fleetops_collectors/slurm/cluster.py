"""A cluster: its nodes and jobs together, from Slurm's JSON."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from pydantic import ValidationError

from fleetops.core.errors import InputError
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.slurm.jobs import (
    HOLDING_STATES,
    distributions,
    holders,
    parse_job,
)
from fleetops_collectors.slurm.nodes import node_identity, node_readings, parse_node
from fleetops_collectors.slurm.shapes import Raw, whole
from fleetops_schemas.records import Job

STALE_AFTER = timedelta(minutes=5)
"""Energy is gathered every half minute or so where it is (AcctGatherNodeFreq)."""
WANTED_STATES = HOLDING_STATES | {"PENDING"}


def decode_cluster(
    nodes: Sequence[Raw],
    jobs: Sequence[Raw],
    now: datetime,
    *,
    steps: Sequence[Raw] = (),
    stale_after: timedelta = STALE_AFTER,
    states: Collection[str] | None = WANTED_STATES,
) -> Decoded:
    """Nodes, jobs, readings and identities.

    Args:
        nodes: Entries of ``scontrol show node --json``.
        jobs: Entries of ``squeue --json``.
        now: When they were read, aware.
        steps: Entries of ``scontrol show step --json``, where there are.
        stale_after: Energy that was gathered longer ago is stale.
        states: Of jobs that are wanted; None for all. By default those that hold or wait for nodes:
            21.08 prints every job whatever was asked.
    """
    out = Decoded()
    out.jobs = _jobs(jobs, distributions(steps), now, out)
    if states is not None:
        out.jobs = [job for job in out.jobs if job.state in states]
    holding = holders([job for job in out.jobs if job.nodes])
    seen: set[str] = set()
    for place, raw in enumerate(nodes):
        name = raw.get("name")
        if not isinstance(name, str) or not name:
            out.problems.append(f"node {place}: it has no name")
            continue
        if name in seen:
            continue
        seen.add(name)
        out.nodes.append(parse_node(raw, holding.get(name, ()), now))
        out.readings += node_readings(raw, now, stale_after)
        if identity := node_identity(raw, now):
            out.identities.append(identity)
    return out


def _jobs(
    jobs: Sequence[Raw], layouts: Mapping[str, str], now: datetime, out: Decoded
) -> list[Job]:
    """The jobs; one that cannot be read is a problem of its own."""
    found: dict[str, Job] = {}
    for place, raw in enumerate(jobs):
        try:
            job = parse_job(raw, now, layouts.get(str(whole(raw.get("job_id"))), ""))
        except (InputError, ValidationError) as error:
            first = str(error).partition("\n")[0]
            out.problems.append(f"job {raw.get('job_id', place)!r:.80}: {first}")
            continue
        found[job.id] = job
    return list(found.values())
