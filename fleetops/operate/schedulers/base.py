"""What a scheduler adapter is. The scheduler is the truth about nodes: read, check, write, read."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar, Protocol, Self, runtime_checkable

from pydantic import BaseModel, ConfigDict

from fleetops.core.clock import Clock
from fleetops_schemas.records import Job, NodeState


class SchedulerConfig(BaseModel):
    """Base of every adapter's settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    deadline_seconds: float = 10.0
    """Longest any call may take, its own liveness check included."""


@runtime_checkable
class Scheduler(Protocol):
    """One scheduler. Every call is bounded by its own deadline and safe from many threads."""

    name: ClassVar[str]
    config_model: ClassVar[type[SchedulerConfig]]
    keeps_reason: ClassVar[bool]
    """Whether a node whose drain was lifted still shows the reason: then a drain that is gone
    without a trace was not lifted by a person, but lost with the scheduler's state."""

    @classmethod
    def create(cls, config: SchedulerConfig, clock: Clock) -> Self:
        """Makes the adapter; ``config`` is a ``config_model``. Calls nothing."""
        ...

    def ping(self) -> None:
        """Asks for a sign of life, quickly.

        Raises:
            SchedulerUnavailableError: there was none.
        """
        ...

    def nodes(self, names: Collection[str] | None = None) -> dict[str, NodeState]:
        """States by node: all, or those of ``names`` that exist (an unknown name is left out).

        Raises:
            SchedulerUnavailableError: no answer in time.
        """
        ...

    def jobs(self) -> list[Job]:
        """Jobs that hold or wait for nodes.

        Raises:
            SchedulerUnavailableError: no answer in time.
        """
        ...

    def drain(self, node: str, reason: str) -> None:
        """Keeps new work off the node; running work goes on. Checks liveness before it writes.

        The caller has read the node before: this overwrites whatever reason stands there.

        Raises:
            NotFoundError: the scheduler knows no such node.
            RefusedError: no right to do it; do not retry.
            SchedulerUnavailableError: certainly not done.
            AmbiguousWriteError: sent, without an answer: read the node again.
        """
        ...

    def undrain(self, node: str) -> None:
        """Lets work onto the node again. Errors as :meth:`drain`."""
        ...

    def close(self) -> None:
        """Releases everything; safe to call twice."""
        ...
