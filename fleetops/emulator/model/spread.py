"""How devices of one model differ: drawn once, from the seed.

Set so that the spread of power and temperature over an emulated day is near that of the Acme
clusters (AcmeTrace, CC BY 4.0); docs/calibration.md states how near. What a fleet has aged is in
it: resistance grows as thermal interfaces and coolant paths age.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleetops.emulator.model.effects import Floats
from fleetops.emulator.model.parameters import by_host
from fleetops.emulator.site import Site

RESISTANCE_DEVIATION = 0.05
POWER_DEVIATION = 0.012
IDLE_DEVIATION = 0.01
INLET_DEVIATION_KELVIN = 1.5
TOP_KELVIN = 2.0
"""By how much the air at a rack's top is warmer than at its foot: some of the exhaust comes back
over the racks (assumed; ASHRAE TC 9.9 has inlets measured at three heights for it)."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Each device's own character; arrays are (accelerators,) or (hosts,)."""

    resistance_factor: Floats
    power_factor: Floats
    inlet_kelvin: Floats
    accelerator_energy_joules: Floats
    """Counted before the emulation began."""
    host_energy_joules: Floats
    idle_factor: Floats | float = 1.0
    """On the power of an accelerator without work."""

    @classmethod
    def draw(cls, site: Site, rng: np.random.Generator) -> Spread:
        """One fleet's spread."""
        accelerators, hosts = len(site.accelerators), len(site.hosts)
        return cls(
            resistance_factor=rng.normal(1.0, RESISTANCE_DEVIATION, accelerators),
            power_factor=rng.normal(1.0, POWER_DEVIATION, accelerators),
            inlet_kelvin=rng.normal(0.0, INLET_DEVIATION_KELVIN, hosts)
            + TOP_KELVIN * _heights(site),
            accelerator_energy_joules=np.floor(rng.uniform(1e8, 4e9, accelerators)),
            host_energy_joules=np.floor(rng.uniform(1e10, 4e10, hosts)),
            idle_factor=rng.normal(1.0, IDLE_DEVIATION, accelerators),
        )


def _heights(site: Site) -> Floats:
    """(hosts,) height of each in its rack, from the middle: half of the rack above is 0.5."""
    units = by_host(site, lambda one: float(one.rack.height_units))
    position = np.array([placement.rack_position for placement in site.standing], dtype=np.float64)
    heights: Floats = position / units - 0.5
    return heights
