"""The store on a ClickHouse server, over its native protocol (clickhouse-driver).

Columns go as numpy arrays (Python lists cost 40 times as much; docs/store.md) and come back as
Arrow. A client serves one thread at a time. The driver drops its connection after any error of the
server and connects again with the next statement, so settings travel with every statement.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from clickhouse_driver import Client
from clickhouse_driver.errors import Error, NetworkError, ServerException, SocketTimeoutError
from pydantic import SecretStr
from typing_extensions import override

from fleetops.core.clock import Clock
from fleetops.core.config import StoreConfig
from fleetops.core.errors import ConfigError, StoreUnavailableError
from fleetops.store.base import Parameter
from fleetops.store.columns import TableColumn
from fleetops.store.engine import SETTINGS, EngineStore
from fleetops.store.errors import error_of
from fleetops.store.parameters import substituted

# it warns at every array column that it will not be a numpy array
logging.getLogger("clickhouse_driver.columns.service").setLevel(logging.ERROR)
_GONE = (NetworkError, SocketTimeoutError, OSError, EOFError)
"""The server did not answer. (The driver leaves some errors of its sockets as they are.)"""


class ClickHouseStore(EngineStore):
    """ClickHouse behind a host and port."""

    def __init__(self, config: StoreConfig, password: SecretStr | None, clock: Clock) -> None:
        """Connects with the first statement.

        Raises:
            ConfigError: the certificate authority's file is missing.
        """
        super().__init__(clock)
        if config.ca_file is not None and not config.ca_file.is_file():
            raise ConfigError(f"store.ca_file: there is no file {config.ca_file}; mend the path")
        self._config = config
        self._password = password
        self._place = f"store {config.host}:{config.port}"
        self._idle: list[Client] = []
        self._running = 0
        self._closed = False
        self._changed = threading.Condition()

    @override
    def close(self) -> None:
        """Waits for running queries, at most the deadline, and disconnects; safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._running, self._config.deadline_seconds)
            while self._idle:
                self._idle.pop().disconnect()

    @override
    def _create_database(self) -> None:
        client = self._connect("default")
        try:
            with self._errors(client):
                client.execute(f"CREATE DATABASE IF NOT EXISTS `{self._config.database}`")
        finally:
            client.disconnect()

    @override
    def _execute(self, sql: str) -> None:
        with self._client() as client:
            client.execute(sql)

    @override
    def _select(self, sql: str, parameters: Mapping[str, Parameter]) -> pa.Table:
        statement = substituted(sql, parameters)
        with self._client() as client:
            result = client.query_arrow(statement, field_metadata=False)
            return _zoned(result, client.connection.server_info.get_timezone())

    @override
    def _write(self, table: str, columns: Mapping[str, TableColumn], rows: pa.Table) -> None:
        names = rows.column_names
        # the driver has no numpy form of an array column; those tables hold few rows
        plain = any(columns[name].type.startswith("Array(") for name in names)
        listed = ", ".join(f"`{name}`" for name in names)
        data: list[Any] = [
            rows.column(name).to_pylist() if plain else _numpy(rows.column(name)) for name in names
        ]
        with self._client() as client:
            client.execute(
                f"INSERT INTO `{table}` ({listed}) VALUES",
                data,
                columnar=True,
                settings={"use_numpy": not plain, "insert_block_size": rows.num_rows},
            )

    @contextmanager
    def _client(self) -> Iterator[Client]:
        """A client for this statement alone."""
        with self._changed:
            if self._closed:
                raise StoreUnavailableError(f"{self._place}: it is closed")
            self._running += 1
            client = self._idle.pop() if self._idle else None
        try:
            client = client or self._connect(self._config.database)
            with self._errors(client):
                yield client
        finally:
            with self._changed:
                self._running -= 1
                if client is not None:
                    self._idle.append(client)
                self._changed.notify_all()

    def _connect(self, database: str) -> Client:
        config = self._config
        deadline = config.deadline_seconds
        return Client(
            config.host,
            config.port,
            database=database,
            user=config.username,
            password=self._password.get_secret_value() if self._password else "",
            client_name="fleetops",
            secure=config.secure,
            ca_certs=str(config.ca_file) if config.ca_file else None,
            connect_timeout=min(deadline, 10.0),
            send_receive_timeout=deadline,
            sync_request_timeout=min(deadline, 5.0),
            settings={**SETTINGS, "max_execution_time": deadline, "use_numpy": True},
        )

    @contextmanager
    def _errors(self, client: Client) -> Iterator[None]:
        try:
            yield
        except ServerException as error:
            raise error_of(str(error.message), self._place, error.code) from error
        except _GONE as error:
            client.disconnect()
            said = getattr(error, "message", None) or str(error) or type(error).__name__
            raise StoreUnavailableError(f"{self._place}: no answer: {said}") from error
        except Error as error:
            client.disconnect()
            raise error_of(str(error.message), self._place, error.code) from error


def _numpy(values: pa.ChunkedArray) -> npt.NDArray[Any]:
    """A column as the driver wants it: NULL is None in an object array, of floats too."""
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.int64())  # the driver writes whole numbers as they are
    if not values.null_count or pa.types.is_string(values.type):
        return np.asarray(values.to_numpy())
    filled = pc.fill_null(values, pa.scalar(0).cast(values.type))
    array = filled.to_numpy().astype(object)
    array[pc.is_null(values).to_numpy()] = None
    return np.asarray(array)


def _zoned(result: pa.Table, server_zone: str) -> pa.Table:
    """Times whose type names no zone are in the server's: say so."""
    arrays = [
        pc.assume_timezone(column, server_zone)
        if pa.types.is_timestamp(column.type) and column.type.tz is None
        else column
        for column in result.columns
    ]
    return pa.table(arrays, names=result.column_names)
