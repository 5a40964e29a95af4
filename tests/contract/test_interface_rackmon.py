"""The contract of interfaces, kept by ``rackmon`` over Modbus TCP and over serial lines."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusTcpClient
from typing_extensions import override

from fleetops.core.clock import Clock, SystemClock
from fleetops.core.errors import ConfigError
from fleetops.emulator.interfaces.base import Surroundings, select
from fleetops.emulator.interfaces.rackmon import RackmonInterface, Transport
from fleetops.emulator.interfaces.rackmon.interface import Slot, address_of
from fleetops_schemas.platforms import Interface
from fleetops_schemas.readings import Quality
from fleetops_schemas.records import Severity
from fleetops_schemas.register_maps import load_register_maps
from tests.conftest import Figure
from tests.contract.interface_contract import Cell, InterfaceContract, Stand, Strike

SHELVES = 4


class Leaping(SystemClock):
    """Every register is due in every round, also those that are read once in an hour."""

    def __init__(self) -> None:
        self._hours = itertools.count()

    @override
    def monotonic(self) -> float:
        return super().monotonic() + 3600.0 * next(self._hours)


class OnBus(InterfaceContract):
    interface_class = RackmonInterface
    cluster = "catalina"
    hosts = 18
    gone = Strike("supply_gone", 4)

    @override
    @pytest.fixture
    def clock(self) -> Clock:
        return Leaping()


class TestRackmonInterfaceOverTcp(OnBus):
    def test_the_supplies_of_a_rack_give_what_it_draws(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            found = await stand.read()
            given = sum(
                watts for cell, watts in found.items() if cell.metric == "output_power_watts"
            )
            (drawn,) = stand.fleet.state.power.rack_watts
            assert given == pytest.approx(drawn, rel=0.02)
            taken = sum(
                watts for cell, watts in found.items() if cell.metric == "input_power_watts"
            )
            assert 0.92 < given / taken < 0.98

        use(act)

    def test_a_failed_supply_tells_it_in_flags(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            await stand.read()
            stand.strikes.append(Strike("supply_failed", 2))
            await stand.tick()
            found = await stand.read()
            stand.check(found, stand.expected())
            assert of(found, "r01/shelf1/psu3", "output_power_watts") == 0.0
            assert of(found, "r01/shelf1/psu3", "alarm_flags") == 1 << 1 | 1 << 9
            assert of(found, "r01/shelf1/psu3", "health") > 0
            assert of(found, "r01/shelf1/psu2", "alarm_flags") == 0
            events = [event for scrape in stand.scrapes for event in scrape.events]
            assert {event.device for event in events} == {"r01/shelf1/psu3"}
            assert {event.kind for event in events} == {"power_supply_fault"}
            assert {event.attributes["flag"] for event in events} == {
                *("DCDC", "DCDC_Converter_Failure", "DCDC_Fail")
            }

        use(act)

    @pytest.mark.parametrize(
        ("level", "wet"),
        [(1.0, {"leak_internal": 1.0}), (2.0, {"leak_internal": 1.0, "leak_pan": 2.0})],
    )
    def test_a_leak_is_seen_where_it_is(
        self, use: Callable[..., None], level: float, wet: dict[str, float]
    ) -> None:
        async def act(stand: Stand) -> None:
            await stand.read()
            stand.strikes.append(Strike("loop_leak", 0, level))
            await stand.tick()
            found = await stand.read()
            stand.check(found, stand.expected())
            seen = {cell.device: v for cell, v in found.items() if cell.metric == "leak_state"}
            assert len(seen) == 10
            assert {d.rpartition("/")[2]: v for d, v in seen.items() if v} == wet
            assert of(found, "r01/rpu", "health") == level
            events = [event for scrape in stand.scrapes for event in scrape.events]
            assert {(e.device, e.kind) for e in events} == {
                (f"r01/rpu/{part}", "coolant_leak") for part in wet
            }
            assert (
                max(event.severity.rank for event in events)
                == Severity("critical" if level > 1 else "warning").rank
            )

        use(act)

    def test_batteries_that_carry_a_rack(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            stand.strikes += [Strike("mains", shelf, 0.0) for shelf in range(SHELVES)]
            await stand.tick()
            found = await stand.read()
            stand.check(found, stand.expected())
            assert of(found, "r01/shelf1/psu1", "alarm_flags") == 1 << 0
            power = stand.fleet.state.power
            packs = [
                of(found, f"r01/shelf{shelf}/bbu{bbu}", "battery_voltage_volts")
                * -of(found, f"r01/shelf{shelf}/bbu{bbu}", "battery_current_amperes")
                for shelf in range(1, SHELVES + 1)
                for bbu in range(1, 7)
            ]
            # the pack's own resistance is between its voltage at rest and its terminals
            assert sum(packs) == pytest.approx(power.rack_watts[0], rel=0.05)
            assert 0.0 < of(found, "r01/shelf1/bbu1", "charge_ratio") < 1.0
            assert of(found, "r01/shelf1/bbu1", "alarm_flags") == 0

        use(act)

    def test_a_slow_pump_and_a_low_reservoir(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            stand.strikes += [Strike("pump_speed", 1, 0.3), Strike("reservoir", 0, 0.2)]
            await stand.tick()
            found = await stand.read()
            stand.check(found, stand.expected())
            slow, sound = (of(found, f"r01/rpu/pump{n}", "pump_speed_rpm") for n in (2, 1))
            assert slow == pytest.approx(0.3 * sound, abs=1)
            assert of(found, "r01/rpu", "pump_speed_ratio") == 1.0, "the sound one makes up"
            assert of(found, "r01/rpu", "reservoir_state") == 1
            events = {event.kind for scrape in stand.scrapes for event in scrape.events}
            assert events == {"coolant_pump_degraded", "coolant_level_out_of_range"}

        use(act)

    def test_a_silent_unit_is_missing_with_all_its_parts(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            stand.strikes.append(Strike("unit_silent", 0))
            await stand.tick()
            found = await stand.read()
            stand.check(found, stand.expected())
            assert {cell.device_class for cell in found} == {"power_unit"}

        use(act)

    def test_what_a_device_has_not_is_refused(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            found = await stand.read()
            absent = {
                (one.device, one.metric)
                for scrape in stand.scrapes
                for one in scrape.readings
                if one.quality is Quality.ABSENT
            }
            assert absent == {("r01/rpu", "power_watts")}
            assert not any(cell.device.endswith("pump3") for cell in found), "it has two"

        use(act)

    def test_nobody_writes(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            ((target,),) = (entry["targets"] for entry in stand.interface.collectors())
            host, _, port = target["url"].removeprefix("tcp://").partition(":")
            async with AsyncModbusTcpClient(host, port=int(port), timeout=2, retries=0) as client:
                for answer in (
                    await client.write_register(79, 1, device_id=144),
                    await client.read_input_registers(79, device_id=144),
                ):
                    assert (answer.isError(), answer.exception_code) == (True, 1)
                far = await client.read_holding_registers(60_000, device_id=144)
                assert far.exception_code == 2
                nobody = await client.read_holding_registers(79, device_id=250)
                assert nobody.exception_code == 11

        use(act)


class TestRackmonInterfaceOverSerialLines(OnBus):
    @pytest.fixture(autouse=True)
    def serial(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(RackmonInterface, "transport", Transport.RTU)

    def test_a_serial_line_is_named(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            (entry,) = stand.interface.collectors()
            assert [one["url"].partition(":")[0] for one in entry["targets"]] == ["rtu"]

        use(act)


class TestRackmonInterfaceOfOpenRackV3(OnBus):
    cluster = "zionex"
    hosts = 99


class TestRackmonInterfaceOfOpenRackV2(OnBus):
    """Supplies tell of the batteries behind them: no other device does."""

    cluster = "big_basin"
    hosts = 99
    gone = Strike("supply_gone", 1)

    def test_a_supply_tells_of_its_battery(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            stand.strikes.append(Strike("battery_health", 1, 0.6))
            await stand.tick()
            found = await stand.read()
            stand.check(found, stand.expected())
            assert {cell.device.rpartition("/")[2] for cell in found} == {"psu1", "psu2", "psu3"}
            worn = of(found, "r01/shelf1/psu2", "charge_ratio")
            assert worn == of(found, "r01/shelf1/psu1", "charge_ratio") == 1.0
            events = [event for scrape in stand.scrapes for event in scrape.events]
            assert [(e.device, e.kind) for e in events] == [
                ("r01/shelf1/psu2", "battery_end_of_life")
            ]

        use(act)


def of(found: dict[Cell, float], device: str, metric: str) -> float:
    (value,) = (v for cell, v in found.items() if cell[1:] == (device, metric))
    return value


@pytest.mark.parametrize(
    ("name", "shelf", "number", "address"),
    [
        ("orv3_hpr_psu", 0, 0, 144),
        ("orv3_hpr_psu", 2, 5, 165),
        ("orv3_hpr_bbu", 1, 0, 58),
        ("orv3_psu", 0, 2, 194),
        ("orv3_psu", 1, 0, 200),
        ("orv3_rpu", 0, 0, 12),
    ],
)
def test_addresses_are_those_of_the_map(name: str, shelf: int, number: int, address: int) -> None:
    assert address_of(load_register_maps()[name], Slot("r01", shelf, number)) == address


@pytest.mark.parametrize("variants", [{}, {Interface.RACKMON: "rtu"}])
def test_a_variant_is_a_transport(tmp_path: Path, variants: dict[Interface, str]) -> None:
    fleet = Stand("zionex", 1).fleet
    surroundings = Surroundings(fleet, tmp_path, "http://none", SystemClock(), variants)
    interface = RackmonInterface(surroundings, select(fleet.site, Interface.RACKMON))
    assert interface._transport.value == variants.get(Interface.RACKMON, "tcp")


def test_a_variant_that_is_none(tmp_path: Path) -> None:
    fleet = Stand("zionex", 1).fleet
    variants = {Interface.RACKMON: "udp"}
    surroundings = Surroundings(fleet, tmp_path, "http://none", SystemClock(), variants)
    with pytest.raises(ConfigError, match="rackmon: no 'udp'; there are: tcp, rtu"):
        RackmonInterface(surroundings, select(fleet.site, Interface.RACKMON))


def test_a_second_pumping_unit_has_no_address() -> None:
    with pytest.raises(ConfigError, match="r01: register map orv3_rpu has no address"):
        address_of(load_register_maps()["orv3_rpu"], Slot("r01", 1, 0))


def test_a_hundred_racks_in_one_process(tmp_path: Path, figure: Figure) -> None:
    """One round of 100 racks, reader and servers in one thread."""

    async def rounds() -> None:
        async with Stand("llm_roce_32k", 240).served(
            RackmonInterface, tmp_path, SystemClock()
        ) as stand:
            await stand.read()
            await stand.tick()
            began = time.process_time()
            found = await stand.read()
            seconds = time.process_time() - began
            figure(
                f"{len(stand.scrapes)} racks, {len({cell.device for cell in found})} devices, "
                f"{len(found)} readings in {seconds:.1f} s of one core, reader and servers together"
            )
            assert stand.silent == []
            (entry,) = stand.interface.collectors()
            assert len(stand.scrapes) == len(entry["targets"]) >= 100
            assert len({cell.device for cell in found}) >= 1200
            assert seconds < 10.0, "a round of all fits the usual interval"

    asyncio.run(rounds())
