"""Messages of a gNMI target as pygnmi and protobuf write them, decoded from a file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from fleetops_collectors.decoded import Decoded
from fleetops_collectors.gnmi import GnmiCollector
from tests.contract.collector_contract import check_readings

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
STAMP = 1_795_262_400_000_000_000
"""2026-11-21 12:00 UTC in nanoseconds."""


def decode(tmp_path: Path, text: str | bytes, host: str | None = "leaf1") -> Decoded:
    path = tmp_path / "recording"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    decoded = GnmiCollector.decode_recording(path, host, NOW)
    check_readings(decoded.readings)
    return decoded


def split(path: str) -> list[str]:
    """At slashes outside of brackets, where the keys of these samples hold one."""
    found, inside = [""], False
    for char in path:
        inside = char == "[" or (inside and char != "]")
        if char == "/" and not inside:
            found.append("")
        else:
            found[-1] += char
    return found


def elems(path: str) -> dict[str, object]:
    found: list[dict[str, object]] = []
    for part in split(path):
        name, _, key = part.partition("[")
        found.append({"name": name})
        if key:
            found[-1]["key"] = dict([key.rstrip("]").split("=", 1)])
    return {"elem": found}


def pygnmi(path: str, value: object) -> dict[str, object]:
    return {"update": {"update": [{"path": path, "val": value}], "timestamp": STAMP, "prefix": ""}}
