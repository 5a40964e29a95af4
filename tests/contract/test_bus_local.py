"""The local bus keeps the contract."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from typing_extensions import override

from fleetops.core.config import BusConfig
from tests.contract.bus_contract import BusContract, Stall


class TestLocalBus(BusContract):
    @override
    @pytest.fixture
    def config(self, tmp_path: Path) -> BusConfig:
        return BusConfig(path=tmp_path / "bus.sqlite")

    @override
    @pytest.fixture
    def stall(self, config: BusConfig) -> Stall:
        @contextmanager
        def hold_the_write_lock() -> Iterator[None]:
            with closing(sqlite3.connect(config.path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                yield
                other.execute("ROLLBACK")

        return hold_the_write_lock
