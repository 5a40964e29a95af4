"""What both stores do alike: check rows before they go, keep the schema, answer in UTC."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Mapping

import pyarrow as pa

from fleetops.core.clock import Clock
from fleetops.core.closing import Closing
from fleetops.core.errors import StoreRejectedError, StoreUnavailableError
from fleetops.store import migrate
from fleetops.store.base import Parameter
from fleetops.store.columns import TableColumn, conform, in_utc
from fleetops.store.errors import UNKNOWN_DATABASE

SETTINGS: Mapping[str, int] = {
    # one insert is one block: a part is written whole or not at all
    "max_insert_block_size": 100_000_000,
    "min_insert_block_size_rows": 100_000_000,
    "min_insert_block_size_bytes": 0,
    # the same row twice in one insert is merged later, with the rest; now it costs 60 % more
    "optimize_on_insert": 0,
    "do_not_merge_across_partitions_select_final": 1,
    # machine code made at run time fails under systemd's MemoryDenyWriteExecute
    "compile_expressions": 0,
    "compile_aggregate_expressions": 0,
    "compile_sort_description": 0,
}
"""Settings of every statement."""

_COLUMNS = """
SELECT name, type, default_kind != '' AS has_default FROM system.columns
WHERE database = currentDatabase() AND table = {table:String} ORDER BY position
"""


class EngineStore(Closing):
    """A :class:`fleetops.store.base.Store` over some way to reach the engine."""

    def __init__(self, clock: Clock) -> None:
        """The clock stamps migrations."""
        self._clock = clock
        self._described: dict[str, dict[str, TableColumn]] = {}
        self._lock = threading.Lock()

    @abstractmethod
    def _execute(self, sql: str) -> None:
        """Runs a statement that has no result."""

    @abstractmethod
    def _select(self, sql: str, parameters: Mapping[str, Parameter]) -> pa.Table:
        """Runs a statement that has one."""

    @abstractmethod
    def _write(self, table: str, columns: Mapping[str, TableColumn], rows: pa.Table) -> None:
        """Inserts rows that fit the table."""

    @abstractmethod
    def _create_database(self) -> None:
        """Creates the database where it is missing."""

    def migrate(self) -> list[str]:
        """Brings the schema up to date; the names of what was applied, [] when it was.

        Raises:
            StoreUnavailableError: no engine answered.
            StoreRejectedError: a migration failed, or an applied one was changed since.
        """
        self._create_database()
        engine = migrate.Engine(self._execute, self.insert, self.query, self._columns)
        try:
            return migrate.migrate(engine, self._clock)
        finally:
            with self._lock:
                self._described.clear()

    def insert(self, table: str, rows: pa.Table | pa.RecordBatch) -> int:
        """Inserts all rows or none; number of rows. The same rows again change nothing.

        Raises:
            StoreUnavailableError: not known to be stored; insert the same rows again.
            StoreRejectedError: the engine refused them.
        """
        columns = self._columns_of(table)
        if not set(rows.schema.names) <= columns.keys():
            columns = self._columns_of(table, afresh=True)  # another process may have migrated
        fitting = conform(table, columns, rows)
        if fitting.num_rows:
            self._write(table, columns, fitting)
        return int(fitting.num_rows)

    def query(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> pa.Table:
        """The result of one SELECT. Parameters are written ``{name:Type}`` in ClickHouse's way.

        Raises:
            StoreUnavailableError: no answer in time.
            StoreRejectedError: the engine refused it.
        """
        return in_utc(self._select(sql, parameters or {}))

    def ping(self) -> None:
        """Asks for a sign of life.

        Raises:
            StoreUnavailableError: there was none.
        """
        try:
            self._select("SELECT 1", {})
        except StoreRejectedError as error:
            if f"(code {UNKNOWN_DATABASE})" not in str(error):  # it lives, unmigrated
                raise StoreUnavailableError(str(error)) from error

    def _columns_of(self, table: str, *, afresh: bool = False) -> dict[str, TableColumn]:
        with self._lock:
            known = self._described.get(table)
        if known is None or afresh:
            known = self._columns(table)
            if not known:
                raise StoreRejectedError(
                    f"there is no table {table!r}; `fleetops run ingest` creates it when it starts"
                )
            with self._lock:
                self._described[table] = known
        return known

    def _columns(self, table: str) -> dict[str, TableColumn]:
        rows = self.query(_COLUMNS, {"table": table}).to_pylist()
        return {
            row["name"]: TableColumn(row["name"], row["type"], bool(row["has_default"]))
            for row in rows
        }
