"""CSV inventory: a header of field names, one line a host or a part."""

from __future__ import annotations

import csv
import io

from fleetops.core.errors import InputError
from fleetops.core.inventory.claims import NUMBERS, PLACES, Claims
from fleetops_schemas.identity import PART_FIELDS

ALIASES = {
    "hostname": "host",
    "node": "host",
    "name": "host",
    "u": "rack_position",
    "position": "rack_position",
    "loop": "coolant_loop",
    "cdu": "coolant_loop",
    "shelf": "power_shelf",
    "switch": "leaf_switch",
    "leaf": "leaf_switch",
    "model": "platform",
    "gpus": "accelerators",
}
"""Other words for a column, as exports of inventory systems have them."""


def read_csv(text: str, claims: Claims) -> None:
    """Takes in what the text says; a line with a ``device`` is about that part of the host.

    Raises:
        InputError: there is no header with ``host`` or ``device``.
    """
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        header = [_column(cell) for cell in next(reader, [])]
        if "device" in header:
            header = ["model" if cell == "platform" else cell for cell in header]
        if not {"host", "device"} & set(header):
            raise InputError("its first line must name the columns, `host` or `device` among them")
        known = {"host", "device", *PLACES, *NUMBERS, *PART_FIELDS}
        unknown = sorted({cell for cell in header if cell and cell not in known})
        if unknown:
            claims.problems.append(f"columns not used: {', '.join(unknown)}")
        for row in reader:
            if any(cell.strip() for cell in row):
                _take(dict(zip(header, row, strict=False)), reader.line_num, claims)
    except csv.Error as error:
        raise InputError(f"line {reader.line_num}: not CSV: {error}") from error


def _column(cell: str) -> str:
    name = cell.strip().lower().replace(" ", "_").replace("-", "_")
    return ALIASES.get(name, name)


def _take(row: dict[str, str], line: int, claims: Claims) -> None:
    device, host = row.get("device", "").strip(), row.get("host", "").strip()
    if device:
        if host and not device.startswith(f"{host}/"):
            device = f"{host}/{device}"
        claims.name(device, {key: row[key] for key in PART_FIELDS if key in row})
    elif host:
        claims.say(host, {key: row[key] for key in (*PLACES, *NUMBERS) if key in row})
    else:
        claims.problems.append(f"line {line}: names no host and no device; left out")
