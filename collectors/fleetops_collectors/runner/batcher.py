"""Gathers the readings of many targets into one message a rack and device class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from math import isfinite

from fleetops.core import metrics
from fleetops.core.clock import Clock
from fleetops_collectors.base import Scrape, Target
from fleetops_collectors.runner.outgoing import Lane, Outgoing
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.readings import Quality, Reading
from fleetops_schemas.telemetry import BatchBuilder, TelemetryHeader, encode_batch
from fleetops_schemas.topics import telemetry_topic
from fleetops_schemas.topology import Topology, host_of

MAX_ROWS = 1024
"""Rows of a message; a few hundred compress well, more delay their first (performance study)."""
NO_RACK = "none"
_Home = tuple[str, str]


class Batcher:
    """The rows of one collector, waiting for the rest of their rack.

    A rack's rows leave when all its targets have answered or failed, when there are ``MAX_ROWS``,
    or when the oldest waited ``max_age_seconds``.
    """

    def __init__(
        self,
        collector: str,
        targets: Iterable[Target],
        topology: Topology,
        clock: Clock,
        max_age_seconds: float,
    ) -> None:
        """Starts empty, at sequence 0."""
        self._collector = collector
        self._topology = topology
        self._clock = clock
        self._max_age = max_age_seconds
        self._sequence = 0
        self._builders: dict[_Home, BatchBuilder] = {}
        self._since: dict[str, float] = {}
        self._expected: dict[str, set[str]] = {}
        self._answered: dict[str, set[str]] = {}
        for target in targets:
            self._expected.setdefault(self.rack_of(target), set()).add(target.name)

    def rack_of(self, target: Target) -> str:
        """The rack that a target's messages go by."""
        placement = self._topology.get(target.host) if target.host else None
        return target.rack or (placement.rack if placement else "") or NO_RACK

    def add(self, scrape: Scrape) -> list[Outgoing]:
        """Takes what a target gave; the messages that are complete by it."""
        messages: list[Outgoing] = []
        for (device_class, device), readings in self._by_device(scrape).items():
            host, rack = self._place(scrape.target, device)
            builder = self._builders.get((rack, device_class))
            if builder is None:
                builder = BatchBuilder(load_catalog()[device_class])
                self._builders[rack, device_class] = builder
            builder.add(
                readings,
                ts=scrape.observed_at,
                host=host,
                rack=rack,
                labels=scrape.labels.get(device),
            )
            self._since.setdefault(rack, self._clock.monotonic())
            if len(builder) >= MAX_ROWS:
                messages += self.flush(rack)
        return messages + self._answer(self.rack_of(scrape.target), scrape.target)

    def miss(self, target: Target) -> list[Outgoing]:
        """A target failed: nobody waits for it; the messages that are complete by that."""
        return self._answer(self.rack_of(target), target)

    def due(self) -> list[Outgoing]:
        """Messages whose oldest row waited long enough."""
        until = self._clock.monotonic() - self._max_age
        racks = [rack for rack, since in self._since.items() if since <= until]
        return [message for rack in racks for message in self.flush(rack)]

    def flush(self, rack: str | None = None) -> list[Outgoing]:
        """All rows of a rack, or of all racks, as messages."""
        messages = []
        for home in [home for home in self._builders if rack is None or home[0] == rack]:
            builder = self._builders.pop(home)
            self._since.pop(home[0], None)
            self._answered.pop(home[0], None)
            messages.append(self._message(*home, builder))
        return messages

    def _answer(self, home: str, target: Target) -> list[Outgoing]:
        answered = self._answered.setdefault(home, set())
        answered.add(target.name)
        if answered < self._expected.get(home, set()):
            return []
        self._answered.pop(home, None)
        return self.flush(home)

    def _message(self, rack: str, device_class: str, builder: BatchBuilder) -> Outgoing:
        header = TelemetryHeader(
            device_class=device_class, collector=self._collector, sequence=self._sequence
        )
        self._sequence += 1
        return Outgoing(
            telemetry_topic(device_class).name,
            rack,
            encode_batch(builder.build()),
            Lane.TELEMETRY,
            header.to_headers(),
        )

    def _place(self, target: Target, device: str) -> tuple[str, str]:
        """Host and rack of a device; a device beside hosts (``cdu1``) has no host."""
        named = host_of(device)
        placement = self._topology.get(named)
        if placement is not None:
            return named, placement.rack
        return target.host or "", self.rack_of(target)

    def _by_device(self, scrape: Scrape) -> dict[_Home, list[Reading]]:
        devices: dict[_Home, list[Reading]] = {}
        qualities: Counter[str] = Counter()
        for reading in checked(scrape.readings, self._collector, scrape.warnings):
            qualities[reading.quality] += 1
            devices.setdefault((reading.device_class, reading.device), []).append(reading)
        for quality, count in qualities.items():
            metrics.COLLECT_READINGS.labels(self._collector, quality).inc(count)
        return devices


@cache
def _limits() -> dict[tuple[str, str], tuple[str, float, float]]:
    return {
        (name, metric.name): (metric.unit, *metric.range)
        for name, device_class in load_catalog().classes.items()
        for metric in device_class.metrics
    }


def checked(readings: Iterable[Reading], collector: str, warnings: list[str]) -> Iterator[Reading]:
    """Readings that keep to the catalog: a value stays only where it is good and plausible.

    A metric that the catalog does not know, or another unit than its own, is a collector's mistake:
    such a reading is left out, counted, and named once a scrape in ``warnings``.
    """
    limits = _limits()
    wrong: dict[tuple[str, str], str] = {}
    for reading in readings:
        limit = limits.get((reading.device_class, reading.metric))
        if limit is None or limit[0] != reading.unit:
            why = "unknown_metric" if limit is None else "wrong_unit"
            metrics.DISCARDED.labels(collector, why).inc()
            wrong.setdefault((reading.metric, why), reading.unit)
            continue
        value = reading.value
        if reading.quality is not Quality.GOOD:
            yield reading if value is None else reading._replace(value=None)
        elif value is None or not isfinite(value):
            yield reading._replace(value=None, quality=Quality.MISSING)
        elif not limit[1] <= value <= limit[2]:
            yield reading._replace(value=None, quality=Quality.OUT_OF_RANGE)
        else:
            yield reading
    warnings += [f"{metric}: {why} ({unit}); left out" for (metric, why), unit in wrong.items()]
