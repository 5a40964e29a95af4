"""Clusters: roles of hosts, the fabric between them, and the jobs that run there."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from fleetops_schemas.platforms import Interface
from fleetops_schemas.profiles import Figure, Identifier, Profile, Section


class Role(StrEnum):
    """What a host is for."""

    COMPUTE_NODE = "compute_node"
    HEAD_NODE = "head_node"
    """Host of a box of accelerators that has no processors of its own."""
    STORAGE_CACHE = "storage_cache"
    DATA_INGESTION = "data_ingestion"


COMPUTE = frozenset({Role.COMPUTE_NODE, Role.HEAD_NODE})
"""Roles whose hosts have accelerators and run jobs."""


class HostGroup(Section):
    """Hosts of one role and platform."""

    role: Role
    platform: Identifier
    hosts: Figure


class Fabric(Section):
    """The network between hosts: leaves over racks, spines over leaves."""

    kind: Literal["infiniband", "ethernet"]
    leaf: Identifier
    """Switch profile."""
    spine: Identifier
    racks_per_leaf: Figure
    uplinks_per_leaf: Figure
    oversubscription: Figure
    """Of the leaves: capacity towards hosts over capacity towards spines; 1 is non-blocking."""
    optics: Identifier
    """Optics profile of the links between switches."""


class Placement(Section):
    """A job of the cluster."""

    workload: Identifier
    share: Figure
    """Of the compute hosts."""
    accelerators: Figure | None = None
    """Of each of them; all without it. The others of such a host are idle."""


class Cluster(Profile):
    """One cluster: the largest thing that the emulator runs."""

    folder: ClassVar[str] = "clusters"

    year: int
    groups: tuple[HostGroup, ...]
    fabric: Fabric
    jobs: tuple[Placement, ...] = ()
    unwatched: tuple[Interface, ...] = ()
    """Interfaces that nobody reads here, though the hardware has them."""
    scheduler: Literal["slurm"] | None = None
    """What places the jobs, where it answers over an interface of its own."""
    racks_per_row: int = 8
    inlet_celsius: Figure | None = None
    """Of the air in its hall; without it as each platform's cooling has it."""

    @model_validator(mode="after")
    def _jobs_fit(self) -> Self:
        share = sum(float(job.share) for job in self.jobs)
        if share > 1.0 + 1e-9:
            raise ValueError(f"the jobs take {share:.2f} of the compute hosts; at most 1")
        return self

    def group(self, role: Role) -> HostGroup | None:
        """The group of that role, if there is one."""
        return next((group for group in self.groups if group.role is role), None)
