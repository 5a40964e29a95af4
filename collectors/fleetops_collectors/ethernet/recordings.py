"""Saved output of ``ethtool``, and copies of sysfs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from fleetops.core.errors import InputError
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.ethernet.interfaces import Interface, decode_interfaces
from fleetops_collectors.ethernet.outputs import decode_output
from fleetops_collectors.ethernet.tree import read_interfaces
from fleetops_collectors.json_input import read_file

MAX_TEXT_BYTES = 16 * 1024 * 1024
"""Of one file; an interface's statistics have some 300 KiB at most."""
UNKNOWN_HOST = "unknown"


def decode_recording(path: Path, host: str | None, now: datetime) -> Decoded:
    """The readings in a file of ethtool's output, or in a copy of ``/sys/class/net``.

    Where the output does not name its interface, the file does: ``eth0.txt``.

    Raises:
        InputError: it cannot be read, or is none of these.
    """
    if path.is_dir():
        interfaces, problems = read_interfaces(path, ("*",), statistics=False)
        decoded = decode_interfaces(interfaces, host=host or UNKNOWN_HOST, now=now)
        decoded.problems += problems
        return decoded
    data = read_file(path, MAX_TEXT_BYTES)
    try:
        return decode_text(data, host=host, now=now, interface=path.stem)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def decode_text(data: bytes, *, host: str | None, now: datetime, interface: str) -> Decoded:
    """The readings in output of ethtool.

    Args:
        data: What it printed, of one command or several.
        host: Whose it is.
        now: When it was printed, aware.
        interface: Whose it is where it does not say.

    Raises:
        InputError: there is nothing of ethtool in it.
    """
    parsed = decode_output(data)
    decoded = decode_interfaces(
        _merged(
            Interface(one.interface or interface, one.settings, one.statistics, module=one.module)
            for one in parsed.outputs.values()
        ),
        host=host or UNKNOWN_HOST,
        now=now,
    )
    decoded.problems += parsed.problems
    return decoded


def _merged(interfaces: Iterable[Interface]) -> list[Interface]:
    """One of each name: the output of one command may name it and the next may not."""
    found: dict[str, Interface] = {}
    for one in interfaces:
        before = found.get(one.name)
        found[one.name] = (
            one
            if before is None
            else replace(
                before,
                values={**one.values, **before.values},
                statistics={**one.statistics, **before.statistics},
                module=before.module or one.module,
            )
        )
    return list(found.values())
