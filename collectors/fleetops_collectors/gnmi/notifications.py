"""One message of a gNMI target, whoever wrote it down."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from fleetops_collectors.gnmi.paths import Path

_NANOSECONDS = 1_000_000_000
_LAST_SECOND = 253_370_764_800
"""Year 9999; beyond it there is no datetime."""


class Notification(NamedTuple):
    """Values and deletions at one time."""

    time: datetime | None
    """When the target saw them; None where it does not say."""
    updates: list[tuple[Path, object]]
    deletes: list[Path]
    replaces: Path | None = None
    """Everything below is gone that is not among the updates (``atomic``)."""
    source: str = ""
    """Whom the target says it is, where it does."""


def time_of(nanoseconds: object) -> datetime | None:
    """The time of nanoseconds since 1970, a number or a string; None where there is none."""
    try:
        seconds = int(nanoseconds) / _NANOSECONDS  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        return None
    return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < _LAST_SECOND else None
