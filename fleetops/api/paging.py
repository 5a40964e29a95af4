"""Cursor paging: pages that neither skip nor repeat, whatever is added in between."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TypeVar

from fleetops.core.errors import InputError

MAX_CURSOR = 4096
"""Longest cursor a route takes."""
Key = tuple[str, ...]
T = TypeVar("T")


def encode_cursor(key: Key) -> str:
    """The opaque text of a position."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> Key:
    """The position in a cursor.

    Raises:
        InputError: it is none of ours.
    """
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise InputError("cursor: not one this API gave; start again without it") from error
    if not (isinstance(key, list) and key and all(isinstance(part, str) for part in key)):
        raise InputError("cursor: not one this API gave; start again without it")
    return tuple(key)


def time_key(time: datetime) -> str:
    """A text that sorts as the time does."""
    return time.astimezone(UTC).isoformat(timespec="microseconds")


def paginate(
    items: Iterable[T],
    key: Callable[[T], Key],
    cursor: str | None,
    limit: int,
    *,
    newest_first: bool = False,
) -> tuple[tuple[T, ...], str | None]:
    """The page after the cursor, and the cursor of the next one (None on the last page).

    ``key`` must be unique to an item; pages are sorted by it, descending if ``newest_first``.

    Raises:
        InputError: the cursor is none of ours.
    """
    ordered = sorted(items, key=key, reverse=newest_first)
    if cursor is not None:
        after = decode_cursor(cursor)
        ordered = [
            item for item in ordered if (key(item) < after if newest_first else key(item) > after)
        ]
    page = tuple(ordered[:limit])
    return page, encode_cursor(key(page[-1])) if len(ordered) > limit else None
