"""Names of ranks, and readings of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from fleetops_collectors.quality import judge
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.readings import Quality, Reading

CLASS = "training_rank"
UNKNOWN = "unknown"
MAX_NAME = 64
CLOCKS_ARE_SET = 946_684_800.0
"""Seconds since 1970 at the year 2000: earlier times are those of a clock that nobody has set."""
_BLANKS = frozenset(0x7FFFFFF0 + n for n in range(4))
"""DCGM's blank numbers (dcgm_structs.h), which jobs pass on that read DCGM themselves. A count that
honestly passes one of these four is null for that one reading."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._:-]")


@dataclass(frozen=True, slots=True)
class RankNames:
    """How ranks of one source are called: ``HOST/jobJOB/rankRANK``."""

    host: str | None = None
    """Host of all of them, where the source speaks of one host alone."""
    job: str = ""
    """The job's id, where the source does not say it."""
    hosts: tuple[str, ...] = ()
    """Hosts in the order of their ranks."""
    ranks_per_host: int = 8
    addresses: Mapping[str, str] = field(default_factory=dict)
    """Host by what the source calls it: an address, or a name of its own."""

    def host_of(self, rank: int | None, said: str = "") -> str:
        """The host of a rank.

        Args:
            rank: Global rank, where it is known.
            said: What the source calls the host.
        """
        if self.host:
            return self.host
        if said in self.addresses:
            return self.addresses[said]
        place = rank // self.ranks_per_host if rank is not None else len(self.hosts)
        if place < len(self.hosts):
            return self.hosts[place]
        return safe(said) or UNKNOWN

    def device(self, rank: int, job: str = "", said: str = "") -> str:
        """Name of a rank's device."""
        return f"{self.host_of(rank, said)}/job{safe(self.job or job) or UNKNOWN}/rank{rank}"

    def job_device(self, host: str, job: str = "") -> str:
        """Name of the job as it runs on a host, for what is true of no single rank."""
        return f"{host}/job{safe(self.job or job) or UNKNOWN}"


def reading_of(
    device: str, metric: str, value: float, time: datetime | None, scale: float = 1.0
) -> Reading:
    """A value in the catalog's unit (``value * scale``), or the reason why there is none."""
    declared = load_catalog()[CLASS].metric(metric)
    stored, quality = judge(declared, value, scale)
    if stored in _BLANKS:
        stored, quality = None, Quality.SENTINEL
    return Reading(CLASS, device, metric, stored, declared.unit, quality, time)


def safe(text: str) -> str:
    """The text as one part of a device's name."""
    return _UNSAFE.sub("_", text[:MAX_NAME])


def time_of(seconds: float | None) -> datetime | None:
    """A source's time, in seconds since 1970; None where its clock was never set, or is none."""
    if seconds is None or not seconds >= CLOCKS_ARE_SET:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):  # beyond what there is a date for
        return None


def number_of(value: object) -> float | int | None:
    """The number in a field of JSON or of a pickle, which some writers give as text."""
    if isinstance(value, str):
        try:
            value = int(value) if value.lstrip("-").isdecimal() else float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value


def whole_of(value: object) -> int | None:
    """The same where only a whole number, zero or more, makes sense (a rank, a count)."""
    number = number_of(value)
    if number is None or number != number or number < 0 or number >= 2**63:  # noqa: PLR0124
        return None
    return int(number) if number == int(number) else None


def text_of(value: object, length: int = 200) -> str:
    """The beginning of a text, without what no UTF-8 can hold; "" for anything else."""
    if not isinstance(value, str):
        return ""
    return value[:length].encode("utf-8", "replace").decode("utf-8")


def folded(ranks: Iterable[int], limit: int = 64) -> str:
    """Ranks for people: ``0-6,9``."""
    parts: list[str] = []
    ordered = sorted(set(ranks))
    start = 0
    for position, rank in enumerate(ordered):
        if position + 1 < len(ordered) and ordered[position + 1] == rank + 1:
            continue
        first = ordered[start]
        parts.append(f"{first}-{rank}" if rank > first else f"{rank}")
        start = position + 1
    more = ",..." if len(parts) > limit else ""
    return ",".join(parts[:limit]) + more
