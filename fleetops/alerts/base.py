"""What an alert sink is: one class in one module, and one line among the entry points."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Protocol, Self, runtime_checkable

from pydantic import BaseModel, ConfigDict

from fleetops.core.clock import Clock
from fleetops_schemas.records import Action, Incident


class SinkConfig(BaseModel):
    """Base of every sink's settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = ""
    """What its progress is kept under; the kind where none is given. Each sink needs its own."""
    timeout_seconds: float = 5.0
    """Longest one delivery attempt may take."""


class Notification(BaseModel):
    """One thing to tell: an incident opened, changed or resolved, or an action changed state."""

    model_config = ConfigDict(frozen=True)

    id: str
    """The same change always has the same id, so that receivers can drop repeats."""
    type: str
    """``incident.opened|updated|resolved`` or ``action.STATE`` or ``node.drained|undrained``."""
    incident: Incident | None = None
    action: Action | None = None


@runtime_checkable
class AlertSink(Protocol):
    """Delivers notifications to one receiver."""

    name: ClassVar[str]
    config_model: ClassVar[type[SinkConfig]]

    @classmethod
    def create(cls, config: SinkConfig, clock: Clock) -> Self:
        """Makes the sink; ``config`` is a ``config_model``. Connects to nothing.

        Raises:
            ConfigError: the receiver may not be reached (a private address, no TLS).
        """
        ...

    def deliver(self, notification: Notification) -> None:
        """Delivers once.

        Raises:
            TemporaryError: may work later; the caller retries with jitter.
            PermanentError: the receiver refused it; retrying is useless.
        """
        ...

    def close(self) -> None:
        """Releases everything; safe to call twice."""
        ...


@runtime_checkable
class RefreshingSink(AlertSink, Protocol):
    """A sink whose receiver forgets, so that what is open must be told again and again."""

    def restore(self, incidents: Iterable[Incident]) -> None:
        """After a restart: the open incidents that were told before."""
        ...

    def refresh(self) -> None:
        """Tells again what is due. Errors as :meth:`AlertSink.deliver`."""
        ...
