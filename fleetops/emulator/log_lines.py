"""A line that something writes into a log of the emulated fleet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fleetops.emulator.groups import NONE

ERROR_LEVEL = 3


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line: of a host's kernel, or of a controller's log."""

    at_seconds: float
    """Of fleet time."""
    log: Literal["kernel", "management"]
    owner: str
    """Host; with a controller's log also coolant unit or power shelf."""
    text: str
    level: int = ERROR_LEVEL
    """Of a kernel's line, as syslog counts."""
    message_id: str = ""
    """Of a controller's: ``REGISTRY.MAJOR.MINOR.KEY``."""
    severity: str = "OK"
    xid: int = 0
    """The driver's code, where the line is about one."""
    accelerator: int = NONE
    """Index of what the code is about."""
