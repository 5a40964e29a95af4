"""How devices of one model differ: drawn once, from the seed.

Deviations of resistance and power are set so that the spread of temperature and power over a busy
fleet matches that of the Acme clusters (AcmeTrace, CC BY 4.0); docs/emulator.md states how well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fleetops.emulator.model.effects import Floats
from fleetops.emulator.site import Site

RESISTANCE_DEVIATION = 0.03
POWER_DEVIATION = 0.012
INLET_DEVIATION_KELVIN = 0.6


@dataclass(frozen=True, slots=True)
class Spread:
    """Each device's own character; arrays are (accelerators,) or (hosts,)."""

    resistance_factor: Floats
    power_factor: Floats
    inlet_kelvin: Floats
    accelerator_energy_joules: Floats
    """Counted before the emulation began."""
    host_energy_joules: Floats

    @classmethod
    def draw(cls, site: Site, rng: np.random.Generator) -> Spread:
        """One fleet's spread."""
        accelerators, hosts = len(site.accelerators), len(site.hosts)
        return cls(
            resistance_factor=rng.normal(1.0, RESISTANCE_DEVIATION, accelerators),
            power_factor=rng.normal(1.0, POWER_DEVIATION, accelerators),
            inlet_kelvin=rng.normal(0.0, INLET_DEVIATION_KELVIN, hosts),
            accelerator_energy_joules=np.floor(rng.uniform(1e8, 4e9, accelerators)),
            host_energy_joules=np.floor(rng.uniform(1e10, 4e10, hosts)),
        )
