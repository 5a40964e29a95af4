"""Fleets for tests: made once a seed is chosen, moved on in simulated seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fleetops.core.clock import ManualClock
from fleetops.emulator.faults import Fault
from fleetops.emulator.fleet import TICK_SECONDS, Fleet, FleetOptions
from fleetops.emulator.topology import build_layout


def make_fleet(folder: Path, seed: int = 1, racks: int = 4, hosts_per_rack: int = 8) -> Fleet:
    layout = build_layout(racks, hosts_per_rack)
    return Fleet(FleetOptions(layout, seed), folder, ManualClock())


def advance(fleet: Fleet, seconds: float) -> None:
    for _ in range(round(seconds / TICK_SECONDS)):
        fleet.tick()


def strike(
    fleet: Fleet,
    kind: str,
    target: dict[str, Any],
    parameters: dict[str, Any] | None = None,
    duration_seconds: float | None = None,
) -> None:
    fleet.inject(
        Fault.model_validate(
            {
                "kind": kind,
                "target": target,
                "parameters": parameters or {},
                "duration_seconds": duration_seconds,
            }
        )
    )
