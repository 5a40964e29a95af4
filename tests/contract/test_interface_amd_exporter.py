"""The contract of interfaces, kept by AMD's device-metrics-exporter."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from fleetops.emulator.interfaces.amd_exporter import AmdExporterInterface
from tests.contract.interface_contract import InterfaceContract, Stand, Strike


class TestAmdExporterInterface(InterfaceContract):
    interface_class = AmdExporterInterface
    cluster: ClassVar[str] = "grand_teton_mi300x"
    gone = Strike("gone", 3)

    def test_an_exporter_that_does_not_run_is_silent(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            host = stand.fleet.site.hosts[1]
            stand.strikes.append(Strike("exporter_down", 1))
            await stand.tick()
            found = await stand.read()
            assert stand.silent == [host]
            assert {cell.device.split("/")[0] for cell in found} == {stand.fleet.site.hosts[0]}
            stand.check(found, stand.expected())

        use(act)

    def test_the_text_is_in_the_exporters_units(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            interface, table = stand.interface, stand.fleet.tables["accelerator"]
            assert isinstance(interface, AmdExporterInterface)
            host = stand.fleet.site.hosts[0]
            lines = {
                line.partition("{")[0]: line.rpartition(" ")[2]
                for line in interface.text(host).splitlines()
                if 'gpu_id="0"' in line
            }
            device = f"{host}/gpu0"
            energy = table.value(device, "energy_joules")
            assert float(lines["gpu_energy_consumed"]) == energy * 1e6
            busy = table.value(device, "utilization_ratio")
            assert lines["gpu_gfx_activity"] == str(round(busy * 100.0))
            assert lines["gpu_package_power"].isdecimal()
            clocks = [line for line in interface.text(host).splitlines() if "TYPE_SYSTEM" in line]
            assert len(clocks) == 8 * 8

        use(act)
