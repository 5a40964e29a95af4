"""Who holds a node out of service, told by the scheduler's flags first and the reason second.

A drain of ours carries the reason ``PREFIX:IDENT text``, where IDENT is the incident or the intent
it serves. The reason alone proves nothing: Slurm keeps the old text after a node was resumed.
"""

from __future__ import annotations

from enum import StrEnum

from fleetops_schemas.records import NodeState

MAX_REASON_CHARACTERS = 256
"""Longest reason written to a scheduler; people read it in one line of ``sinfo -R``."""

OUT_OF_SERVICE = frozenset({"DOWN", "FAIL", "FAILING", "MAINT"})
"""Flags besides a drain by which somebody may hold a node."""


class Owner(StrEnum):
    """Who took a node out of service."""

    NOBODY = "nobody"
    FLEETOPS = "fleetops"
    OTHER = "other"


def clean_reason(text: str) -> str:
    """The text in one printable line without double quotes, bounded."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.replace('"', "'").split())[:MAX_REASON_CHARACTERS]


def drain_reason(prefix: str, ident: str, text: str) -> str:
    """The reason a drain carries on the scheduler."""
    return clean_reason(f"{prefix}:{ident.replace(' ', '_')} {text}")


def ident_of(prefix: str, reason: str) -> str | None:
    """The incident or intent named by a reason of ours; None for anybody else's."""
    if not reason.startswith(f"{prefix}:"):
        return None
    words = reason.removeprefix(f"{prefix}:").split(maxsplit=1)
    return words[0] if words else ""


def owner_of(state: NodeState, prefix: str) -> Owner:
    """Who holds the node out of service."""
    if state.drained:
        return Owner.OTHER if ident_of(prefix, state.reason) is None else Owner.FLEETOPS
    held = state.reason and OUT_OF_SERVICE.intersection(state.states)
    if held and ident_of(prefix, state.reason) is None:
        return Owner.OTHER
    return Owner.NOBODY


def is_spare(state: NodeState) -> bool:
    """Whether a job could start on the node now: idle, answering, and held by nobody."""
    plain = {"IDLE", "CLOUD", "DYNAMIC_NORM"}
    return "IDLE" in state.states and not state.drained and plain.issuperset(state.states)


def describe(state: NodeState) -> str:
    """The state in one line: ``IDLE+DRAIN fleetops:inc-1 too hot``."""
    flags = "+".join(state.states) or "UNKNOWN"
    return f"{flags} {state.reason}".rstrip() if state.drained or state.reason else flags


def reason_in(description: str) -> str:
    """The reason in a line of :func:`describe`."""
    return description.partition(" ")[2]
