"""The contract of interfaces, kept by dcgm-exporter, of today and of early releases."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from fleetops.emulator.interfaces.dcgm import DcgmInterface
from fleetops_schemas.readings import Quality
from tests.contract.interface_contract import Cell, InterfaceContract, Stand, Strike


class TestDcgmInterface(InterfaceContract):
    interface_class = DcgmInterface
    gone = Strike("gone", 3)

    def test_the_last_fault_stays(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            device = stand.fleet.site.accelerators[2]
            cell = Cell("accelerator", device, "last_fault_code")
            assert (await stand.read())[cell] == 0.0
            stand.strikes.append(Strike("xid", 2, 94.0))
            await stand.tick()
            stand.strikes.clear()
            await stand.tick()
            assert (await stand.read())[cell] == 94.0

        use(act)

    def test_what_the_driver_cannot_read_is_left_out(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            stand.strikes.append(Strike("unreadable", 5))
            await stand.tick()
            found = await stand.read()
            device = stand.fleet.site.accelerators[5]
            assert {cell.metric for cell in found if cell.device == device} == {"last_fault_code"}
            stand.check(found, stand.expected())

        use(act)

    def test_an_exporter_that_does_not_run_is_silent(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            stand.strikes += [Strike("exporter_down", 0), Strike("down", 1)]
            await stand.tick()
            assert await stand.read() == {}
            assert sorted(stand.silent) == sorted(stand.fleet.site.hosts[:2])
            assert stand.expected() == {}

        use(act)


class TestExporterOfGrace(InterfaceContract):
    """Reads the processors too."""

    interface_class = DcgmInterface
    cluster: ClassVar[str] = "gb300_rack"
    gone = Strike("gone", 3)

    def test_the_hottest_processor_is_the_hosts(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            host = stand.fleet.site.hosts[0]
            found = await stand.read()
            assert isinstance(stand.interface, DcgmInterface)
            text = stand.interface.text(host)
            assert text.count("\nDCGM_FI_DEV_CPU_TEMP_CURRENT{") == 2
            cell = Cell("host", host, "cpu_temperature_celsius")
            assert found[cell] == stand.fleet.tables["host"].value(host, cell.metric)

        use(act)


class TestEarlyExporter(InterfaceContract):
    """Prints DCGM's blank numbers for what the part cannot tell."""

    interface_class = DcgmInterface
    cluster: ClassVar[str] = "big_sur"
    gone = Strike("gone", 3)

    def test_blank_numbers_are_null(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            await stand.read()
            device = stand.fleet.site.accelerators[0]
            blank = {
                one.metric
                for scrape in stand.scrapes
                for one in scrape.readings
                if one.device == device and one.quality is Quality.SENTINEL
            }
            # one of each type: a 64 bit integer and a double
            assert {"memory_temperature_celsius", "tensor_active_ratio"} <= blank
            assert {
                one.value
                for scrape in stand.scrapes
                for one in scrape.readings
                if one.quality is not Quality.GOOD
            } == {None}

        use(act)

    def test_an_accelerator_that_cannot_be_read_is_all_blanks(
        self, use: Callable[..., None]
    ) -> None:
        async def act(stand: Stand) -> None:
            stand.strikes.append(Strike("unreadable", 0))
            await stand.tick()
            found = await stand.read()
            device = stand.fleet.site.accelerators[0]
            assert {cell.metric for cell in found if cell.device == device} <= {"last_fault_code"}
            listed = [
                one for scrape in stand.scrapes for one in scrape.readings if one.device == device
            ]
            assert len(listed) > 20
            stand.check(found, stand.expected())

        use(act)
