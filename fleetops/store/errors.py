"""The engine's error codes as errors of ours: try again, mend the configuration, or give up."""

from __future__ import annotations

import re

from fleetops.core.errors import (
    ConfigError,
    FleetOpsError,
    StoreRejectedError,
    StoreUnavailableError,
)

CODE = re.compile(r"Code: (\d+)\. (?:DB::Exception: )?(.*)", re.DOTALL)
MAX_MESSAGE = 500

DISK_FULL = 243
_PASSING = {
    76: "CANNOT_OPEN_FILE",
    159: "TIMEOUT_EXCEEDED",
    164: "READONLY",
    198: "DNS_ERROR",
    202: "TOO_MANY_SIMULTANEOUS_QUERIES",
    203: "NO_FREE_CONNECTION",
    209: "SOCKET_TIMEOUT",
    210: "NETWORK_ERROR",
    236: "ABORTED",
    241: "MEMORY_LIMIT_EXCEEDED",
    242: "TABLE_IS_READ_ONLY",
    252: "TOO_MANY_PARTS",
    285: "TOO_FEW_LIVE_REPLICAS",
    319: "UNKNOWN_STATUS_OF_INSERT",
    394: "QUERY_WAS_CANCELLED",
    425: "SYSTEM_ERROR",
    439: "CANNOT_SCHEDULE_TASK",
    999: "KEEPER_EXCEPTION",
    DISK_FULL: "NOT_ENOUGH_SPACE",
}
"""Codes of ClickHouse's ErrorCodes.cpp that another attempt may not meet."""
_ACCOUNT = {
    192: "UNKNOWN_USER",
    193: "WRONG_PASSWORD",
    194: "REQUIRED_PASSWORD",
    516: "AUTH_FAILED",
}
UNKNOWN_DATABASE = 81


def error_of(message: str, place: str, code: int | None = None) -> FleetOpsError:
    """The error for an engine's message; ``place`` says which store, for people.

    The code is taken from the message (``Code: 60. DB::Exception: ...``) unless given.
    """
    found = CODE.search(message)
    if code is None:
        code = int(found[1]) if found else None
    text = (found[2] if found else message).removeprefix("DB::Exception: ")
    text = " ".join(text.split("Stack trace:")[0].split())[:MAX_MESSAGE]
    said = f"{place}: {text} (code {code})" if code else f"{place}: {text}"
    if code in _ACCOUNT:
        return ConfigError(f"{said}; mend store.username, store.password_file")
    if code == DISK_FULL:
        return StoreUnavailableError(f"{said}; the disk is full: free or add space, then retry")
    if code in _PASSING:
        return StoreUnavailableError(said)
    if code == UNKNOWN_DATABASE:
        return StoreRejectedError(f"{said}; `fleetops run ingest` creates it when it starts")
    return StoreRejectedError(said)
