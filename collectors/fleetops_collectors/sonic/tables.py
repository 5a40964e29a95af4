"""The tables of a switch's databases, from a dump in any of the shapes that SONiC's tools write.

``sonic-db-dump`` and ``redis-dump-load`` write a key an entry (``"PORT_TABLE:Ethernet0": {"type":
"hash", "value": {...}, "ttl": -1}``), mock tables the hash alone, ``sonic-cfggen`` a table of keys,
and some people put several databases into one file under their names, or a database's keys under
``data`` beside its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

Fields = dict[str, str]
"""Of one key; Redis knows texts only."""
Tables = dict[str, dict[str, Fields]]
"""By table, then by key below it (``""`` where the table is one hash)."""

_SEPARATOR = re.compile(r"[:|]")
_DATABASE = re.compile(r"[A-Z0-9_]*_DB")
_TABLE = re.compile(r"[A-Z][A-Z0-9_]*")
MAX_KEYS = 1_000_000
MAX_LENGTH = 4096
"""Longest value that is kept."""


def split_key(key: str) -> tuple[str, str]:
    """Table and the rest: APPL_DB and COUNTERS_DB separate by ``:``, STATE_DB by ``|``."""
    table, *rest = _SEPARATOR.split(key, maxsplit=1)
    return table, rest[0] if rest else ""


def tables_of(document: object) -> tuple[Tables, int]:
    """The hashes in a dump, and how many entries are no hash (lists, sets, strings)."""
    tables: Tables = {}
    others = 0
    for _, (key, value) in zip(range(MAX_KEYS), _entries(document), strict=False):
        fields = _hash(value)
        if fields is None:
            others += 1
            continue
        table, rest = split_key(key)
        tables.setdefault(table, {}).setdefault(rest, {}).update(fields)
    return tables, others


def _entries(document: object, *, inside: bool = False) -> Iterator[tuple[str, object]]:
    """Keys and what they hold; ``inside`` of a database there are no further ones."""
    if not isinstance(document, Mapping):
        return
    data = document.get("data")
    if not inside and isinstance(data, Mapping):
        document = data
    for key, value in document.items():
        if not inside and _DATABASE.fullmatch(key) and isinstance(value, Mapping):
            yield from _entries(value, inside=True)
        elif _is_table(key, value):
            for below, entry in value.items():
                yield f"{key}|{below}", entry
        else:
            yield key, value


def _is_table(key: str, value: object) -> bool:
    """Whether it is a table of keys, as ``sonic-cfggen`` writes it, and no hash."""
    return (
        _TABLE.fullmatch(key) is not None
        and isinstance(value, Mapping)
        and bool(value)
        and "type" not in value
        and all(isinstance(entry, Mapping) for entry in value.values())
    )


def _hash(entry: object) -> Fields | None:
    if not isinstance(entry, Mapping):
        return None
    value: object = entry
    if "type" in entry and "value" in entry and not isinstance(entry["value"], str):
        value = entry["value"] if entry["type"] == "hash" else None
    if not isinstance(value, Mapping):
        return None
    return {name: _text(field) for name, field in value.items()}


def _text(value: object) -> str:
    return str(value)[:MAX_LENGTH] if isinstance(value, (str, int, float)) else ""


def hostname_of(tables: Tables) -> str | None:
    """What the switch calls itself, where the dump holds its configuration."""
    return tables.get("DEVICE_METADATA", {}).get("localhost", {}).get("hostname") or None
