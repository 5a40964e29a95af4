"""The generated tables. That the engine takes them is the store's contract suite."""

from __future__ import annotations

import pytest

from fleetops.store.columns import arrow_type
from fleetops_schemas import clickhouse_ddl as ddl
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.telemetry import arrow_schema

CLASSES = sorted(load_catalog().classes)


@pytest.mark.parametrize("name", CLASSES)
def test_columns_are_those_of_the_arrow_schema(name: str) -> None:
    columns = ddl.telemetry_columns(load_catalog()[name])
    schema = arrow_schema(name)
    assert [column.name for column in columns] == schema.names
    for column, field in zip(columns, schema, strict=True):
        plain = field.type.value_type if hasattr(field.type, "value_type") else field.type
        assert arrow_type(column.type) == plain
        assert field.nullable == column.type.startswith("Nullable(")


def test_a_raw_table() -> None:
    declared = load_catalog()["accelerator"].model_copy(update={"raw_ttl_days": 7})
    sql = ddl.create_telemetry_table(declared)
    assert sql.startswith("CREATE TABLE IF NOT EXISTS `accelerator`\n(\n")
    for line in (
        "`ts` DateTime64(3, 'UTC') CODEC(DoubleDelta, ZSTD(1))",
        "`device` LowCardinality(String) CODEC(ZSTD(1))",
        "`temperature_celsius` Nullable(Float32) CODEC(ZSTD(1))",
        "`energy_joules` Nullable(Float64) CODEC(Delta, ZSTD(1))",
        "`health` Nullable(UInt8) CODEC(ZSTD(1))",
        "ENGINE = ReplacingMergeTree\n",
        "PARTITION BY toDate(ts)\n",
        "ORDER BY (toStartOfHour(ts), device, ts)\n",
        "TTL toDateTime(ts) + INTERVAL 7 DAY\n",
    ):
        assert line in sql


def test_a_rollup_table() -> None:
    declared = load_catalog()["accelerator"]
    columns = {column.name: column for column in ddl.rollup_columns(declared)}
    assert columns["samples"].type == "UInt32"
    assert columns["temperature_celsius_mean"].type == "Nullable(Float32)"
    assert columns["throttle_reasons_mean"].type == "Nullable(Float64)"
    assert columns["throttle_reasons_max"].type == "Nullable(UInt64)"
    assert columns["energy_joules_last"].codec == "Delta, ZSTD(1)"
    assert {f"health_{aggregate}" for aggregate in ("max", "last")} <= columns.keys()
    assert not {"health_mean", "energy_joules_max", "nulls"} & columns.keys()
    assert "`accelerator_1m`" in ddl.create_rollup_table(declared)
    assert "INTERVAL 400 DAY" in ddl.create_rollup_table(declared)


def test_changes_of_a_table() -> None:
    column = ddl.Column("new_watts", "Nullable(Float32)", "ZSTD(1)")
    assert ddl.add_columns("host", [column, column]) == (
        "ALTER TABLE `host`\n"
        "    ADD COLUMN IF NOT EXISTS `new_watts` Nullable(Float32) CODEC(ZSTD(1)),\n"
        "    ADD COLUMN IF NOT EXISTS `new_watts` Nullable(Float32) CODEC(ZSTD(1))"
    )
    assert (
        ddl.change_ttl("host", 3) == "ALTER TABLE `host` MODIFY TTL toDateTime(ts) + INTERVAL 3 DAY"
    )


def test_a_checksum_follows_the_text() -> None:
    assert ddl.checksum("a") == ddl.checksum("a") != ddl.checksum("b")
    assert len(ddl.checksum("a")) == 64
