"""Kubernetes nodes (``kubectl get nodes -o json``): places by label.

Labels: kubernetes.io well-known topology labels; NVIDIA GPU operator (nvidia.com/gpu.*) and
Topograph (network.topology.nvidia.com/*).
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from fleetops.core.errors import InputError
from fleetops.core.inventory.claims import NUMBERS, PLACES, Claims

LABELS = {
    "topology.kubernetes.io/region": "site",
    "topology.kubernetes.io/zone": "room",
    "topology.kubernetes.io/rack": "rack",
    "network.topology.nvidia.com/leaf": "leaf_switch",
    "nvidia.com/gpu.machine": "platform",
    "nvidia.com/gpu.count": "accelerators",
}


def read_kubernetes_nodes(text: str, claims: Claims, labels: Mapping[str, str]) -> None:
    """Takes in what the labels of each node say.

    Args:
        text: A ``NodeList``, or one ``Node``.
        claims: Where it goes.
        labels: Labels beside, or instead of, :data:`LABELS`, by what they say.

    Raises:
        InputError: it is no list of nodes, or a label is to say what there is not.
    """
    meanings = {**LABELS, **labels}
    unknown = sorted(set(labels.values()) - {*PLACES, *NUMBERS})
    if unknown:
        there = ", ".join((*PLACES, *NUMBERS))
        raise InputError(f"labels: nothing is called {unknown[0]!r}; there are: {there}")
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InputError(f"not JSON: {error}") from error
    items = data.get("items", [data]) if isinstance(data, dict) else data
    nodes = [one for one in items if _is_node(one)] if isinstance(items, list) else []
    if not nodes:
        raise InputError("no Kubernetes node in it; write it with `kubectl get nodes -o json`")
    for node in nodes:
        metadata = node["metadata"]
        labels_of = metadata.get("labels")
        said = labels_of if isinstance(labels_of, dict) else {}
        words = {meanings[key]: str(value) for key, value in said.items() if key in meanings}
        claims.say(str(metadata["name"]), words)


def _is_node(one: object) -> bool:
    if not isinstance(one, dict) or one.get("kind", "Node") != "Node":
        return False
    metadata = one.get("metadata")
    return isinstance(metadata, dict) and bool(metadata.get("name"))
