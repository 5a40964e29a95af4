"""The store inside the process: chDB, which is ClickHouse as a library.

Facts of chDB 4.4 that shape this file (docs/store.md): one process a folder and one folder a
process; one connection a thread; ``send_insert`` and ``Python(table)`` lose or mix rows without an
error, so rows go through a file in memory and INSERT ... FROM INFILE; a connection whose query
failed gives its next query wrong bytes, so it is dropped; a query in the main thread holds up
signals, and leaving the process under a running query crashes it, so every statement runs on worker
threads that are joined.
"""

from __future__ import annotations

import fcntl
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar, cast

import pyarrow as pa
from chdb.state.sqlitelike import Connection
from typing_extensions import override

from fleetops.core.clock import Clock
from fleetops.core.errors import ConfigError, FleetOpsError, StoreUnavailableError
from fleetops.store.base import Parameter
from fleetops.store.columns import TableColumn
from fleetops.store.engine import SETTINGS, EngineStore
from fleetops.store.errors import error_of
from fleetops.store.parameters import quoted, server_side

WORKERS = 4
"""Statements that run at once; each uses the engine's own threads besides."""
GRACE_SECONDS = 5.0
"""What a caller waits beyond the deadline for the engine's own time-out to report."""

_T = TypeVar("_T")


class EmbeddedStore(EngineStore):
    """ClickHouse in this process, its data in one folder."""

    def __init__(self, path: Path, database: str, deadline_seconds: float, clock: Clock) -> None:
        """Opens the folder, creating it where it is missing.

        Raises:
            StoreUnavailableError: another process has the folder open.
            ConfigError: the folder cannot be made, or this process has another one open.
        """
        super().__init__(clock)
        self._path = path.absolute()
        self._database = database
        self._deadline_seconds = deadline_seconds
        self._connections: list[Connection] = []
        self._local = threading.local()
        self._closed = False
        try:
            self._path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"store.path: cannot make {path}: {error.strerror}") from error
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="store")
        try:
            # never used for statements, so it keeps the folder when workers drop theirs
            self._connections.append(self._workers.submit(self._open).result())
        except FleetOpsError:
            self.close()
            raise

    @override
    def close(self) -> None:
        """Waits for running queries and releases everything; safe to call twice."""
        self._closed = True
        self._workers.shutdown(wait=True, cancel_futures=True)
        while self._connections:
            self._connections.pop().close()

    @override
    def _create_database(self) -> None:
        """Every connection makes sure of it when it opens."""

    @override
    def _execute(self, sql: str) -> None:
        self._run(lambda connection: self._statement(connection, sql, "Null"))

    @override
    def _select(self, sql: str, parameters: Mapping[str, Parameter]) -> pa.Table:
        values = server_side(parameters)

        def job(connection: Connection) -> pa.Table:
            data = self._statement(connection, sql, "ArrowStream", values)
            if not data:
                return pa.table({})
            result = pa.ipc.open_stream(pa.py_buffer(data)).read_all()
            if pa.uint32() in result.schema.types:
                result = self._with_times(connection, sql, values, result)
            return result

        return self._run(job)

    def _with_times(
        self, connection: Connection, sql: str, values: Mapping[str, str], result: pa.Table
    ) -> pa.Table:
        """DateTime leaves the engine as UInt32 in Arrow: ask which columns were times."""
        bare = sql.strip().rstrip(";")
        described = self._statement(connection, f"DESCRIBE ({bare})", "ArrowStream", values)
        types = pa.ipc.open_stream(pa.py_buffer(described)).read_all().column("type").to_pylist()
        for position, (name, type_) in enumerate(zip(result.column_names, types, strict=True)):
            if re.match(r"(?:Nullable\()?DateTime(?:\(|\)|$)", type_):
                seconds = result.column(position).cast(pa.int64())
                times = seconds.cast(pa.timestamp("s")).cast(pa.timestamp("s", tz="UTC"))
                result = result.set_column(position, name, times)
        return result

    @override
    def _write(self, table: str, columns: Mapping[str, TableColumn], rows: pa.Table) -> None:
        names = ", ".join(f"`{name}`" for name in rows.column_names)

        def job(connection: Connection) -> None:
            with _passing_file() as (file, path):
                with pa.ipc.new_stream(file, rows.schema) as writer:
                    writer.write_table(rows)
                file.flush()
                into = f"INSERT INTO `{table}` ({names}) FROM INFILE {quoted(path)}"
                self._statement(connection, f"{into} FORMAT ArrowStream", "Null")

        self._run(job)

    def _run(self, job: Callable[[Connection], _T]) -> _T:
        """Runs the job on a worker, and waits for it no longer than the deadline."""
        if self._closed:
            raise StoreUnavailableError(f"store {self._path}: it is closed")
        future = self._workers.submit(lambda: job(self._connection()))
        try:
            return future.result(self._deadline_seconds + GRACE_SECONDS)
        except TimeoutError:
            future.cancel()
            raise StoreUnavailableError(
                f"store {self._path}: no answer in {self._deadline_seconds:g} s"
            ) from None
        except CancelledError:
            raise StoreUnavailableError(f"store {self._path}: it was closed meanwhile") from None

    def _connection(self) -> Connection:
        """This worker's connection."""
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._open()
            with self._lock:
                self._connections.append(connection)
        return connection

    def _discard(self, connection: Connection) -> None:
        """Ends this worker's connection; the next statement opens another."""
        self._local.connection = None
        with self._lock:
            if connection in self._connections:
                self._connections.remove(connection)
        connection.close()

    def _open(self) -> Connection:
        try:
            connection = Connection(str(self._path))
        except RuntimeError as error:
            raise self._not_opened(error) from error
        self._statement(connection, f"CREATE DATABASE IF NOT EXISTS `{self._database}`", "Null")
        self._statement(connection, f"USE `{self._database}`", "Null")
        settings = {**SETTINGS, "max_execution_time": self._deadline_seconds}
        for name, value in settings.items():
            self._statement(connection, f"SET {name} = {value}", "Null")
        return connection

    def _not_opened(self, error: RuntimeError) -> FleetOpsError:
        if "already initialized with path" in str(error):
            return ConfigError(
                f"store.path: this process has another store open than {self._path}; "
                "the embedded engine opens one folder a process"
            )
        if owner := _lock_owner(self._path / "status"):
            return StoreUnavailableError(
                f"store.path: {self._path} is open in another process ({owner}); "
                "stop it or choose another store.path"
            )
        return error_of(str(error), f"store {self._path}")

    def _statement(
        self,
        connection: Connection,
        sql: str,
        result_format: str,
        values: Mapping[str, str] | None = None,
    ) -> bytes:
        try:
            result = connection.query(sql, result_format, params=values)
        except RuntimeError as error:  # chDB's own error is one of these
            # what a failed query had written is put before the connection's next result
            self._discard(connection)
            raise error_of(str(error), f"store {self._path}") from error
        return cast(bytes, result.bytes())


@contextmanager
def _passing_file() -> Iterator[tuple[BinaryIO, str]]:
    """A file that the engine can read by a path: in memory on Linux, else in the temp folder."""
    if sys.platform == "linux":
        with open(os.memfd_create("fleetops-insert"), "wb") as file:
            yield file, f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile(suffix=".arrows") as named:
            yield cast(BinaryIO, named), named.name


def _lock_owner(status: Path) -> str:
    """Who holds the engine's lock file ("PID: 123"); "" where nobody does."""
    owner = ""
    try:
        with status.open("rb") as file:
            owner = file.readline().decode(errors="replace").strip()
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return owner or "PID unknown"
    except OSError:
        return ""
    return ""
