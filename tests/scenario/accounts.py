"""What was acknowledged, on the bus, against what is stored: every sample, and nothing twice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from fleetops.bus.base import Bus
from fleetops.ingest.service import RECORD_TOPICS
from fleetops.ingest.validate import mask_implausible
from fleetops.store.base import Store
from fleetops_schemas.catalog import DeviceClass, load_catalog
from fleetops_schemas.records import Record
from fleetops_schemas.telemetry import decode_batch
from fleetops_schemas.topics import telemetry_topic

READ_SECONDS = 60.0
KEY = ("device", "ts")
MODELS = {table: model for table, model, _ in RECORD_TOPICS.values()}


@dataclass(frozen=True, slots=True)
class Samples:
    """Of one device class: rows by device and time, and in each column the values that are good."""

    rows: int
    values: dict[str, int]


@dataclass(frozen=True, slots=True)
class Account:
    """Everything that the store must hold."""

    samples: dict[str, Samples]
    records: dict[str, dict[str, Record]]
    """By table, the latest record of each identity."""
    gaps: dict[str, list[int]]
    """By collector, numbers of messages that it sent and that are not on the bus."""

    @property
    def rows(self) -> int:
        """Telemetry rows of all classes."""
        return sum(samples.rows for samples in self.samples.values())

    @property
    def values(self) -> int:
        """Good values in them."""
        return sum(sum(samples.values.values()) for samples in self.samples.values())

    def differences(self, store: Store) -> list[str]:
        """What the store has less or more, in words; [] when it has exactly this."""
        found = []
        for name, wanted in self.samples.items():
            stored = _stored(store, load_catalog()[name])
            if stored != wanted:
                found.append(f"{name}: {_compared(wanted, stored)}")
        for table, wanted_records in self.records.items():
            rows = store.query(f"SELECT body FROM {table} FINAL")  # noqa: S608  from the catalog
            bodies = rows.column("body").to_pylist()
            have = _latest(MODELS[table].decode(body.encode()) for body in bodies)
            if len(bodies) != len(have):
                found.append(f"{table}: {len(bodies)} rows of {len(have)} records")
            if have != wanted_records:
                wrong = {i for i, one in wanted_records.items() if have.get(i) != one}
                found.append(f"{table}: {sorted(wrong | have.keys() - wanted_records.keys())}")
        return found


def account_of(bus: Bus) -> Account:
    """What producers were told is on the bus, and what ingest makes of it."""
    samples = {}
    sent: dict[str, set[int]] = {}
    for name, declared in load_catalog().classes.items():
        with bus.reader([telemetry_topic(name).name]) as reader:
            messages = reader.catch_up(READ_SECONDS)
        decoded = [decode_batch(message.value, message.headers) for message in messages]
        for header, _ in decoded:
            sent.setdefault(header.collector, set()).add(header.sequence)
        if decoded:
            samples[name] = _counted(pa.Table.from_batches([b for _, b in decoded]), declared)
    records = {}
    for topic, (table, model, _) in RECORD_TOPICS.items():
        with bus.reader([topic]) as reader:
            values = [message.value for message in reader.catch_up(READ_SECONDS)]
        records[table] = _latest(model.decode(value) for value in values)
    gaps = {name: sorted(set(range(max(seen))) - seen) for name, seen in sent.items()}
    return Account(samples, records, gaps)


def merged_rows(store: Store) -> int:
    """Telemetry rows after the engine has merged all it has."""
    for name in load_catalog().classes:
        store.query(f"OPTIMIZE TABLE {name} FINAL")
    return sum(_count(store, name) for name in load_catalog().classes)


def _counted(rows: pa.Table, declared: DeviceClass) -> Samples:
    """A row that is on the bus twice counts once; a value of either counts."""
    good = mask_implausible(rows, declared)
    names = [metric.name for metric in declared.metrics]
    keyed = pa.table(
        {"device": good.column("device").cast(pa.string()), "ts": good.column("ts")}
        | {name: good.column(name) for name in names}
    )
    single = keyed.group_by(KEY).aggregate([(name, "max") for name in names])
    values = {name: single.num_rows - single.column(f"{name}_max").null_count for name in names}
    return Samples(single.num_rows, values)


def _stored(store: Store, declared: DeviceClass) -> Samples:
    names = [metric.name for metric in declared.metrics]
    counts = ", ".join(f"count({name}) AS {name}" for name in names)
    table = declared.name
    sql = f"SELECT count() AS rows_, {counts} FROM {table} FINAL"  # noqa: S608  from the catalog
    row = store.query(sql).to_pylist()[0]
    return Samples(row.pop("rows_"), row)


def _count(store: Store, table: str) -> int:
    rows = store.query(f"SELECT count() AS n FROM {table}")  # noqa: S608  from the catalog
    return int(rows.column("n")[0].as_py())


def _compared(wanted: Samples, stored: Samples) -> str:
    values = {
        name: (count, stored.values[name])
        for name, count in wanted.values.items()
        if stored.values[name] != count
    }
    return f"{wanted.rows} rows acknowledged, {stored.rows} stored; values {values}"


def _latest(records: Iterable[Record]) -> dict[str, Record]:
    return {_identity(record): record for record in records}


def _identity(record: Record) -> str:
    """Of a finding, which fires again under its id, one episode."""
    dumped = record.model_dump(mode="json", include={"id", "started_at"})
    return " ".join(dumped.values())
