"""Kernel logs: files of ``/dev/kmsg`` records, one a host, in ``STATE_DIR/kmsg/``.

They carry no readings. What faults write comes through :meth:`KernelLogInterface.tell`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import override

from fleetops.emulator.groups import Group
from fleetops.emulator.interfaces.base import Carried, Selection, ServedInterface, Surroundings
from fleetops.emulator.kernel_lines import KernelText, boot_lines
from fleetops.emulator.kernel_logs import KernelLogs, device_names
from fleetops.emulator.log_lines import LogLine
from fleetops_schemas.platforms import Interface

FOLDER = "kmsg"


class KernelLogInterface(ServedInterface):
    """The kernels of all hosts that have an operating system of their own."""

    interface: ClassVar[Interface] = Interface.KERNEL_LOG

    def __init__(self, surroundings: Surroundings, selection: Selection) -> None:
        """Writes nothing yet."""
        super().__init__(surroundings, selection)
        self._folder = (surroundings.state_dir / FOLDER).resolve()
        self._hosts = [self.site.hosts[host] for host in selection.hosts]
        self._logs: KernelLogs | None = None
        self._down: frozenset[str] = frozenset()

    @override
    def carries(self) -> Mapping[str, Carried]:
        return {}

    @override
    def collectors(self) -> list[dict[str, Any]]:
        """One for all; hosts of other platforms than the first call their devices otherwise."""
        groups = [group for group in self.site.groups if self._selected(group)]
        shared = device_names(self.site, groups[0])
        targets = []
        for group in groups:
            own = device_names(self.site, group)
            more = {} if own == shared else {"devices": own}
            targets += [{**self._target(host), **more} for host in self._selected(group)]
        return [{"kind": "kernel_log", "name": "kernel", "targets": targets, "devices": shared}]

    @override
    async def start(self) -> None:
        fleet = self.surroundings.fleet
        self._logs = KernelLogs(
            self._folder, self._hosts, self.surroundings.clock, fleet.options.seed
        )
        for host in self.selection.hosts:
            self._boot(host)

    @override
    async def refresh(self) -> None:
        fleet = self.surroundings.fleet
        if self._logs is None:
            return
        down = {host for host in self.selection.hosts if fleet.effects["down"][host] > 0.0}
        names = frozenset(self.site.hosts[host] for host in down)
        for host in self.selection.hosts:
            if self.site.hosts[host] in self._down and host not in down:
                self._boot(host)
        self._down = names
        self._logs.tick(fleet.tick_seconds, names)

    @override
    def tell(self, line: LogLine) -> None:
        if self._logs is not None and line.log == "kernel" and line.owner in set(self._hosts):
            self._logs.write(line.owner, [KernelText(line.level, line.text)])

    def _boot(self, host: int) -> None:
        assert self._logs is not None  # noqa: S101  called once started
        platform, name = self.site.group_of(host).platform, self.site.hosts[host]
        vendor = platform.accelerator.vendor if platform.accelerator else ""
        self._logs.write(name, boot_lines(name, platform.accelerators, vendor))

    def _selected(self, group: Group) -> list[int]:
        return [
            host for host in self.selection.hosts if group.hosts.start <= host < group.hosts.stop
        ]

    def _target(self, host: int) -> dict[str, Any]:
        name = self.site.hosts[host]
        return {
            "name": name,
            "url": str(self._folder / f"{name}.log"),
            "host": name,
            "rack": self.site.standing[host].rack,
            "boot_time": "local",
        }
