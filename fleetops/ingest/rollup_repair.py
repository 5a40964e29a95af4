"""Roll-ups computed by the store from raw rows: for minutes that were not seen whole."""

from __future__ import annotations

from collections.abc import Collection

from fleetops.ingest.rollup import MINUTE_MS
from fleetops.store.base import Store, rollup_table
from fleetops_schemas.catalog import DeviceClass
from fleetops_schemas.clickhouse_ddl import ROLLUP_AGGREGATES, SAMPLES_COLUMN

LOOK_BACK_MS = 15 * MINUTE_MS
"""How far back a restart looks. Minutes before are left without a roll-up; raw rows remain."""

_FUNCTIONS = {
    "min": "min({0})",
    "mean": "avg({0})",
    "max": "max({0})",
    "last": "argMax({0}, ts)",
}


def recompute_minutes(store: Store, device_class: DeviceClass, minutes: Collection[int]) -> None:
    """Writes the roll-ups of these minutes (milliseconds of their start) anew from the raw rows."""
    names = ["device", "host", "rack", *device_class.labels]
    select = ["toStartOfMinute(ts) AS minute", "device"]
    select += [f"any({name}) AS {name}_" for name in names[1:]]
    select.append(f"toUInt32(count()) AS {SAMPLES_COLUMN}")
    for metric in device_class.metrics:
        for aggregate in ROLLUP_AGGREGATES[metric.kind]:
            function = _FUNCTIONS[aggregate].format(metric.name)
            select.append(f"{function} AS {metric.name}_{aggregate}")
    # every name comes from the catalog; the times are parameters
    sql = (
        f"SELECT {', '.join(select)} FROM {device_class.name} FINAL "  # noqa: S608
        "WHERE ts >= fromUnixTimestamp64Milli({low:Int64}) "
        "AND ts < fromUnixTimestamp64Milli({high:Int64}) "
        "AND has({minutes:Array(Int64)}, toUnixTimestamp(toStartOfMinute(ts)) * 1000) "
        "GROUP BY minute, device"
    )
    rows = store.query(
        sql,
        {"low": min(minutes), "high": max(minutes) + MINUTE_MS, "minutes": sorted(minutes)},
    )
    if rows.num_rows:
        renamed = {f"{name}_": name for name in names[1:]} | {"minute": "ts"}
        rows = rows.rename_columns([renamed.get(name, name) for name in rows.column_names])
        store.insert(rollup_table(device_class.name), rows)


def unwritten_minutes(store: Store, device_class: DeviceClass, now_ms: int) -> set[int]:
    """Minutes of the recent past that have raw rows and no roll-up after them.

    An earlier process wrote those rows and may have ended before it rolled them up.
    """
    low = now_ms - LOOK_BACK_MS
    sql = (
        "SELECT DISTINCT toUnixTimestamp(toStartOfMinute(ts)) * 1000 AS minute "  # noqa: S608
        f"FROM {device_class.name} WHERE ts >= greatest("
        "fromUnixTimestamp64Milli({low:Int64}), "
        f"(SELECT max(ts) FROM {rollup_table(device_class.name)}))"
    )
    return set(store.query(sql, {"low": low}).column("minute").to_pylist())
