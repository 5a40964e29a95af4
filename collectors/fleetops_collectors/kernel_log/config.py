"""How kernel logs are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AwareDatetime, Field, field_validator

from fleetops_collectors.base import CollectorConfig, Target
from fleetops_collectors.kernel_log.journal import SCHEME, is_journal


class KernelLogTarget(Target):
    """One log: ``url`` is the path of a file or of ``/dev/kmsg``, or ``journal://[PATH]``.

    ``host`` defaults to this machine's name for its own device and journal, else to the name that
    each line gives, else to the target's name.
    """

    boot_time: AwareDatetime | Literal["local"] | None = None
    """What uptimes count from: a time, or ``local`` for this machine's boot (``/dev/kmsg``)."""
    devices: dict[str, str] = Field(default_factory=dict)
    """By PCI address, the device's name below its host: ``0000:9b:00.0: gpu3``."""

    @field_validator("url")
    @classmethod
    def _absolute_journal(cls, url: str) -> str:
        path = url.removeprefix(SCHEME)
        if is_journal(url) and path and not Path(path).is_absolute():
            raise ValueError(
                f"{url}: write journal:// for this machine's, or journal:///PATH for others'"
            )
        return url


class KernelLogConfig(CollectorConfig):
    """How kernel logs are read."""

    targets: tuple[KernelLogTarget, ...] = ()
    devices: dict[str, str] = Field(default_factory=dict)
    """As a target's, for all of them: hosts of one platform share their addresses."""
    start: Literal["lookback", "beginning", "end"] = "lookback"
    """Where a log that was never read is begun. ``lookback`` takes what is dated within
    ``lookback_seconds``: a log may hold last year's faults, and to drain for them would be wrong.
    """
    lookback_seconds: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    timezone: str = "UTC"
    """Zone of stamps that name none (``dmesg -T``, journald ``short``)."""
    burst_events: Annotated[int, Field(ge=1, le=1000)] = 3
    """Equal lines (device, code, kind) that become events of their own; what comes after is
    counted in one more event a round."""
    refill_seconds: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """After so long without it, one more equal line becomes an event of its own."""
    max_events: Annotated[int, Field(ge=1, le=10_000)] = 500
    """Events of one target in one round; more are counted and left out."""
    faults_file: Path | None = None
    """The installation's own severities and actions (docs/reference/faults.md)."""
    journalctl: str = "journalctl"
    """The command that reads ``journal://`` targets."""

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(
                f"no time zone {name!r}; use a name like UTC or Europe/Berlin"
            ) from error
        return name
