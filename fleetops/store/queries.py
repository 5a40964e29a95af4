"""The questions that are asked of the store again and again.

Names of classes and metrics come from the catalog, never from the caller; every value is a
parameter. FINAL where a row that was stored twice would show twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

import pyarrow as pa

from fleetops.core.errors import InputError, NotFoundError
from fleetops.store.base import RECORD_TABLES, Parameter, Store, rollup_table
from fleetops_schemas.catalog import DeviceClass, Metric, MetricKind, load_catalog
from fleetops_schemas.records import Action, Event, Finding, Incident, Record
from fleetops_schemas.telemetry import BASE_COLUMNS, NULLS_COLUMN

MAX_ROWS = 500_000
"""Rows that one answer may have."""
MAX_PAGE = 1000
_TIME = "DateTime64(6, 'UTC')"
_MINUTE_SECONDS = 60

R = TypeVar("R", bound=Record)


class Cursor(NamedTuple):
    """Where a page ended: the last record's time and id."""

    time: datetime
    id: str


class RecordPage(NamedTuple, Generic[R]):
    """One page of records, newest first; ``following`` is None on the last."""

    records: tuple[R, ...]
    following: Cursor | None


def latest(
    store: Store,
    device_class: str,
    *,
    since: datetime,
    metrics: Sequence[str] | None = None,
    host: str | None = None,
) -> pa.Table:
    """The newest row of each device since a time, with its nulls: never an older row's value.

    Columns: ts, device, host, rack, the class's labels, the metrics (all of them by default),
    nulls. A device without a row since then is absent.

    Raises:
        NotFoundError: no such class or metric.
        StoreUnavailableError: no answer in time.
    """
    declared = _class(device_class)
    chosen = [metric.name for metric in _metrics(declared, metrics)]
    listed = ", ".join((*BASE_COLUMNS, *declared.labels, *chosen, NULLS_COLUMN))
    where, parameters = _where(f"ts >= {{since:{_TIME}}}", host=host)
    parameters["since"] = since
    table = declared.name
    # measured: 4 to 6 times faster than argMax, and argMax would skip nulls
    newest = f"SELECT device, max(ts) FROM {table} WHERE {where} GROUP BY device"  # noqa: S608
    return store.query(
        f"SELECT {listed} FROM {table} WHERE {where} AND (device, ts) IN ({newest}) "  # noqa: S608
        f"ORDER BY device LIMIT 1 BY device LIMIT {MAX_ROWS}",
        parameters,
    )


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


def events(
    store: Store,
    *,
    start: datetime,
    end: datetime,
    host: str | None = None,
    device: str | None = None,
    limit: int = MAX_PAGE,
) -> tuple[Event, ...]:
    """The newest events of a stretch of time, newest first.

    Raises:
        StoreUnavailableError: no answer in time.
    """
    where, parameters = _where(
        f"time >= {{start:{_TIME}}} AND time < {{end:{_TIME}}}", host=host, device=device
    )
    parameters |= {"start": start, "end": end, "limit": min(limit, MAX_PAGE)}
    rows = store.query(
        f"SELECT body FROM events FINAL WHERE {where} "  # noqa: S608
        "ORDER BY time DESC, id DESC LIMIT {limit:UInt32}",
        parameters,
    )
    return tuple(Event.decode(body.encode()) for body in rows.column("body").to_pylist())


def findings_page(
    store: Store, *, host: str | None = None, after: Cursor | None = None, limit: int = 100
) -> RecordPage[Finding]:
    """Findings, the latest begun first; of one host where it is given."""
    where, parameters = _where("1", host=host)
    return _page(store, Finding, ("findings", "started_at"), where, parameters, after, limit)


def incidents_page(
    store: Store, *, host: str | None = None, after: Cursor | None = None, limit: int = 100
) -> RecordPage[Incident]:
    """Incidents, the latest opened first; those that suspect or affect a host where it is given."""
    where = "1" if host is None else _NAMES_HOST
    parameters: dict[str, Parameter] = {} if host is None else {"host": host}
    return _page(store, Incident, ("incidents", "opened_at"), where, parameters, after, limit)


def actions_page(
    store: Store, *, host: str | None = None, after: Cursor | None = None, limit: int = 100
) -> RecordPage[Action]:
    """Actions, the latest decided first; those on a node where it is given."""
    where = "1" if host is None else "has(nodes, {host:String})"
    parameters: dict[str, Parameter] = {} if host is None else {"host": host}
    return _page(store, Action, ("actions", "created_at"), where, parameters, after, limit)


def row_count(store: Store, table: str) -> int:
    """Rows of a table, the same row counted once.

    Raises:
        NotFoundError: it is none of FleetOps' tables.
    """
    classes = load_catalog().classes
    if table not in {*RECORD_TABLES, *classes, *map(rollup_table, classes)}:
        raise NotFoundError(f"no table {table!r}")
    rows = store.query(f"SELECT count() AS rows FROM {table} FINAL")  # noqa: S608
    return int(rows.column("rows")[0].as_py())


_NAMES_HOST = "(has(suspect_hosts, {host:String}) OR has(affected_hosts, {host:String}))"


def _page(  # noqa: PLR0913, PLR0917  private: the three tables differ in all of these
    store: Store,
    kind: type[R],
    source: tuple[str, str],
    where: str,
    parameters: dict[str, Parameter],
    after: Cursor | None,
    limit: int,
) -> RecordPage[R]:
    table, time = source
    limit = max(1, min(limit, MAX_PAGE))
    if after is not None:
        where += f" AND ({time}, id) < ({{after_time:{_TIME}}}, {{after_id:String}})"
        parameters |= {"after_time": after.time, "after_id": after.id}
    rows = store.query(
        f"SELECT {time} AS time, id, body FROM {table} FINAL WHERE {where} "  # noqa: S608
        f"ORDER BY {time} DESC, id DESC LIMIT {limit + 1}",
        parameters,
    ).to_pylist()
    records = tuple(kind.decode(row["body"].encode()) for row in rows[:limit])
    last = rows[limit - 1] if len(rows) > limit else None
    return RecordPage(records, Cursor(last["time"], last["id"]) if last else None)


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
