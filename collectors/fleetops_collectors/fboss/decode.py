"""What the structures of an FBOSS switch say. Pure: no network, no clock."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from fleetops_collectors.decoded import Decoded
from fleetops_collectors.fboss.modules import decode_detail, decode_module
from fleetops_collectors.fboss.scope import Scope, counter_of
from fleetops_collectors.fboss.sensors import decode_sensor
from fleetops_collectors.fboss.structs import Structs
from fleetops_collectors.fec import tail_of
from fleetops_collectors.json_input import Json
from fleetops_schemas.readings import Quality

CODEWORDS = "fecCodewords_"
_SPEED = re.compile(r"(?i)(\d+(?:\.\d+)?)\s*G\w*")
_LINK_WORDS = {"up": 1, "down": 0}
_DISABLED = 4
"""Of ``link_state``: somebody switched the port off."""


def decode_fboss(
    structs: Structs,
    *,
    switch: str,
    now: datetime,
    in_host: bool = False,
    stale_after_seconds: float | None = None,
) -> Decoded:
    """Readings and identities of a switch.

    Args:
        structs: Of its services.
        switch: Its device name.
        now: When they were read, aware.
        in_host: Whether the switch is a host of the inventory.
        stale_after_seconds: Values that are older by their own time are stale; None, for
            recordings, takes them as they are.
    """
    stale_after = None if stale_after_seconds is None else timedelta(seconds=stale_after_seconds)
    scope = Scope(switch, switch if in_host else "", now, stale_after)
    for name, sensor in structs.sensors.items():
        decode_sensor(scope, name, sensor)
    for name, stats in structs.port_stats.items():
        _port_stats(scope, name, stats)
    for name, module in structs.modules.items():
        decode_module(scope, name, module)
    for name, detail in structs.details.items():
        decode_detail(scope, name, detail)
    for name, counters in structs.counters.items():
        rest = {key: value for key, value in counters.items() if key != "interfaceName"}
        scope.fields(scope.part(name), "InterfaceCounters", rest)
    for name, entry in structs.ports.items():
        _port_entry(scope, name, entry)
    scope.decoded.readings = scope.columns.readings()
    return scope.decoded


def _port_stats(scope: Scope, name: str, stats: Json) -> None:
    device, stamp = scope.part(name), stats.get("timestamp_")
    codewords = stats.get(CODEWORDS)
    rest = {
        key: value
        for key, value in stats.items()
        if key not in {CODEWORDS, "timestamp_", "portName_"}
    }
    scope.fields(device, "HwPortStats", rest, stamp)
    if isinstance(codewords, dict) and codewords:
        counted = {int(key): counter_of(value) for key, value in codewords.items() if _is_bin(key)}
        scope.add(device, f"HwPortStats.{CODEWORDS}", tail_of(counted), stamp)


def _is_bin(key: str) -> bool:
    return key.isascii() and key.isdecimal() and len(key) < 4  # noqa: PLR2004 (symbol errors)


def _port_entry(scope: Scope, name: str, entry: Json) -> None:
    """A row of ``fboss2 show port``."""
    device = scope.part(name)
    disabled = str(entry.get("adminState", "")).lower() == "disabled"
    word = str(entry.get("linkState", "")).lower()
    state = _DISABLED if disabled else _LINK_WORDS.get(word, Quality.MISSING)
    scope.add(device, "PortEntry.linkState", state)
    speed = _SPEED.fullmatch(str(entry.get("speed", "")).strip())
    scope.add(device, "PortEntry.speed", float(speed[1]) if speed else Quality.MISSING)
    stats = entry.get("hwPortStats")
    if isinstance(stats, dict):
        scope.fields(device, "PortHwStatsEntry", stats)
