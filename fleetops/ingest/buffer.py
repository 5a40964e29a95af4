"""Rows of one class waiting for their insert."""

from __future__ import annotations

import pyarrow as pa

from fleetops_schemas.telemetry import arrow_schema


class Buffer:
    """Collects record batches until they make an insert worth its fixed cost."""

    def __init__(self, device_class: str, max_rows: int, max_age_seconds: float) -> None:
        """Full at ``max_rows`` rows, due when its first row waited ``max_age_seconds``."""
        self.device_class = device_class
        self._max_rows = max_rows
        self._max_age_seconds = max_age_seconds
        self._batches: list[pa.RecordBatch] = []
        self._rows = 0
        self._since = 0.0

    @property
    def rows(self) -> int:
        """Rows waiting."""
        return self._rows

    def add(self, batch: pa.RecordBatch, now: float) -> None:
        """Adds a batch; ``now`` is monotonic seconds."""
        if not self._batches:
            self._since = now
        self._batches.append(batch)
        self._rows += batch.num_rows

    def is_due(self, now: float) -> bool:
        """Whether it is full or has waited long enough."""
        return self._rows >= self._max_rows or (
            self._rows > 0 and now - self._since >= self._max_age_seconds
        )

    def table(self) -> pa.Table:
        """Everything waiting, with one dictionary a text column. Keeps it until :meth:`clear`."""
        table = pa.Table.from_batches(self._batches, schema=arrow_schema(self.device_class))
        return table.unify_dictionaries().combine_chunks()

    def clear(self) -> None:
        """Forgets what was written."""
        self._batches = []
        self._rows = 0
