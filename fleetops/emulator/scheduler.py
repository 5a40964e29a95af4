"""The fleet's scheduler: who may take new work, with Slurm's meaning of a drain.

A drained node finishes what runs on it. A second drain with another reason overwrites the first,
as Slurm does: whoever cares has to read before writing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import numpy as np

from fleetops.core.clock import Clock
from fleetops.core.errors import InputError, NotFoundError, RefusedError
from fleetops.emulator.model.fleet import Fleet
from fleetops.emulator.model.jobs import Job as FleetJob
from fleetops_schemas.records import Job, NodeState

PARTITION = "train"
MAX_CALLS = 10_000
NOT_RESPONDING, CONTROLLER = "Not responding", "slurm"
"""The reason that Slurm gives by itself, and in whose name."""


@dataclass(frozen=True, slots=True)
class _Drain:
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Call:
    """A drain or an undrain that was asked for, whatever came of it."""

    verb: str
    node: str
    reason: str
    at: datetime


class HeldNodes(NamedTuple):
    """A job and the nodes that it holds."""

    id: str
    name: str
    nodes: tuple[str, ...]


class EmulatedScheduler:
    """Nodes, and the jobs that hold some of them."""

    def __init__(self, nodes: Sequence[str], jobs: Sequence[HeldNodes], clock: Clock) -> None:
        """All nodes in service."""
        self._nodes = tuple(nodes)
        self._jobs = {job.id: job for job in jobs}
        self._job_of = {node: job.id for job in jobs for node in job.nodes}
        self._lost_at: dict[str, datetime] = {}
        self._clock = clock
        self._started_at = clock.now()
        self._drains: dict[str, _Drain] = {}
        self.calls: deque[Call] = deque(maxlen=MAX_CALLS)
        """The latest writes, oldest first: of the truth, which nobody that is judged may read."""

    @property
    def drained(self) -> list[str]:
        """Drained nodes, in the fleet's order."""
        return [node for node in self._nodes if node in self._drains]

    def nodes(self) -> list[NodeState]:
        """Every node's state now."""
        return [self._state(node) for node in self._nodes]

    def jobs(self) -> list[Job]:
        """Every job that runs."""
        return [
            Job(
                id=job.id,
                name=job.name,
                user="research",
                state="RUNNING",
                nodes=job.nodes,
                started_at=self._started_at,
                observed_at=self._clock.now(),
            )
            for job in self._jobs.values()
            if job.nodes
        ]

    def hold(self, job_id: str, nodes: Sequence[str]) -> None:
        """The job holds these nodes from now on; it runs no longer where there are none.

        Raises:
            NotFoundError: there is no such job.
        """
        job = self._jobs.get(job_id)
        if job is None:
            raise NotFoundError(f"no job {job_id!r}; there are: {', '.join(self._jobs)}")
        if job.nodes != tuple(nodes):
            self._jobs[job_id] = job._replace(nodes=tuple(nodes))
            self._job_of = {node: one.id for one in self._jobs.values() for node in one.nodes}

    def lose(self, nodes: Collection[str]) -> None:
        """These nodes do not respond, and all others do."""
        now = self._clock.now()
        self._lost_at = {node: self._lost_at.get(node, now) for node in nodes}

    def drain(self, node: str, reason: str, by: str) -> None:
        """Lets no new work onto the node.

        Raises:
            NotFoundError: there is no such node.
            InputError: the reason is empty.
        """
        self.calls.append(Call("drain", node, reason, self._clock.now()))
        self._check(node)
        if not reason.strip():
            raise InputError(f"draining {node} needs a reason; say why")
        before = self._drains.get(node)
        if before is None or before.reason != reason:
            self._drains[node] = _Drain(reason, by, self._clock.now())

    def undrain(self, node: str) -> None:
        """Lets work onto the node again.

        Raises:
            NotFoundError: there is no such node.
            RefusedError: it is not drained.
        """
        self.calls.append(Call("undrain", node, "", self._clock.now()))
        self._check(node)
        if self._drains.pop(node, None) is None:
            raise RefusedError(f"{node} is not drained")

    def _check(self, node: str) -> None:
        if node not in self._nodes:
            there = f"{self._nodes[0]} to {self._nodes[-1]}" if self._nodes else "none"
            raise NotFoundError(f"no node {node!r}; there are {there}")

    def _state(self, node: str) -> NodeState:
        drain = self._drains.get(node)
        if drain is None and node in self._lost_at:
            drain = _Drain(NOT_RESPONDING, CONTROLLER, self._lost_at[node])
        job = self._job_of.get(node)
        base = "IDLE" if job is None else "ALLOCATED"
        states = (
            *(("DOWN", "NOT_RESPONDING") if node in self._lost_at else (base,)),
            *(("DRAIN",) if node in self._drains else ()),
        )
        return NodeState(
            node=node,
            states=states,
            drained=node in self._drains,
            busy=job is not None,
            reason=drain.reason if drain else "",
            reason_by=drain.by if drain else "",
            reason_at=drain.at if drain else None,
            jobs=() if job is None else (job,),
            partition=PARTITION,
            observed_at=self._clock.now(),
        )


def scheduler_of(fleet: Fleet, clock: Clock) -> EmulatedScheduler:
    """The scheduler of a fleet: its hosts with accelerators are nodes, its jobs hold some."""
    site = fleet.site
    return EmulatedScheduler(
        [placement.host for placement in site.standing if placement.accelerators],
        [
            HeldNodes(job.id, job.workload.name, tuple(site.hosts[host] for host in job.hosts))
            for job in fleet.state.jobs.jobs
        ],
        clock,
    )


def follow(scheduler: EmulatedScheduler, fleet: Fleet) -> None:
    """Tells the scheduler what became of its nodes and jobs: to be called after a tick."""
    for job in fleet.state.jobs.jobs:
        scheduler.hold(job.id, _held(fleet, job))
    down = np.flatnonzero(fleet.effects["down"] > 0.0).tolist()
    scheduler.lose([fleet.site.hosts[host] for host in down])


def _held(fleet: Fleet, job: FleetJob) -> tuple[str, ...]:
    """The hosts that the job holds; one that gave hosts back goes on without them."""
    holds = fleet.state.jobs.memory_ratio[job.accelerators] > 0.0
    hosts = np.unique(fleet.site.host_of_accelerator[job.accelerators[holds]])
    return tuple(fleet.site.hosts[host] for host in hosts.tolist())
