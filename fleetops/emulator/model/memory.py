"""Memory errors of accelerators: corrected, uncorrected, rows remapped; PCIe and NVLink errors.

Counts grow by rate and time, rounded by chance: the mean is right, and how many numbers are drawn
never depends on what happens, so that two runs of one seed differ by their faults alone.
"""

from __future__ import annotations

import numpy as np

from fleetops.emulator.model.effects import Effects, Floats

CORRECTABLE_PER_HOUR = 0.1
"""A healthy accelerator's trickle of corrected errors (assumed: one in ten hours)."""
PCIE_REPLAYS_PER_HOUR = 0.02
SECONDS_PER_HOUR = 3600.0
RATES = (
    ("correctable_errors_per_hour", CORRECTABLE_PER_HOUR),
    ("uncorrectable_errors_per_hour", 0.0),
    ("remapped_rows_per_hour", 0.0),
    ("pcie_replays_per_hour", PCIE_REPLAYS_PER_HOUR),
    ("nvlink_errors_per_hour", 0.0),
)


class ErrorCounters:
    """Counters of every accelerator; arrays are (accelerators,)."""

    def __init__(self, accelerators: int, rng: np.random.Generator) -> None:
        """Some corrected errors were counted before."""
        self._rng = rng
        self.counts: dict[str, Floats] = {name: np.zeros(accelerators) for name, _ in RATES}
        self.counts["correctable_errors_per_hour"] += rng.poisson(2.0, accelerators)

    def step(self, seconds: float, effects: Effects) -> None:
        """Counts on by ``seconds``."""
        for name, base in RATES:
            expected = (base + effects[name]) * seconds / SECONDS_PER_HOUR
            counts = self.counts[name]
            counts += np.floor(expected + self._rng.random(len(counts)))

    def __getitem__(self, name: str) -> Floats:
        """The counts of a channel of :data:`RATES`."""
        return self.counts[name]
