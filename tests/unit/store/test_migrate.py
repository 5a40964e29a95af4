"""The migrations as shipped. Applying them is the contract suite's."""

from __future__ import annotations

from fleetops.store.base import RECORD_TABLES
from fleetops.store.migrate import Migration, generated_tables, shipped_migrations
from fleetops_schemas.catalog import load_catalog


def test_shipped_migrations_are_numbered_without_a_gap() -> None:
    numbers = [int(migration.name.split("_")[0]) for migration in shipped_migrations()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_shipped_statements_can_be_repeated() -> None:
    """Two processes may migrate at once, and one may die halfway."""
    statements = [text for migration in shipped_migrations() for text in migration.statements]
    assert all(" IF NOT EXISTS " in text.splitlines()[0] for text in statements)
    for table in RECORD_TABLES:
        assert any(f"CREATE TABLE IF NOT EXISTS {table}\n" in text for text in statements)


def test_a_file_is_cut_at_semicolons_that_end_a_line() -> None:
    text = "-- first; not an end;\nSELECT 'a;b'\nFROM x;\n\n  -- again;\nSELECT 2;  \n"
    assert Migration("0001_x", text).statements == ["SELECT 'a;b'\nFROM x", "SELECT 2"]
    assert Migration("0001_x", "-- nothing\n").statements == []


def test_two_tables_a_class() -> None:
    names = [table.name for table in generated_tables(load_catalog())]
    assert sorted(names) == sorted(
        name for declared in load_catalog().classes for name in (declared, f"{declared}_1m")
    )
