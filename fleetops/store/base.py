"""The store as every part sees it. Two implementations: ``embedded`` (chDB) and ``clickhouse``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

import pyarrow as pa

from fleetops.core.closing import Closeable
from fleetops_schemas.clickhouse_ddl import rollup_table

__all__ = ["RECORD_TABLES", "Parameter", "Store", "rollup_table"]

Parameter = str | int | float | bool | datetime | Sequence[str] | Sequence[int]

RECORD_TABLES = ("events", "findings", "incidents", "actions")
"""Tables of control records; telemetry has one table a device class and one roll-up of each."""


@runtime_checkable
class Store(Closeable, Protocol):
    """ClickHouse, wherever it runs. Safe to share between threads."""

    def migrate(self) -> list[str]:
        """Brings the schema up to date; the names of what was applied, [] when it was.

        Raises:
            StoreUnavailableError: no engine answered.
            StoreRejectedError: a migration failed, or an applied one was changed since.
        """
        ...

    def insert(self, table: str, rows: pa.Table | pa.RecordBatch) -> int:
        """Inserts all rows or none; number of rows. The same rows again change nothing.

        Raises:
            StoreUnavailableError: not known to be stored; insert the same rows again.
            StoreRejectedError: the engine refused them.
        """
        ...

    def query(self, sql: str, parameters: Mapping[str, Parameter] | None = None) -> pa.Table:
        """The result of one SELECT. Parameters are written ``{name:Type}`` in ClickHouse's way.

        Raises:
            StoreUnavailableError: no answer in time.
            StoreRejectedError: the engine refused it.
        """
        ...

    def ping(self) -> None:
        """Asks for a sign of life.

        Raises:
            StoreUnavailableError: there was none.
        """
        ...
