"""Recorded messages: what ``mosquitto_sub`` prints.

* ``mosquitto_sub -v``: the topic, a space, the payload;
* the same with ``-F '%I %t %p'``: the time of receipt before it;
* ``mosquitto_sub -F %j`` or ``%J``: a JSON object with ``topic``, ``payload`` and ``tst``; also a
  list of such.

A payload may be written over several lines, as some publishers indent theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import orjson

from fleetops.core.errors import InputError
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.facility.state import Facility, Limits
from fleetops_collectors.facility.values import CLOCK_UNSET_BEFORE, time_of

MAX_BYTES = 256 * 1024 * 1024
PREFIXES = ("BMS/v1", "cronus/v1")
"""Of dsx-exchange, and of installations before it. The first that a topic has is taken."""
_PAYLOAD = re.compile(rb"[ \t]+\{")
_WITHIN = (b"", b" ", b"\t", b"\r", b'"', b"}", b"]")
"""How a line begins that goes on with a payload."""
_ZULU_AND_OFFSET = re.compile(r"Z(?=[+-]\d{2}:?\d{2}$)")
"""Mosquitto 1.6 and 2.0 write ``...000000Z+0100``: the offset is what counts."""


class Message(NamedTuple):
    """One recorded message."""

    topic: str
    payload: bytes
    received_at: datetime | None


def read_recording(path: Path) -> Iterator[tuple[int, Message | None]]:
    """The messages of a file with their line numbers; None for a line that is none.

    Raises:
        InputError: the file cannot be read, or is too large.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: larger than {MAX_BYTES} bytes; split it")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read it: {error.strerror}") from error
    if content.lstrip().startswith(b"["):
        yield from enumerate(map(_from_object, _listed(content)), start=1)
        return
    for number, line in _joined(content.split(b"\n")):
        yield number, read_line(line)


def _joined(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """What is in each line, with its number; what was written over several is one.

    A message that broke off ends where the next begins: at a line that is not indented.
    """
    begun, depth = 0, 0
    held: list[bytes] = []
    for number, line in enumerate(lines, start=1):
        if held and line[:1] not in _WITHIN:
            yield begun, b"\n".join(held)
            held, depth = [], 0
        if not line.strip():
            continue
        begun = begun if held else number
        held.append(line.strip())
        depth += line.count(b"{") - line.count(b"}")
        if depth <= 0:
            yield begun, b"\n".join(held)
            held, depth = [], 0
    if held:
        yield begun, b"\n".join(held)


def read_line(line: bytes) -> Message | None:
    """The message in a line, or None."""
    if line.startswith(b"{"):
        try:
            return _from_object(orjson.loads(line))
        except orjson.JSONDecodeError:
            return None
    # a topic may hold spaces; the payload is JSON, or nothing
    payload = _PAYLOAD.search(line)
    head = line[: payload.start()] if payload else line
    text = head.decode("utf-8", "replace").strip()
    stamp, _, rest = text.partition(" ")  # mosquitto_sub -F '%I %t %p'
    received_at = _stamp(stamp)
    topic = rest.strip() if received_at else text
    return Message(topic, line[payload.end() - 1 :] if payload else b"", received_at)


def _listed(content: bytes) -> list[object]:
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError:
        return [None]
    return found if isinstance(found, list) else [None]


def _from_object(found: object) -> Message | None:
    topic = found.get("topic") if isinstance(found, dict) else None
    if not isinstance(found, dict) or not isinstance(topic, str):
        return None
    payload = found.get("payload", found.get("message"))
    if isinstance(payload, str):
        raw = payload.encode("utf-8", "replace")
    else:
        raw = b"" if payload is None else orjson.dumps(payload)
    return Message(topic, raw, _stamp(found.get("tst")))


def _stamp(value: object) -> datetime | None:
    if not isinstance(value, str):
        return time_of(value)
    try:
        stamp = datetime.fromisoformat(_ZULU_AND_OFFSET.sub("", value))
    except ValueError:
        return None
    return (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).astimezone(UTC)


def decode_recording(path: Path, limits: Limits, now: datetime) -> Decoded:
    """What a recording says at its end.

    Messages without a time of receipt take the time that their payload gives, and those without
    either the one before, so that staleness is judged by the recording's own time.

    Args:
        path: The file.
        limits: What is believed for how long.
        now: The end, where the recording has no time at all.

    Raises:
        InputError: it cannot be read, or holds no message of building management.
    """
    lines = list(read_recording(path))
    unread = [number for number, message in lines if message is None]
    messages = [message for _, message in lines if message is not None]
    times = list(_times(messages, now))
    limits = replace(limits, prefix=_prefix(messages) or limits.prefix)
    facility = Facility(limits)
    for message, received_at in zip(messages, times, strict=True):
        facility.take(message.topic, message.payload, received_at)
    if not facility.messages:
        raise InputError(
            f"{path}: no message of building management below {limits.prefix}/; "
            + (
                f"the first: {facility.first_refused}"
                if facility.first_refused
                else "record with: mosquitto_sub -v -t 'BMS/v1/#'"
            )
        )
    decoded = facility.decoded(max(times))
    if unread:
        decoded.problems.append(f"{len(unread)} lines are no message; the first: line {unread[0]}")
    return decoded


def _prefix(messages: Sequence[Message]) -> str:
    topics = (message.topic for message in messages)
    return next((one for topic in topics for one in PREFIXES if topic.startswith(f"{one}/")), "")


def _times(messages: Sequence[Message], now: datetime) -> Iterator[datetime]:
    """When each came; never before the one before it."""
    said = [message.received_at or _said(message.payload, now) for message in messages]
    time = next(filter(None, said), now)
    for one in said:
        time = max(time, one or time)
        yield time


def _said(payload: bytes, now: datetime) -> datetime | None:
    """The time in a payload, unless it cannot be true."""
    try:
        message = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    time = time_of(message.get("timestamp")) if isinstance(message, dict) else None
    return time if time and CLOCK_UNSET_BEFORE <= time <= now + timedelta(days=1) else None
