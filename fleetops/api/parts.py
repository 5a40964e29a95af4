"""What the routes work with, made once by the service and reached through the request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from fleetops.api.auth import Authenticator
from fleetops.api.intents import IntentDesk
from fleetops.api.state import Snapshot, StateView
from fleetops.api.telemetry import Telemetry
from fleetops.core.clock import Clock
from fleetops.core.config import Config


@dataclass(frozen=True, slots=True)
class Parts:
    """The API's dependencies."""

    config: Config
    clock: Clock
    authenticator: Authenticator
    state: StateView
    telemetry: Telemetry
    intents: IntentDesk

    @property
    def snapshot(self) -> Snapshot:
        """The newest state of the bus."""
        return self.state.snapshot


def _parts(request: Request) -> Parts:
    parts: Parts = request.app.state.parts
    return parts


PartsOf = Annotated[Parts, Depends(_parts)]
