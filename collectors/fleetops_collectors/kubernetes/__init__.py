"""Kubernetes: nodes, jobs and what they hold, from the API server."""

from fleetops_collectors.kubernetes.cluster import decode_cluster
from fleetops_collectors.kubernetes.collector import KubernetesCollector, KubernetesConfig

__all__ = ["KubernetesCollector", "KubernetesConfig", "decode_cluster"]
