"""Redfish of hosts, coolant units and power shelves: one management controller a port."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from fleetops.emulator.groups import Group
from fleetops.emulator.http_server import HttpServer, listen_many, port_of
from fleetops.emulator.interfaces.base import (
    LOOPBACK,
    Carried,
    Selection,
    ServedInterface,
    Surroundings,
)
from fleetops.emulator.interfaces.redfish.controller import Controller, Kind, Managed, Part
from fleetops.emulator.interfaces.redfish.coolant_unit import UNIT, UnitShape, coolant_unit_tree
from fleetops.emulator.interfaces.redfish.firmware import Firmware
from fleetops.emulator.interfaces.redfish.host import SYSTEM, HostShape, host_tree
from fleetops.emulator.interfaces.redfish.power_shelf import SHELF, ShelfShape, power_shelf_tree
from fleetops.emulator.interfaces.redfish.quirks import Manners
from fleetops.emulator.interfaces.redfish.service import Account, RedfishService
from fleetops.emulator.interfaces.redfish.tree import ROOT, Tree
from fleetops.emulator.interfaces.secret_file import write_password
from fleetops.emulator.log_lines import LogLine
from fleetops_schemas.platforms import Cooling, Interface

USERNAME = "fleetops"
PASSWORD_FILE_NAME = "redfish_password"  # noqa: S105  a file's name
INTERVAL_SECONDS = 10.0
DEADLINE_SECONDS = 8.0
"""The first rounds walk through all of a controller's resources."""
LOG_SECONDS = 10.0
NAMES: Mapping[Kind, str] = {"host": "bmc", "coolant_unit": "cdu", "power_shelf": "shelf"}
"""Of the collectors, by what their targets manage."""
ORIGINS: Mapping[Kind, str] = {
    "host": f"{ROOT}/{SYSTEM}",
    "coolant_unit": f"{ROOT}/{UNIT}",
    "power_shelf": f"{ROOT}/{SHELF}",
}
"""What messages are about that others write."""


class RedfishInterface(ServedInterface):
    """The management controllers of all that speak Redfish; its variants are their manners."""

    interface: ClassVar[Interface] = Interface.REDFISH

    def __init__(self, surroundings: Surroundings, selection: Selection) -> None:
        """Makes the trees, one for each kind of controller; opens nothing."""
        super().__init__(surroundings, selection)
        self._manners = self.variant(Manners.BY_PROFILE)
        self.controllers = (*self._hosts(), *self._coolant_units(), *self._power_shelves())
        self._by_name = {one.name: one for one in self.controllers}
        self._firmware = Firmware(self.controllers, surroundings.fleet.tables)
        self._ports: dict[int, Controller] = {}
        self._server: HttpServer | None = None

    @override
    def carries(self) -> Mapping[str, Carried]:
        rows: dict[str, set[int]] = defaultdict(set)
        metrics: dict[str, dict[str, None]] = defaultdict(dict)
        for controller in self.controllers:
            for part in controller.parts:
                rows[part.device_class].add(part.row)
        for tree, parts in {one.tree: one.parts for one in self.controllers}.items():
            for node in tree:
                for point in node.points:
                    metrics[parts[point.part].device_class][point.metric] = None
        return {
            name: Carried(np.array(sorted(rows[name]), dtype=np.intp), tuple(metrics[name]))
            for name in metrics
        }

    @override
    def answering(self, device_class: str) -> NDArray[np.bool_]:
        answering = super().answering(device_class).copy()
        for controller in self.controllers:
            if not controller.answers:
                silent = [
                    part.row for part in controller.parts if part.device_class == device_class
                ]
                answering[silent] = False
        return answering

    @override
    def collectors(self) -> list[dict[str, Any]]:
        targets: dict[Kind, list[dict[str, str]]] = defaultdict(list)
        for port, one in self._ports.items():
            whose = "host" if one.kind == "host" else "device"
            targets[one.kind].append(
                {
                    "name": one.name,
                    "url": f"http://{LOOPBACK}:{port}",
                    "rack": one.rack,
                    whose: one.name,
                }
            )
        return [
            {
                "kind": "redfish",
                "name": NAMES[kind],
                "targets": listed,
                "interval_seconds": INTERVAL_SECONDS,
                "deadline_seconds": DEADLINE_SECONDS,
                "log_interval_seconds": LOG_SECONDS,
                "username": USERNAME,
                "password_file": str(self._password_file),
            }
            for kind, listed in targets.items()
        ]

    @override
    async def start(self) -> None:
        """Opens a port for each controller, and makes the account's password.

        Raises:
            ConfigError: the process may not open so many files.
        """
        password = write_password(self._password_file)
        listeners = listen_many(len(self.controllers))
        self._ports = dict(zip(map(port_of, listeners), self.controllers, strict=True))
        service = RedfishService(self._ports, Account(USERNAME, password))
        self._server = HttpServer(service, listeners)
        await self._server.start()

    @override
    async def refresh(self) -> None:
        self._firmware.look(self.surroundings.fleet.tables, self.surroundings.clock.now())
        for controller in self.controllers:
            controller.tick()

    @override
    def tell(self, line: LogLine) -> None:
        """Writes into the log of what manages a host, coolant unit or shelf; others have none."""
        controller = self._by_name.get(line.owner)
        if line.log == "management" and controller is not None:
            controller.log.write(
                self.surroundings.clock.now(),
                line.severity,
                line.message_id,
                line.text,
                origin=ORIGINS[controller.kind],
            )

    @override
    async def close(self) -> None:
        for controller in self.controllers:
            controller.close()
        if self._server is not None:
            await self._server.stop()
            self._server = None

    @property
    def _password_file(self) -> Path:
        return (self.surroundings.state_dir / PASSWORD_FILE_NAME).resolve()

    def _hosts(self) -> Iterator[Controller]:
        selected = set(self.selection.hosts)
        for group in self.site.groups:
            run = range(group.hosts.start, group.hosts.stop)
            if hosts := [host for host in run if host in selected]:
                tree = host_tree(self._host_shape(group))
                for host in hosts:
                    rack = self.site.standing[host].rack
                    managed = Managed("host", self.site.hosts[host], rack)
                    yield self._controller(managed, tree, self._parts_of_host(group, host))

    def _host_shape(self, group: Group) -> HostShape:
        parts = self._parts_of_host(group, group.hosts.start)
        metrics = {part.device_class: self._metrics(part) for part in parts}
        leak = len(parts) - 1 if group.platform.cooling.medium is Cooling.LIQUID else None
        quirks = self._manners.quirks_of(group.platform.name)
        return HostShape(group.platform, metrics, leak, self._is_nvidia, quirks)

    @property
    def _is_nvidia(self) -> bool:
        """Whether all accelerators are NVIDIA's: a class has one set of metrics."""
        found = (group.platform.accelerator for group in self.site.groups)
        return all(one is None or one.vendor == "nvidia" for one in found)

    def _parts_of_host(self, group: Group, host: int) -> list[Part]:
        name, count = self.site.hosts[host], group.platform.accelerators
        first = group.accelerators.start + (host - group.hosts.start) * count
        parts = [Part("host", host)]
        parts += [Part("accelerator", first + number) for number in range(count)]
        if group.platform.cooling.medium is Cooling.LIQUID:
            parts += self._parts("coolant_unit", f"{name}/leak0")
        return parts

    def _coolant_units(self) -> Iterator[Controller]:
        trees: dict[str, Tree] = {}
        for loop in (self.site.loops[index] for index in self.selection.loops):
            pumps = self.site.pumps[loop.pumps]
            parts = self._parts("coolant_unit", loop.name, *pumps, f"{loop.name}/leak0")
            if loop.unit.name not in trees:
                metrics = self._metrics_by_part(parts)
                shape = UnitShape(
                    loop.unit, len(pumps), metrics, self._manners.quirks_of(loop.unit.name)
                )
                trees[loop.unit.name] = coolant_unit_tree(shape)
            managed = Managed("coolant_unit", loop.name, loop.rack)
            yield self._controller(managed, trees[loop.unit.name], parts)

    def _power_shelves(self) -> Iterator[Controller]:
        trees: dict[str, Tree] = {}
        for shelf in (self.site.shelves[index] for index in self.selection.shelves):
            supplies = self.site.supplies[shelf.supplies]
            batteries = self.site.batteries[shelf.batteries]
            parts = self._parts("power_unit", shelf.name, *supplies, *batteries)
            if shelf.power.name not in trees:
                metrics = self._metrics_by_part(parts)
                quirks = self._manners.quirks_of(shelf.power.name)
                shape = ShelfShape(shelf.power, len(supplies), len(batteries), metrics, quirks)
                trees[shelf.power.name] = power_shelf_tree(shape)
            managed = Managed("power_shelf", shelf.name, shelf.rack)
            yield self._controller(managed, trees[shelf.power.name], parts)

    def _parts(self, device_class: str, *devices: str) -> list[Part]:
        index = self.table(device_class).roster.index
        return [Part(device_class, index[device]) for device in devices]

    def _metrics(self, part: Part) -> frozenset[str]:
        return frozenset(self.table(part.device_class).metrics_of(part.row))

    def _metrics_by_part(self, parts: list[Part]) -> dict[int, frozenset[str]]:
        return {number: self._metrics(part) for number, part in enumerate(parts)}

    def _controller(self, managed: Managed, tree: Tree, parts: list[Part]) -> Controller:
        around = self.surroundings
        return Controller(managed, tree, parts, around.fleet, around.clock)
