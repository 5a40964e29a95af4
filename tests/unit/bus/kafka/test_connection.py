"""Settings and log of the Kafka clients. (Refusals by a real broker are in tests/integration.)"""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from fleetops.bus.factory import open_bus
from fleetops.bus.kafka.connection import client_settings, quiet_library
from fleetops.core.clock import SystemClock
from fleetops.core.config import BusConfig
from fleetops.core.errors import BusUnavailableError, ConfigError


@pytest.fixture
def config(tmp_path: Path) -> BusConfig:
    (tmp_path / "password").write_text("s3cret\n")
    (tmp_path / "ca.pem").touch()
    return BusConfig(
        kind="kafka",
        bootstrap_servers=("kafka1:9093", "kafka2:9093"),
        security_protocol="SASL_SSL",
        username="fleetops",
        password_file=tmp_path / "password",
        ca_file=tmp_path / "ca.pem",
    )


def test_tls_and_password_reach_the_client(config: BusConfig) -> None:
    settings = client_settings(config)
    assert settings["bootstrap_servers"] == ["kafka1:9093", "kafka2:9093"]
    assert settings["security_protocol"] == "SASL_SSL"
    assert settings["sasl_mechanism"] == "SCRAM-SHA-512"
    assert (settings["sasl_plain_username"], settings["sasl_plain_password"]) == (
        *("fleetops", "s3cret"),
    )
    assert settings["ssl_cafile"] == str(config.ca_file)


def test_a_plain_connection_carries_no_password(config: BusConfig) -> None:
    settings = client_settings(config.model_copy(update={"security_protocol": "PLAINTEXT"}))
    assert "sasl_plain_password" not in settings
    assert "ssl_cafile" not in settings


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"bootstrap_servers": ()}, "bus.bootstrap_servers"),
        ({"username": None}, "bus.username"),
        ({"password_file": None}, "bus.password_file"),
        ({"password_file": Path("no/such/file")}, "bus.password_file"),
        ({"ca_file": Path("no/such/file")}, "bus.ca_file"),
    ],
)
def test_what_is_missing_is_named(config: BusConfig, change: dict[str, object], key: str) -> None:
    with pytest.raises(ConfigError, match=key.replace(".", r"\.")):
        client_settings(config.model_copy(update=change))


def test_the_librarys_log_does_not_flood(capsys: pytest.CaptureFixture[str]) -> None:
    quiet_library()
    quiet_library()
    for number in range(50):
        logging.getLogger("kafka.net.manager").error("no broker, attempt %d", number)
    captured = capsys.readouterr()
    assert (captured.out + captured.err).count("no broker, attempt") <= 1


def test_attempts_that_fail_leave_no_thread_behind() -> None:
    nowhere = BusConfig(kind="kafka", bootstrap_servers=("127.0.0.1:1",), deadline_seconds=0.3)
    before = threading.active_count()
    for _ in range(3):
        with pytest.raises(BusUnavailableError, match=r"127\.0\.0\.1:1.*ECONNREFUSED"):
            open_bus(nowhere, SystemClock())
    assert threading.active_count() == before
