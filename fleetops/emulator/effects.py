"""What is wrong with the fleet right now, in the physics' own terms.

Faults are laid over neutral effects anew at every tick, so that they add up and end cleanly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fleetops.emulator.topology import (
    ACCELERATORS_PER_HOST,
    PUMPS_PER_LOOP,
    SUPPLIES_PER_SHELF,
    FleetLayout,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(slots=True)
class Effects:
    """All neutral when made by :meth:`none`. Shapes are given per field."""

    flow_conductance: Floats
    """(hosts,) hydraulic conductance of the tray against a clean one."""
    pump_speed: Floats
    """(loops, pumps) speed a pump reaches against the speed asked of it."""
    check_valve_leak: Floats
    """(loops,) share of the other pump's flow that runs back through a weak pump."""
    slowness: Floats
    """(hosts, accelerators) factor on compute time that has no thermal cause."""
    stage_factor: Floats
    """(stages,) factor on the compute time of a pipeline stage."""
    off_bus: Flags
    """(hosts, accelerators) the accelerator no longer answers."""
    leak_level: Ints
    """(hosts,) 0 dry, 1 small leak, 2 large leak."""
    supply_failed: Flags
    """(shelves, supplies) the supply gives no output."""

    @classmethod
    def none(cls, layout: FleetLayout, stages: int) -> Effects:
        """Nothing is wrong."""
        hosts, loops = len(layout.placements), len(layout.loops)
        return cls(
            flow_conductance=np.ones(hosts),
            pump_speed=np.ones((loops, PUMPS_PER_LOOP)),
            check_valve_leak=np.zeros(loops),
            slowness=np.ones((hosts, ACCELERATORS_PER_HOST)),
            stage_factor=np.ones(stages),
            off_bus=np.zeros((hosts, ACCELERATORS_PER_HOST), dtype=np.bool_),
            leak_level=np.zeros(hosts, dtype=np.int64),
            supply_failed=np.zeros((loops, SUPPLIES_PER_SHELF), dtype=np.bool_),
        )
