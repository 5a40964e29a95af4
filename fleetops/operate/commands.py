"""What the protocols of the ledger and the executor ask their driver for.

They are generators that yield commands and are sent the answers; an error is thrown in where the
command stood. So the same code runs on a real bus and scheduler (:mod:`~fleetops.operate.driver`)
and in a simulation that interleaves, crashes and delays it at every command.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar

from fleetops_schemas.records import Action, ActionKind

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Append:
    """Append the record to the ledger. Raises as ``FencedProducer.append``."""

    action: Action


@dataclass(frozen=True, slots=True)
class ReadLog:
    """Answered with the ledger's next committed records, [] when none came for a moment."""


@dataclass(frozen=True, slots=True)
class ReadNode:
    """Answered with the node's state, None when the scheduler knows no such node."""

    node: str


@dataclass(frozen=True, slots=True)
class Act:
    """Drain or undrain the node. Raises as ``Scheduler.drain``."""

    kind: ActionKind
    node: str
    reason: str


Command = Append | ReadLog | ReadNode | Act
# What is sent in depends on the command, so it cannot be typed more closely.
Steps = Generator[Command, Any, T]
