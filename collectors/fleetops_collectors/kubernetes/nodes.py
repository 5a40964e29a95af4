"""Nodes: conditions, taints, capacity and identity of one ``Node``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import sha256

from fleetops.core.inventory.claims import PLACES
from fleetops.core.inventory.kubernetes_nodes import LABELS
from fleetops_collectors.kubernetes import accelerators
from fleetops_collectors.kubernetes.objects import (
    Json,
    items,
    name_of,
    quantity,
    text,
    time_of,
    under,
)
from fleetops_collectors.quality import judge
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.faults import load_faults
from fleetops_schemas.identity import DeviceIdentity
from fleetops_schemas.readings import Quality, Reading
from fleetops_schemas.records import Event, NodeState

PROTOCOL = "kubernetes"
HOST = "host"
UNSCHEDULABLE_TAINT = "node.kubernetes.io/unschedulable"
_GOOD_WHEN_TRUE = re.compile(r"(Ready|Healthy|Available|OK)$")
"""Such conditions are good when True. All others tell a problem when True: the kubelet's own, and
by convention those of node-problem-detector."""
_ROLES = frozenset({"EtcdIsVoter"})
"""Conditions that tell what a node is for (k3s, RKE2): neither of their words is a problem."""
_NETWORK_AND_PRESSURE = re.compile(r"Pressure$|^NetworkUnavailable$")
"""The kubelet's own; they pass, and are states rather than events."""
_KINDS = {
    # node-problem-detector's configurations (config/*.json)
    "KernelDeadlock": "kernel_fault",
    "ReadonlyFilesystem": "storage_error",
    "XfsShutdown": "storage_error",
    "CperHardwareErrorFatal": "machine_check",
}
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def parse_node(raw: Json, jobs: Iterable[str], now: datetime) -> NodeState:
    """One node. A cordoned one takes no new work; what runs there goes on."""
    problems = list(_problems(raw))
    ready = _ready(raw)
    holding = tuple(sorted(jobs))
    cordoned = under(raw, "spec").get("unschedulable") is True
    states = [*_READY_STATES.get(text(ready.get("status")), ("NOT_RESPONDING",))]
    states += ["UNSCHEDULABLE"] if cordoned else []
    states += [_flag(text(one.get("type"))) for one in problems]
    reasons = [text(one.get("message")) or text(one.get("reason")) for one in problems]
    if states[0] != "READY":
        reasons.insert(0, text(ready.get("message")) or text(ready.get("reason")))
    taint = next((one for one in _taints(raw) if one.get("key") == UNSCHEDULABLE_TAINT), {})
    return NodeState(
        node=name_of(raw),
        states=tuple(dict.fromkeys(states)),
        drained=cordoned,
        busy=bool(holding),
        reason="; ".join(filter(None, reasons)),
        reason_at=time_of(taint.get("timeAdded")) if cordoned else _since(problems),
        jobs=holding,
        observed_at=now,
    )


_READY_STATES = {"True": ("READY",), "False": ("DOWN", "NOT_READY")}


def node_events(raw: Json, now: datetime) -> Iterator[Event]:
    """Problems that node-problem-detector, or one like it, tells of the node."""
    name = name_of(raw)
    for one in _problems(raw):
        kind_of = text(one.get("type"))
        since = time_of(one.get("lastTransitionTime"))
        if _NETWORK_AND_PRESSURE.search(kind_of) or since is None:
            continue
        kind = _KINDS.get(kind_of, "unclassified")
        identity = f"{name}\0{kind_of}\0{since.isoformat()}"
        yield Event(
            id=sha256(identity.encode()).hexdigest()[:32],
            time=since,
            observed_at=now,
            host=name,
            device=name,
            device_class=HOST,
            source=PROTOCOL,
            kind=kind,
            severity=load_faults().kind(kind).severity,
            text=f"{kind_of}: {text(one.get('message')) or text(one.get('reason'))}"[:1024],
            attributes={"condition": kind_of, "reason": text(one.get("reason"))[:256]},
        )


def node_readings(raw: Json, held: int) -> Iterator[Reading]:
    """Memory and accelerators of a node; ``held`` of these are asked for by its pods."""
    name = name_of(raw)
    capacity = under(raw, "status", "capacity")
    total = accelerators.count(under(raw, "status", "allocatable"))
    total = accelerators.count(capacity) if total is None else total
    if accelerators.are_shares(under(raw, "metadata", "labels")):
        total = None
    values = {
        "memory_bytes": quantity(capacity.get("memory")) if "memory" in capacity else None,
        "accelerators": total,
        "allocated_accelerators": None if total is None else held,
    }
    for metric_name, value in values.items():
        if value is not None:
            metric = load_catalog()[HOST].metric(metric_name)
            judged, quality = judge(metric, value)
            yield Reading(HOST, name, metric_name, judged, metric.unit, quality)
        elif metric_name == "memory_bytes" and "memory" in capacity:
            yield Reading(HOST, name, metric_name, None, "By", Quality.MISSING)


def node_identity(raw: Json, now: datetime) -> DeviceIdentity:
    """Which machine the node is, and where its labels place it."""
    name = name_of(raw)
    info = under(raw, "status", "nodeInfo")
    labels = under(raw, "metadata", "labels")
    addresses = {
        text(one.get("type")): text(one.get("address"))
        for one in items(under(raw, "status").get("addresses"))
    }
    placed = {LABELS[key]: text(value) for key, value in labels.items() if key in LABELS}
    return DeviceIdentity(
        device=name,
        device_class=HOST,
        host=name,
        source=PROTOCOL,
        uuid=text(info.get("systemUUID")).lower(),
        model=text(labels.get("nvidia.com/gpu.machine")),
        address=addresses.get("InternalIP", ""),
        placement={place: where for place, where in placed.items() if place in PLACES and where},
        observed_at=now,
    )


def _ready(raw: Json) -> Json:
    conditions = items(under(raw, "status").get("conditions"))
    return next((one for one in conditions if one.get("type") == "Ready"), {})


def _problems(raw: Json) -> Iterator[Json]:
    """The conditions that tell a problem, without Ready."""
    for one in items(under(raw, "status").get("conditions")):
        kind = text(one.get("type"))
        bad = "False" if _GOOD_WHEN_TRUE.search(kind) else "True"
        if kind and kind != "Ready" and kind not in _ROLES and one.get("status") == bad:
            yield one


def _taints(raw: Json) -> Iterator[Json]:
    return items(under(raw, "spec").get("taints"))


def _since(problems: Iterable[Json]) -> datetime | None:
    times = [time for one in problems if (time := time_of(one.get("lastTransitionTime")))]
    return min(times) if times else None


def _flag(condition: str) -> str:
    """``KernelDeadlock`` as ``KERNEL_DEADLOCK``."""
    return _WORD.sub("_", condition).upper()
