"""Schema changes, each once, remembered in ``schema_migrations`` by name and checksum.

Numbered SQL files are never edited once released: a changed one is refused. Generated tables
follow the catalog: a new metric becomes a new column; a retyped one is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from importlib.resources import files
from typing import NamedTuple

import pyarrow as pa

from fleetops.core.clock import Clock
from fleetops.core.errors import StoreRejectedError
from fleetops.store.columns import TableColumn
from fleetops_schemas import clickhouse_ddl as ddl
from fleetops_schemas.catalog import Catalog, load_catalog

LEDGER = "schema_migrations"
_CREATE_LEDGER = f"""
CREATE TABLE IF NOT EXISTS {LEDGER}
(
    name String,
    checksum String,
    applied_at DateTime64(6, 'UTC')
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY name
"""


class Migration(NamedTuple):
    """One numbered file: its name without ``.sql``, its text."""

    name: str
    sql: str

    @property
    def statements(self) -> list[str]:
        """Its statements, in order. A statement ends with a semicolon at the end of a line."""
        bare = re.sub(r"^\s*--.*$", "", self.sql, flags=re.MULTILINE)
        return [
            part.strip() for part in re.split(r";\s*$", bare, flags=re.MULTILINE) if part.strip()
        ]


class GeneratedTable(NamedTuple):
    """A table that follows the catalog."""

    name: str
    create: str
    columns: tuple[ddl.Column, ...]
    ttl_days: int


class Engine(NamedTuple):
    """What migrating needs of a store."""

    execute: Callable[[str], None]
    insert: Callable[[str, pa.Table], int]
    query: Callable[[str], pa.Table]
    columns: Callable[[str], Mapping[str, TableColumn]]


def shipped_migrations() -> list[Migration]:
    """The numbered files of this version, in order."""
    folder = files("fleetops_schemas") / "clickhouse"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [
        Migration(name.removesuffix(".sql"), (folder / name).read_text("utf-8")) for name in names
    ]


def generated_tables(catalog: Catalog) -> Iterator[GeneratedTable]:
    """Two tables a device class: raw rows, and one-minute roll-ups."""
    for declared in catalog.classes.values():
        yield GeneratedTable(
            declared.name,
            ddl.create_telemetry_table(declared),
            ddl.telemetry_columns(declared),
            declared.raw_ttl_days,
        )
        yield GeneratedTable(
            ddl.rollup_table(declared.name),
            ddl.create_rollup_table(declared),
            ddl.rollup_columns(declared),
            declared.rollup_ttl_days,
        )


def migrate(
    engine: Engine,
    clock: Clock,
    migrations: Iterable[Migration] | None = None,
    catalog: Catalog | None = None,
) -> list[str]:
    """Applies what the ledger lacks; the names of what was applied.

    Raises:
        StoreRejectedError: a statement failed, or what was applied has been changed since.
    """
    engine.execute(_CREATE_LEDGER)
    applied = _ledger(engine)
    done = []
    for migration in shipped_migrations() if migrations is None else migrations:
        if _apply_file(engine, migration, applied.get(migration.name)):
            _record(engine, migration.name, ddl.checksum(migration.sql), clock.now())
            done.append(migration.name)
    for table in generated_tables(load_catalog() if catalog is None else catalog):
        recorded, checksum = applied.get(table.name), ddl.checksum(table.create)
        if recorded != checksum and _apply_table(engine, table, known=recorded is not None):
            _record(engine, table.name, checksum, clock.now())
            done.append(table.name)
    return done


def _ledger(engine: Engine) -> dict[str, str]:
    rows = engine.query(f"SELECT name, checksum FROM {LEDGER} FINAL ORDER BY name")  # noqa: S608
    return dict(zip(*(column.to_pylist() for column in rows.columns), strict=True))


def _record(engine: Engine, name: str, checksum: str, now: datetime) -> None:
    row = {"name": name, "checksum": checksum, "applied_at": now}
    engine.insert(LEDGER, pa.Table.from_pylist([row]))


def _apply_file(engine: Engine, migration: Migration, recorded: str | None) -> bool:
    if recorded is not None:
        if recorded != ddl.checksum(migration.sql):
            raise StoreRejectedError(
                f"migration {migration.name} was changed after it was applied; "
                "put it back and write the change as a new numbered file"
            )
        return False
    for statement in migration.statements:
        engine.execute(statement)
    return True


def _apply_table(engine: Engine, table: GeneratedTable, *, known: bool) -> bool:
    """Creates the table, or gives it what it lacks; whether anything was done.

    A table that a newer version made may have more columns: they are left alone.
    """
    there = engine.columns(table.name)
    if not there:
        engine.execute(table.create)
        return True
    for column in table.columns:
        if column.name in there and there[column.name].type != column.type:
            raise StoreRejectedError(
                f"{table.name}.{column.name} is stored as {there[column.name].type}, and the "
                f"catalog says {column.type}; retyping needs a new name or a numbered migration"
            )
    missing = [column for column in table.columns if column.name not in there]
    if missing:
        engine.execute(ddl.add_columns(table.name, missing))
    if missing or not known:
        engine.execute(ddl.change_ttl(table.name, table.ttl_days))
    return bool(missing) or not known
