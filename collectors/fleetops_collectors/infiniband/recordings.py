"""Saved output of the fabric's tools, told apart by what is in it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from fleetops.core.errors import InputError
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.infiniband.adapters import decode_adapters
from fleetops_collectors.infiniband.ibnetdiscover import (
    decode_ibnetdiscover,
    looks_like_ibnetdiscover,
)
from fleetops_collectors.infiniband.ibstat import looks_like_ibstat, read_ibstat
from fleetops_collectors.infiniband.ibswinfo import decode_ibswinfo, looks_like_ibswinfo
from fleetops_collectors.infiniband.perfquery import decode_perfquery, looks_like_perfquery
from fleetops_collectors.infiniband.tree import read_adapters
from fleetops_collectors.json_input import read_file

MAX_FILES = 1000
"""Of a folder; perfquery writes one for a port or a node."""
MAX_TEXT_BYTES = 64 * 1024 * 1024
"""A port's line of ibnetdiscover has about 140 bytes: 450,000 ports."""


def decode_recording(path: Path, host: str | None, now: datetime) -> Decoded:
    """A sysfs folder, or files of the fabric's tools (see :func:`decode_text`).

    Raises:
        InputError: it cannot be read, or is none of these.
    """
    if not path.is_dir():
        return _decode_file(path, host, now)
    try:
        adapters = read_adapters(path)
    except InputError as error:
        found = _decode_folder(path, host, now)
        if not found.readings and not found.unmapped:
            raise error
        return found
    if not adapters:
        raise InputError(f"{path}: there is no InfiniBand adapter in it")
    return decode_adapters(adapters, host=host, now=now)


def _decode_folder(path: Path, host: str | None, now: datetime) -> Decoded:
    """What is in the files of a folder and its folders; of a value told twice the first counts."""
    out = Decoded()
    seen: set[tuple[str, str, str]] = set()
    inside = sorted([*path.glob("*"), *path.glob("*/*")])
    for file in [one for one in inside if one.is_file()][:MAX_FILES]:
        try:
            decoded = _decode_file(file, host, now)
        except InputError as error:
            out.problems.append(str(error))
            continue
        new = [one for one in decoded.readings if one[:3] not in seen]
        if again := len(decoded.readings) - len(new):
            out.problems.append(f"{file}: {again} values that another file had before")
        seen.update(one[:3] for one in new)
        out.readings += new
        out.identities += decoded.identities
        out.unmapped += decoded.unmapped
        out.problems += [f"{file}: {problem}" for problem in decoded.problems]
    return out


def _decode_file(path: Path, host: str | None, now: datetime) -> Decoded:
    data = read_file(path, MAX_TEXT_BYTES)
    try:
        return decode_text(data, host=host, now=now, unnamed=path.stem)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def decode_text(
    data: bytes, *, host: str | None, now: datetime, unnamed: str = "switch"
) -> Decoded:
    """The readings in what one of the tools printed.

    Args:
        data: What it printed.
        host: Whose it is, where it does not say.
        now: When it was printed, aware.
        unnamed: What a switch is called of which neither says a name.

    Raises:
        InputError: it is none of them.
    """
    text = data.decode("utf-8", "replace")
    if looks_like_perfquery(text):
        return decode_perfquery(text, host=host)
    if looks_like_ibnetdiscover(text):
        return decode_ibnetdiscover(text)
    if looks_like_ibstat(text):
        return decode_adapters(read_ibstat(text), host=host, now=now)
    if looks_like_ibswinfo(text):
        return decode_ibswinfo(text, host=host, now=now, unnamed=unnamed)
    if not text.strip():
        raise InputError("it is empty; the tool printed nothing")
    raise InputError(
        "no output of perfquery, ibnetdiscover --ports, ibstat, ibstatus or ibswinfo; "
        "for counters of this host name a folder such as /sys/class/infiniband"
    )
