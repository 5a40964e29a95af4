"""``scontrol show node`` and ``scontrol show job`` as people see them: ``Key=value`` in blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice, repeat
from typing import Any

from fleetops.core.errors import InputError
from fleetops.core.hostlist import MAX_HOSTS, expand
from fleetops_collectors.slurm.shapes import Raw, hundredths

FIRST_KEYS = ("NodeName", "JobId")
DETAIL = "GRES of "
"""Begins our own keys: the nodes follow."""
_KEY = re.compile(r"(?:^|\s)([A-Z][A-Za-z0-9_:/-]*)=")
_USER = re.compile(r"\(\d+\)$")
_HELD = re.compile(r"\bgres/gpu=(\d{1,9})")
_REASON = re.compile(r"(?P<reason>.*?)\s*\[(?P<user>[^@\]]*)@(?P<time>[^\]]*)\]", re.DOTALL)
_NODE = {
    "name": "NodeName",
    "state": "State",
    "partitions": "Partitions",
    "gres": "Gres",
    "gres_used": "GresUsed",
    "real_memory": "RealMemory",
    "free_mem": "FreeMem",
    "address": "NodeAddr",
    "instance_id": "InstanceId",
    "instance_type": "InstanceType",
}
_JOB = {
    "job_id": "JobId",
    "name": "JobName",
    "job_state": "JobState",
    "nodes": "NodeList",
    "start_time": "StartTime",
    "tasks": "NumTasks",
    "tres_per_node": "TresPerNode",
}


def read_shown(text: str) -> tuple[list[Raw], list[Raw]]:
    """Nodes and jobs in the blocks, as if they were entries of Slurm's JSON."""
    nodes: list[Raw] = []
    jobs: list[Raw] = []
    for block in _blocks(text):
        if block.get("NodeName"):
            nodes.append(_node(block))
        elif block.get("JobId"):
            jobs.append(_job(block))
    return nodes, jobs


def _blocks(text: str) -> Iterator[dict[str, str]]:
    """Each node and each job: it begins with its name, with blank lines before it or without."""
    block: dict[str, str] = {}
    nodes = ""
    found = list(_KEY.finditer(text))
    ends = [*(match.start() for match in found[1:]), len(text)]
    for match, end in zip(found, ends, strict=False):
        if match[1] in FIRST_KEYS and block:
            yield block
            block = {}
        value = text[match.end() : end].strip()
        block.setdefault(match[1], value)
        if match[1] == "Nodes":
            nodes = value
        elif match[1] == "GRES":  # of these nodes; a job has one such line for nodes that are alike
            block[DETAIL + nodes] = value
    if block:
        yield block


def _node(block: dict[str, str]) -> Raw:
    node: dict[str, Any] = {ours: block[key] for ours, key in _NODE.items() if key in block}
    if "GresUsed" not in block and _HELD.search(block.get("CfgTRES", "")):
        # without -d only the accounts tell what is held; they leave out what is zero
        held = _HELD.search(block.get("AllocTRES", ""))
        node["gres_used"] = f"gpu:{held[1] if held else 0}"
    if "CPULoad" in block:
        node["cpu_load"] = hundredths(block["CPULoad"])
    node["reason"] = block.get("Reason", "")
    if said := _REASON.match(node["reason"]):
        node["reason"], node["reason_set_by_user"] = said["reason"], said["user"]
        node["reason_changed_at"] = said["time"]
    return node


def _job(block: dict[str, str]) -> Raw:
    job: dict[str, Any] = {ours: block[key] for ours, key in _JOB.items() if key in block}
    job["user_name"] = _USER.sub("", block.get("UserId", ""))
    # NtasksPerN:B:S:C=2:0:*:*
    per_node = next((value for key, value in block.items() if key.startswith("NtasksPerN")), "")
    job["tasks_per_node"] = per_node.partition(":")[0]
    job["gres_detail"] = list(islice(_detail(block), MAX_HOSTS))
    return job


def _detail(block: dict[str, str]) -> Iterator[str]:
    """What ``-d`` shows of each node's resources, one text a node as JSON has it."""
    for key, held in block.items():
        if key.startswith(DETAIL):
            with suppress(InputError):  # too few texts then, which say nothing
                yield from repeat(held, len(expand(key.removeprefix(DETAIL))))
