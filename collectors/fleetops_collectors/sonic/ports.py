"""Ports: SAI's counters of ports and queues, and what orchagent says of the link."""

from __future__ import annotations

import re
from collections.abc import Mapping

from fleetops_collectors.columns import Raw
from fleetops_collectors.fec import tail_of
from fleetops_collectors.number_text import number_of
from fleetops_collectors.sonic.scope import Scope
from fleetops_collectors.sonic.tables import Fields, Tables
from fleetops_schemas.readings import Quality

CLASS = "fabric_port"
PORT_MAPS = ("COUNTERS_PORT_NAME_MAP", "COUNTERS_FABRIC_PORT_NAME_MAP")
"""Port by name to the object that counts for it."""
QUEUE_MAPS = ("COUNTERS_QUEUE_NAME_MAP", "COUNTERS_FABRIC_QUEUE_NAME_MAP")
_CODEWORDS = re.compile(r"SAI_PORT_STAT_IF_IN_FEC_CODEWORD_ERRORS_S(\d{1,2})")
CODEWORDS = "SAI_PORT_STAT_IF_IN_FEC_CODEWORD_ERRORS_S*"
_LINK_WORDS = {"up": 1, "down": 0}
_DISABLED = 4
"""Of ``link_state``: somebody switched the port off."""


def names_of(tables: Tables, maps: tuple[str, ...]) -> Mapping[str, str]:
    """Objects by the name that a name map gives them."""
    names: dict[str, str] = {}
    for table in maps:
        names |= tables.get(table, {}).get("", {})
    return names


def decode_ports(tables: Tables, scope: Scope) -> None:
    """Counters, queues, rates and link state of every port."""
    counters = tables.get("COUNTERS", {})
    used = set()
    for port, oid in names_of(tables, PORT_MAPS).items():
        used.add(oid)
        _counters(scope, scope.part(port), counters.get(oid, {}))
        scope.row(CLASS, scope.part(port), "RATES", tables.get("RATES", {}).get(oid, {}))
    for queue, oid in names_of(tables, QUEUE_MAPS).items():
        used.add(oid)
        port = queue.rpartition(":")[0]
        scope.row(CLASS, scope.part(port), "QUEUE", counters.get(oid, {}))
    for oid in counters.keys() - used:
        for name in counters[oid]:
            scope.unmapped("COUNTERS", name)
    for port, fields in tables.get("PORT_TABLE", {}).items():
        _link(scope, port, fields)
    for port, fields in tables.get("FABRIC_PORT_TABLE", {}).items():
        scope.row(CLASS, scope.part(port), "FABRIC_PORT_TABLE", fields, _word)


def _counters(scope: Scope, device: str, fields: Fields) -> None:
    codewords = {}
    plain = {}
    for name, text in fields.items():
        if match := _CODEWORDS.fullmatch(name):
            codewords[int(match[1])] = number_of(text)
        else:
            plain[name] = text
    scope.row(CLASS, device, "COUNTERS", plain)
    if codewords:
        scope.columns.add(CLASS, device, f"COUNTERS.{CODEWORDS}", tail_of(codewords))


def _link(scope: Scope, port: str, fields: Fields) -> None:
    rest = {name: text for name, text in fields.items() if name != "admin_status"}
    if fields.get("admin_status", "").lower() == "down":
        rest["oper_status"] = "disabled"
    scope.row(CLASS, scope.part(port), "PORT_TABLE", rest, _word)


def _word(name: str, text: str) -> Raw:
    """A field of a port table; link states are words there."""
    if name.lower() in {"oper_status", "netdev_oper_status", "status"}:
        word = text.strip().lower()
        return _DISABLED if word == "disabled" else _LINK_WORDS.get(word, Quality.MISSING)
    return number_of(text)
