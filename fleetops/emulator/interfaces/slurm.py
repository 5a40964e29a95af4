"""slurmrestd: the scheduler's nodes and jobs as JSON, ``GET /slurm/v0.0.42/nodes/`` and ``jobs/``.

Shapes are those of data parser v0.0.42 (Slurm 24.11). Power is as AcctGatherEnergyType=ipmi has it,
in whole watts. Of a node that does not respond only state and reason are told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

import numpy as np
import orjson
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from typing_extensions import override

from fleetops.core import hostlist
from fleetops.emulator.groups import Indices
from fleetops.emulator.interfaces.base import Carried, Selection, ServedInterface, Surroundings
from fleetops.emulator.scheduler import follow, scheduler_of
from fleetops.emulator.site import Site
from fleetops_schemas.platforms import Interface
from fleetops_schemas.records import Job, NodeState

HOST = "host"
PARSER = "v0.0.42"
RELEASE = {"major": "24", "minor": "11", "micro": "5"}
MEBIBYTE = 2**20
METRICS = (
    "power_watts",
    "energy_joules",
    "memory_bytes",
    "accelerators",
    "allocated_accelerators",
)
HALF_WATT = 0.5


class SlurmInterface(ServedInterface):
    """The cluster's controller, as its REST daemon shows it."""

    interface: ClassVar[Interface] = Interface.SLURM

    def __init__(self, surroundings: Surroundings, selection: Selection) -> None:
        """Shows the scheduler that is there, or one of its own."""
        super().__init__(surroundings, selection)
        self.scheduler = surroundings.scheduler or scheduler_of(
            surroundings.fleet, surroundings.clock
        )
        self._hosts = {self.site.hosts[host]: host for host in selection.hosts}
        self._gres = {
            name: "gpu:" + self.site.group_of(host).platform.name.replace("-", "_")
            for name, host in self._hosts.items()
        }
        self._held = {
            job.id: _by_host(self.site, job.accelerators)
            for job in surroundings.fleet.state.jobs.jobs
        }
        """By job and host: numbers of the accelerators that its ranks are on."""

    @override
    def carries(self) -> Mapping[str, Carried]:
        hosts = np.array(self.selection.hosts, dtype=np.intp)
        return {HOST: Carried(hosts, METRICS, {"power_watts": HALF_WATT})}

    @override
    def answering(self, device_class: str) -> NDArray[np.bool_]:
        answers = super().answering(device_class).copy()
        answers[: len(self.site.hosts)] &= self.surroundings.fleet.effects["down"] < 1.0
        return answers

    @override
    def collectors(self) -> list[dict[str, Any]]:
        target = {"name": self.site.cluster.name, "url": self.surroundings.base_url}
        return [{"kind": "slurm", "name": "slurm", "targets": [target]}]

    @override
    async def refresh(self) -> None:
        follow(self.scheduler, self.surroundings.fleet)

    @override
    def routes(self) -> Sequence[BaseRoute]:
        async def ping(_request: Request) -> Response:
            return self._answer("pings", [{"hostname": "controller", "pinged": "UP", "mode": "p"}])

        async def nodes(_request: Request) -> Response:
            return self._answer("nodes", self.nodes())

        async def jobs(_request: Request) -> Response:
            return self._answer("jobs", self.jobs())

        return [
            Route(f"/slurm/{PARSER}/ping", ping),
            Route(f"/slurm/{PARSER}/nodes/", nodes),
            Route(f"/slurm/{PARSER}/jobs/", jobs),
        ]

    def nodes(self) -> list[dict[str, Any]]:
        """All nodes, as the controller lists them."""
        answering = self.answering(HOST)
        return [
            self._node(state, self._hosts[state.node], bool(answering[self._hosts[state.node]]))
            for state in self.scheduler.nodes()
            if state.node in self._hosts
        ]

    def jobs(self) -> list[dict[str, Any]]:
        """All jobs that run."""
        return [self._job(job) for job in self.scheduler.jobs()]

    def _node(self, state: NodeState, host: int, responds: bool) -> dict[str, Any]:
        node: dict[str, Any] = {
            "name": state.node,
            "hostname": state.node,
            "address": state.node,
            "architecture": "x86_64",
            "cluster_name": self.site.cluster.name,
            "state": list(state.states),
            "reason": state.reason,
            "reason_set_by_user": state.reason_by,
            "reason_changed_at": _number(_seconds(state.reason_at)),
            "partitions": [state.partition],
            "instance_id": "",
            "free_mem": _number(None),
        }
        return node | self._measured(state, host) if responds else node

    def _measured(self, state: NodeState, host: int) -> dict[str, Any]:
        columns, gres = self.table(HOST).columns, self._gres[state.node]
        held = [number for job in state.jobs for number in self._held[job][state.node]]
        return {
            "real_memory": int(columns["memory_bytes"][host]) // MEBIBYTE,
            "gres": f"{gres}:{int(columns['accelerators'][host])}(S:0-1)",
            "gres_used": f"{gres}:{len(held)}(IDX:{index_ranges(held)})",
            "energy": {
                "current_watts": _number(round(float(columns["power_watts"][host]))),
                "consumed_energy": int(columns["energy_joules"][host]),
                "last_collected": _seconds(self.surroundings.clock.now()),
            },
        }

    def _job(self, job: Job) -> dict[str, Any]:
        held = [self._held[job.id][node] for node in job.nodes]
        each = len(held[0])
        return {
            "job_id": int(job.id),
            "name": job.name,
            "user_name": job.user,
            "account": job.user,
            "partition": self.scheduler.nodes()[0].partition,
            "job_state": [job.state],
            "state_reason": "None",
            "nodes": hostlist.fold(job.nodes),
            "node_count": _number(len(job.nodes)),
            "tasks": _number(sum(map(len, held))),
            "tasks_per_node": _number(each),
            "start_time": _number(_seconds(job.started_at)),
            "end_time": _number(None),
            "tres_per_node": f"gres/gpu:{each}",
            "gres_detail": [
                f"{self._gres[node]}:{len(numbers)}(IDX:{index_ranges(numbers)})"
                for node, numbers in zip(job.nodes, held, strict=True)
            ],
        }

    def _answer(self, key: str, listed: list[dict[str, Any]]) -> Response:
        meta = {
            "plugin": {"type": "openapi/slurmctld", "data_parser": f"data_parser/{PARSER}"},
            "slurm": {"version": RELEASE, "cluster": self.site.cluster.name},
        }
        body = {key: listed, "meta": meta, "errors": [], "warnings": []}
        return Response(orjson.dumps(body), media_type="application/json")


def _number(value: int | None) -> dict[str, Any]:
    """A number as the data parser writes it."""
    return {"set": value is not None, "infinite": False, "number": value or 0}


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())


def _by_host(site: Site, accelerators: Indices) -> dict[str, list[int]]:
    """Numbers of accelerators in their hosts."""
    found: dict[str, list[int]] = {}
    for accelerator in accelerators.tolist():
        host = int(site.host_of_accelerator[accelerator])
        group = site.group_of(host)
        first = group.accelerators.start + (host - group.hosts.start) * group.platform.accelerators
        found.setdefault(site.hosts[host], []).append(accelerator - first)
    return found


def index_ranges(numbers: Sequence[int]) -> str:
    """``0-3,6``, as Slurm writes which devices are held; ``N/A`` for none."""
    if not numbers:
        return "N/A"
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)
