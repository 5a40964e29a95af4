"""Compressed time: the fleet's tables as record batches, without protocols and without waiting.

The batches are those that collectors would have made of the same ticks: same classes, devices,
metrics and values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa

from fleetops.core.publish import Publisher
from fleetops.emulator.delivery import Delivery
from fleetops.emulator.log_events import LogEvents
from fleetops.emulator.log_lines import LogLine
from fleetops.emulator.model.fleet import Fleet
from fleetops.emulator.model.tables import Roster, Table
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.records import Event
from fleetops_schemas.telemetry import (
    NULLS_COLUMN,
    TelemetryHeader,
    arrow_schema,
    encode_batch,
)
from fleetops_schemas.topics import EVENTS, telemetry_topic

ROWS_PER_BATCH = 4096
"""At most. Compressing costs by the buffer, two a column: long columns are cheap."""
COLLECTOR = "emulator"


@dataclass(frozen=True, slots=True)
class Slab:
    """A run of rows of a class that travel together, keyed by the rack of the first."""

    device_class: str
    key: str
    rows: slice
    texts: Mapping[str, pa.Array]
    """The columns that never change: device, host, rack, labels, nulls."""
    empty: Mapping[str, pa.Array]
    """Columns of metrics that nothing here tells."""

    def batch(
        self, ts: datetime, arrays: Mapping[str, pa.Array], present: np.ndarray
    ) -> pa.RecordBatch:
        """The rows at a moment, without those that do not answer."""
        schema = arrow_schema(self.device_class)
        count = self.rows.stop - self.rows.start
        columns = []
        for entry in schema:
            if entry.name == "ts":
                columns.append(pa.repeat(pa.scalar(ts, entry.type), count))
            elif entry.name in arrays:
                columns.append(arrays[entry.name].slice(self.rows.start, count))
            else:
                columns.append(self.texts.get(entry.name, self.empty.get(entry.name)))
        batch = pa.record_batch(columns, schema=schema)
        here = present[self.rows]
        return batch if here.all() else batch.filter(pa.array(here))


class CompressedRun:
    """Runs a fleet as fast as it goes."""

    def __init__(self, fleet: Fleet) -> None:
        """Nothing is run yet."""
        self.fleet = fleet
        self._slabs = {
            name: list(_slabs(roster, fleet.tables[name]))
            for name, roster in fleet.sensors.rosters.items()
        }
        self._delivery: Delivery[Slab] = Delivery(fleet)
        self._log_events = LogEvents(fleet.site, fleet.options.began)
        self._events: list[Event] = []
        self._sequence = 0

    def batches(self, ticks: int) -> Iterator[tuple[Slab, pa.RecordBatch]]:
        """The batches that arrive in the next ``ticks`` ticks, in the order in which they do."""
        for _ in range(ticks):
            yield from self._delivery.pass_on(self._taken(self.fleet.tick()))

    def _taken(self, tables: Mapping[str, Table]) -> Iterator[tuple[Slab, pa.RecordBatch]]:
        for name, table in tables.items():
            arrays = table.arrays()
            for slab in self._slabs[name]:
                batch = slab.batch(self.fleet.time, arrays, table.present)
                if batch.num_rows:
                    yield slab, batch

    def hear(self, line: LogLine) -> None:
        """Something writes a line into a log; for the ``on_line`` of a schedule of faults."""
        if event := self._log_events.of(line):
            self._events.append(event)

    def events(self) -> list[Event]:
        """What logs said since the last call, in order of time."""
        events, self._events = self._events, []
        return events

    def publish(self, ticks: int, publisher: Publisher) -> int:
        """Sends the events and batches of the next ``ticks`` ticks; the rows sent."""
        rows = 0
        for slab, batch in self.batches(ticks):
            for event in self.events():
                publisher.send(EVENTS.name, event.host, event.encode())
            header = TelemetryHeader(
                device_class=slab.device_class, collector=COLLECTOR, sequence=self._sequence
            )
            self._sequence += 1
            publisher.send(
                telemetry_topic(slab.device_class).name,
                slab.key,
                encode_batch(batch),
                header.to_headers(),
            )
            rows += batch.num_rows
        return rows


def _slabs(roster: Roster, table: Table) -> Iterator[Slab]:
    declared = load_catalog()[roster.device_class]
    schema = arrow_schema(roster.device_class)
    text = schema.field(NULLS_COLUMN).type
    for first in range(0, len(roster.devices), ROWS_PER_BATCH):
        rows = slice(first, min(first + ROWS_PER_BATCH, len(roster.devices)))
        count = rows.stop - rows.start
        texts = dict(roster.texts(rows))
        texts[NULLS_COLUMN] = pa.array([""] * count).dictionary_encode().cast(text)
        for label in declared.labels:
            texts[label] = pa.array(table.labels[label][rows]).dictionary_encode().cast(text)
        empty = {
            metric.name: pa.nulls(count, schema.field(metric.name).type)
            for metric in declared.metrics
            if metric.name not in table.columns
        }
        yield Slab(roster.device_class, roster.racks[first], rows, texts, empty)
