"""The newest readings that explanations quote, and which hosts work for which job."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow as pa

from fleetops.detect.devices import times_seconds
from fleetops.detect.window import Window
from fleetops_schemas.telemetry import TelemetryHeader

QUOTED: Mapping[str, tuple[str, ...]] = {
    "accelerator": ("temperature_celsius",),
    "host": ("coolant_flow_litres_per_minute", "coolant_supply_temperature_celsius"),
    "coolant_unit": (
        "supply_temperature_celsius",
        "flow_litres_per_minute",
        "rated_flow_litres_per_minute",
        "pump_speed_ratio",
    ),
}
FRESH_SECONDS = 120.0
"""Older readings, against the newest of their class, are not quoted."""
JOB_SECONDS = 300.0
"""A host whose last rank report of a job is older no longer works for it."""


class Facts:
    """Kept current by the service; read by correlation and explanation."""

    def __init__(self) -> None:
        self._windows = {name: Window(metrics, ticks=1) for name, metrics in QUOTED.items()}
        self._jobs: dict[str, dict[str, float]] = {}

    def update(self, header: TelemetryHeader, batch: pa.RecordBatch) -> None:
        """Takes a batch in."""
        window = self._windows.get(header.device_class)
        if window is not None:
            window.update(batch)
        elif header.device_class == "training_rank" and batch.num_rows:
            self._note_jobs(batch)

    def latest(self, device_class: str, metric: str, device: str) -> float | None:
        """The device's newest reading; None where it is null, unknown or old."""
        window = self._windows[device_class]
        row = window.devices.row(device)
        if row is None or window.last_seen[row] < window.last_seen.max() - FRESH_SECONDS:
            return None
        value = float(window.latest(metric)[row])
        return None if np.isnan(value) else value

    def median(self, device_class: str, metric: str, devices: Iterable[str]) -> float | None:
        """Median of the newest readings of these devices; None where none has one."""
        found = [self.latest(device_class, metric, device) for device in devices]
        values = [value for value in found if value is not None]
        return float(np.median(values)) if values else None

    def hosts_of(self, job: str) -> frozenset[str]:
        """The hosts that ranks of the job reported from lately."""
        seen = self._jobs.get(job, {})
        newest = max(seen.values(), default=0.0)
        return frozenset(host for host, at in seen.items() if at >= newest - JOB_SECONDS)

    def busy_hosts(self) -> frozenset[str]:
        """The hosts that any job's ranks reported from lately."""
        return frozenset().union(*(self.hosts_of(job) for job in self._jobs))

    def _note_jobs(self, batch: pa.RecordBatch) -> None:
        jobs, hosts = batch.column("job"), batch.column("host")
        width = len(hosts.dictionary)
        pairs = jobs.indices.to_numpy(zero_copy_only=False).astype(np.int64) * width
        pairs += hosts.indices.to_numpy(zero_copy_only=False)
        newest = float(times_seconds(batch).max())
        for pair in np.unique(pairs).tolist():
            job, host = jobs.dictionary[pair // width].as_py(), hosts.dictionary[pair % width]
            seen = self._jobs.setdefault(job, {})
            seen[host.as_py()] = max(newest, seen.get(host.as_py(), 0.0))
