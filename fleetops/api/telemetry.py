"""Telemetry and history for people: bounded reads of the store."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

import pyarrow as pa

from fleetops.api.models import DeviceSeries, Series
from fleetops.core.clock import Clock
from fleetops.core.errors import InputError, NotFoundError
from fleetops.store.base import Parameter, Store, rollup_table
from fleetops_schemas.catalog import DeviceClass, Metric, MetricKind, load_catalog

MAX_POINTS = 2000
MAX_METRICS = 64
MAX_CELLS = 500_000
"""Values one answer may carry: about 5 MB of JSON."""
MAX_WINDOW = timedelta(days=400)
ROLLUP_FROM_SECONDS = 60
"""From this step on the one-minute table answers; it is 60 times shorter."""
WARMTH_WINDOW_SECONDS = 600
"""How far back the fleet page looks for a host's newest row."""
HOT_WINDOW_SECONDS = 60
"""How far back a temperature still counts as the present one."""
WARMTH_TTL_SECONDS = 1.0

_WARMTH = """
SELECT host, max(newest) AS observed_at, argMax(part, latest) AS device, max(latest) AS celsius
FROM
(
    SELECT host, toString(device) AS part, max(ts) AS newest,
           argMaxIf(temperature_celsius, ts, ts > {hot:DateTime64(3, 'UTC')}) AS latest
    FROM accelerator WHERE ts > {since:DateTime64(3, 'UTC')} GROUP BY host, device
    UNION ALL
    SELECT host, toString(device) AS part, max(ts) AS newest,
           CAST(NULL, 'Nullable(Float32)') AS latest
    FROM host WHERE ts > {since:DateTime64(3, 'UTC')} GROUP BY host, device
)
WHERE host != '' GROUP BY host
"""


@dataclass(frozen=True, slots=True)
class Warmth:
    """A host's newest telemetry and its hottest accelerator."""

    observed_at: datetime
    hottest_celsius: float | None
    hottest_device: str | None


@dataclass(frozen=True, slots=True)
class SeriesRequest:
    """Which series are wanted; made by :meth:`checked` only."""

    device_class: DeviceClass
    metrics: tuple[Metric, ...]
    named: bool
    """Whether the metrics were named; otherwise those never measured are left out."""
    start: datetime
    end: datetime
    step_ms: int

    @classmethod
    def checked(
        cls,
        device_class: str,
        metrics: Sequence[str],
        start: datetime,
        end: datetime,
        *,
        points: int,
    ) -> Self:
        """The request, if it is one.

        Raises:
            NotFoundError: no such device class or metric.
            InputError: the window is empty or too long.
        """
        declared = load_catalog().classes.get(device_class)
        if declared is None:
            there = ", ".join(sorted(load_catalog().classes))
            raise NotFoundError(f"no device class {device_class!r}; there are: {there}")
        for name in metrics:
            if not declared.has_metric(name):
                raise NotFoundError(
                    f"{device_class} has no metric {name!r}; docs/reference/metrics.md lists them"
                )
        if not timedelta(0) < end - start <= MAX_WINDOW:
            raise InputError(
                f"from {start.isoformat()} to {end.isoformat()}: `from` must come before `to`, "
                f"by {MAX_WINDOW.days} days at most"
            )
        step_seconds = max(math.ceil((end - start).total_seconds() / points), 1)
        if step_seconds >= ROLLUP_FROM_SECONDS:
            step_seconds = math.ceil(step_seconds / 60) * 60
        chosen = tuple(map(declared.metric, dict.fromkeys(metrics))) or declared.metrics
        return cls(declared, chosen, bool(metrics), start, end, step_seconds * 1000)

    @property
    def table(self) -> str:
        """The table that answers."""
        rolled_up = self.step_ms >= ROLLUP_FROM_SECONDS * 1000
        return rollup_table(self.device_class.name) if rolled_up else self.device_class.name

    def aggregate(self, metric: Metric) -> str:
        """The expression of one metric's bucket."""
        rolled_up = self.table != self.device_class.name
        if metric.kind is MetricKind.GAUGE:
            return f"avg({metric.name}_mean)" if rolled_up else f"avg({metric.name})"
        suffix = {MetricKind.COUNTER: "_last", MetricKind.STATE: "_max"}[metric.kind]
        return f"max({metric.name}{suffix})" if rolled_up else f"max({metric.name})"


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

    def series(
        self, request: SeriesRequest, *, host: str | None = None, device: str | None = None
    ) -> Series:
        """The series of a host's devices, or of one device.

        Raises:
            InputError: more values than one answer may carry.
            StoreUnavailableError: no answer in time.
        """
        rows = MAX_CELLS // len(request.metrics)
        where = ["ts >= {start:DateTime64(3, 'UTC')}", "ts < {end:DateTime64(3, 'UTC')}"]
        parameters: dict[str, Parameter] = {
            "start": request.start,
            "end": request.end,
            "step": request.step_ms,
            "rows": rows + 1,
        }
        for column, wanted in (("host", host), ("device", device)):
            if wanted is not None:
                where.append(f"{column} = {{{column}:String}}")
                parameters[column] = wanted
        columns = ", ".join(
            f"{request.aggregate(m)} AS v{n}" for n, m in enumerate(request.metrics)
        )
        table = self._store.query(
            f"SELECT toString(device) AS name,"  # noqa: S608 - names come from the catalog alone
            " intDiv(toUnixTimestamp64Milli(ts), {step:Int64}) * {step:Int64} AS bucket,"
            f" {columns} FROM {request.table} WHERE {' AND '.join(where)}"
            " GROUP BY name, bucket ORDER BY name, bucket LIMIT {rows:UInt32}",
            parameters,
        )
        if table.num_rows > rows:
            raise InputError(f"more than {MAX_CELLS} values; name fewer metrics or fewer points")
        return _series(request, table)

    def query(self, sql: str, parameters: Mapping[str, Parameter]) -> pa.Table:
        """The result of one SELECT.

        Raises:
            StoreUnavailableError: no answer in time.
        """
        return self._store.query(sql, parameters)

    def _read_warmth(self) -> dict[str, Warmth]:
        now = self._clock.now()
        rows = self._store.query(
            _WARMTH,
            {
                "since": now - timedelta(seconds=WARMTH_WINDOW_SECONDS),
                "hot": now - timedelta(seconds=HOT_WINDOW_SECONDS),
            },
        ).to_pylist()
        return {
            row["host"]: Warmth(
                observed_at=row["observed_at"],
                hottest_celsius=row["celsius"],
                hottest_device=row["device"] if row["celsius"] is not None else None,
            )
            for row in rows
        }


def _series(request: SeriesRequest, table: pa.Table) -> Series:
    metrics = {
        f"v{number}": metric
        for number, metric in enumerate(request.metrics)
        if request.named or table.column(f"v{number}").null_count < table.num_rows
    }
    return Series(
        device_class=request.device_class.name,
        start=request.start,
        end=request.end,
        step_seconds=request.step_ms / 1000,
        units={metric.name: metric.unit for metric in metrics.values()},
        series=tuple(
            DeviceSeries(
                device=device,
                times=tuple(
                    datetime.fromtimestamp(ms / 1000, UTC) for ms in rows["bucket"].to_pylist()
                ),
                values={m.name: tuple(rows[name].to_pylist()) for name, m in metrics.items()},
            )
            for device, rows in _by_device(table)
        ),
    )


def _by_device(table: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Slices of a table that is sorted by ``name``."""
    names = table.column("name").to_pylist()
    start = 0
    for position in range(1, len(names) + 1):
        if position == len(names) or names[position] != names[start]:
            yield names[start], table.slice(start, position - start)
            start = position
