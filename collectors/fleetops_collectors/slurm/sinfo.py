"""``sinfo --json`` since 22.05: groups of nodes that are alike, once for each partition."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fleetops_collectors.slurm.shapes import Raw, text_of, texts_of


def nodes_of_sinfo(groups: Iterable[Raw]) -> list[Raw]:
    """The nodes of the groups, as if they were entries of ``scontrol show node --json``."""
    found: dict[str, dict[str, Any]] = {}
    for group in groups:
        names = list(texts_of(_under(group, "nodes", "nodes")))
        partition = text_of(_under(group, "partition", "name"))
        for name in names:
            node = found.setdefault(
                name, {**_shared(group, alone=len(names) == 1), "name": name, "partitions": []}
            )
            if partition and partition not in node["partitions"]:
                node["partitions"].append(partition)
    return list(found.values())


def _shared(group: Raw, *, alone: bool) -> dict[str, Any]:
    """What is true of each node of a group. A span is of none, unless its ends are equal."""
    node: dict[str, Any] = {
        "state": _under(group, "node", "state"),
        "reason": _under(group, "reason", "description"),
        "reason_changed_at": _under(group, "reason", "time"),
        "reason_set_by_user": _under(group, "reason", "user"),
        "gres": _under(group, "gres", "total"),
    }
    spans = {
        "cpu_load": _under(group, "cpus", "load"),
        "real_memory": group.get("memory"),
        "free_mem": _under(group, "memory", "free"),
    }
    for name, span in spans.items():
        if isinstance(span, dict) and span.get("minimum") == span.get("maximum"):
            node[name] = span.get("minimum")
    if alone:
        node["gres_used"] = _under(group, "gres", "used")
    return node


def _under(raw: Raw, outer: str, inner: str) -> object:
    found = raw.get(outer)
    return found.get(inner) if isinstance(found, dict) else None
