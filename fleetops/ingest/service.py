"""The ingester: from the bus into the store, every row once.

Decode, validate by mask, batch, insert, roll up; commit after the insert. A batch that comes again
after a crash is the same rows under the same key, which the store merges. What cannot be decoded
goes to the dead letter with its reason.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

import pyarrow as pa
from pydantic import ValidationError

from fleetops.bus.base import Bus, Message
from fleetops.bus.dead_letter import PoisonLimit, dead_letter
from fleetops.core import metrics
from fleetops.core.clock import Clock
from fleetops.core.config import IngestConfig
from fleetops.core.errors import StoreRejectedError
from fleetops.core.logging import get_logger
from fleetops.ingest.buffer import Buffer
from fleetops.ingest.rollup import MINUTE_MS, Rollup
from fleetops.ingest.rollup_repair import recompute_minutes, unwritten_minutes
from fleetops.ingest.validate import check_times, mask_implausible
from fleetops.store.base import Store, rollup_table
from fleetops.store.records import actions_table, events_table, findings_table, incidents_table
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.records import Action, Event, Finding, Incident, Record
from fleetops_schemas.telemetry import TelemetryError, decode_batch
from fleetops_schemas.topics import (
    ACTIONS,
    EVENTS,
    FINDINGS,
    INCIDENTS,
    telemetry_topics,
)

GROUP = "ingest"
RECORD_TOPICS: Mapping[str, tuple[str, type[Record], Callable[..., pa.Table]]] = {
    EVENTS.name: ("events", Event, events_table),
    FINDINGS.name: ("findings", Finding, findings_table),
    INCIDENTS.name: ("incidents", Incident, incidents_table),
    ACTIONS.name: ("actions", Action, actions_table),
}
POLL_MESSAGES = 2000


class IngestService:
    """Role ``ingest``. Run as many as there are partitions to share; each has its own instance."""

    name = "ingest"

    def __init__(self, bus: Bus, store: Store, config: IngestConfig, clock: Clock) -> None:
        """Joins the group; the store must be migrated."""
        self._store = store
        self._config = config
        self._clock = clock
        self._log = get_logger(self.name)
        self._catalog = load_catalog()
        self._producer = bus.producer()
        self._consumer = bus.consumer(
            GROUP, [topic.name for topic in telemetry_topics()] + list(RECORD_TOPICS)
        )
        self._buffers = {
            name: Buffer(name, config.batch_rows, config.batch_seconds)
            for name in self._catalog.classes
        }
        self._records: dict[str, list[pa.Table]] = {name: [] for name in RECORD_TOPICS}
        self._rollups = {name: Rollup(declared) for name, declared in self._catalog.classes.items()}
        self._poison = PoisonLimit()
        self._inbox: deque[Message] = deque()
        """Polled and not yet taken: while there is any, nothing is committed."""
        self._uncommitted = False
        self._dead = False
        self._mark_unwritten_minutes()

    def turn(self) -> bool:
        """Writes what is due, then polls once: while the store is away, nothing more is taken."""
        if not self._inbox:
            self._write_due(force=False)
            self._write_rollups()
            self._inbox.extend(self._consumer.poll(0.05, POLL_MESSAGES))
        polled = bool(self._inbox)
        while self._inbox:
            self._take(self._inbox[0])
            self._inbox.popleft()
        return polled

    def close(self) -> None:
        """Writes what waits, commits, and leaves the group. What was not taken comes again."""
        try:
            if not self._inbox:
                self._write_due(force=True)
        finally:
            self._consumer.close()
            self._producer.close()

    def _take(self, message: Message) -> None:
        self._uncommitted = True
        try:
            if message.topic in RECORD_TOPICS:
                _, model, rows_of = RECORD_TOPICS[message.topic]
                self._records[message.topic].append(rows_of([model.decode(message.value)]))
            else:
                header, batch = decode_batch(message.value, message.headers)
                check_times(batch, header.device_class, self._clock.now())
                self._buffers[header.device_class].add(batch, self._clock.monotonic())
        except (TelemetryError, ValidationError, pa.ArrowInvalid, OverflowError) as error:
            kind = "bad_record" if message.topic in RECORD_TOPICS else "bad_telemetry"
            dead_letter(self._producer, message, kind, str(error))
            self._dead = True
            self._poison.poison(message, str(error))
        else:
            self._poison.good()

    def _write_due(self, *, force: bool) -> None:
        """Writes every buffer once one is due, so that the commit covers all that was polled."""
        now = self._clock.monotonic()
        waiting = [buffer for buffer in self._buffers.values() if buffer.rows]
        due = force or not waiting or any(buffer.is_due(now) for buffer in waiting)
        if not (due and self._uncommitted):
            return
        for buffer in waiting:
            self._write(buffer)
        for topic, tables in self._records.items():
            if tables:
                name = RECORD_TOPICS[topic][0]
                rows = self._store.insert(name, pa.concat_tables(tables))
                metrics.INGESTED_ROWS.labels(name).inc(rows)
                tables.clear()
        if self._dead:
            self._producer.flush(10.0)
            self._dead = False
        self._consumer.commit()
        self._uncommitted = False

    def _write(self, buffer: Buffer) -> None:
        declared = self._catalog[buffer.device_class]
        table = mask_implausible(buffer.table(), declared)
        rows = self._store.insert(declared.name, table)
        self._rollups[declared.name].add(table, self._now_ms())
        buffer.clear()
        metrics.INGESTED_ROWS.labels(declared.name).inc(rows)
        newest = table.column("ts")[-1].as_py()
        metrics.INGEST_LAG_SECONDS.set((self._clock.now() - newest).total_seconds())

    def _write_rollups(self) -> None:
        now_ms = self._now_ms()
        for name, rollup in self._rollups.items():
            closed = rollup.close(now_ms)
            if closed is not None:
                minutes = set(closed.column("ts").cast(pa.int64()).unique().to_pylist())
                rollup.dirty |= minutes  # until they are known to be written
                self._store.insert(rollup_table(name), closed)
                rollup.dirty -= minutes
            due = {minute for minute in rollup.dirty if minute + 2 * MINUTE_MS <= now_ms}
            if due:
                recompute_minutes(self._store, self._catalog[name], due)
                rollup.dirty -= due

    def _mark_unwritten_minutes(self) -> None:
        """After a restart the open minutes were not seen whole: leave them to the raw rows."""
        now_ms = self._now_ms()
        for name, rollup in self._rollups.items():
            try:
                rollup.dirty |= unwritten_minutes(self._store, self._catalog[name], now_ms)
            except StoreRejectedError as error:
                self._log.warning("roll-ups of the past not checked", table=name, error=str(error))

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)
