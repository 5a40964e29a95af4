"""Nodes: state, readings and identity of one entry of ``scontrol show node --json``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import cache

from fleetops_collectors.quality import judge
from fleetops_collectors.slurm.gres import accelerators
from fleetops_collectors.slurm.shapes import (
    Number,
    Raw,
    number,
    text_of,
    texts_of,
    time_of,
    words,
)
from fleetops_schemas.catalog import Metric, Source, load_catalog
from fleetops_schemas.identity import DeviceIdentity
from fleetops_schemas.readings import Quality, Reading
from fleetops_schemas.records import NodeState

PROTOCOL = "slurm"
HOST = "host"
DRAIN_FLAGS = frozenset({"DRAIN", "DRAINED", "DRAINING"})
BUSY_FLAGS = frozenset({"ALLOCATED", "MIXED", "COMPLETING", "DRAINING"})
SILENT_FLAGS = frozenset({"DOWN", "NOT_RESPONDING", "POWERED_DOWN", "POWERING_DOWN", "UNKNOWN"})
"""The controller hears nothing of such a node: what it says of it is what it last heard."""
_ENERGY = "energy."
_LAST_HEARD = frozenset({"cpu_load", "free_mem", "free_memory"})


def parse_node(raw: Raw, jobs: Iterable[str], now: datetime) -> NodeState:
    """One node of ``scontrol show node --json`` or of 21.08's ``sinfo --json``."""
    states = tuple(dict.fromkeys(words(raw.get("state")) + words(raw.get("state_flags"))))
    holding = tuple(sorted(jobs))
    reason = text_of(raw.get("reason"))
    return NodeState(
        node=str(raw["name"]),
        states=states,
        drained=bool(DRAIN_FLAGS.intersection(states)),
        busy=bool(BUSY_FLAGS.intersection(states)) or bool(holding),
        reason=reason,
        reason_by=text_of(raw.get("reason_set_by_user")) if reason else "",
        reason_at=time_of(raw.get("reason_changed_at")),
        jobs=holding,
        partition=",".join(texts_of(raw.get("partitions"))),
        observed_at=now,
    )


def node_identity(raw: Raw, now: datetime) -> DeviceIdentity | None:
    """Which machine the node is, where Slurm was told: the instance of a cloud."""
    instance = text_of(raw.get("instance_id"))
    if not instance:
        return None
    name = str(raw["name"])
    return DeviceIdentity(
        device=name,
        device_class=HOST,
        host=name,
        source=PROTOCOL,
        uuid=instance,
        model=text_of(raw.get("instance_type")),
        address=text_of(raw.get("address")),
        observed_at=now,
    )


def node_readings(raw: Raw, now: datetime, stale_after: timedelta) -> Iterator[Reading]:
    """Load, memory, accelerators and power of a node, as far as Slurm has them."""
    name = str(raw["name"])
    silent = not SILENT_FLAGS.isdisjoint(_flags(raw))
    for metric, source in _sources():
        found = _value(raw, source.name)
        if found is None:
            continue
        time = None
        if source.name.startswith(_ENERGY):
            time = time_of(raw["energy"].get("last_collected"))
            if time is None:
                continue  # no plug-in gathers energy; its zeros are no measurement
        value, quality = found.value, found.quality
        if value is not None:
            value, quality = judge(metric, value, source.scale, source.offset)
        old = time is not None and now - time > stale_after
        if old or (silent and (time is not None or source.name in _LAST_HEARD)):
            value, quality = None, Quality.STALE
        yield Reading(HOST, name, metric.name, value, metric.unit, quality, time)


@cache
def _sources() -> tuple[tuple[Metric, Source], ...]:
    host = load_catalog()[HOST]
    return tuple(
        (metric, source) for metric in host.metrics for source in metric.sources.get(PROTOCOL, ())
    )


def _flags(raw: Raw) -> set[str]:
    return {*words(raw.get("state")), *words(raw.get("state_flags"))}


def _value(raw: Raw, name: str) -> Number | None:
    """What stands under a source's name; None where the node has nothing of the kind."""
    if name in {"gres.gpu", "gres_used.gpu"}:
        found = accelerators(text_of(raw.get("gres")))
        if found is None or name.removesuffix(".gpu") not in raw:
            return None
        if name == "gres_used.gpu":
            found = accelerators(text_of(raw.get("gres_used")))
        count = found.total if found else None
        return Number(count, Quality.GOOD if count is not None else Quality.MISSING)
    if name.startswith(_ENERGY):
        energy = raw.get("energy")
        key = name.removeprefix(_ENERGY)
        return number(energy[key]) if isinstance(energy, dict) and key in energy else None
    return number(raw[name]) if name in raw else None
