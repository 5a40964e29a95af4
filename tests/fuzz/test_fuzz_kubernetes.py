from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import orjson
from typing_extensions import override

from fleetops.core.errors import InputError
from fleetops_collectors.kubernetes import decode_cluster
from fleetops_collectors.kubernetes.objects import items
from fleetops_schemas.readings import Reading
from tests.fuzz.decoder_fuzz import DecoderFuzz

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CLUSTER = b"""{"nodes": [
{"metadata": {"name": "n1", "labels": {"topology.kubernetes.io/rack": "r1"}},
"spec": {"unschedulable": true, "taints": [{"key": "node.kubernetes.io/unschedulable",
"timeAdded": "2026-11-21T10:00:00Z"}]}, "status": {"capacity": {"memory": "1Ti",
"nvidia.com/gpu": "8"}, "conditions": [{"type": "Ready", "status": "True"},
{"type": "KernelDeadlock", "status": "True", "message": "task blocked",
"lastTransitionTime": "2026-11-21T10:00:00Z"}], "nodeInfo": {"systemUUID": "4C4C4544"},
"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}}],
"pods": [{"metadata": {"name": "llm-0", "namespace": "train", "labels":
{"batch.kubernetes.io/job-name": "llm", "batch.kubernetes.io/job-completion-index": "0"}},
"spec": {"nodeName": "n1", "containers": [{"resources": {"limits": {"nvidia.com/gpu": "8"}}}]},
"status": {"phase": "Running", "startTime": "2026-11-21T10:00:00Z"}}]}"""


class TestFuzzKubernetes(DecoderFuzz):
    @override
    def seeds(self) -> Sequence[bytes]:
        return [CLUSTER]

    @override
    def decode(self, payload: bytes) -> Iterable[Reading]:
        try:
            found = orjson.loads(payload)
        except orjson.JSONDecodeError as error:
            raise InputError(str(error)) from error
        if not isinstance(found, dict):
            raise InputError("no object")
        nodes, pods = items(found.get("nodes")), items(found.get("pods"))
        return decode_cluster(nodes, pods, NOW).readings
