"""The contract of interfaces, kept by sysfs of InfiniBand adapters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np

from fleetops.emulator.interfaces.infiniband import InfinibandInterface, rate_text
from fleetops.emulator.interfaces.sysfs_tree import Device, Leaf, SysfsTree
from fleetops.emulator.model.tables import Roster, Table
from tests.contract.interface_contract import Cell, InterfaceContract, Stand, Strike


class TestInfinibandInterface(InterfaceContract):
    interface_class = InfinibandInterface
    cluster: ClassVar[str] = "dgx_a100"
    gone = Strike("port_gone", 3)

    def test_octets_stand_divided_by_four(self, use: Callable[..., None], tmp_path: Path) -> None:
        async def act(stand: Stand) -> None:
            device = stand.fleet.site.ports.names[0]
            host, _, adapter = device.partition("/")
            counters = tmp_path / "sysfs" / host / "class/infiniband" / adapter / "ports/1/counters"
            shown = int((counters / "port_xmit_data").read_text())
            octets = stand.fleet.tables["fabric_port"].value(device, "transmit_bytes_total")
            assert shown == int(octets) // 4

        use(act)

    def test_a_link_that_is_down_has_no_rate_and_an_event(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            await stand.read()
            stand.strikes.append(Strike("link_down", 1))
            await stand.tick()
            found = await stand.read()
            port = stand.fleet.site.ports.names[1]
            assert found[Cell("fabric_port", port, "link_state")] == 0.0
            assert found[Cell("fabric_port", port, "physical_state")] == 2.0
            assert Cell("fabric_port", port, "rate_gigabits_per_second") not in found
            events = [event for scrape in stand.scrapes for event in scrape.events]
            assert [(event.kind, event.device) for event in events] == [("link_down", port)]
            stand.check(found, stand.expected())

        use(act)

    def test_a_slow_link_stands_beside_what_is_expected(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            stand.strikes.append(Strike("rate", 0, 0.5))
            await stand.tick()
            found = await stand.read()
            port = stand.fleet.site.ports.names[0]
            assert found[Cell("fabric_port", port, "rate_gigabits_per_second")] == 100.0
            assert found[Cell("fabric_port", port, "expected_rate_gigabits_per_second")] == 200.0

        use(act)

    def test_a_host_that_is_down_shows_nothing(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            stand.strikes.append(Strike("down", 1))
            await stand.tick()
            found = await stand.read()
            assert stand.silent == [stand.fleet.site.hosts[1]]
            stand.check(found, stand.expected())
            stand.strikes.clear()
            await stand.tick()
            stand.check(await stand.read(), stand.expected())

        use(act)


def test_rates_are_in_the_kernels_words() -> None:
    assert rate_text(400.0) == "400 Gb/sec (4X NDR)"
    assert rate_text(200.0) == "200 Gb/sec (4X HDR)"
    assert rate_text(float("nan")) == "10 Gb/sec (4X SDR)"


def test_a_file_that_is_shown_is_not_written_to_for_a_tick(tmp_path: Path) -> None:
    table = Table(Roster("fabric_port", ("n1/p0",), ("n1",), ("r1",)), present=np.ones(1, bool))
    devices = [Device("n1", "p0", "0000:18:00.0", {})]
    leaf = Leaf("ports/1/counters/n", "link_downed_total", lambda count: f"{count:.0f}")
    tree = SysfsTree(tmp_path, "infiniband", devices, np.zeros(1, dtype=np.intp), [leaf])
    table.columns["link_downed_total"] = np.array([123456.0])
    tree.start(table)
    path = tmp_path / "n1/class/infiniband/p0" / leaf.path
    shown: list[str] = []
    for count in (123456.0, 999999.0, 7.0, 8.0):
        table.columns["link_downed_total"] = np.array([count])
        before = path.open() if shown else None
        tree.refresh(table, np.ones(1, dtype=np.bool_), {"n1": True})
        shown.append(path.read_text())
        if before is not None:
            with before:  # opened before the tick, read after it
                assert before.read() == shown[-2]
    assert shown == ["123456\n", "999999\n", "7\n", "8\n"]
