"""The store over the native protocol: the contract, and what is its own."""

# ruff: noqa: S106  passwords of engines that live for one test

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from fleetops.core.clock import SystemClock
from fleetops.core.config import StoreConfig
from fleetops.core.errors import ConfigError, StoreRejectedError, StoreUnavailableError
from fleetops.store.factory import open_store
from tests.clickhouse_testbed import ClickHouseTestbed, clickhouse_testbed
from tests.contract.store_contract import StoreContract
from tests.contract.store_data import telemetry, unique
from tests.contract.store_queries_contract import StoreQueriesContract
from tests.tls_proxy import make_certificate, tls_proxy

__all__ = ["clickhouse_testbed"]
pytestmark = pytest.mark.clickhouse


SERVER = os.environ.get("FLEETOPS_TEST_CLICKHOUSE")
"""``HOST:PORT`` of a server to test besides; each run uses a database of its own and drops it."""


class TestClickHouseStore(StoreContract, StoreQueriesContract):
    @pytest.fixture(scope="class", params=["testbed", *([SERVER] if SERVER else [])])
    @classmethod
    def config(cls, request: pytest.FixtureRequest) -> Iterator[StoreConfig]:
        if request.param == "testbed":
            yield request.getfixturevalue("clickhouse_testbed").config()
            return
        host, _, port = request.param.rpartition(":")
        config = StoreConfig(
            kind="clickhouse",
            host=host,
            port=int(port),
            database=f"test_{uuid.uuid4().hex[:12]}",
            password=SecretStr(os.environ.get("FLEETOPS_TEST_CLICKHOUSE_PASSWORD", "")),
        )
        yield config
        with open_store(config, SystemClock()) as store:
            store.query(f"DROP DATABASE {config.database}")


@pytest.fixture
def own_testbed(tmp_path: Path) -> Iterator[ClickHouseTestbed]:
    """An engine to kill."""
    testbed = ClickHouseTestbed(tmp_path, password="s3cret é").start()
    yield testbed
    testbed.kill()


def test_a_server_that_is_killed_and_comes_back(own_testbed: ClickHouseTestbed) -> None:
    config = own_testbed.config(password="s3cret é", deadline_seconds=5)
    host = unique()
    acknowledged: list[str] = []
    refused: list[float] = []
    stop = threading.Event()
    with open_store(config, SystemClock()) as store:
        store.migrate()

        def write() -> None:
            number = 0
            while not stop.is_set():
                device = f"{host}/gpu{number}"
                begun = time.monotonic()
                try:
                    store.insert("accelerator", telemetry("accelerator", [device]))
                except StoreUnavailableError:
                    refused.append(time.monotonic() - begun)
                    time.sleep(0.05)
                    continue  # the same rows again
                acknowledged.append(device)
                number += 1

        writer = threading.Thread(target=write)
        writer.start()
        try:
            _until(lambda: len(acknowledged) > 20)
            own_testbed.kill()
            _until(lambda: len(refused) > 3)
            own_testbed.start()
            after = len(acknowledged) + 20
            _until(lambda: len(acknowledged) > after)
        finally:
            stop.set()
            writer.join(30)
        sql = "SELECT device FROM accelerator FINAL WHERE host = {h:String} ORDER BY ts, device"
        stored = store.query(sql, {"h": host}).column("device").to_pylist()
    assert sorted(stored) == sorted(acknowledged)
    assert max(refused) < config.deadline_seconds + 1


def test_a_wrong_password(own_testbed: ClickHouseTestbed) -> None:
    config = own_testbed.config(password="wrong")
    with (
        open_store(config, SystemClock()) as store,
        pytest.raises(ConfigError, match=r"store\.username, store\.password_file") as error,
    ):
        store.migrate()
    assert "wrong" not in str(error.value)


def test_a_password_from_a_file(own_testbed: ClickHouseTestbed, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("s3cret é\n", "utf-8")
    with open_store(own_testbed.config(password_file=file), SystemClock()) as store:
        assert store.migrate()


def test_a_database_that_is_not_there_yet(clickhouse_testbed: ClickHouseTestbed) -> None:
    with open_store(clickhouse_testbed.config(), SystemClock()) as store:
        store.ping()
        with pytest.raises(StoreRejectedError, match="fleetops run ingest"):
            store.query("SELECT 1")
        store.migrate()
        assert store.query("SELECT 1 AS one").to_pylist() == [{"one": 1}]


def test_nobody_listens(clickhouse_testbed: ClickHouseTestbed) -> None:
    config = clickhouse_testbed.config(port=1, deadline_seconds=2)
    with open_store(config, SystemClock()) as store:
        begun = time.monotonic()
        with pytest.raises(StoreUnavailableError, match=r"127\.0\.0\.1:1: no answer"):
            store.ping()
        assert time.monotonic() - begun < 3


def test_a_missing_certificate_authority(tmp_path: Path) -> None:
    config = StoreConfig(kind="clickhouse", secure=True, ca_file=tmp_path / "ca.pem")
    with pytest.raises(ConfigError, match=r"store\.ca_file"):
        open_store(config, SystemClock())


def _until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_tls_is_verified(clickhouse_testbed: ClickHouseTestbed, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    stranger, _ = make_certificate(tmp_path, "stranger")
    with tls_proxy(clickhouse_testbed.port, certificate, key) as port:
        config = clickhouse_testbed.config(port=port, secure=True, ca_file=certificate)
        with open_store(config, SystemClock()) as store:
            store.migrate()
            store.insert("host", telemetry("host", [unique()]))
            assert store.query("SELECT count() AS n FROM host").to_pylist() == [{"n": 1}]
        for ca_file in (stranger, None):
            doubtful = config.model_copy(update={"ca_file": ca_file})
            with (
                open_store(doubtful, SystemClock()) as store,
                pytest.raises(StoreUnavailableError, match="CERTIFICATE_VERIFY_FAILED"),
            ):
                store.ping()
