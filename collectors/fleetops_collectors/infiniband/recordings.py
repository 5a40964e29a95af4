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
from fleetops_collectors.infiniband.ibswinfo import decode_ibswinfo, looks_like_ibswinfo
from fleetops_collectors.infiniband.perfquery import decode_perfquery, looks_like_perfquery
from fleetops_collectors.infiniband.tree import read_adapters

MAX_TEXT_BYTES = 64 * 1024 * 1024
"""A port's line of ibnetdiscover has about 140 bytes: 450,000 ports."""


def decode_recording(path: Path, host: str | None, now: datetime) -> Decoded:
    """A sysfs folder or a file of ``perfquery``, ``ibnetdiscover --ports`` or ``ibswinfo``.

    Raises:
        InputError: it cannot be read, or is none of these.
    """
    if path.is_dir():
        adapters = read_adapters(path)
        if not adapters:
            raise InputError(f"{path}: there is no InfiniBand adapter in it")
        return decode_adapters(adapters, host=host, now=now)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_TEXT_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot read it: {error.strerror}") from error
    if len(data) > MAX_TEXT_BYTES:
        raise InputError(f"{path}: larger than {MAX_TEXT_BYTES} bytes; cut it into parts")
    try:
        return decode_text(data, host=host, now=now)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def decode_text(data: bytes, *, host: str | None, now: datetime) -> Decoded:
    """The readings in what one of the tools printed.

    Raises:
        InputError: it is none of them.
    """
    text = data.decode("utf-8", "replace")
    if looks_like_perfquery(text):
        return decode_perfquery(text, host=host)
    if looks_like_ibnetdiscover(text):
        return decode_ibnetdiscover(text)
    if looks_like_ibswinfo(text):
        return decode_ibswinfo(text, host=host, now=now)
    if not text.strip():
        raise InputError("it is empty; the tool printed nothing")
    raise InputError(
        "neither output of perfquery, of ibnetdiscover --ports, nor of ibswinfo; "
        "for counters of this host name a folder such as /sys/class/infiniband"
    )
