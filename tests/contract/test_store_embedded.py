"""The embedded store: the contract, and what is its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from fleetops.core.clock import SystemClock
from fleetops.core.config import StoreConfig
from fleetops.core.errors import ConfigError, StoreUnavailableError
from fleetops.store.base import Store
from fleetops.store.factory import open_store
from tests.contract.store_contract import StoreContract
from tests.contract.store_data import telemetry, unique
from tests.contract.store_queries_contract import StoreQueriesContract

OPEN = """
import sys
from datetime import UTC, datetime
from collections.abc import Iterator
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


def test_hardened_processes_may_query(tmp_path: Path) -> None:
    """Under systemd's MemoryDenyWriteExecute the engine's own compiler fails from query 4 on."""
    process = script(
        """
        import ctypes
        PR_SET_MDWE, REFUSE_EXEC_GAIN = 65, 1
        if ctypes.CDLL(None).prctl(PR_SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0) != 0:
            print("unsupported", flush=True)
            sys.exit(0)
        for _ in range(8):
            rows = store.query("SELECT number % 7 AS k, sum(number * 3 + 1) AS s, avg(-number) "
                               "FROM numbers(100000) GROUP BY k ORDER BY k, s DESC").num_rows
        print(rows, flush=True)
        """,
        tmp_path,
    )
    answer, errors = process.communicate(timeout=60)
    if answer.strip() == "unsupported":
        pytest.skip("the kernel (before 6.3) has no PR_SET_MDWE")
    assert (answer.strip(), process.returncode) == ("7", 0), errors


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("may not mount a small file system here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(store: Store, acknowledged: list[int]) -> None:
    """Two million characters that do not compress, again and again."""
    for number in range(200):
        text = np.random.default_rng(number).bytes(1_000_000).hex()
        store.insert("noise", pa.table({"n": pa.array([number], pa.uint64()), "text": [text]}))
        acknowledged.append(number)


def test_a_full_disk_loses_nothing_acknowledged(small_disk: Path) -> None:
    with open_store(StoreConfig(path=small_disk), SystemClock()) as store:
        store.query("CREATE TABLE noise (n UInt64, text String) ENGINE = MergeTree ORDER BY n")
        acknowledged: list[int] = []
        with pytest.raises(StoreUnavailableError, match="the disk is full"):
            fill(store, acknowledged)
        assert len(acknowledged) > 5
        stored = store.query("SELECT n FROM noise ORDER BY n").column("n").to_pylist()
        assert stored == acknowledged
