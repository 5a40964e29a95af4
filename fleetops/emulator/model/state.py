"""The whole state of an emulated fleet."""

from __future__ import annotations

from dataclasses import dataclass

from fleetops.emulator.model.coolant import Coolant
from fleetops.emulator.model.effects import Floats
from fleetops.emulator.model.heat import Heat
from fleetops.emulator.model.jobs import Jobs
from fleetops.emulator.model.links import Links
from fleetops.emulator.model.memory import ErrorCounters
from fleetops.emulator.model.power import Power


@dataclass(slots=True)
class State:
    """What is true. Nothing that is judged may read it."""

    jobs: Jobs
    coolant: Coolant
    heat: Heat
    power: Power
    links: Links
    errors: ErrorCounters
    last_xid: Floats
    """(accelerators,) the sticky code of the driver's last fault."""
    switch_load: Floats
    """(switches,) mean share of their rate that its ports send."""
