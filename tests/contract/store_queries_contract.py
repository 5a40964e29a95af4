"""The questions of ``fleetops.store.queries``, asked of each implementation."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pytest

from fleetops.core.errors import InputError, NotFoundError
from fleetops.store import queries
from fleetops.store.base import Store
from fleetops.store.records import events_table, findings_table
from fleetops_schemas.telemetry import arrow_schema
from tests.contract.store_data import EVENT, FINDING, START, unique

TEN_SECONDS = timedelta(seconds=10)
TEMPERATURE = "temperature_celsius"


def readings(device: str, values: list[float | None], host: str = "node001") -> pa.Table:
    """Rows of an accelerator every ten seconds; energy counts up, health is 1 in odd rows."""
    rows = [
        {
            "ts": START + number * TEN_SECONDS,
            "device": device,
            "host": host,
            "rack": "r01",
            TEMPERATURE: value,
            "energy_joules": 100.0 * number,
            "health": number % 2,
            "nulls": "" if value is not None else f"{TEMPERATURE}=stale",
        }
        for number, value in enumerate(values)
    ]
    names = list(rows[0])
    schema = arrow_schema("accelerator")
    plain = [
        (n, pa.string() if pa.types.is_dictionary(schema.field(n).type) else schema.field(n).type)
        for n in names
    ]
    return pa.Table.from_pylist(rows, schema=pa.schema(plain))


class StoreQueriesContract:
    """Needs the class-scoped ``store`` of :class:`StoreContract`."""

    def test_series_of_raw_rows(self, store: Store) -> None:
        host = unique()
        values = [60.0, 70.0, None, None, 62.0, 62.0, None, 64.0]
        for _ in range(2):  # the same rows again must not weigh twice
            store.insert("accelerator", readings(f"{host}/gpu0", values, host))
        window = queries.Window(START, START + timedelta(seconds=80), points=4)
        rows = queries.series(
            store, "accelerator", [TEMPERATURE, "energy_joules", "health"], window, host=host
        ).to_pylist()
        assert [row["ts"] for row in rows] == [START + 2 * n * TEN_SECONDS for n in range(4)]
        assert [row[TEMPERATURE] for row in rows] == [65.0, None, 62.0, 64.0]
        assert [row[f"{TEMPERATURE}_min"] for row in rows] == [60.0, None, 62.0, 64.0]
        assert [row[f"{TEMPERATURE}_max"] for row in rows] == [70.0, None, 62.0, 64.0]
        assert [row["energy_joules"] for row in rows] == [100.0, 300.0, 500.0, 700.0]
        assert [row["health"] for row in rows] == [1, 1, 1, 1]

    def test_series_of_minutes(self, store: Store) -> None:
        device = unique("cdu")
        rows = [
            {
                "ts": START + timedelta(minutes=minute),
                "device": device,
                "host": "",
                "rack": "",
                "samples": samples,
                "flow_litres_per_minute_mean": mean,
                "flow_litres_per_minute_min": low,
                "flow_litres_per_minute_max": 90.0,
            }
            for minute, (samples, mean, low) in enumerate(
                [(6, 80.0, 70.0), (3, 50.0, 40.0), (6, None, None), (6, 60.0, 59.0)]
            )
        ]
        table = pa.Table.from_pylist(rows)
        position = table.column_names.index("samples")
        samples = table.column("samples").cast(pa.uint32())
        store.insert("coolant_unit_1m", table.set_column(position, "samples", samples))
        window = queries.Window(START, START + timedelta(minutes=4), points=2)
        answer = queries.series(
            store, "coolant_unit", ["flow_litres_per_minute"], window, device=device
        ).to_pylist()
        assert [row["flow_litres_per_minute"] for row in answer] == [70.0, 60.0]  # by samples
        assert [row["flow_litres_per_minute_min"] for row in answer] == [40.0, 59.0]
        assert [row["ts"] for row in answer] == [START, START + timedelta(minutes=2)]

    def test_names_are_of_the_catalog(self, store: Store) -> None:
        window = queries.Window(START, START + TEN_SECONDS)
        with pytest.raises(NotFoundError, match="no device class 'host; DROP"):
            queries.series(store, "host; DROP TABLE host", ["power_watts"], window)
        with pytest.raises(NotFoundError, match="host has no metric '1; --'"):
            queries.series(store, "host", ["1; --"], window)
        with pytest.raises(InputError, match="a window from"):
            queries.series(store, "host", ["power_watts"], queries.Window(START, START))

    def test_the_history_of_a_host_page_by_page(self, store: Store) -> None:
        host = unique()
        made = [
            EVENT.model_copy(
                update={"id": unique(), "host": host, "time": START + number * TEN_SECONDS}
            )
            for number in (0, 1, 1, 2)
        ]
        for _ in range(2):  # an event that came twice is one entry
            store.insert("events", events_table(made))
        wanted = sorted(((event.time, event.id) for event in made), reverse=True)
        before, found = None, []
        while rows := queries.history(store, "event", host, before=before, limit=3).to_pylist():
            found += [(row["time"], row["id"]) for row in rows]
            before = queries.Before(rows[-1]["time"], "event", rows[-1]["id"])
        assert found == wanted
        finding = FINDING.model_copy(update={"id": unique(), "host": host})
        store.insert("findings", findings_table([finding]))
        (row,) = queries.history(store, "finding", host).to_pylist()
        assert (row["id"], row["text"], row["state"]) == (
            finding.id,
            finding.summary,
            finding.status,
        )

    def test_the_hottest_accelerator_of_each_host(self, store: Store) -> None:
        host, cold = unique(), unique()
        store.insert("accelerator", readings(f"{host}/gpu0", [60.0, 61.0], host))
        store.insert("accelerator", readings(f"{host}/gpu1", [90.0, None], host))
        store.insert("accelerator", readings(f"{cold}/gpu0", [None], cold))
        rows = queries.hottest_by_host(
            store, since=START - TEN_SECONDS, hot_since=START + TEN_SECONDS / 2
        )
        found = {row["host"]: row for row in rows.to_pylist()}
        assert found[host]["celsius"] == 61.0, "an older value is not the present one"
        assert found[host]["device"] == f"{host}/gpu0"
        assert found[host]["observed_at"] == START + TEN_SECONDS
        assert found[cold]["celsius"] is None
