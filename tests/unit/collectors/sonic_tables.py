"""Tables of a SONiC switch, decoded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fleetops_collectors.decoded import Decoded
from fleetops_collectors.sonic import decode_sonic, tables_of
from tests.contract.collector_contract import check_readings

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
OID = "oid:0x1000000000002"
PORT_MAP = {"COUNTERS_PORT_NAME_MAP": {"Ethernet0": OID}}


def decode(document: object, **options: Any) -> Decoded:  # noqa: ANN401
    tables, _ = tables_of(document)
    decoded = decode_sonic(tables, switch="leaf1", now=NOW, **options)
    check_readings(decoded.readings)
    return decoded


def cells(decoded: Decoded) -> dict[str, dict[str, object]]:
    """By device and metric: the value, or the quality where there is none."""
    found: dict[str, dict[str, object]] = {}
    for one in decoded.readings:
        value = one.quality if one.value is None else one.value
        found.setdefault(one.device.removeprefix("leaf1").lstrip("/"), {})[one.metric] = value
    return found
