"""The contract of interfaces, kept by sysfs of Ethernet interfaces."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from fleetops.emulator.interfaces.ethernet import EthernetInterface
from tests.contract.interface_contract import Cell, InterfaceContract, Stand, Strike


class TestEthernetInterface(InterfaceContract):
    interface_class = EthernetInterface
    cluster: ClassVar[str] = "zionex"
    gone = Strike("port_gone", 3)

    def test_both_kinds_of_adapters_are_shown(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            found = await stand.read()
            host = stand.fleet.site.hosts[0]
            ports = {cell.device for cell in found if cell.device.startswith(f"{host}/")}
            assert ports == {
                *(f"{host}/mlx5_{number}" for number in range(8)),
                *(f"{host}/eth{number}" for number in range(4)),
            }

        use(act)

    def test_a_link_that_is_down_has_no_rate(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            stand.strikes.append(Strike("link_down", 1))
            await stand.tick()
            found = await stand.read()
            port = stand.fleet.site.ports.names[1]
            assert found[Cell("fabric_port", port, "link_state")] == 0.0
            assert found[Cell("fabric_port", port, "link_downed_total")] == 1.0
            assert Cell("fabric_port", port, "rate_gigabits_per_second") not in found
            stand.check(found, stand.expected())

        use(act)
