"""The log file: what must not change in it. (Processes are in tests/integration.)"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fleetops.bus.factory import open_bus
from fleetops.bus.local.log import partition_of
from fleetops.core.clock import SystemClock
from fleetops.core.config import BusConfig
from fleetops.core.errors import ConfigError


def test_a_keys_partition_is_the_same_for_ever() -> None:
    # The values are what existing files were written with: they must not change.
    assert [partition_of(key, range(16)) for key in ("", "r01", "node001", "cdu1")] == [0, 5, 12, 4]


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bus.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigError, match="format 99"):
        open_bus(BusConfig(path=path), SystemClock())
