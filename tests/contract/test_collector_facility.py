"""The contract of collectors, kept by ``facility`` against a real MQTT broker, and its faults."""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from typing_extensions import override

from fleetops.core.clock import ManualClock
from fleetops.core.errors import ConfigError, InputError, TemporaryError
from fleetops_collectors.base import Scrape, Target
from fleetops_collectors.facility import FacilityCollector, FacilityConfig
from fleetops_schemas.readings import Quality
from tests.contract.collector_contract import CollectorContract, RefusesGarbage, check_readings
from tests.mqtt_testbed import (
    RACK,
    Broker,
    mqtt_broker,
    publish_hall,
    publishing,
    repeating,
    running_broker,
    value_body,
)
from tests.tls_proxy import make_certificate, tls_proxy

__all__ = ["mqtt_broker"]

pytestmark = pytest.mark.mqtt

START = ManualClock().now()
FLOW = "Rack/RackLiquidFlow/p1/a1/flow"
BEAT = "System/HeartbeatTimestampBms/bms"
NAMES = {"P1-A-01": "r001"}


def unused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class TestFacilityCollector(CollectorContract, RefusesGarbage):
    collector_class = FacilityCollector

    @override
    @pytest.fixture
    def options(self) -> dict[str, Any]:
        return {"names": NAMES, "settle_seconds": 2}

    @override
    @pytest.fixture
    def target(self, mqtt_broker: Broker) -> Iterator[Target]:
        with publishing(mqtt_broker.port) as publisher, repeating(publisher, START):
            yield Target(name="hall1-bms", url=mqtt_broker.url)

    @override
    @pytest.fixture
    def silent_target(self) -> Target:
        return Target(name="bms-gone", url=f"mqtt://127.0.0.1:{unused_port()}")

    @override
    @pytest.fixture
    def garbage_target(self, mqtt_broker: Broker) -> Iterator[Target]:
        with publishing(mqtt_broker.port) as publisher:
            publisher.send("BMS/v1/PUB/Value/Rack/RackPower/a", "<html>", retain=True)
            yield Target(name="other-things", url=mqtt_broker.url)


class Reader:
    """A collector over a test, read when the test says so."""

    def __init__(self, target: Target, **options: object) -> None:
        self.clock = ManualClock()
        config = FacilityConfig.model_validate(
            {"name": "test", "names": NAMES, "settle_seconds": 1, **options}
        )
        self._collector = FacilityCollector.create(config, self.clock)
        self._target = target
        self._loop = asyncio.new_event_loop()

    def read(self) -> Scrape:
        scrape = self._loop.run_until_complete(self._collector.collect(self._target))
        check_readings(scrape.readings)
        return scrape

    def read_until(self, reached: Callable[[Scrape], bool], *passing: type[Exception]) -> Scrape:
        """Messages take a moment through the broker; errors ``passing`` may come till then."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with suppress(*passing):
                if reached(scrape := self.read()):
                    return scrape
            time.sleep(0.02)
        raise AssertionError("not within 10 s")

    def flow(self) -> tuple[float | None, Quality]:
        (found,) = (r for r in self.read().readings if r.metric == "flow_litres_per_minute")
        return found.value, found.quality

    def close(self) -> None:
        if self._loop.is_closed():
            return
        self._loop.run_until_complete(self._collector.close())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


@pytest.fixture
def reader() -> Iterator[Callable[..., Reader]]:
    with ExitStack() as stack:

        def make(url: str, **options: object) -> Reader:
            one = Reader(Target(name="bms", url=url), **options)
            stack.callback(one.close)
            return one

        yield make


def flows(scrape: Scrape) -> list[float | None]:
    return [one.value for one in scrape.readings if one.metric == "flow_litres_per_minute"]


@pytest.mark.parametrize("qos", [0, 1])
def test_retained_metadata_come_first_and_values_follow(
    mqtt_broker: Broker, reader: Callable[..., Reader], qos: int
) -> None:
    with publishing(mqtt_broker.port) as publisher:
        publisher.metadata(FLOW, engUnit="gpm", **RACK)
        one = reader(mqtt_broker.url, qos=qos)
        assert one.read().readings == []
        publisher.value(FLOW, 10, START)
        scrape = one.read_until(lambda scrape: bool(scrape.readings))
        (flow,) = scrape.readings
        assert (flow.device, flow.time) == ("r001/manifold", START)
        assert flow.value == pytest.approx(37.85412)
        # without a word it is still so: sent again within 100 s, or stale after 250 s
        one.clock.advance(240)
        assert flows(one.read()) == [flow.value]
        one.clock.advance(11)
        assert one.flow() == (None, Quality.STALE)


def test_values_before_their_metadata(mqtt_broker: Broker, reader: Callable[..., Reader]) -> None:
    with publishing(mqtt_broker.port) as publisher:
        publisher.send(f"BMS/v1/PUB/Value/{FLOW}", value_body(61.5, START), retain=True)
        one = reader(mqtt_broker.url)
        assert one.read().warnings == ["1 values have no metadata yet"]
        publisher.metadata(FLOW, engUnit="LPM", **RACK)
        assert flows(one.read_until(lambda scrape: bool(scrape.readings))) == [61.5]


def test_a_lost_heartbeat_is_one_event_and_then_a_silent_source(
    mqtt_broker: Broker, reader: Callable[..., Reader]
) -> None:
    with publishing(mqtt_broker.port) as publisher:
        one = reader(mqtt_broker.url)

        def beat() -> None:
            publisher.value(BEAT, one.clock.now().timestamp() * 1000, one.clock.now())

        publisher.metadata(BEAT, objectName="BMS", objectId="BMS")
        publisher.metadata(FLOW, engUnit="LPM", **RACK)
        one.read()
        for _ in range(2):
            beat()
            one.clock.advance(10)
        publisher.value(FLOW, 61.5, one.clock.now())
        one.read_until(lambda scrape: flows(scrape) == [61.5])
        one.clock.advance(31)
        lost = one.read()
        assert [(r.value, r.quality) for r in lost.readings] == [(None, Quality.STALE)]
        (event,) = lost.events
        assert (event.kind, event.host) == ("facility_heartbeat_lost", "bms")
        for _ in range(2):
            with pytest.raises(TemporaryError, match="no heartbeat of BMS for 30 s"):
                one.read()
        beat()
        publisher.value(FLOW, 60.0, one.clock.now())
        again = one.read_until(lambda scrape: flows(scrape) == [60.0], TemporaryError)
        assert again.events == []


def test_a_broker_that_restarts(mqtt_broker: Broker, reader: Callable[..., Reader]) -> None:
    one = reader(mqtt_broker.url)
    with publishing(mqtt_broker.port) as publisher:
        publish_hall(publisher, START)
        one.read()
        publish_hall(publisher, START)
        one.read_until(lambda scrape: flows(scrape) == [61.5])
        mqtt_broker.stop()
    with pytest.raises(TemporaryError, match="bms: mqtt://"):
        one.read_until(lambda _: False)
    mqtt_broker.start()
    with publishing(mqtt_broker.port) as publisher, repeating(publisher, START):
        again = one.read()
    assert flows(again) == [61.5]
    assert any("changes meanwhile were missed" in warning for warning in again.warnings)


def test_nothing_is_published_and_one_session_is_kept(
    mqtt_broker: Broker, reader: Callable[..., Reader], tmp_path: Path
) -> None:
    with publishing(mqtt_broker.port) as publisher, repeating(publisher, START):
        one = reader(mqtt_broker.url, username="fleetops")
        for _ in range(5):
            one.read()
    log = (tmp_path / "mosquitto.log").read_text()
    assert log.count("u'fleetops'") == 1, "one connection over all rounds"


def test_wrong_credentials_are_told_as_such(tmp_path: Path, reader: Callable[..., Reader]) -> None:
    with (
        running_broker(tmp_path, "allow_anonymous false") as broker,
        pytest.raises(InputError, match="refuses the connection: Not authorized"),
    ):
        reader(broker.url, username="fleetops", password="wrong").read()  # noqa: S106


def test_tls_is_verified(
    mqtt_broker: Broker, tmp_path: Path, reader: Callable[..., Reader]
) -> None:
    certificate, key = make_certificate(tmp_path)
    with (
        tls_proxy(mqtt_broker.port, certificate, key) as port,
        publishing(mqtt_broker.port) as publisher,
        repeating(publisher, START),
    ):
        url = f"mqtts://127.0.0.1:{port}"
        trusting = reader(url, ca_file=str(certificate))
        assert flows(trusting.read()) == [61.5]
        with pytest.raises(TemporaryError, match="CERTIFICATE_VERIFY_FAILED"):
            reader(url).read()
        trusting.close()


def test_one_that_accepts_and_says_nothing(reader: Callable[..., Reader]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        one = reader(f"mqtt://127.0.0.1:{port}", deadline_seconds=0.5, settle_seconds=0.1)
        with pytest.raises(TemporaryError, match="is it an MQTT broker"):
            one.read()


def test_one_that_speaks_something_else(reader: Callable[..., Reader]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = reader(f"mqtt://127.0.0.1:{server.getsockname()[1]}")

        async def answer() -> None:
            loop = asyncio.get_running_loop()
            server.setblocking(False)
            client, _ = await loop.sock_accept(server)
            with client:
                await loop.sock_sendall(client, b"HTTP/1.1 400 Bad Request\r\n\r\n")

        one._loop.create_task(answer())
        with pytest.raises(TemporaryError, match="bms: mqtt://"):
            one.read()


def test_an_empty_broker_is_told_as_such(
    mqtt_broker: Broker, reader: Callable[..., Reader]
) -> None:
    with pytest.raises(TemporaryError, match="connected, but nothing came below BMS/v1/"):
        reader(mqtt_broker.url).read()


def test_a_huge_message_is_counted_and_the_rest_is_read(
    mqtt_broker: Broker, reader: Callable[..., Reader]
) -> None:
    with publishing(mqtt_broker.port) as publisher:
        publisher.send(f"BMS/v1/PUB/Metadata/{FLOW}2", b"{" + b"x" * 2**22, retain=True)
        with repeating(publisher, START):
            one = reader(mqtt_broker.url)
            scrape = one.read_until(lambda scrape: bool(scrape.warnings))
    assert scrape.warnings == ["1 messages could not be used: longer than max_payload_bytes"]
    assert flows(scrape) == [61.5]


def test_ten_thousand_points(mqtt_broker: Broker, reader: Callable[..., Reader]) -> None:
    with publishing(mqtt_broker.port) as publisher:
        points = [f"Rack/RackLiquidFlow/r{number}/flow" for number in range(10_000)]
        for number, point in enumerate(points):
            body = f'{{"engUnit": "LPM", "rackLocationId": "r{number}"}}'
            publisher.post(f"BMS/v1/PUB/Metadata/{point}", body, retain=True)
            publisher.post(
                f"BMS/v1/PUB/Value/{point}", value_body(number / 200, START), retain=True
            )
        publisher.drain()
        one = reader(mqtt_broker.url, deadline_seconds=60, settle_seconds=30)
        scrape = one.read()
    assert len({reading.device for reading in scrape.readings}) == 10_000
    assert {reading.quality for reading in scrape.readings} == {Quality.GOOD}
    assert scrape.warnings == []
    began = time.monotonic()
    one.clock.advance(10)
    assert len(one.read().readings) == 10_000
    assert time.monotonic() - began < 2, "a round is a look at what is there"


def test_without_the_library_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "fleetops_collectors.facility.session", raising=False)
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with pytest.raises(ConfigError, match=r"pip install 'fleetops\[facility\]'"):
        FacilityCollector.create(FacilityConfig(name="f"), ManualClock())


@pytest.mark.parametrize("url", ["http://bms", "mqtt://", "mqtt://h:0", "bms:1883", "mqtt://h:x"])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(ValidationError, match="is no MQTT address"):
        FacilityConfig(name="f", targets=(Target(name="bms", url=url),))


def test_settling_must_end_before_the_deadline() -> None:
    with pytest.raises(ValidationError, match="raise the deadline"):
        FacilityConfig(name="f", settle_seconds=5, deadline_seconds=5)


def test_the_contracts_times_are_the_defaults() -> None:
    config = FacilityConfig(name="f")
    assert timedelta(seconds=config.stale_after_seconds) == 2.5 * timedelta(seconds=100)
    assert timedelta(seconds=config.heartbeat_seconds) == 3 * timedelta(seconds=10)
