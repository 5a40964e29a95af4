"""Slurm's JSON, whose shapes drift from version to version.

21.08 has plain strings and numbers, 24.11 has arrays of flags and ``{set, infinite, number}``.
Both are read, and everything between.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from fleetops.core.errors import InputError
from fleetops.core.hostlist import expand
from fleetops_schemas.records import Job, NodeState

DRAIN_FLAGS = frozenset({"DRAIN", "DRAINED", "DRAINING"})
BUSY_FLAGS = frozenset({"ALLOCATED", "MIXED", "COMPLETING"})
HOLDING_STATES = frozenset(
    {
        "RUNNING",
        "SUSPENDED",
        "STOPPED",
        "COMPLETING",
        "CONFIGURING",
        "RESIZING",
        "SIGNALING",
        "STAGE_OUT",
    }
)
"""Job states in which a job has nodes."""

Raw = Mapping[str, Any]


def records(payload: bytes, key: str, command: str) -> list[Raw]:
    """The list under ``key`` of an answer.

    Raises:
        InputError: the answer is not JSON, or has no such list.
    """
    try:
        answer = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise InputError(f"{command}: its answer is not JSON: {error}") from error
    found = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise InputError(f"{command}: its answer has no list {key!r}; is this Slurm >= 21.08?")
    return found


def parse_node(raw: Raw, jobs: Iterable[str], now: datetime) -> NodeState:
    """One node of ``scontrol show node --json`` or of 21.08's ``sinfo --json``."""
    states = _flags(raw.get("state")) + _flags(raw.get("state_flags"))
    holding = tuple(sorted(jobs))
    partitions = raw.get("partitions") or ()
    return NodeState(
        node=str(raw["name"]),
        states=tuple(dict.fromkeys(states)),
        drained=bool(DRAIN_FLAGS.intersection(states)),
        busy=bool(BUSY_FLAGS.intersection(states)) or bool(holding),
        reason=str(raw.get("reason") or ""),
        reason_by=str(raw.get("reason_set_by_user") or "") if raw.get("reason") else "",
        reason_at=_time(raw.get("reason_changed_at")),
        jobs=holding,
        partition=",".join(map(str, partitions)),
        observed_at=now,
    )


def parse_job(raw: Raw, now: datetime) -> Job:
    """One job of ``squeue --json``. A task of an array is a job of its own."""
    states = _flags(raw.get("job_state"))
    nodes = raw.get("nodes")
    holds = HOLDING_STATES.intersection(states)
    return Job(
        id=str(_number(raw.get("job_id")) or raw.get("job_id")),
        name=str(raw.get("name") or ""),
        user=str(raw.get("user_name") or raw.get("user_id") or ""),
        state=next(iter(s for s in states if s in holds), states[0] if states else "UNKNOWN"),
        nodes=tuple(expand(nodes)) if holds and isinstance(nodes, str) and nodes else (),
        started_at=_time(raw.get("start_time")) if holds else None,
        observed_at=now,
    )


def _flags(value: object) -> list[str]:
    """``idle``, ``IDLE+DRAIN``, ``down*`` or ``["IDLE", "DRAIN"]`` as upper-case words."""
    texts = value if isinstance(value, list) else [value] if isinstance(value, str) else []
    words = (word.strip().rstrip("*~#!%$@^-") for text in texts for word in str(text).split("+"))
    return [word.upper() for word in words if word]


def _number(value: object) -> int | None:
    """A plain number, or ``{set, infinite, number}`` where it is set and finite."""
    if isinstance(value, dict):
        finite = value.get("set") and not value.get("infinite")
        value = value.get("number") if finite else None
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _time(value: object) -> datetime | None:
    """Seconds since 1970; 0 means never."""
    seconds = _number(value)
    return datetime.fromtimestamp(seconds, UTC) if seconds and seconds > 0 else None
