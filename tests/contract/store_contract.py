"""What every store does: inherited by the tests of each implementation."""

# ruff: noqa: S608  every name in an SQL text here is the test's own

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from fleetops.core.clock import SystemClock
from fleetops.core.config import StoreConfig
from fleetops.core.errors import StoreRejectedError, StoreUnavailableError
from fleetops.store import migrate
from fleetops.store.base import RECORD_TABLES, Parameter, Store, rollup_table
from fleetops.store.factory import open_store
from fleetops.store.records import actions_table, events_table, findings_table, incidents_table
from fleetops_schemas import clickhouse_ddl as ddl
from fleetops_schemas.catalog import MetricType, load_catalog
from fleetops_schemas.records import Record
from tests.contract.store_data import (
    ACTION,
    CLASSES,
    EVENT,
    FINDING,
    INCIDENT,
    START,
    plain,
    rollup_schema,
    telemetry,
    unique,
    with_metric,
)


class StoreContract:
    """The suite. An implementation gives ``config`` (class scope): how to reach a fresh store."""

    @pytest.fixture(scope="class")
    @classmethod
    def store(cls, config: StoreConfig) -> Iterator[Store]:
        with open_store(config, SystemClock()) as opened:
            opened.migrate()
            yield opened

    # --- schema ---------------------------------------------------------------------------------

    def test_migrating_again_changes_nothing(self, store: Store) -> None:
        assert store.migrate() == []
        tables = set(store.query("SHOW TABLES").column(0).to_pylist())
        expected = {*RECORD_TABLES, *CLASSES, *map(rollup_table, CLASSES), migrate.LEDGER}
        assert expected <= tables

    def test_a_new_metric_becomes_a_column(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = unique("new_metric_")
        grown = with_metric("host", name, MetricType.UINT16)
        monkeypatch.setattr(migrate, "load_catalog", lambda: grown)
        before = unique()
        store.insert("host", telemetry("host", [before]))
        assert store.migrate() == ["host", "host_1m"]
        assert store.migrate() == []
        after = unique()
        rows = telemetry("host", [after]).append_column(name, pa.array([65535], pa.uint16()))
        store.insert("host", rows)
        sql = f"SELECT device, {name} FROM host WHERE device IN {{d:Array(String)}} ORDER BY {name}"
        answer = store.query(sql, {"d": [before, after]}).to_pylist()
        assert answer == [{"device": after, name: 65535}, {"device": before, name: None}]

    def test_a_retyped_metric_is_refused(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = unique("retyped_")
        monkeypatch.setattr(
            migrate, "load_catalog", lambda: with_metric("host", name, MetricType.UINT16)
        )
        store.migrate()
        monkeypatch.setattr(
            migrate, "load_catalog", lambda: with_metric("host", name, MetricType.FLOAT32)
        )
        with pytest.raises(StoreRejectedError, match=rf"host\.{name} is stored as .*UInt16"):
            store.migrate()

    def test_a_changed_migration_is_refused(
        self, store: Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = "9999_" + unique("view_")
        first = migrate.Migration(name, f"-- a; b\nCREATE VIEW `{name}` AS\nSELECT 1 AS one;\n")
        monkeypatch.setattr(migrate, "shipped_migrations", lambda: [first])
        assert store.migrate() == [name]
        assert store.query(f"SELECT one FROM `{name}`").to_pylist() == [{"one": 1}]
        changed = first._replace(sql=first.sql + "\n")
        monkeypatch.setattr(migrate, "shipped_migrations", lambda: [changed])
        with pytest.raises(StoreRejectedError, match=f"{name} was changed after"):
            store.migrate()

    # --- rows -----------------------------------------------------------------------------------

    @pytest.mark.parametrize("device_class", CLASSES)
    def test_every_column_of_a_class_comes_back(self, store: Store, device_class: str) -> None:
        devices = [f"{unique()}/part{n:03d}" for n in range(200)]
        rows = telemetry(device_class, sorted(devices))
        assert store.insert(device_class, rows) == 200
        names = ", ".join(rows.column_names)
        sql = f"SELECT {names} FROM {device_class} WHERE device IN {{d:Array(String)}}"
        answer = store.query(sql + " ORDER BY device", {"d": devices})
        assert answer.combine_chunks().equals(plain(rows))

    def test_rollups_come_back(self, store: Store) -> None:
        declared = load_catalog()["coolant_unit"]
        device = unique("cdu")
        row: dict[str, object] = {"ts": START, "device": device, "host": "", "rack": "r01"}
        row["samples"] = 6
        for number, column in enumerate(ddl.rollup_columns(declared)):
            if column.name not in row:
                row[column.name] = None if number % 5 == 0 else 1
        store.insert("coolant_unit_1m", pa.Table.from_pylist([row]).cast(rollup_schema(row)))
        sql = "SELECT * FROM coolant_unit_1m WHERE device = {d:String}"
        assert store.query(sql, {"d": device}).to_pylist() == [row]

    @pytest.mark.parametrize(
        ("table", "rows", "record"),
        [
            ("events", events_table([EVENT]), EVENT),
            ("findings", findings_table([FINDING]), FINDING),
            ("incidents", incidents_table([INCIDENT]), INCIDENT),
            ("actions", actions_table([ACTION]), ACTION),
        ],
        ids=RECORD_TABLES,
    )
    def test_records_come_back(
        self, store: Store, table: str, rows: pa.Table, record: Record
    ) -> None:
        store.insert(table, rows)
        store.insert(table, rows)
        listed = ", ".join(rows.column_names)
        sql = f"SELECT {listed} FROM {table} FINAL WHERE id = {{id:String}}"
        answer = store.query(sql, {"id": rows.column("id")[0].as_py()})
        assert answer.combine_chunks().equals(rows.combine_chunks())
        assert type(record).decode(answer["body"][0].as_py().encode()) == record

    def test_events_of_a_clock_that_stands_still_are_kept(self, store: Store) -> None:
        times = [datetime(1970, 1, 1, tzinfo=UTC), datetime(2021, 3, 4, tzinfo=UTC)]
        host = unique()
        made = [EVENT.model_copy(update={"host": host, "time": time}) for time in times]
        store.insert("events", events_table(made))
        store.query("OPTIMIZE TABLE events FINAL")
        sql = "SELECT time FROM events WHERE host = {h:String} ORDER BY time"
        assert store.query(sql, {"h": host}).column("time").to_pylist() == times

    def test_the_newest_version_of_a_record_wins(self, store: Store) -> None:
        opened = INCIDENT.model_copy(update={"id": unique("incident")})
        later = opened.updated_at + timedelta(microseconds=1)
        changed = opened.model_copy(update={"updated_at": later, "title": "second"})
        for incident in (changed, opened):  # in the wrong order
            store.insert("incidents", incidents_table([incident]))
        sql = "SELECT title FROM incidents FINAL WHERE id = {id:String}"
        assert store.query(sql, {"id": opened.id}).to_pylist() == [{"title": "second"}]

    def test_the_same_rows_again_change_nothing(self, store: Store) -> None:
        host = unique()
        rows = telemetry("accelerator", [f"{host}/gpu{n}" for n in range(64)])
        for _ in range(3):
            store.insert("accelerator", pa.concat_tables([rows, rows]))
        sql = "SELECT count() AS rows FROM accelerator FINAL WHERE host = {h:String}"
        assert store.query(sql, {"h": host}).to_pylist() == [{"rows": 64}]

    def test_a_large_insert(self, store: Store) -> None:
        host = unique()
        rows = telemetry("accelerator", [f"{host}/gpu{n}" for n in range(100_000)])
        assert store.insert("accelerator", rows) == 100_000
        sql = (
            "SELECT count() AS rows, count(health) AS healths, sum(toUInt64(health)) AS total, "
            "uniqExact(device) AS devices FROM accelerator WHERE host = {h:String}"
        )
        health = rows.column("health")
        assert store.query(sql, {"h": host}).to_pylist() == [
            {
                "rows": 100_000,
                "healths": 100_000 - health.null_count,
                "total": sum(value for value in health.to_pylist() if value is not None),
                "devices": 100_000,
            }
        ]

    def test_no_rows(self, store: Store) -> None:
        assert store.insert("host", telemetry("host", [])) == 0

    def test_nan_is_null(self, store: Store) -> None:
        device = unique()
        rows = telemetry("host", [device], null_share=0)
        name = "inlet_temperature_celsius"
        position = rows.column_names.index(name)
        store.insert("host", rows.set_column(position, name, pa.array([np.nan], pa.float32())))
        sql = f"SELECT {name} AS value FROM host WHERE device = {{d:String}}"
        assert store.query(sql, {"d": device}).to_pylist() == [{"value": None}]

    # --- refusals -------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("column", "values", "message"),
        [
            ("no_such_metric", pa.array([1, 2]), "no column 'no_such_metric'"),
            ("health", pa.array([1, 300]), "'health' is int64 and not uint8"),
            ("health", pa.array([1, -1]), "'health' is int64 and not uint8"),
            ("health", pa.array(["good", "bad"]), "'health' is string and not uint8"),
            ("device", pa.array(["x", None]), "1 nulls in column 'device'"),
            ("ts", pa.array([START, None]), "1 nulls in column 'ts'"),
            ("ts", pa.array([1, 2]), "'ts' is int64"),
            ("ts", pa.array([1, 2], pa.timestamp("ms")), "'ts' is timestamp"),
        ],
    )
    def test_a_bad_batch_is_refused_whole(
        self, store: Store, column: str, values: pa.Array, message: str
    ) -> None:
        host = unique()
        rows = telemetry("accelerator", [f"{host}/gpu0", f"{host}/gpu1"])
        if column in rows.column_names:
            rows = rows.set_column(rows.column_names.index(column), column, values)
        else:
            rows = rows.append_column(column, values)
        with pytest.raises(StoreRejectedError, match=f"accelerator.*{message}"):
            store.insert("accelerator", rows)
        sql = "SELECT count() AS rows FROM accelerator WHERE host = {h:String}"
        assert store.query(sql, {"h": host}).to_pylist() == [{"rows": 0}]

    def test_a_missing_key_column_is_refused(self, store: Store) -> None:
        rows = telemetry("host", [unique()]).drop_columns(["ts"])
        with pytest.raises(StoreRejectedError, match="host: column 'ts' is missing"):
            store.insert("host", rows)

    def test_what_the_engine_refuses_is_refused_whole(self, store: Store) -> None:
        table = unique("checked")
        store.query(
            f"CREATE TABLE {table} (n UInt32, CONSTRAINT small CHECK n < 99999) "
            "ENGINE = MergeTree ORDER BY n"
        )
        with pytest.raises(StoreRejectedError, match="small"):
            store.insert(table, pa.table({"n": pa.array(range(100_000), pa.uint32())}))
        assert store.query(f"SELECT count() AS n FROM {table}").to_pylist() == [{"n": 0}]
        assert store.insert(table, pa.table({"n": pa.array([1], pa.uint32())})) == 1

    def test_unknown_tables(self, store: Store) -> None:
        with pytest.raises(StoreRejectedError, match="no table 'nowhere'"):
            store.insert("nowhere", pa.table({"n": [1]}))
        with pytest.raises(StoreRejectedError, match="nowhere"):
            store.query("SELECT * FROM nowhere")
        with pytest.raises(StoreRejectedError, match="Syntax error"):
            store.query("SELEC 1")
        assert store.query("SELECT 1 AS one").to_pylist() == [{"one": 1}]

    # --- parameters and results -----------------------------------------------------------------

    @pytest.mark.parametrize(
        "text",
        [
            *("", "it's", "'; DROP TABLE events; --", "a\\b\\", "tab\tline\nend\r", "é中😀"),
            *("{x:String}", "%s %(x)s %", "\0 \b \f", "NULL", "\\N"),
        ],
    )
    def test_text_parameters_are_text(self, store: Store, text: str) -> None:
        sql = "SELECT {x:String} AS x, {many:Array(String)} AS many, '{x:String}' AS literal"
        answer = store.query(sql, {"x": text, "many": [text, "b"]}).to_pylist()
        assert answer == [{"x": text, "many": [text, "b"], "literal": "{x:String}"}]

    def test_parameters_of_other_types(self, store: Store) -> None:
        moment = datetime(2026, 11, 21, 10, 0, 0, 123456, UTC)
        values: dict[str, tuple[Parameter, str]] = {
            "i": (2**64 - 1, "UInt64"),
            "n": (-5, "Int32"),
            "f": (1e-300, "Float64"),
            "b": (True, "Bool"),
            "u": (True, "UInt8"),
            "t": (moment, "DateTime64(6, 'UTC')"),
            "a": ((1, 2, 3), "Array(UInt16)"),
            "e": ([], "Array(String)"),
        }
        listed = ", ".join(f"{{{name}:{kind}}} AS {name}" for name, (_, kind) in values.items())
        answer = store.query(f"SELECT {listed}", {n: v for n, (v, _) in values.items()})
        [row] = answer.to_pylist()
        assert row == {n: v for n, (v, _) in values.items()} | {"a": [1, 2, 3], "u": 1}
        sql = "SELECT number FROM numbers(9) LIMIT {top:UInt64}"
        assert store.query(sql, {"top": 2}).num_rows == 2

    def test_bad_parameters(self, store: Store) -> None:
        with pytest.raises(StoreRejectedError, match="x"):
            store.query("SELECT {x:UInt8}")
        with pytest.raises(StoreRejectedError):
            store.query("SELECT {x:UInt8}", {"x": "1 OR 1"})
        with pytest.raises(StoreRejectedError, match="without a zone"):
            store.query("SELECT {x:DateTime64(3)}", {"x": datetime(2026, 1, 1)})  # noqa: DTZ001

    def test_results_have_the_same_types_everywhere(self, store: Store) -> None:
        answer = store.query(
            "SELECT toDateTime64('2026-11-21 10:00:00.5', 3, 'UTC') AS ms, "
            "toDateTime('2026-11-21 10:00:00', 'Asia/Tokyo') AS s, toUInt32(7) AS u32, "
            "CAST(NULL, 'Nullable(DateTime64(6, \\'UTC\\'))') AS us, toDate('2026-11-21') AS d, "
            "CAST('x', 'LowCardinality(String)') AS lc, [toUInt8(1)] AS a, true AS b, "
            "CAST(NULL, 'Nullable(UInt64)') AS n, count() AS c, avg(1) AS f"
        )
        assert answer.schema == pa.schema(
            {
                "ms": pa.timestamp("ms", "UTC"),
                "s": pa.timestamp("s", "UTC"),
                "u32": pa.uint32(),
                "us": pa.timestamp("us", "UTC"),
                "d": pa.date32(),
                "lc": pa.string(),
                "a": pa.list_(pa.uint8()),
                "b": pa.bool_(),
                "n": pa.uint64(),
                "c": pa.uint64(),
                "f": pa.float64(),
            }
        )
        [row] = answer.to_pylist()
        assert row["ms"] == datetime(2026, 11, 21, 10, 0, 0, 500_000, UTC)
        assert row["s"] == datetime(2026, 11, 21, 1, 0, 0, 0, UTC)
        assert (row["us"], row["n"], row["u32"]) == (None, None, 7)
        empty = store.query("SELECT ts, device, health FROM accelerator WHERE 0")
        assert empty.schema.names == ["ts", "device", "health"]
        assert empty.num_rows == 0

    def test_a_failed_query_leaves_nothing_behind(self, store: Store) -> None:
        for number in range(8):  # more than there are workers
            with pytest.raises(StoreRejectedError, match="throwIf"):
                store.query("SELECT throwIf(number = 5) AS failed FROM numbers(10)")
            assert store.query("SELECT {n:UInt8} AS n", {"n": number}).to_pylist() == [
                {"n": number}
            ]

    # --- threads, time, ends --------------------------------------------------------------------

    def test_threads_neither_lose_nor_mix_rows(self, store: Store) -> None:
        hosts = [unique() for _ in range(8)]
        count = (
            "SELECT count() AS n, uniqExact(device) AS d FROM accelerator WHERE host = {h:String}"
        )

        def work(host: str) -> list[dict[str, int]]:
            seen = []
            for turn in range(5):
                devices = [f"{host}/gpu{turn}-{n}" for n in range(50)]
                store.insert("accelerator", telemetry("accelerator", devices))
                seen += store.query(count, {"h": host}).to_pylist()
            return seen

        with ThreadPoolExecutor(len(hosts)) as pool:
            for seen in pool.map(work, hosts):
                assert seen == [{"n": 50 * turn, "d": 50 * turn} for turn in range(1, 6)]

    def test_ping(self, store: Store) -> None:
        store.ping()

    def test_the_deadline_holds(self, config: StoreConfig, store: Store) -> None:
        hasty = config.model_copy(update={"deadline_seconds": 0.5})
        with open_store(hasty, SystemClock()) as opened:
            begun = time.monotonic()
            with pytest.raises(StoreUnavailableError):
                opened.query(_slow(20.0))
            assert time.monotonic() - begun < 5.0
            assert opened.query("SELECT 1 AS one").to_pylist() == [{"one": 1}]

    def test_closing_waits_for_a_running_query(self, config: StoreConfig, store: Store) -> None:
        opened = open_store(config, SystemClock())
        running = threading.Event()
        answers = []

        def work() -> None:
            opened.ping()
            running.set()
            answers.append(opened.query(_slow(1.0)).num_rows)

        thread = threading.Thread(target=work)
        thread.start()
        assert running.wait(10)
        time.sleep(0.3)
        opened.close()
        opened.close()
        thread.join(10)
        assert answers == [1]
        with pytest.raises(StoreUnavailableError, match="closed"):
            opened.query("SELECT 1")
        with pytest.raises(StoreUnavailableError, match="closed"):
            opened.ping()


def _slow(seconds: float) -> str:
    return (
        f"SELECT sum(sleepEachRow(0.1)) FROM numbers({int(seconds * 10)}) "
        "SETTINGS function_sleep_max_microseconds_per_block = 100000000, max_block_size = 1"
    )
