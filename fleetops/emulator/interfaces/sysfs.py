"""What ports in sysfs share: a tree a host, and collectors that read it in the host's name."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from fleetops.emulator.delivery import hosts_in_band
from fleetops.emulator.groups import Group
from fleetops.emulator.interfaces.base import Carried, Selection, ServedInterface, Surroundings
from fleetops.emulator.interfaces.sysfs_tree import Device, Leaf, SysfsTree
from fleetops.emulator.pci import adapter_address
from fleetops_schemas.platforms import Adapter, Interface

PORT = "fabric_port"
FOLDER_NAME = "sysfs"
PATTERNS = {"backend": "mlx5_*", "frontend": "eth*"}
"""Of ports' names, by the role of the adapter."""


class HostPort(NamedTuple):
    """A port of a host as it is shown in its sysfs."""

    row: int
    host: str
    name: str
    number: int
    """Among all ports of the host."""
    adapter: Adapter


class SysfsInterface(ServedInterface):
    """Ports of hosts as files, ``STATE_DIR/sysfs/HOST``. A host that is down shows none."""

    interface: ClassVar[Interface]
    folder: ClassVar[str]
    """Of the class in sysfs."""
    tolerances: ClassVar[Mapping[str, float]] = {}

    def __init__(self, surroundings: Surroundings, selection: Selection) -> None:
        """Lays out the trees; writes nothing."""
        super().__init__(surroundings, selection)
        self._groups = [
            group for group in self.site.groups if group.platform.speaks(self.interface)
        ]
        self._ports = [
            port for group in self._groups for port in self._ports_of(group) if self.shows(port)
        ]
        self._rows = np.array([port.row for port in self._ports], dtype=np.intp)
        columns = self.table(PORT).columns
        self._leaves = [leaf for leaf in self.leaves() if leaf.metric in columns]
        self._trees = self.surroundings.state_dir / FOLDER_NAME
        devices = [self._device(port) for port in self._ports]
        self._tree = SysfsTree(self._trees, self.folder, devices, self._rows, self._leaves)

    @abstractmethod
    def shows(self, port: HostPort) -> bool:
        """Whether the class has the port."""

    @abstractmethod
    def leaves(self) -> list[Leaf]:
        """The files that show readings."""

    @abstractmethod
    def constants(self, port: HostPort) -> Mapping[str, str]:
        """The files of a port that never change."""

    @abstractmethod
    def options(self, group: Group) -> Mapping[str, Any]:
        """Of the collector that reads a platform's hosts."""

    @override
    def carries(self) -> Mapping[str, Carried]:
        metrics = dict.fromkeys(leaf.metric for leaf in self._leaves)
        metrics["expected_rate_gigabits_per_second"] = None
        return {PORT: Carried(np.sort(self._rows), tuple(metrics), self.tolerances)}

    @override
    def answering(self, device_class: str) -> NDArray[np.bool_]:
        answers = super().answering(device_class).copy()
        answers[self._rows] &= self._up()[self.site.ports.host_of[self._rows]]
        return answers

    @override
    def collectors(self) -> list[dict[str, Any]]:
        return [
            {
                "kind": self.interface.value,
                "name": f"{self.interface.value}-{group.platform.name}",
                "targets": [
                    {
                        "name": self.site.hosts[host],
                        "url": str(self._trees / self.site.hosts[host]),
                        "host": self.site.hosts[host],
                        "rack": self.site.standing[host].rack,
                    }
                    for host in range(group.hosts.start, group.hosts.stop)
                ],
                **self.options(group),
            }
            for group in self._groups
        ]

    @override
    async def start(self) -> None:
        await asyncio.to_thread(self._tree.start, self.table(PORT))

    @override
    async def refresh(self) -> None:
        table, up = self.table(PORT), self._up()
        hosts = {self.site.hosts[host]: bool(up[host]) for host in self.selection.hosts}
        await asyncio.to_thread(self._tree.refresh, table, table.present[self._rows], hosts)

    def _up(self) -> NDArray[np.bool_]:
        """(hosts,) whether the collector on the host can read anything."""
        fleet = self.surroundings.fleet
        up: NDArray[np.bool_] = hosts_in_band(fleet) & (fleet.effects["down"] < 1.0)
        return up

    def _ports_of(self, group: Group) -> Iterator[HostPort]:
        """All ports of a group's hosts, in the order in which the fabric made them."""
        ports = self.site.ports
        adapters = [one for one in group.platform.adapters for _ in range(int(one.count))]
        for host in range(group.hosts.start, group.hosts.stop):
            rows = np.flatnonzero(ports.host_of == host)
            for number, (row, adapter) in enumerate(zip(rows.tolist(), adapters, strict=True)):
                name = ports.names[row].rpartition("/")[2]
                yield HostPort(row, self.site.hosts[host], name, number, adapter)

    def _device(self, port: HostPort) -> Device:
        constants = dict(self.constants(port))
        if port.adapter.optics is not None:
            constants["device/hwmon/hwmon0/temp1_label"] = "Module0"
        return Device(port.host, port.name, adapter_address(port.number), constants)


MODULE_TEMPERATURE = Leaf(
    "device/hwmon/hwmon0/temp1_input",
    "optics_temperature_celsius",
    lambda celsius: "" if celsius != celsius else str(round(celsius * 1000.0)),  # noqa: PLR0124
)
"""Of the port's module: mlx5 has such a sensor since Linux 6.7."""


def whole(count: float) -> str:
    """A counter; nothing where there is none."""
    return "" if count != count else str(int(count))  # noqa: PLR0124  only NaN is unequal to itself


def mac_address(port: HostPort) -> str:
    """A locally administered address, made of where the port is."""
    digits = f"{port.row:08x}"
    return ":".join(("02", "00", *(digits[at : at + 2] for at in range(0, 8, 2))))


def rates(group: Group) -> dict[str, float]:
    """The rate that a platform's ports should have, Gbit/s, by pattern of their names."""
    return {PATTERNS[one.role]: float(one.gigabits_per_second) for one in group.platform.adapters}
