"""A reading: one value of one metric of one device, as a collector decoded it at the edge.

Readings exist between a protocol decoder and the batch builder only. From there on telemetry
travels as columns (see :mod:`fleetops_schemas.telemetry`).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class Quality(StrEnum):
    """Why a value may or may not be used. Every quality but ``good`` comes with a null value."""

    GOOD = "good"
    MISSING = "missing"
    """The source answered, without this value (null, "N/A", "nan")."""
    STALE = "stale"
    """The source's own reading time is too old, or unset (1970)."""
    SENTINEL = "sentinel"
    """A reserved number that stands for "blank", "not supported" or "no permission"."""
    SATURATED = "saturated"
    """A counter that stopped at the top of its width."""
    OUT_OF_RANGE = "out_of_range"
    """Outside the catalog's plausible range."""
    ABSENT = "absent"
    """The source says that the part is not there (Redfish ``Status.State`` Absent, ...)."""


class Reading(NamedTuple):
    """One decoded value.

    ``value`` is in ``unit`` (always the catalog's unit for ``metric``) and null unless ``quality``
    is good. ``time`` is the source's own time of the reading, aware, or None where it gives none.
    """

    device_class: str
    device: str
    metric: str
    value: float | int | None
    unit: str
    quality: Quality
    time: datetime | None = None
