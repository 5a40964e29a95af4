"""Slurm: nodes, jobs, what they hold, and what the controller knows of hosts."""

from fleetops_collectors.slurm.cluster import decode_cluster
from fleetops_collectors.slurm.collector import SlurmCollector, SlurmConfig
from fleetops_collectors.slurm.recording import decode_payload, decode_recording

__all__ = [
    "SlurmCollector",
    "SlurmConfig",
    "decode_cluster",
    "decode_payload",
    "decode_recording",
]
