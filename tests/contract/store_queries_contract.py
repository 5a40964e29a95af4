"""The questions of ``fleetops.store.queries``, asked of each implementation."""

from __future__ import annotations

from datetime import timedelta

import pyarrow as pa
import pytest

from fleetops.core.errors import InputError, NotFoundError
from fleetops.store import queries
from fleetops.store.base import Store
from fleetops.store.records import actions_table, events_table, findings_table, incidents_table
from fleetops_schemas.telemetry import arrow_schema
from tests.contract.store_data import ACTION, EVENT, FINDING, INCIDENT, START, telemetry, unique

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

    def test_latest_is_the_newest_row_with_its_nulls(self, store: Store) -> None:
        host = unique()
        store.insert("accelerator", readings(f"{host}/gpu0", [60.0, 61.0, None], host))
        store.insert("accelerator", readings(f"{host}/gpu1", [50.0, 51.0], host))
        store.insert("accelerator", readings(f"{host}/gpu1", [50.0, 51.0], host))
        rows = queries.latest(store, "accelerator", since=START, metrics=[TEMPERATURE], host=host)
        assert rows.column_names == ["ts", "device", "host", "rack", TEMPERATURE, "nulls"]
        assert [(r["device"], r["ts"], r[TEMPERATURE], r["nulls"]) for r in rows.to_pylist()] == [
            (f"{host}/gpu0", START + 2 * TEN_SECONDS, None, f"{TEMPERATURE}=stale"),
            (f"{host}/gpu1", START + TEN_SECONDS, 51.0, ""),
        ]
        later = START + 2 * TEN_SECONDS
        rows = queries.latest(store, "accelerator", since=later, host=host)
        assert rows.column("device").to_pylist() == [f"{host}/gpu0"]
        assert set(arrow_schema("accelerator").names) == set(rows.column_names)

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
            queries.latest(store, "host; DROP TABLE host", since=START)
        with pytest.raises(NotFoundError, match="host has no metric '1; --'"):
            queries.series(store, "host", ["1; --"], window)
        with pytest.raises(NotFoundError, match="no table"):
            queries.row_count(store, "system.tables")
        with pytest.raises(InputError, match="a window from"):
            queries.series(store, "host", ["power_watts"], queries.Window(START, START))

    def test_events_of_a_host(self, store: Store) -> None:
        host = unique()
        made = [
            EVENT.model_copy(
                update={"id": unique("event"), "host": host, "time": EVENT.time + n * TEN_SECONDS}
            )
            for n in range(5)
        ]
        store.insert("events", events_table([*made, made[0]]))
        start, end = EVENT.time, EVENT.time + 4 * TEN_SECONDS
        assert queries.events(store, start=start, end=end, host=host) == tuple(made[3::-1])
        found = queries.events(store, start=start, end=end, host=host, limit=1)
        assert found == (made[3],)
        found = queries.events(store, start=start, end=end, host=host, device="node001/gpu9")
        assert found == ()

    def test_pages_of_findings(self, store: Store) -> None:
        host = unique()
        made = [
            FINDING.model_copy(
                update={"id": f"{host}-{n}", "host": host, "started_at": FINDING.started_at}
            )
            for n in range(7)
        ]
        store.insert("findings", findings_table([*made, *made]))
        seen: list[str] = []
        after = None
        while True:
            page = queries.findings_page(store, host=host, after=after, limit=3)
            seen += [finding.id for finding in page.records]
            after = page.following
            if after is None:
                break
        assert seen == [f"{host}-{n}" for n in range(6, -1, -1)]

    def test_incidents_and_actions_of_a_host(self, store: Store) -> None:
        host, other = unique(), unique()
        incident = INCIDENT.model_copy(
            update={"id": unique("incident"), "suspect_hosts": (host,), "affected_hosts": (other,)}
        )
        action = ACTION.model_copy(update={"id": unique("action"), "nodes": (host,)})
        store.insert("incidents", incidents_table([incident]))
        store.insert("actions", actions_table([action]))
        for name in (host, other):
            assert queries.incidents_page(store, host=name).records == (incident,)
        assert queries.actions_page(store, host=host).records == (action,)
        assert queries.actions_page(store, host=other).records == ()
        assert action in queries.actions_page(store).records

    def test_rows_are_counted_once(self, store: Store) -> None:
        before = queries.row_count(store, "power_unit")
        rows = telemetry("power_unit", [unique()])
        for _ in range(2):
            store.insert("power_unit", rows)
        assert queries.row_count(store, "power_unit") == before + 1
