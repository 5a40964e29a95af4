"""What the tables of a SONiC switch say. Pure: no network, no clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

from fleetops_collectors.decoded import Decoded
from fleetops_collectors.sonic.modules import decode_modules
from fleetops_collectors.sonic.platform import decode_platform
from fleetops_collectors.sonic.ports import PORT_MAPS, QUEUE_MAPS, decode_ports
from fleetops_collectors.sonic.scope import PROTOCOL, Scope
from fleetops_collectors.sonic.tables import Tables

__all__ = ["PROTOCOL", "decode_sonic"]

_DECODED = frozenset(
    {
        *PORT_MAPS,
        *QUEUE_MAPS,
        *("COUNTERS", "RATES", "PORT_TABLE", "FABRIC_PORT_TABLE"),
        *("TRANSCEIVER_DOM_SENSOR", "TRANSCEIVER_DOM_TEMPERATURE", "TRANSCEIVER_PM"),
        "TRANSCEIVER_VDM_REAL_VALUE",
        *("TRANSCEIVER_ELS_DOM_SENSOR", "TRANSCEIVER_ELS_DOM_TEMPERATURE"),
        *("TRANSCEIVER_INFO", "TRANSCEIVER_FIRMWARE_INFO"),
        *("TRANSCEIVER_ELS_INFO", "TRANSCEIVER_ELS_FIRMWARE_INFO"),
        *("PSU_INFO", "FAN_INFO", "TEMPERATURE_INFO", "LIQUID_COOLING_INFO"),
        "LIQUID_COOLING_DEVICE",
        *("CHASSIS_INFO", "DEVICE_METADATA"),
    }
)
"""Tables of which each field is accounted for; of the others, all fields have no column."""


def decode_sonic(
    tables: Tables,
    *,
    switch: str,
    now: datetime,
    in_host: bool = False,
    stale_after_seconds: float | None = None,
    zone: tzinfo = UTC,
) -> Decoded:
    """Readings and identities of a switch.

    Args:
        tables: Of COUNTERS_DB, STATE_DB and APPL_DB, as far as they are there.
        switch: Its device name.
        now: When they were read, aware.
        in_host: Whether the switch is a host of the inventory.
        stale_after_seconds: Rows that say that they were written longer ago are stale; None, for
            dumps, takes them as they are.
        zone: The switch's time zone; its daemons write some times in it.
    """
    stale_after = None if stale_after_seconds is None else timedelta(seconds=stale_after_seconds)
    scope = Scope(switch, switch if in_host else "", now, stale_after, zone)
    decode_ports(tables, scope)
    decode_modules(tables, scope)
    decode_platform(tables, scope)
    for table in tables.keys() - _DECODED:
        scope.unmapped(table, "fields", sum(map(len, tables[table].values())))
    scope.decoded.readings = scope.columns.readings()
    return scope.decoded
