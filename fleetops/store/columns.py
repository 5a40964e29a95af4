"""Rows against a table's columns: what the engine would coerce in silence is refused here.

Left to itself the engine stores 300 in a UInt8 as 44 and a null time as 1970.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from fleetops.core.errors import StoreRejectedError

_ARROW = {
    "String": pa.string(),
    "Bool": pa.bool_(),
    "Date": pa.date32(),
    "DateTime": pa.timestamp("s", tz="UTC"),
    "Float32": pa.float32(),
    "Float64": pa.float64(),
    **{
        f"{sign}Int{bits}": pa.type_for_alias(f"{sign.lower()}int{bits}")
        for sign in ("", "U")
        for bits in (8, 16, 32, 64)
    },
}
_WRAPPED = re.compile(r"(?:Nullable|LowCardinality)\((.*)\)")
_DATETIME64 = re.compile(r"DateTime64\((\d)")


class TableColumn(NamedTuple):
    """A column of a table as the engine describes it."""

    name: str
    type: str
    has_default: bool

    @property
    def nullable(self) -> bool:
        """Whether it holds NULLs."""
        return "Nullable(" in self.type


def arrow_type(clickhouse_type: str) -> pa.DataType:
    """The Arrow type of a ClickHouse type; times are UTC.

    Raises:
        StoreRejectedError: it is none that FleetOps stores.
    """
    while wrapped := _WRAPPED.fullmatch(clickhouse_type):
        clickhouse_type = wrapped[1]
    if clickhouse_type.startswith("Array("):
        return pa.list_(arrow_type(clickhouse_type[6:-1]))
    if scaled := _DATETIME64.match(clickhouse_type):
        unit = {0: "s", 3: "ms", 6: "us", 9: "ns"}.get(int(scaled[1]), "us")
        return pa.timestamp(unit, tz="UTC")
    found = _ARROW.get(clickhouse_type.split("(", 1)[0])
    if found is None:
        raise StoreRejectedError(f"columns of type {clickhouse_type} are not supported")
    return found


def conform(
    table: str, columns: dict[str, TableColumn], rows: pa.Table | pa.RecordBatch
) -> pa.Table:
    """The rows with exactly the types of the table's columns.

    Values do not change, except that a finer time is cut to the column's unit.
    NaN where NULL is allowed becomes NULL: it says as little, and poisons every mean.

    Raises:
        StoreRejectedError: names the column and what is wrong with it.
    """
    given = rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows])
    given = given.combine_chunks()  # the engine's cost is by batch and column
    for column in columns.values():
        if column.name not in given.column_names and not (column.nullable or column.has_default):
            raise StoreRejectedError(f"{table}: column {column.name!r} is missing")
    arrays = [_fitting(table, columns, name, given.column(name)) for name in given.column_names]
    return pa.table(arrays, names=given.column_names)


def _fitting(
    table: str, columns: dict[str, TableColumn], name: str, values: pa.ChunkedArray
) -> pa.ChunkedArray:
    column = columns.get(name)
    if column is None:
        raise StoreRejectedError(f"{table}: there is no column {name!r}; migrate or mend the rows")
    if values.null_count and not column.nullable:
        raise StoreRejectedError(f"{table}: {values.null_count} nulls in column {name!r}")
    wanted = arrow_type(column.type)
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)  # the engine takes plain text faster
    if values.type != wanted:
        if pa.types.is_timestamp(wanted) and getattr(values.type, "tz", None) is None:
            raise StoreRejectedError(f"{table}: column {name!r} is {values.type}, not {wanted}")
        try:
            values = values.cast(options=pc.CastOptions(wanted, allow_time_truncate=True))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise StoreRejectedError(
                f"{table}: column {name!r} is {values.type} and not {wanted}: {error}"
            ) from error
    if pa.types.is_floating(wanted) and column.nullable:
        values = _without_nan(values)
    return values


def _without_nan(values: pa.ChunkedArray) -> pa.ChunkedArray:
    nan = pc.is_nan(values)
    if not pc.any(nan).as_py():
        return values
    return pc.if_else(pc.fill_null(nan, False), pa.scalar(None, values.type), values)


def in_utc(result: pa.Table) -> pa.Table:
    """A result with every time in UTC, and no column flags: both implementations answer alike."""
    return pa.table(
        [column.cast(_plain(column.type)) for column in result.columns], names=result.column_names
    )


def _plain(type_: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(type_) and type_.tz is not None:
        return pa.timestamp(type_.unit, tz="UTC")
    if pa.types.is_list(type_):
        return pa.list_(_plain(type_.value_type))
    return type_
