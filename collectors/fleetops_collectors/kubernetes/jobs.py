"""Jobs: pods that belong together, by the labels of what made them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from fleetops_collectors.allocations import Share, allocations
from fleetops_collectors.kubernetes import accelerators
from fleetops_collectors.kubernetes.objects import Json, items, name_of, text, time_of, under
from fleetops_schemas.records import Job

MAX_DIGITS = 7
NO_RANK = 10**MAX_DIGITS
"""Behind every rank."""


class Maker(NamedTuple):
    """The labels by which a kind of job knows its pods."""

    job: str
    rank: str = ""
    group: str = ""
    """A second part of the job's name: each group is a job of its own."""


COMPLETION_INDEX = "batch.kubernetes.io/job-completion-index"
MAKERS = (
    # the outermost first: a JobSet makes Jobs
    Maker("jobset.sigs.k8s.io/jobset-name", COMPLETION_INDEX),
    Maker("training.kubeflow.org/job-name", "training.kubeflow.org/replica-index"),
    Maker(
        *("leaderworkerset.sigs.k8s.io/name", "leaderworkerset.sigs.k8s.io/worker-index"),
        "leaderworkerset.sigs.k8s.io/group-index",
    ),
    Maker("volcano.sh/job-name", "volcano.sh/task-index"),
    Maker("ray.io/cluster"),
    Maker("batch.kubernetes.io/job-name", COMPLETION_INDEX),
    Maker("job-name", COMPLETION_INDEX),
)
REPLICA_TYPE = "training.kubeflow.org/replica-type"
_MASTERS = frozenset({"master", "chief"})
_LAUNCHER = "launcher"
"""Of MPI: it starts the ranks, and is one itself where it holds accelerators."""


@dataclass(slots=True)
class Pod:
    """What counts of a pod."""

    job: str
    name: str
    node: str
    accelerators: int
    claims: bool
    """Devices of dynamic resource allocation: which they are, the pod does not say."""
    rank: int | None
    is_master: bool
    running: bool
    started_at: datetime | None


def parse_pod(raw: Json) -> Pod | None:
    """A pod that holds, or waits for, something; None for one that ended."""
    status = under(raw, "status")
    phase = text(status.get("phase"))
    if phase in {"Succeeded", "Failed"} or not name_of(raw):
        return None
    metadata = under(raw, "metadata")
    labels = {**under(metadata, "annotations"), **under(metadata, "labels")}
    maker = next((one for one in MAKERS if text(labels.get(one.job))), None)
    name = text(labels.get(maker.job)) if maker else _owner(metadata) or name_of(raw)
    if maker and maker.group and text(labels.get(maker.group)):
        name += f"-{labels[maker.group]}"
    spec = under(raw, "spec")
    held = _requested(spec)
    role = text(labels.get(REPLICA_TYPE)).lower()
    return Pod(
        job=f"{text(metadata.get('namespace')) or 'default'}/{name}",
        name=name,
        node=text(spec.get("nodeName")),
        accelerators=held,
        claims=any(items(spec.get("resourceClaims"))),
        rank=_rank(labels, maker) if maker else None,
        is_master=role in _MASTERS or (role == _LAUNCHER and held > 0),
        running=phase == "Running",
        started_at=time_of(status.get("startTime")),
    )


def parse_jobs(pods: Iterable[Pod], now: datetime) -> list[Job]:
    """The jobs of the pods, as far as any of their pods asks for accelerators or devices."""
    groups: dict[str, list[Pod]] = {}
    for pod in pods:
        groups.setdefault(pod.job, []).append(pod)
    return [
        _job(name, group, now)
        for name, group in groups.items()
        if any(pod.accelerators or pod.claims for pod in group)
    ]


def _job(name: str, pods: list[Pod], now: datetime) -> Job:
    ranks = _ranks(pods)
    placed = sorted(
        (pod for pod in pods if pod.node), key=lambda pod: (ranks.get(id(pod), NO_RANK), pod.node)
    )
    by_node: dict[str, list[Pod]] = {}
    for pod in placed:
        by_node.setdefault(pod.node, []).append(pod)
    starts = [pod.started_at for pod in pods if pod.running and pod.started_at]
    return Job(
        id=name,
        name=pods[0].name,
        state="RUNNING" if any(pod.running for pod in pods) else "PENDING",
        nodes=tuple(by_node),
        started_at=min(starts) if starts else None,
        tasks=len(pods),
        allocations=allocations(
            Share(
                node=node,
                accelerator_count=_held(here),
                tasks=len(here),
                first_rank=_first([ranks.get(id(pod)) for pod in here]),
            )
            for node, here in by_node.items()
        ),
        observed_at=now,
    )


def _held(pods: Iterable[Pod]) -> int | None:
    """Accelerators of the pods together; None where some are held by claims alone."""
    count = 0
    for pod in pods:
        if pod.claims and not pod.accelerators:
            return None
        count += pod.accelerators
    return count


def _ranks(pods: list[Pod]) -> Mapping[int, int]:
    """By pod: its rank. Of Kubeflow the master comes first, and the workers count on behind it.

    Two pods of one rank (a JobSet of several Jobs) say nothing of any rank.
    """
    masters = sum(pod.is_master for pod in pods)
    ranks = {
        id(pod): pod.rank + (0 if pod.is_master else masters)
        for pod in pods
        if pod.rank is not None
    }
    return ranks if len(set(ranks.values())) == len(ranks) else {}


def _first(ranks: list[int | None]) -> int | None:
    """The first of ranks that follow one another; None of others."""
    known = sorted(rank for rank in ranks if rank is not None)
    if len(known) != len(ranks) or known[-1] - known[0] != len(known) - 1:
        return None
    return known[0]


def _rank(labels: Json, maker: Maker) -> int | None:
    said = str(labels.get(maker.rank, "")) if maker.rank else ""
    return int(said) if said.isascii() and said.isdecimal() and len(said) <= MAX_DIGITS else None


def _owner(metadata: Json) -> str:
    """The controller that made the pod."""
    owners = items(metadata.get("ownerReferences"))
    return next((text(one.get("name")) for one in owners if one.get("controller") is True), "")


def _requested(spec: Json) -> int:
    """Accelerators of the pod: of its containers together, or of the largest that runs first."""
    running = sum(map(_of_container, items(spec.get("containers"))))
    first = max(map(_of_container, items(spec.get("initContainers"))), default=0)
    return max(running, first)


def _of_container(container: Json) -> int:
    """Extended resources are limited to what is requested; either may be left out."""
    resources = under(container, "resources")
    asked = accelerators.count(under(resources, "limits"))
    if asked is None:
        asked = accelerators.count(under(resources, "requests"))
    return asked or 0
