"""A cluster: its nodes and pods together."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from fleetops_collectors.decoded import Decoded
from fleetops_collectors.kubernetes.jobs import Pod, parse_jobs, parse_pod
from fleetops_collectors.kubernetes.nodes import (
    node_events,
    node_identity,
    node_readings,
    parse_node,
)
from fleetops_collectors.kubernetes.objects import Json, name_of


def decode_cluster(nodes: Iterable[Json], pods: Iterable[Json], now: datetime) -> Decoded:
    """Nodes, jobs, readings, identities, and the problems that nodes tell of.

    Args:
        nodes: ``Node`` objects.
        pods: ``Pod`` objects; those that ended do not count.
        now: When they were read, aware.
    """
    out = Decoded()
    alive = [pod for raw in pods if (pod := parse_pod(raw)) is not None]
    out.jobs = parse_jobs(alive, now)
    holding = _jobs_by_node(alive, {job.id for job in out.jobs})
    held = _held_by_node(alive)
    seen: set[str] = set()
    for place, raw in enumerate(nodes):
        name = name_of(raw)
        if not name or name in seen:
            if not name:
                out.problems.append(f"node {place}: it has no name")
            continue
        seen.add(name)
        out.nodes.append(parse_node(raw, holding.get(name, ()), now))
        out.readings += node_readings(raw, held.get(name, 0))
        out.events += node_events(raw, now)
        out.identities.append(node_identity(raw, now))
    return out


def _jobs_by_node(pods: Iterable[Pod], jobs: set[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for pod in pods:
        if pod.node and pod.job in jobs:
            found.setdefault(pod.node, set()).add(pod.job)
    return found


def _held_by_node(pods: Iterable[Pod]) -> dict[str, int]:
    found: dict[str, int] = {}
    for pod in pods:
        if pod.node:
            found[pod.node] = found.get(pod.node, 0) + pod.accelerators
    return found
