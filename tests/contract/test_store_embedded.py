"""The embedded store: the contract, and what is its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from fleetops.core.clock import SystemClock
from fleetops.core.config import StoreConfig
from fleetops.core.errors import ConfigError, StoreUnavailableError
from fleetops.store.factory import open_store
from tests.contract.store_contract import StoreContract
from tests.contract.store_data import telemetry, unique
from tests.contract.store_queries_contract import StoreQueriesContract

OPEN = """
import sys
from datetime import UTC, datetime
from pathlib import Path
import pyarrow as pa
from fleetops.core.clock import SystemClock
from fleetops.core.config import StoreConfig
from fleetops.store.factory import open_store
store = open_store(StoreConfig(path=Path(sys.argv[1])), SystemClock())
"""


def script(text: str, path: Path) -> subprocess.Popen[str]:
    """A process of its own that has the store open."""
    return subprocess.Popen(
        [sys.executable, "-c", OPEN + textwrap.dedent(text), str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


class TestEmbeddedStore(StoreContract, StoreQueriesContract):
    @pytest.fixture(scope="class")
    @classmethod
    def config(cls, tmp_path_factory: pytest.TempPathFactory) -> StoreConfig:
        return StoreConfig(path=tmp_path_factory.mktemp("store"))

    def test_one_process_opens_one_folder(self, store: object, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="one folder a process"):
            open_store(StoreConfig(path=tmp_path / "other"), SystemClock())


def test_a_folder_open_elsewhere(tmp_path: Path) -> None:
    process = script("print('open', flush=True); import time; time.sleep(60)", tmp_path)
    try:
        assert line(process) == "open"
        with pytest.raises(StoreUnavailableError, match=rf"PID: {process.pid}.*stop it"):
            open_store(StoreConfig(path=tmp_path), SystemClock())
    finally:
        process.kill()
        process.communicate()
    with open_store(StoreConfig(path=tmp_path), SystemClock()) as store:
        store.ping()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"store\.path: cannot make"):
        open_store(StoreConfig(path=tmp_path / "file" / "store"), SystemClock())


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    text = """
        store.migrate()
        for turn in range(10_000):
            row = {"name": f"row{turn}", "checksum": "", "applied_at": datetime.now(UTC)}
            store.insert("schema_migrations", pa.Table.from_pylist([row]))
            print(turn, flush=True)
    """
    for _ in range(3):
        process = script(text, tmp_path)
        acknowledged = -1
        while acknowledged < 20:
            acknowledged = int(line(process))
        process.kill()
        rest, _errors = process.communicate()
        acknowledged = max([acknowledged, *map(int, rest.split())])
        with open_store(StoreConfig(path=tmp_path), SystemClock()) as store:
            sql = "SELECT name FROM schema_migrations WHERE startsWith(name, 'row')"
            names = set(store.query(sql).column("name").to_pylist())
            assert {f"row{turn}" for turn in range(acknowledged + 1)} <= names


def test_signals_work_while_a_query_runs(tmp_path: Path) -> None:
    process = script(
        """
        import signal
        def stop(*_):
            print("stopping", flush=True)
            sys.exit(3)
        signal.signal(signal.SIGTERM, stop)
        print("ready", flush=True)
        store.query("SELECT sum(sleepEachRow(0.1)) FROM numbers(20) "
                    "SETTINGS function_sleep_max_microseconds_per_block = 9000000")
        print("finished", flush=True)
        """,
        tmp_path,
    )
    assert line(process) == "ready"
    process.send_signal(signal.SIGTERM)
    assert line(process) == "stopping"  # not "finished" first
    process.communicate(timeout=20)
    assert process.returncode == 3  # and no crash under the running query


def test_a_process_may_end_without_closing(tmp_path: Path) -> None:
    process = script("store.ping(); print('done', flush=True)", tmp_path)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")


def test_reopening_finds_the_rows(tmp_path: Path) -> None:
    device = unique()
    for turn in range(2):
        with open_store(StoreConfig(path=tmp_path), SystemClock()) as store:
            assert bool(store.migrate()) == (turn == 0)
            store.insert("host", telemetry("host", [device]))
            sql = "SELECT count() AS n FROM host FINAL WHERE device = {d:String}"
            assert store.query(sql, {"d": device}).to_pylist() == [{"n": 1}]
