"""Reads a switch's tables from its Redis: known keys in small pipelines, and one gentle scan.

Redis serves one command after the other, and the switch's own daemons wait meanwhile: so nothing
here is a ``KEYS``, no pipeline is longer than :data:`BATCH`, and of wide rows only the fields that
have a column are asked for. Nothing is ever written.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

from fleetops.core.errors import InputError
from fleetops_collectors.sonic.ports import PORT_MAPS, QUEUE_MAPS, names_of
from fleetops_collectors.sonic.tables import Fields, Tables, split_key
from fleetops_schemas.catalog import load_catalog

if TYPE_CHECKING:
    from redis.asyncio import Redis

BATCH = 64
"""Commands in one pipeline."""
SCAN_COUNT = 512
"""Keys that one SCAN step looks at."""
STATE_TABLES = frozenset(
    {
        *("TRANSCEIVER_DOM_SENSOR", "TRANSCEIVER_DOM_TEMPERATURE", "TRANSCEIVER_PM"),
        "TRANSCEIVER_VDM_REAL_VALUE",
        *("TRANSCEIVER_ELS_DOM_SENSOR", "TRANSCEIVER_ELS_DOM_TEMPERATURE"),
        *("TRANSCEIVER_INFO", "TRANSCEIVER_FIRMWARE_INFO", "TRANSCEIVER_STATUS_SW"),
        *("TRANSCEIVER_ELS_INFO", "TRANSCEIVER_ELS_FIRMWARE_INFO"),
        *("PSU_INFO", "FAN_INFO", "TEMPERATURE_INFO", "LIQUID_COOLING_INFO", "CHASSIS_INFO"),
        *("LIQUID_COOLING_DEVICE", "FABRIC_PORT_TABLE", "PORT_TABLE"),
    }
)
_PORT_FIELDS = ("admin_status", "oper_status", "speed", "flap_count")
_RANGES = {"PFC_*": range(8), "ERRORS_S*": range(16)}
"""How many there are of what the catalog writes with ``*``."""


@cache
def _fields_of(table: str) -> tuple[str, ...]:
    """Every field of a table that has a column."""
    names: list[str] = []
    for source in load_catalog().by_source("sonic"):
        found, _, name = source.partition(".")
        if found != table:
            continue
        numbers = next((n for mark, n in _RANGES.items() if mark in name), range(1))
        names += dict.fromkeys(name.replace("*", str(number)) for number in numbers)
    return tuple(names)


async def read_tables(open_database: Callable[[str], Redis], max_keys: int) -> Tables:
    """The tables that are decoded, of one switch.

    Args:
        open_database: A client of a database, by the name that SONiC gives it.
        max_keys: Bound of the keys that are looked at in STATE_DB.

    Raises:
        redis.RedisError, OSError: it does not answer, or refuses.
        InputError: this Redis holds nothing of a switch, or more keys than ``max_keys``.
    """
    tables: Tables = {}
    counters = open_database("COUNTERS_DB")
    await _collect(tables, _hashes(counters, (*PORT_MAPS, *QUEUE_MAPS)))
    ports = names_of(tables, PORT_MAPS)
    port_keys = [f"COUNTERS:{oid}" for oid in ports.values()]
    await _collect(tables, _hashes(counters, port_keys, _fields_of("COUNTERS")))
    rate_keys = [f"RATES:{oid}" for oid in ports.values()]
    await _collect(tables, _hashes(counters, rate_keys, _fields_of("RATES")))
    queue_keys = [f"COUNTERS:{oid}" for oid in names_of(tables, QUEUE_MAPS).values()]
    await _collect(tables, _hashes(counters, queue_keys, _fields_of("QUEUE")))
    link_keys = [f"PORT_TABLE:{port}" for port in ports]
    await _collect(tables, _hashes(open_database("APPL_DB"), link_keys, _PORT_FIELDS))
    state = open_database("STATE_DB")
    await _collect(tables, _hashes(state, await _state_keys(state, max_keys)))
    if not tables:
        raise InputError(
            "neither COUNTERS_PORT_NAME_MAP nor a known table of STATE_DB is there; "
            "check that this Redis is a SONiC switch's, and the numbers of `databases`"
        )
    return tables


async def _state_keys(state: Redis, max_keys: int) -> list[str]:
    found = []
    seen = 0
    async for key in state.scan_iter(count=SCAN_COUNT):
        seen += 1
        if seen > max_keys:
            raise InputError(f"more than {max_keys} keys in STATE_DB; raise max_keys")
        if split_key(key)[0] in STATE_TABLES:
            found.append(key)
    return sorted(set(found))


async def _hashes(
    database: Redis, keys: Sequence[str], fields: Sequence[str] = ()
) -> AsyncIterator[tuple[str, Fields]]:
    """The hashes at keys, whole or as far as ``fields`` goes; what is not there is left out."""
    for start in range(0, len(keys), BATCH):
        some = keys[start : start + BATCH]
        pipeline = database.pipeline(transaction=False)
        for key in some:
            if fields:
                pipeline.hmget(key, list(fields))
            else:
                pipeline.hgetall(key)
        for key, reply in zip(some, await pipeline.execute(), strict=True):
            found = dict(zip(fields, reply, strict=True)) if fields else reply
            if there := {name: text for name, text in found.items() if text is not None}:
                yield key, there


async def _collect(tables: Tables, hashes: AsyncIterator[tuple[str, Fields]]) -> None:
    async for key, fields in hashes:
        table, rest = split_key(key)
        tables.setdefault(table, {}).setdefault(rest, {}).update(fields)
