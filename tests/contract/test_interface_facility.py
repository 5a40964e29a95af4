"""The contract of interfaces, kept by ``facility`` over MQTT, and what its topics look like."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from fleetops.core.clock import SystemClock
from fleetops.emulator import site as sites
from fleetops.emulator.interfaces.base import Surroundings, select
from fleetops.emulator.interfaces.facility import FacilityInterface
from fleetops.emulator.interfaces.facility import interface as facility
from fleetops_collectors.collector_config import parse_collectors
from fleetops_schemas.platforms import CoolantUnit, Interface
from fleetops_schemas.profiles import AnyProfile, load_profile
from fleetops_schemas.readings import Quality
from tests.contract.interface_contract import Cell, InterfaceContract, Stand, Strike

WAIT_SECONDS = 10.0


class OverMqtt(InterfaceContract):
    interface_class = FacilityInterface
    rounds = 2


class TestFacilityInterfaceOfPumpingUnits(OverMqtt):
    """A unit's name has a slash, its identifier has none."""

    cluster = "catalina"
    hosts = 18
    gone = Strike("unit_silent", 0)


class TestFacilityInterface(OverMqtt):
    cluster = "demo"
    hosts = 32
    gone = Strike("unit_silent", 1)

    def test_a_silent_unit_is_of_bad_quality(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            stand.strikes.append(self.gone)
            await stand.tick()
            await stand.read()
            silent = {
                (one.device.split("/")[0], one.quality)
                for scrape in stand.scrapes
                for one in scrape.readings
                if one.value is None
            }
            assert silent == {("cdu2", Quality.MISSING)}

        use(act)

    def test_a_pump_that_slows_down(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            stand.strikes.append(Strike("pump_speed", 0, 0.5))
            await stand.tick()
            found = await stand.read()
            rpm = {cell.device: v for cell, v in found.items() if cell.metric == "pump_speed_rpm"}
            assert rpm["cdu1/pump1"] == pytest.approx(rpm["cdu1/pump2"] / 2, rel=0.01)
            assert rpm["cdu1/pump2"] > rpm["cdu2/pump1"], "the sound one makes up"

        use(act)


class TestFacilityInterfaceOfUnitsThatSpeakNothingElse(OverMqtt):
    """Their leak detector is building management's too."""

    cluster = "demo"
    hosts = 32
    gone = Strike("unit_silent", 1)

    @pytest.fixture(autouse=True)
    def units(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def seen_by_building(kind: type[AnyProfile], name: str) -> AnyProfile:
            profile = load_profile(kind, name)
            if isinstance(profile, CoolantUnit):
                return profile.model_copy(update={"interface": Interface.FACILITY})
            return profile

        monkeypatch.setattr(sites, "load_profile", seen_by_building)

    def test_a_leak(self, use: Callable[..., None]) -> None:
        async def act(stand: Stand) -> None:
            stand.strikes.append(Strike("loop_leak", 0))
            await stand.tick()
            found = await stand.read()
            leaks = {cell.device: v for cell, v in found.items() if cell.metric == "leak_state"}
            assert leaks == {"cdu1/leak": 2.0, "cdu2/leak": 0.0}

        use(act)


@asynccontextmanager
async def published(folder: Path, shape: str) -> AsyncIterator[FacilityInterface]:
    """Building management of the demonstration fleet, in one of its shapes."""
    fleet = Stand("demo", 32).fleet
    variants = {Interface.FACILITY: shape}
    surroundings = Surroundings(fleet, folder, "http://none", SystemClock(), variants)
    interface = FacilityInterface(surroundings, select(fleet.site, Interface.FACILITY))
    await interface.start()
    try:
        yield interface
    finally:
        await interface.close()


def points_of(interface: FacilityInterface) -> int:
    """How many points there are to publish: the cells that come through."""
    (carried,) = interface.carries().values()
    table = interface.table("coolant_unit")
    return sum(
        metric in carried.metrics for row in carried.rows for metric in table.metrics_of(row)
    )


def heard(folder: Path, shape: str, *, ticks: int = 1) -> tuple[list[MQTTMessage], int]:
    """What a reader hears that comes first and stays for some ticks; the number of points."""

    async def listen() -> tuple[list[MQTTMessage], int]:
        found: list[MQTTMessage] = []
        subscribed = asyncio.Event()
        loop = asyncio.get_running_loop()
        client = Client(CallbackAPIVersion.VERSION2)

        def on_subscribe(*_: object) -> None:
            loop.call_soon_threadsafe(subscribed.set)

        client.on_message = lambda _client, _data, message: found.append(message)
        client.on_subscribe = on_subscribe
        async with published(folder, shape) as interface:
            (entry,) = interface.collectors()
            _, _, port = entry["targets"][0]["url"].rpartition(":")
            await asyncio.to_thread(client.connect, "127.0.0.1", int(port))
            client.loop_start()
            client.subscribe("BMS/#")
            await asyncio.wait_for(subscribed.wait(), WAIT_SECONDS)
            await interface.refresh()
            for _ in range(ticks):
                interface.surroundings.fleet.tick()
                await interface.refresh()
            end, points = time.monotonic() + WAIT_SECONDS, points_of(interface)
            while len(values(found)) < points * (ticks + 1) and time.monotonic() < end:
                await asyncio.sleep(0.01)
            client.disconnect()
            await asyncio.to_thread(client.loop_stop)
        return found, points

    return asyncio.run(listen())


def values(messages: list[MQTTMessage]) -> list[MQTTMessage]:
    return [one for one in messages if "Value" in one.topic and "Heartbeat" not in one.topic]


def test_metadata_are_retained_and_come_before_values(tmp_path: Path) -> None:
    messages, points = heard(tmp_path, "pub")
    assert points >= 28, "of two units with two pumps each"
    metadata = [one for one in messages if "/Metadata/" in one.topic]
    assert len(metadata) == points + 1, "and of the heartbeat"
    assert messages[: points + 1] == metadata
    assert all(one.retain for one in metadata)
    assert not any(one.retain for one in values(messages))
    assert len(values(messages)) == 2 * points
    topic = "BMS/v1/PUB/Metadata/CDU/LiquidTemperature/cdu1/secondary-supply-degc"
    (supply,) = (one for one in metadata if one.topic == topic)
    assert json.loads(supply.payload) == {
        "objectType": "CDU",
        "pointType": "LiquidTemperature",
        "objectName": "cdu1",
        "objectId": "cdu1",
        "processArea": ["Secondary", "Supply"],
        "engUnit": "degC",
    }
    newest = next(
        one for one in reversed(messages) if one.topic == topic.replace("Metadata", "Value")
    )
    body = json.loads(newest.payload)
    assert (body["value"], body["quality"]) == (32.0, 1)
    assert body["timestamp"] == pytest.approx(time.time() * 1000, abs=60_000)


def test_a_heartbeat_every_ten_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert facility.HEARTBEAT_SECONDS == 10.0
    monkeypatch.setattr(facility, "HEARTBEAT_SECONDS", 0.02)
    beats = [
        json.loads(one.payload)["value"]
        for one in heard(tmp_path, "pub", ticks=30)[0]
        if one.topic == "BMS/v1/PUB/Value/System/HeartbeatTimestampBms/bms"
    ]
    assert len(beats) > 2
    assert beats == sorted(set(beats)), "each is later than the one before"
    assert beats[-1] == pytest.approx(time.time() * 1000, abs=60_000)


def test_the_older_shape_is_read_by_the_same_collector(tmp_path: Path) -> None:
    async def act() -> None:
        async with published(tmp_path, "older") as interface:
            (parsed,) = parse_collectors(interface.collectors())
            collector = parsed.collector_class.create(parsed.config, SystemClock())
            (target,) = parsed.config.targets
            await collector.collect(target)
            await interface.refresh()
            end = time.monotonic() + WAIT_SECONDS
            found: dict[Cell, float] = {}
            while len(found) < points_of(interface) and time.monotonic() < end:
                scrape = await collector.collect(target)
                found = {
                    Cell(one.device_class, one.device, one.metric): float(one.value)
                    for one in scrape.readings
                    if one.value is not None
                }
                await asyncio.sleep(0.01)
            await collector.close()
            assert len(found) == points_of(interface)
            table = interface.table("coolant_unit")
            assert all(
                value == pytest.approx(table.value(cell.device, cell.metric))
                for cell, value in found.items()
            )

    asyncio.run(act())


def test_topics_of_the_older_shape(tmp_path: Path) -> None:
    messages, _ = heard(tmp_path, "older")
    assert {one.topic.rpartition("/")[2] for one in messages} == {"Metadata", "Value"}
    assert not any("/PUB/" in one.topic for one in messages)
    (body,) = {frozenset(json.loads(one.payload)) for one in values(messages)}
    assert body == {"value", "timestamp"}
    assert json.loads(values(messages)[0].payload)["timestamp"] == pytest.approx(
        time.time(), abs=60
    )
