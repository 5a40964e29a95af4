"""``fleetops decode rackmon``: registers by any register map, from a file, a dump or a device."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from fleetops.cli.output import Column, ExitCode, Format, FormatOption, View, say
from fleetops.core.errors import FleetOpsError, InputError
from fleetops.evaluate.recordings import STDIN, recording_path
from fleetops_collectors.json_input import read_file
from fleetops_collectors.rackmon import (
    ReadMap,
    RegisterRow,
    Rows,
    Transport,
    parse_address,
    read_live,
    read_map,
    rows_of_source,
)

HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}")


def _spoken(row: RegisterRow) -> object:
    """The value; of flags those that are set."""
    if not row.value.flags:
        return row.value.value
    return " ".join(name for name, is_set in row.value.flags.items() if is_set) or "-"


REGISTERS: View[RegisterRow] = View(
    "register",
    lambda row: f"{row.register} {row.name}",
    (
        Column("device", lambda row: row.device, wide=True),
        Column("register", lambda row: row.register),
        Column("name", lambda row: row.name),
        Column("value", _spoken),
        Column("unit", lambda row: row.unit),
        Column("quality", lambda row: row.value.quality),
    ),
)


def rackmon(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Files of registers or dumps of rackmond, HOST:PORT (Modbus TCP), addresses "
            "(rtu:///dev/ttyS3, rtu+tcp://HOST:PORT), or -.",
            metavar="REGISTERS.json|HOST:PORT...",
        ),
    ],
    register_map: Annotated[
        str | None,
        typer.Option(
            "--map",
            help="Register map: a file (OpenBMC, FBOSS, phosphor-modbus, our own), or the name of "
            "one that is shipped. A dump of rackmond can do without.",
        ),
    ] = None,
    address: Annotated[
        int | None,
        typer.Option(min=0, max=255, help="Live: the device; the first that answers by default."),
    ] = None,
    timeout: Annotated[float, typer.Option(min=0.02, max=60, help="Live: seconds an answer.")] = 1,
    output: FormatOption = Format.TABLE,
) -> None:
    """Registers of a Modbus device by any register map."""
    read = None if register_map is None else read_map(register_map)
    if read is not None:
        _tell_map(read, str(register_map))
    found: list[RegisterRow] = []
    failed = 0
    for source in sources:
        try:
            rows = _read(source, read, address, timeout)
        except FleetOpsError as error:
            say(f"fleetops: {error}")
            failed += 1
            continue
        for warning in rows.warnings():
            say(f"{source}: {warning}")
        found += rows.rows
    if output is Format.JSON:
        rows_json = [row.as_dict() for row in found]
        sys.stdout.write(json.dumps(rows_json, indent=1, ensure_ascii=False) + "\n")
    elif found or not failed:
        REGISTERS.show(found, output)
        say(f"{len(found)} registers")
    if failed:
        raise SystemExit(ExitCode.FAILED if failed == len(sources) else ExitCode.PARTIAL)


def _read(source: str, read: ReadMap | None, device: int | None, timeout: float) -> Rows:
    is_file = source == STDIN or Path(source).exists()
    if not is_file and HOST_AND_PORT.fullmatch(source):
        source = f"tcp://{source}"
    if is_file or "://" not in source:
        with recording_path(source) as path:
            where = "standard input" if source == STDIN else source
            return rows_of_source(read_file(path), read.map if read else None, where)
    try:
        address = parse_address(source)
    except ValueError as error:
        raise InputError(str(error)) from error
    if address.transport is Transport.UNIX:
        raise InputError(f"{source}: rackmond is read by `fleetops collect once`; save its answer")
    if read is None:
        raise InputError(f"{source}: registers mean nothing without a map; name --map")
    try:
        return asyncio.run(read_live(address, read.map, device, timeout))
    except InputError as error:
        raise InputError(f"{source}: {error}") from error


def _tell_map(read: ReadMap, name: str) -> None:
    for problem in read.problems[:20]:
        say(f"{name}: {problem}")
    if read.unknown:
        names = ", ".join(sorted(read.unknown)[:8])
        say(f"{name}: {read.unknown.total()} unknown fields ignored: {names}")
