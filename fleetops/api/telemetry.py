"""Telemetry and history for people: bounded reads of the store."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa

from fleetops.api.models import DeviceSeries, Series
from fleetops.core.clock import Clock
from fleetops.core.errors import InputError
from fleetops.store import queries
from fleetops.store.base import Store
from fleetops.store.queries import Before, Window
from fleetops_schemas.catalog import load_catalog

MAX_POINTS = 2000
MAX_METRICS = 64
MAX_CELLS = 500_000
"""Values one answer may carry: about 5 MB of JSON."""
MAX_WINDOW = timedelta(days=400)
WARMTH_WINDOW_SECONDS = 600
"""How far back the fleet page looks for a host's newest row."""
HOT_WINDOW_SECONDS = 60
"""How far back a temperature still counts as the present one."""
WARMTH_TTL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Warmth:
    """A host's newest telemetry and its hottest accelerator."""

    observed_at: datetime
    hottest_celsius: float | None
    hottest_device: str | None


@dataclass(frozen=True, slots=True)
class SeriesRequest:
    """Which series are wanted; of one device or of a host's devices."""

    device_class: str
    metrics: tuple[str, ...]
    """Empty: every metric that somebody measured."""
    window: Window
    host: str | None = None
    device: str | None = None
    extremes: bool = False
    """Whether a gauge's lowest and highest values are wanted beside its mean."""


class Telemetry:
    """Reads of the store, for any thread."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Reads from that store."""
        self._store = store
        self._clock = clock
        self._warmth: Mapping[str, Warmth] = {}
        self._warmth_until = -math.inf
        self._lock = threading.Lock()

    def ping(self) -> None:
        """Asks the store for a sign of life.

        Raises:
            StoreUnavailableError: there was none.
        """
        self._store.ping()

    def warmth(self) -> Mapping[str, Warmth]:
        """By host, its newest telemetry; a second old at most.

        Raises:
            StoreUnavailableError: no answer in time.
        """
        with self._lock:
            if self._clock.monotonic() >= self._warmth_until:
                self._warmth = self._read_warmth()
                self._warmth_until = self._clock.monotonic() + WARMTH_TTL_SECONDS
            return self._warmth

    def series(self, request: SeriesRequest) -> Series:
        """The series, each with as many points as the window has at most.

        Raises:
            NotFoundError: no such device class or metric.
            InputError: the window is empty or too long, or the answer too large.
            StoreUnavailableError: no answer in time.
        """
        window = request.window
        if not timedelta(0) < window.end - window.start <= MAX_WINDOW:
            raise InputError(
                f"from {window.start.isoformat()} to {window.end.isoformat()}: `from` must come "
                f"before `to`, by {MAX_WINDOW.days} days at most"
            )
        metrics = request.metrics or metric_names(request.device_class)
        rows = queries.series(
            self._store,
            request.device_class,
            metrics,
            window,
            device=request.device,
            host=request.host,
        )
        if rows.num_rows * len(metrics) > MAX_CELLS:
            raise InputError(f"more than {MAX_CELLS} values; name fewer metrics or fewer points")
        return _series(request, rows)

    def history(self, type_: str, host: str, before: Before | None, limit: int) -> pa.Table:
        """The newest events or findings of a host (see :func:`fleetops.store.queries.history`).

        Raises:
            StoreUnavailableError: no answer in time.
        """
        return queries.history(self._store, type_, host, before=before, limit=limit)

    def _read_warmth(self) -> dict[str, Warmth]:
        now = self._clock.now()
        rows = queries.hottest_by_host(
            self._store,
            since=now - timedelta(seconds=WARMTH_WINDOW_SECONDS),
            hot_since=now - timedelta(seconds=HOT_WINDOW_SECONDS),
        ).to_pylist()
        return {
            row["host"]: Warmth(
                observed_at=row["observed_at"],
                hottest_celsius=row["celsius"],
                hottest_device=row["device"] if row["celsius"] is not None else None,
            )
            for row in rows
        }


def metric_names(device_class: str) -> tuple[str, ...]:
    """Every metric of a class; none where there is no such class."""
    declared = load_catalog().classes.get(device_class)
    return tuple(metric.name for metric in declared.metrics) if declared else ()


def _series(request: SeriesRequest, rows: pa.Table) -> Series:
    declared = load_catalog()[request.device_class]
    metrics = request.metrics or tuple(
        metric.name
        for metric in declared.metrics
        if rows.column(metric.name).null_count < rows.num_rows
    )
    gauges = [name for name in metrics if f"{name}_min" in rows.column_names]
    extremes = gauges if request.extremes else []
    return Series(
        device_class=request.device_class,
        start=request.window.start,
        end=request.window.end,
        step_seconds=request.window.step_seconds,
        units={name: declared.metric(name).unit for name in metrics},
        series=tuple(
            DeviceSeries(
                device=device,
                times=tuple(points.column("ts").to_pylist()),
                values={name: _values(points, name) for name in metrics},
                lowest={name: _values(points, f"{name}_min") for name in extremes},
                highest={name: _values(points, f"{name}_max") for name in extremes},
            )
            for device, points in _by_device(rows)
        ),
    )


def _values(points: pa.Table, column: str) -> tuple[float | None, ...]:
    return tuple(points.column(column).to_pylist())


def _by_device(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Slices of rows that are sorted by device."""
    names = rows.column("device").to_pylist()
    start = 0
    for position in range(1, len(names) + 1):
        if position == len(names) or names[position] != names[start]:
            yield names[start], rows.slice(start, position - start)
            start = position
