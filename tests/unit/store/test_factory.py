"""Which store a configuration opens, and what is said where it cannot."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from fleetops.core.clock import SystemClock
from fleetops.core.config import StoreConfig
from fleetops.core.errors import ConfigError
from fleetops.store.base import Store
from fleetops.store.factory import open_store


def test_embedded(tmp_path: Path) -> None:
    with open_store(StoreConfig(path=tmp_path / "a" / "b"), SystemClock()) as store:
        assert isinstance(store, Store)
        assert type(store).__name__ == "EmbeddedStore"
        assert (tmp_path / "a" / "b").is_dir()


def test_clickhouse_connects_with_the_first_statement() -> None:
    config = StoreConfig(kind="clickhouse", host="nowhere.invalid")
    with open_store(config, SystemClock()) as store:
        assert isinstance(store, Store)
        assert type(store).__name__ == "ClickHouseStore"


@pytest.mark.parametrize(
    ("config", "module", "remedy"),
    [
        (StoreConfig(), "embedded", r"pip install 'fleetops\[embedded\]'"),
        (StoreConfig(kind="clickhouse"), "clickhouse", r"pip install 'fleetops\[cluster\]'"),
    ],
)
def test_a_driver_that_is_not_installed(
    config: StoreConfig, module: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, f"fleetops.store.{module}", None)
    with pytest.raises(ConfigError, match=rf"store\.kind: {module} cannot be loaded.*{remedy}"):
        open_store(config, SystemClock())


@pytest.mark.parametrize("name", ["", "a b", "x`; DROP", "1st", "é"])
def test_a_bad_database_name(name: str) -> None:
    with pytest.raises(ConfigError, match=r"store\.database"):
        open_store(StoreConfig(database=name), SystemClock())


def test_a_password_given_twice(tmp_path: Path) -> None:
    config = StoreConfig(
        kind="clickhouse", password=SecretStr("x"), password_file=tmp_path / "password"
    )
    with pytest.raises(ConfigError, match=r"store\.password and store\.password_file"):
        open_store(config, SystemClock())
