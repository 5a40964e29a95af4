"""The contract of interfaces, kept by node_exporter: with RDMA ports, and with drives alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from fleetops.emulator.interfaces.node_exporter import NodeExporterInterface
from tests.contract.interface_contract import Cell, InterfaceContract, Stand, Strike


class TestNodeExporterInterface(InterfaceContract):
    interface_class = NodeExporterInterface
    gone = Strike("port_gone", 3)

    def test_a_link_that_is_down_is_told(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            stand.strikes.append(Strike("link_down", 2))
            await stand.tick()
            found = await stand.read()
            port = stand.fleet.site.ports.names[2]
            assert found[Cell("fabric_port", port, "link_state")] == 0.0
            assert found[Cell("fabric_port", port, "link_downed_total")] == 1.0
            assert Cell("fabric_port", port, "rate_gigabits_per_second") not in found
            stand.check(found, stand.expected())

        use(act)

    def test_congestion_is_told_by_marks_and_notifications(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            ports = stand.fleet.site.ports
            cell = Cell("fabric_port", ports.names[0], "cnp_sent_total")
            before = (await stand.read())[cell]
            stand.strikes.append(Strike("pause_frames_per_second", int(ports.peer[0]), 1000.0))
            await stand.tick()
            # eight marks a pause, one notification for eight marks: one a pause
            assert 10_000.0 <= (await stand.read())[cell] - before < 10_100.0

        use(act)

    def test_a_host_that_is_down_is_silent(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            stand.strikes.append(Strike("down", 0))
            await stand.tick()
            found = await stand.read()
            assert stand.silent == [stand.fleet.site.hosts[0]]
            stand.check(found, stand.expected())

        use(act)


class TestNodeExporterOfStorage(InterfaceContract):
    """72 disks, and no RDMA."""

    interface_class = NodeExporterInterface
    cluster: ClassVar[str] = "bryce_canyon"
    gone = Strike("down", 0)

    def test_every_disk_is_a_chip(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            assert isinstance(stand.interface, NodeExporterInterface)
            text = stand.interface.text(stand.fleet.site.hosts[0])
            assert text.count('chip_name="drivetemp"') == 72
            assert set(stand.interface.carries()) == {"host"}

        use(act)
