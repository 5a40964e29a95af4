"""What every protocol of switches owes beside :mod:`tests.contract.interface_contract`."""

from __future__ import annotations

from collections.abc import Callable

from tests.contract.interface_contract import InterfaceContract, Stand, Strike

PORT = "fabric_port"


class SwitchContract(InterfaceContract):
    """Inherited by the test class of each protocol of switches."""

    def test_ports_in_trouble_are_told_as_the_tables_have_them(
        self, use: Callable[..., None]
    ) -> None:
        async def act(stand: Stand) -> None:
            ports = stand.fleet.site.ports
            own = [
                int(row)
                for row in stand.interface.carries()[PORT].rows
                if row < len(ports.names) and ports.optics[row]
            ]
            down, dark, slow, storm, bad = own[:5]
            stand.strikes += [
                Strike("link_down", down),
                Strike("receive_power", dark, 1e-6),
                Strike("rate", slow, 0.03125),
                Strike("pause_frames_per_second", storm, 81.0),
                Strike("bit_errors", bad, 6.0),
            ]
            await stand.tick()
            found, expected = await stand.read(), stand.expected()
            stand.check(found, expected)
            table = stand.fleet.tables[PORT]
            assert table["link_state"][down] == 0
            assert table["optics_dark_lanes"][dark] > 0
            assert table["rate_gigabits_per_second"][slow] == 0.03125 * float(
                ports.gigabits_per_second[slow]
            )
            assert table["pfc_transmit_total"][storm] == 810
            assert table["fec_uncorrectable_total"][bad] > 0

        use(act)
