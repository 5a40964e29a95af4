"""TLS and passwords against a real broker: what is wrong is said soon, and by the key's name."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from fleetops.bus.base import Message
from fleetops.bus.factory import open_bus
from fleetops.core.clock import SystemClock
from fleetops.core.config import BusConfig
from fleetops.core.errors import BusUnavailableError, ConfigError
from tests.contract.bus_messages import PATIENCE_SECONDS, new_topic
from tests.kafka_testbed import (
    KafkaBroker,
    free_ports,
    start_broker,
)

pytestmark = pytest.mark.kafka
SOON_SECONDS = 8.0


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaBroker]:
    broker = start_broker(tmp_path_factory.mktemp("kafka-tls"), tls=True)
    yield broker
    broker.stop()


@pytest.fixture
def config(broker: KafkaBroker, tmp_path: Path) -> BusConfig:
    settings = broker.client_settings()
    password_file = tmp_path / "password"
    password_file.write_text(settings["KAFKA_PASSWORD"])
    return BusConfig(
        kind="kafka",
        bootstrap_servers=(settings["KAFKA_TLS_BOOTSTRAP"],),
        security_protocol="SASL_SSL",
        username=settings["KAFKA_USERNAME"],
        password_file=password_file,
        ca_file=Path(settings["KAFKA_TLS_CA"]),
    )


def refusal(config: BusConfig) -> str:
    """What opening the bus says, which must be soon."""
    started = time.monotonic()
    with pytest.raises(ConfigError) as caught:
        open_bus(config, SystemClock())
    assert time.monotonic() - started < SOON_SECONDS
    return str(caught.value)


def test_everything_works_over_tls_with_a_password(config: BusConfig) -> None:
    topic = new_topic()
    with open_bus(config, SystemClock()) as bus:
        bus.ensure_topics([topic])
        with bus.producer() as producer, bus.fenced_producer(topic.name) as ledger:
            producer.send(topic.name, "key", b"plain")
            producer.flush(PATIENCE_SECONDS)
            ledger.append(topic.name, "key", b"fenced")
        with bus.consumer("tls", [topic.name]) as consumer:
            found: list[Message] = []
            while len(found) < 2:
                found += consumer.poll(5.0)
            consumer.commit()
        with bus.reader([topic.name]) as reader:
            values = [message.value for message in reader.catch_up(PATIENCE_SECONDS)]
    assert values == [m.value for m in found] == [b"plain", b"fenced"]


def test_a_wrong_password_is_said_soon_and_not_shown(config: BusConfig) -> None:
    wrong = {"password": SecretStr("hunter2-wrong"), "password_file": None}
    text = refusal(config.model_copy(update=wrong))
    assert "bus.password_file: the broker refuses them" in text
    assert config.bootstrap_servers[0] in text
    assert "hunter2" not in text


def test_an_unknown_user_is_said_soon(config: BusConfig) -> None:
    assert "bus.username" in refusal(config.model_copy(update={"username": "nobody"}))


def test_a_mechanism_the_broker_lacks_is_named(config: BusConfig) -> None:
    text = refusal(config.model_copy(update={"sasl_mechanism": "PLAIN"}))
    assert "bus.sasl_mechanism" in text


def test_an_untrusted_certificate_is_said_soon(config: BusConfig, tmp_path: Path) -> None:
    other = tmp_path / "other-ca.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=another"),
            *("-keyout", tmp_path / "other.key", "-out", other),
        ],
        check=True,
        capture_output=True,
    )
    assert "bus.ca_file" in refusal(config.model_copy(update={"ca_file": other}))


def test_tls_to_a_port_without_it_is_said_soon(config: BusConfig, broker: KafkaBroker) -> None:
    plain_port = config.model_copy(update={"bootstrap_servers": (broker.bootstrap,)})
    started = time.monotonic()
    with pytest.raises((ConfigError, BusUnavailableError)) as caught:
        open_bus(plain_port, SystemClock())
    assert time.monotonic() - started < SOON_SECONDS
    assert broker.bootstrap in str(caught.value)


def test_a_broker_that_is_not_there_is_temporary(config: BusConfig) -> None:
    nowhere = f"127.0.0.1:{free_ports()}"
    started = time.monotonic()
    with pytest.raises(BusUnavailableError, match=nowhere):
        open_bus(BusConfig(kind="kafka", bootstrap_servers=(nowhere,)), SystemClock())
    assert time.monotonic() - started < SOON_SECONDS
