"""The questions that are asked of the store again and again.

Names of classes and metrics come from the catalog, never from the caller; every value is a
parameter. FINAL where a row that was stored twice would show twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, TypeVar

import pyarrow as pa

from fleetops.core.errors import InputError, NotFoundError
from fleetops.store.base import Parameter, Store, rollup_table
from fleetops_schemas.catalog import DeviceClass, Metric, MetricKind, load_catalog
from fleetops_schemas.records import Record

MAX_ROWS = 500_000
"""Rows that one answer may have."""
MAX_PAGE = 1000
_TIME = "DateTime64(6, 'UTC')"
_MINUTE_SECONDS = 60

R = TypeVar("R", bound=Record)


class Before(NamedTuple):
    """Where a page of a history ended: the next one lies before."""

    time: datetime
    type: str
    id: str


class Window(NamedTuple):
    """A stretch of time, its end excluded, in at most so many points a device."""

    start: datetime
    end: datetime
    points: int = 500

    @property
    def step_seconds(self) -> int:
        """Length of one point; whole minutes from one minute on, as the roll-ups have.

        Raises:
            InputError: the window is empty.
        """
        if self.end <= self.start or self.points < 1:
            raise InputError(f"a window from {self.start} to {self.end} in {self.points} points")
        step = max(math.ceil((self.end - self.start).total_seconds() / self.points), 1)
        return step if step < _MINUTE_SECONDS else math.ceil(step / _MINUTE_SECONDS) * 60


def series(
    store: Store,
    device_class: str,
    metrics: Sequence[str],
    window: Window,
    *,
    device: str | None = None,
    host: str | None = None,
) -> pa.Table:
    """Series of one device, or of a host's devices; from the one-minute table where that will do.

    Columns: device, ts (start of the point), and for each metric: of a gauge its mean under the
    metric's name, and its ``_min`` and ``_max``; of a counter and of a state its highest value.
    Null where no value was good; no row where there was none.

    Raises:
        NotFoundError: no such class or metric.
        InputError: the window is empty, or the answer too large.
        StoreUnavailableError: no answer in time.
    """
    declared = _class(device_class)
    step = window.step_seconds
    rolled_up = step >= _MINUTE_SECONDS
    table = rollup_table(declared.name) if rolled_up else declared.name
    listed = ", ".join(
        expression
        for metric in _metrics(declared, metrics)
        for expression in _aggregates(metric, rolled_up=rolled_up)
    )
    where, parameters = _where(
        f"ts >= {{start:{_TIME}}} AND ts < {{end:{_TIME}}}", device=device, host=host
    )
    parameters |= {"start": window.start, "end": window.end, "step": step * 1000}
    rows = store.query(
        "SELECT device, fromUnixTimestamp64Milli("  # noqa: S608
        "intDiv(toUnixTimestamp64Milli(ts), {step:Int64}) * {step:Int64}, 'UTC') AS point, "
        f"{listed} FROM {table} FINAL WHERE {where} "
        f"GROUP BY device, point ORDER BY device, point LIMIT {MAX_ROWS + 1} "
        "SETTINGS prefer_column_name_to_alias = 1",
        parameters,
    )
    if rows.num_rows > MAX_ROWS:
        raise InputError(f"more than {MAX_ROWS} points; ask for fewer points or fewer devices")
    return rows.rename_columns(["device", "ts", *rows.column_names[2:]])


# FINAL: a row that was stored twice must not fill a page twice
_HISTORIES = {
    "event": """
SELECT toString(kind) AS kind, id, time, toString(severity) AS severity, '' AS state,
       toString(device) AS device, text
FROM events FINAL WHERE host = {host:String}""",
    "finding": """
SELECT toString(kind) AS kind, id, started_at AS time, toString(severity) AS severity,
       toString(status) AS state, toString(device) AS device, summary AS text
FROM findings FINAL WHERE host = {host:String}""",
}


def history(
    store: Store, type_: str, host: str, *, before: Before | None = None, limit: int = 100
) -> pa.Table:
    """The ``event`` or ``finding`` entries of a host, newest first.

    Columns: kind, id, time, severity, state, device, text. ``before`` orders by time, type and id,
    so that pages of several types can be merged.

    Raises:
        StoreUnavailableError: no answer in time.
    """
    sql = f"SELECT * FROM ({_HISTORIES[type_]})"  # noqa: S608 - a constant of this module
    parameters: dict[str, Parameter] = {"host": host, "limit": min(limit, MAX_PAGE + 1)}
    if before is not None:
        sql += (
            " WHERE (time, {type:String}, id)"
            f" < ({{time:{_TIME}}}, {{last_type:String}}, {{last_id:String}})"
        )
        parameters |= {
            "type": type_,
            "time": before.time,
            "last_type": before.type,
            "last_id": before.id,
        }
    return store.query(sql + " ORDER BY time DESC, id DESC LIMIT {limit:UInt32}", parameters)


_HOTTEST = """
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


def hottest_by_host(store: Store, *, since: datetime, hot_since: datetime) -> pa.Table:
    """By host seen since a time: its newest row, and its hottest accelerator of late.

    Columns: host, observed_at, device, celsius (null where nothing was measured since
    ``hot_since``).

    Raises:
        StoreUnavailableError: no answer in time.
    """
    return store.query(_HOTTEST, {"since": since, "hot": hot_since})


def _where(condition: str, **equals: str | None) -> tuple[str, dict[str, Parameter]]:
    """The condition and an equality for each column that has a value."""
    given = {name: value for name, value in equals.items() if value is not None}
    parts = [condition, *(f"{name} = {{{name}:String}}" for name in given)]
    return " AND ".join(parts), dict(given)


def _aggregates(metric: Metric, *, rolled_up: bool) -> list[str]:
    name = metric.name
    if metric.kind is not MetricKind.GAUGE:
        column = f"{name}_{'max' if metric.kind is MetricKind.STATE else 'last'}"
        return [f"max({column if rolled_up else name}) AS `{name}`"]
    if rolled_up:
        mean, low, high = f"avgWeighted({name}_mean, samples)", f"{name}_min", f"{name}_max"
    else:
        mean, low, high = f"avg({name})", name, name
    return [f"{mean} AS `{name}`", f"min({low}) AS `{name}_min`", f"max({high}) AS `{name}_max`"]


def _class(name: str) -> DeviceClass:
    classes = load_catalog().classes
    if name not in classes:
        raise NotFoundError(f"no device class {name!r}; there are: {', '.join(sorted(classes))}")
    return classes[name]


def _metrics(declared: DeviceClass, names: Sequence[str] | None) -> tuple[Metric, ...]:
    for name in names or ():
        if not declared.has_metric(name):
            raise NotFoundError(
                f"{declared.name} has no metric {name!r}; docs/reference/metrics.md lists them"
            )
    return declared.metrics if names is None else tuple(map(declared.metric, names))
