"""Controllers of a small emulated fleet, with their service called without sockets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import numpy as np

from fleetops.core.clock import ManualClock
from fleetops.emulator.interfaces.base import Surroundings, select
from fleetops.emulator.interfaces.redfish import RedfishInterface
from fleetops.emulator.interfaces.redfish.controller import Controller
from fleetops.emulator.interfaces.redfish.service import Account, RedfishService
from fleetops.emulator.interfaces.redfish.tree import ROOT
from fleetops.emulator.model.effects import Effects
from fleetops.emulator.model.fleet import Fleet, FleetOptions
from fleetops.emulator.site import build_site
from fleetops_schemas.fleet_profiles import cluster_of
from fleetops_schemas.platforms import Interface

USER, PASSWORD = "fleetops", "correct horse"
FIRST_PORT = 5000


class Bench:
    """A fleet that tests strike at, and its Redfish."""

    def __init__(self, cluster: str = "demo", hosts: int = 2, variant: str = "plain") -> None:
        """Healthy, and on a clock that stands."""
        self.strikes: list[tuple[str, int, float]] = []
        """Channel, device and value, from the next tick on."""
        self.clock = ManualClock()
        self.fleet = Fleet(FleetOptions(build_site(cluster_of(cluster), hosts)), self._disturb)
        around = Surroundings(
            self.fleet, Path(), "http://none", self.clock, {Interface.REDFISH: variant}
        )
        self.redfish = RedfishInterface(around, select(self.fleet.site, Interface.REDFISH))
        self.controllers = {one.name: one for one in self.redfish.controllers}
        ports = dict(enumerate(self.redfish.controllers, start=FIRST_PORT))
        self._port_of = {one.name: port for port, one in ports.items()}
        self._service = RedfishService(ports, Account(USER, PASSWORD))

    def get(self, device: str, path: str) -> dict[str, Any]:
        """A resource of a controller; ``path`` is relative to the service root."""
        controller = self.controllers[device]
        resource = controller.tree.get(f"{ROOT}/{path}" if path else ROOT, controller)
        assert resource is not None, path
        return resource

    def client(
        self, device: str, auth: tuple[str, str] | None = (USER, PASSWORD)
    ) -> httpx.AsyncClient:
        """A client of one controller."""
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self._service),
            base_url=f"http://127.0.0.1:{self._port_of[device]}",
            auth=auth,
        )

    async def tick(self, ticks: int = 1) -> None:
        """Moves fleet and clock on."""
        for _ in range(ticks):
            self.fleet.tick()
            self.clock.advance(self.fleet.tick_seconds)
            await self.redfish.refresh()

    def controller(self, device: str) -> Controller:
        """A controller by the name of what it manages."""
        return self.controllers[device]

    def _disturb(self, _seconds: float, effects: Effects) -> None:
        for channel, device, value in self.strikes:
            effects.apply(channel, np.array([device]), value, 1.0)
