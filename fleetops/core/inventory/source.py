"""One inventory file of the configuration."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict


class Format(StrEnum):
    """What an inventory file is written in."""

    YAML = "yaml"
    CSV = "csv"
    SLURM_TOPOLOGY = "slurm_topology"
    """Slurm's ``topology.conf``: leaf switches."""
    KUBERNETES_NODES = "kubernetes_nodes"
    """``kubectl get nodes -o json``: places by node labels."""


class InventorySource(BaseModel):
    """A file that says where hosts stand. An earlier source goes before a later one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Format
    path: Path
    labels: dict[str, str] = {}
    """Kubernetes: further node labels, or others than the shipped ones, by what they say:
    ``{"example.com/rack": "rack"}``."""

    @property
    def name(self) -> str:
        """The source in conflicts and messages: ``slurm_topology:topology.conf``."""
        return f"{self.format}:{self.path.name}"
