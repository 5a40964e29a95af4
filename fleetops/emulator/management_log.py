"""What management controllers write into their logs, by what they see change.

Message ids are DMTF's Environmental and Power registries.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from fleetops.core.clock import Clock
from fleetops.emulator.effects import Effects
from fleetops.emulator.physics import Physics
from fleetops.emulator.topology import FleetLayout

MAX_ENTRIES = 1000
"""Of one log; the oldest go first."""
PUMP_FAILED_RATIO = 0.5
"""Speed against setpoint below which the unit calls its pump failed."""

LEAK_MESSAGES = (
    ("Environmental.1.1.LeakDetectedNormal", "OK", "Leak detector '{}' has returned to normal."),
    (
        "Environmental.1.1.LeakDetectedWarning",
        "Warning",
        "Leak detector '{}' reports a warning level leak.",
    ),
    (
        "Environmental.1.1.LeakDetectedCritical",
        "Critical",
        "Leak detector '{}' reports a critical level leak.",
    ),
)
PUMP_MESSAGES = (
    ("Environmental.1.1.PumpRestored", "OK", "Pump '{}' was restored."),
    ("Environmental.1.1.PumpFailed", "Critical", "Pump '{}' has failed."),
)
SUPPLY_MESSAGES = (
    ("Power.1.1.PowerSupplyRestored", "OK", "Power supply '{}' was restored."),
    ("Power.1.1.PowerSupplyFailed", "Critical", "Power supply '{}' has failed."),
)
LEAK_ORIGIN = "/redfish/v1/Chassis/Tray/ThermalSubsystem/LeakDetection/LeakDetectors/leak0"
PUMP_ORIGIN = "/redfish/v1/ThermalEquipment/CDUs/1/Pumps/{}"
SUPPLY_ORIGIN = "/redfish/v1/Chassis/PowerShelf/PowerSubsystem/PowerSupplies/{}"


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry of one controller's log."""

    id: int
    created: datetime
    severity: str
    message_id: str
    message: str
    argument: str
    origin: str


class ManagementLogs:
    """The logs of all controllers, by device name (host, coolant unit, shelf)."""

    def __init__(self, layout: FleetLayout, clock: Clock) -> None:
        """Empty logs."""
        self._layout = layout
        self._clock = clock
        devices = (*layout.hosts, *layout.loops, *layout.shelves)
        self._entries: dict[str, list[LogEntry]] = {device: [] for device in devices}
        self._next_id = dict.fromkeys(devices, 1)
        self._before: dict[tuple[str, str], int] = {}

    def entries(self, device: str) -> list[LogEntry]:
        """A device's log, oldest first."""
        return self._entries[device]

    def watch(self, effects: Effects, physics: Physics) -> None:
        """Writes an entry for every state that changed since the last call."""
        for device, argument, origin, messages, state in self._states(effects, physics):
            key = (device, argument)
            if state != self._before.get(key, 0):
                self._write(device, argument, origin, messages[state])
            self._before[key] = state

    def _states(
        self, effects: Effects, physics: Physics
    ) -> Iterator[tuple[str, str, str, tuple[Any, ...], int]]:
        hosts = self._layout.hosts
        for host in np.flatnonzero(effects.leak_level + self._known(hosts, "leak0")):
            level = int(effects.leak_level[host])
            yield hosts[host], "leak0", LEAK_ORIGIN, LEAK_MESSAGES, level
        failed = physics.pump_speed_ratio < PUMP_FAILED_RATIO * physics.pump_setpoint_ratio[:, None]
        for loop, device in enumerate(self._layout.loops):
            for pump, is_failed in enumerate(failed[loop], start=1):
                origin = PUMP_ORIGIN.format(pump)
                yield device, str(pump), origin, PUMP_MESSAGES, int(is_failed)
        for shelf, device in enumerate(self._layout.shelves):
            for supply, is_failed in enumerate(effects.supply_failed[shelf], start=1):
                origin = SUPPLY_ORIGIN.format(f"Bay{supply}")
                yield device, f"Bay{supply}", origin, SUPPLY_MESSAGES, int(is_failed)

    def _known(self, hosts: tuple[str, ...], argument: str) -> np.ndarray[Any, Any]:
        return np.array([self._before.get((host, argument), 0) for host in hosts])

    def _write(
        self, device: str, argument: str, origin: str, message: tuple[str, str, str]
    ) -> None:
        message_id, severity, text = message
        entry = LogEntry(
            id=self._next_id[device],
            created=self._clock.now(),
            severity=severity,
            message_id=message_id,
            message=text.format(argument),
            argument=argument,
            origin=origin,
        )
        self._next_id[device] += 1
        self._entries[device].append(entry)
        del self._entries[device][:-MAX_ENTRIES]
