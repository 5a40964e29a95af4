"""Settings and log of the Kafka clients. (Refusals by a real broker are in tests/integration.)"""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from fleetops.bus.kafka.connection import client_settings, quiet_library
from fleetops.core.config import BusConfig
from fleetops.core.errors import ConfigError


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
