"""Kubernetes through the command: a real API server, the documented configuration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.commands import fleetops
from tests.kubernetes_testbed import KubernetesCluster, kubernetes_cluster
from tests.support import ROOT

__all__ = ["kubernetes_cluster"]

EXAMPLE = ROOT / "docs" / "examples" / "kubernetes.yaml"


@pytest.mark.kubernetes
def test_the_documented_configuration_reads_a_cluster(
    kubernetes_cluster: KubernetesCluster, tmp_path: Path
) -> None:
    token, authority = kubernetes_cluster.write_access("fleetops", tmp_path)
    kubernetes_cluster.kubectl("cordon", "node-00001")
    done = fleetops(
        *("collect", "once", "-o", "json"),
        config=EXAMPLE,
        environ={
            "KUBERNETES_URL": kubernetes_cluster.url,
            "KUBERNETES_TOKEN_FILE": str(token),
            "KUBERNETES_CA_FILE": str(authority),
        },
    )
    assert done.returncode == 0, done.stderr
    (scrape,) = json.loads(done.stdout)
    assert scrape["warnings"] == []
    nodes = {one["node"]: one for one in scrape["nodes"]}
    assert len(nodes) == 20
    assert [name for name, one in nodes.items() if one["drained"]] == ["node-00001"]
    readings = {(one["device"], one["metric"]): one["value"] for one in scrape["readings"]}
    assert readings["node-00007", "accelerators"] == 8
    assert readings["node-00007", "allocated_accelerators"] == 0
    assert readings["node-00007", "memory_bytes"] == 2**40
