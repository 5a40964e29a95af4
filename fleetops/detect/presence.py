"""When each device was last told of, and which fell behind the others of its collector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from fleetops.detect.devices import DeviceIndex, grown, times_seconds
from fleetops_schemas.telemetry import TelemetryHeader
from fleetops_schemas.topology import host_of

Floats = npt.NDArray[np.float64]
EPHEMERAL_CLASSES = frozenset({"training_rank"})
"""Their devices end with their job: that is no absence."""
DEFAULT_INTERVAL_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Missing:
    """A device that fell behind."""

    device: str
    device_class: str
    host: str
    collector: str
    last_seen_seconds: float
    behind_seconds: float


class Presence:
    """Last-seen times, by collector and class.

    Only times of the source's own stream are compared, never the detector's clock: a backlog on
    the bus makes everything late alike, and nothing absent.
    """

    def __init__(self, intervals: int, min_seconds: float, part_seconds: float) -> None:
        """Absent means: ``intervals`` behind, and at least ``min_seconds``.

        For anything but accelerators it means at least ``part_seconds``.
        """
        self._intervals = intervals
        self._min_seconds = min_seconds
        self._part_seconds = part_seconds
        self._streams: dict[tuple[str, str], _Stream] = {}
        self._behind: set[str] = set()

    def take(self, header: TelemetryHeader, batch: pa.RecordBatch) -> None:
        """A batch arrived."""
        if header.device_class in EPHEMERAL_CLASSES or batch.num_rows == 0:
            return
        key = (header.collector, header.device_class)
        self._streams.setdefault(key, _Stream()).take(batch)

    def missing(
        self,
        intervals: Mapping[str, float],
        answered: Mapping[tuple[str, str], datetime],
    ) -> Iterator[Missing]:
        """Devices behind their peers.

        Args:
            intervals: by collector, its interval in seconds.
            answered: by collector and host, when the host's target last answered it.
        """
        self._behind = set()
        for (collector, device_class), stream in self._streams.items():
            patience = max(
                self._intervals * intervals.get(collector, DEFAULT_INTERVAL_SECONDS),
                self._min_seconds if device_class == "accelerator" else self._part_seconds,
            )
            answers = {
                host: moment.timestamp()
                for (name, host), moment in answered.items()
                if name == collector
            }
            reference = stream.reference(answers, patience)
            for row in np.flatnonzero(reference - stream.last_seen > patience).tolist():
                device = stream.devices.names[row]
                self._behind.add(device)
                yield Missing(
                    device=device,
                    device_class=device_class,
                    host=stream.devices.hosts[row],
                    collector=collector,
                    last_seen_seconds=float(stream.last_seen[row]),
                    behind_seconds=float(reference[row] - stream.last_seen[row]),
                )

    def is_present(self, device: str) -> bool:
        """Whether the device was told of since the start and is not behind."""
        known = any(stream.devices.row(device) is not None for stream in self._streams.values())
        return known and device not in self._behind


class _Stream:
    """One collector's telling of one class."""

    def __init__(self) -> None:
        self.devices = DeviceIndex()
        self._last_seen: Floats = np.zeros(0)
        self._host_numbers: dict[str, int] = {}
        self._host_of = np.zeros(0, np.int64)
        self._known = 0

    @property
    def last_seen(self) -> Floats:
        """(devices,) seconds since 1970."""
        return self._last_seen[: self._known]

    def take(self, batch: pa.RecordBatch) -> None:
        rows = self.devices.rows(batch)
        count = len(self.devices)
        self._last_seen = grown(self._last_seen, count, fill=-np.inf)
        self._host_of = grown(self._host_of, count, fill=0)
        for row in range(self._known, count):
            host = self.devices.hosts[row] or host_of(self.devices.names[row])
            self._host_of[row] = self._host_numbers.setdefault(host, len(self._host_numbers))
        self._known = count
        np.maximum.at(self._last_seen, rows, times_seconds(batch))

    def reference(self, answers: Mapping[str, float], patience_seconds: float) -> Floats:
        """(devices,) the time up to which the device's host was told of.

        That is the newest row of any device of the host; or the host's last answer, as far as the
        stream itself got to, for a host all of whose devices vanished. That needs twice the
        patience, because the rows of one rack can lag behind the others on the bus.
        """
        newest = np.full(len(self._host_numbers), -np.inf)
        host_of_row = self._host_of[: self._known]
        np.maximum.at(newest, host_of_row, self.last_seen)
        stream = self.last_seen.max(initial=-np.inf)
        for host, moment in answers.items():
            number = self._host_numbers.get(host)
            if number is not None:
                newest[number] = max(newest[number], min(moment, stream) - patience_seconds)
        reference: Floats = newest[host_of_row]
        return reference
