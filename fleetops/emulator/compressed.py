"""Compressed time: the fleet's tables as record batches, without protocols and without waiting.

The batches are those that collectors would have made of the same ticks: same classes, devices,
metrics and values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from fleetops.core.publish import Publisher
from fleetops.emulator.model.fleet import Fleet
from fleetops.emulator.model.tables import Roster, Rows
from fleetops_schemas.telemetry import TelemetryHeader, encode_batch
from fleetops_schemas.topics import telemetry_topic

ROWS_PER_BATCH = 512
"""About: whole racks, so that a rack's rows share a message as they do from collectors."""
COLLECTOR = "emulator"


@dataclass(frozen=True, slots=True)
class Slab:
    """Rows of a class that travel together; ``key`` is the rack of the first."""

    device_class: str
    key: str
    rows: Rows


class CompressedRun:
    """Runs a fleet as fast as it goes."""

    def __init__(self, fleet: Fleet) -> None:
        """Nothing is run yet."""
        self.fleet = fleet
        self._slabs = [slab for roster in fleet.sensors.rosters.values() for slab in _slabs(roster)]
        self._sequence = 0

    def batches(self, ticks: int) -> Iterator[tuple[Slab, pa.RecordBatch]]:
        """The batches of the next ``ticks`` ticks, in time order."""
        for _ in range(ticks):
            tables = self.fleet.tick()
            for slab in self._slabs:
                batch = tables[slab.device_class].batch(self.fleet.time, slab.rows)
                if batch.num_rows:
                    yield slab, batch

    def publish(self, ticks: int, publisher: Publisher) -> int:
        """Sends the batches of the next ``ticks`` ticks; the rows sent."""
        rows = 0
        for slab, batch in self.batches(ticks):
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


def _slabs(roster: Roster) -> Iterator[Slab]:
    """Runs of whole racks, of about :data:`ROWS_PER_BATCH` rows."""
    racks = np.array(roster.racks)
    order = np.argsort(racks, kind="stable")
    edges = np.flatnonzero(np.append(True, racks[order][1:] != racks[order][:-1]))
    first = 0
    for edge in [*edges[1:], len(order)]:
        if edge - first >= ROWS_PER_BATCH or edge == len(order):
            rows = np.sort(order[first:edge]).astype(np.intp)
            yield Slab(roster.device_class, roster.racks[rows[0]], rows)
            first = edge
