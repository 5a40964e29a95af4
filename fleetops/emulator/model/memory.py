"""Memory errors of accelerators: corrected, uncorrected, rows remapped; PCIe and NVLink errors.

An uncorrected error has its row remapped; one row more than a bank has spares for finds none, and
remapping has failed for good (NVIDIA, GPU memory error management, RMA policy). The bad rows of an
accelerator are taken to lie in one bank.

Counts grow by rate and time, rounded by chance: the mean is right, and how many numbers are drawn
never depends on what happens, so that two runs of one seed differ by their faults alone.
"""

from __future__ import annotations

import numpy as np

from fleetops.emulator.model.effects import Effects, Floats

CORRECTABLE_PER_HOUR = 0.1
"""A healthy accelerator's trickle of corrected errors (assumed: one in ten hours)."""
PCIE_REPLAYS_PER_HOUR = 0.02
SPARE_ROWS_OF_BANK = 8.0
"""For rows with uncorrected errors (NVIDIA, the same)."""
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

    @property
    def remapped_for_uncorrectable(self) -> Floats:
        """(accelerators,) rows remapped for uncorrected errors, for good."""
        remapped: Floats = np.minimum(
            self.counts["uncorrectable_errors_per_hour"], SPARE_ROWS_OF_BANK
        )
        return remapped

    @property
    def remap_failed(self) -> Floats:
        """(accelerators,) 1 where a row found no spare."""
        bad = self.counts["uncorrectable_errors_per_hour"]
        failed: Floats = (bad > SPARE_ROWS_OF_BANK).astype(np.float64)
        return failed

    def __getitem__(self, name: str) -> Floats:
        """The counts of a channel of :data:`RATES`."""
        return self.counts[name]
