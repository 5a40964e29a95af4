"""Power shelves whose supplies do not add up to what the shelf says: somebody misreports."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Self

import numpy as np
from pydantic import Field
from typing_extensions import override

from fleetops.detect.base import Detector, DetectorConfig, Inputs
from fleetops.detect.findings import Claim, FindingBook, subject_of
from fleetops.detect.window import Window
from fleetops_schemas.records import Evidence, Finding

MISMATCH = "power_reading_mismatch"
DEVICE_CLASS = "power_unit"
SIDES = ("input", "output")
FRESH_SECONDS = 30.0
"""Readings of a shelf and its supplies further apart are not of one moment."""
_QUANTITIES = ("power_watts", "voltage_volts", "current_amperes")
EFFICIENCY = 0.94
"""Of a supply; captured shelves have 0.92 to 0.96 at 5 to 12 % load."""
MIN_SUPPLIES = 2
_SUPPLY = re.compile(r"^(?P<shelf>.+)/psu\d+$")


class PowerSumConfig(DetectorConfig):
    """When a sum is wrong."""

    tolerance_ratio: float = Field(default=0.05, gt=0, le=1)
    """Of what the shelf says. 5 %: what OCP power telemetry may be off (Meta network hardware
    specification, R-PWR-200)."""
    tolerance_watts: float = Field(default=50.0, ge=0)
    """The least that counts: at small loads the sensors' resolution is a large share."""
    supply_ratio: float = Field(default=0.15, gt=0, le=1)
    """A supply misreports whose power is further from its own output voltage times current (10 %
    for two sensors of 5 % each, and a margin for the efficiency where it is input power)."""
    rounds: int = Field(default=3, ge=1)
    """Readings in a row that must be wrong, or right again."""


@dataclass(frozen=True, slots=True)
class Balance:
    """One side of one shelf at one moment."""

    shelf: str
    side: str
    supplies_watts: float
    shelf_watts: float
    tolerance_watts: float
    suspects: tuple[str, ...] = ()
    """Supplies whose power is not what their own output voltage and current make."""

    @property
    def is_within(self) -> bool:
        """Whether the sum is what the shelf says."""
        return abs(self.supplies_watts - self.shelf_watts) <= self.tolerance_watts


class PowerSumDetector(Detector):
    """Holds every shelf against the sum of its supplies.

    Where a supply is not read there is no sum: what is absent is not zero.
    """

    name: ClassVar[str] = "power_sums"
    config_model: ClassVar[type[DetectorConfig]] = PowerSumConfig

    def __init__(self, config: PowerSumConfig) -> None:
        self._config = config
        self._book = FindingBook(self.name)
        metrics = [f"{side}_{what}" for side in SIDES for what in _QUANTITIES]
        self._window = Window(metrics, ticks=1)
        self._supplies: dict[str, list[str]] = defaultdict(list)
        self._known = 0
        self._judged: dict[str, float] = {}
        self._streaks: dict[tuple[str, bool], int] = defaultdict(int)

    @classmethod
    @override
    def create(cls, config: DetectorConfig) -> Self:
        """Makes the detector."""
        assert isinstance(config, PowerSumConfig)  # noqa: S101
        return cls(config)

    @override
    def evaluate(self, inputs: Inputs) -> Iterable[Finding]:
        """Findings that fired, changed or cleared."""
        for header, batch in inputs.batches:
            if header.device_class == DEVICE_CLASS:
                self._window.update(batch)
                for shelf in self._fresh_shelves():
                    self._judge(shelf, inputs)
        return self._book.changes()

    @override
    def restore(self, findings: Mapping[str, Finding]) -> None:
        """Keeps what fired until the sums are right again."""
        self._book.restore(findings)

    def balances(self, shelf: str) -> list[Balance]:
        """Each side of a shelf that can be added up now."""
        names = self._supplies.get(shelf, [])
        if len(names) < MIN_SUPPLIES:
            return []
        found = (self._balance(shelf, names, side) for side in SIDES)
        return [balance for balance in found if balance is not None]

    def _fresh_shelves(self) -> list[str]:
        """Shelves that were read anew, with all their supplies at about the same time."""
        names = self._window.devices.names
        for name in names[self._known :]:
            if match := _SUPPLY.match(name):
                self._supplies[match["shelf"]].append(name)
        self._known = len(names)
        seen = self._window.last_seen
        fresh = []
        for shelf, supplies in self._supplies.items():
            rows = [self._window.devices.row(name) for name in (shelf, *supplies)]
            times = [float(seen[row]) for row in rows if row is not None]
            if len(times) < len(rows) or times[0] <= self._judged.get(shelf, 0.0):
                continue
            if max(times) - min(times) <= FRESH_SECONDS:
                self._judged[shelf] = times[0]
                fresh.append(shelf)
        return fresh

    def _balance(self, shelf: str, supplies: list[str], side: str) -> Balance | None:
        said = self._value(shelf, f"{side}_power_watts")
        watts = [self._value(name, f"{side}_power_watts") for name in supplies]
        if np.isnan(said) or np.isnan(watts).any():
            return None
        tolerance = max(self._config.tolerance_watts, self._config.tolerance_ratio * abs(said))
        pairs = zip(supplies, watts, strict=True)
        suspects = [name for name, own in pairs if self._lies(name, side, own)]
        return Balance(shelf, side, float(np.sum(watts)), said, tolerance, tuple(suspects))

    def _lies(self, supply: str, side: str, watts: float) -> bool:
        """Whether the power contradicts the supply's own output voltage and current.

        Input power is held against them too: alternating voltage times current is no measure of
        power at small loads (a captured Delta shelf is off by half of it at 5 % load).
        """
        volts = self._value(supply, "output_voltage_volts")
        expected = volts * self._value(supply, "output_current_amperes")
        if side == "input":
            expected /= EFFICIENCY
        allowed = max(self._config.tolerance_watts, self._config.supply_ratio * abs(expected))
        return bool(abs(watts - expected) > allowed)  # false where one of them is not read

    def _value(self, device: str, metric: str) -> float:
        row = self._window.devices.row(device)
        return float("nan") if row is None else float(self._window.latest(metric)[row])

    def _judge(self, shelf: str, inputs: Inputs) -> None:
        balances = self.balances(shelf)
        if not balances:
            return
        wrong = [balance for balance in balances if not balance.is_within]
        self._streaks[shelf, bool(wrong)] += 1
        self._streaks[shelf, not wrong] = 0
        if self._streaks[shelf, bool(wrong)] < self._config.rounds:
            return
        if wrong:
            self._fire(shelf, wrong, inputs)
        else:
            self._clear(shelf, inputs.now)

    def _fire(self, shelf: str, wrong: list[Balance], inputs: Inputs) -> None:
        evidence = [evidence_of(balance) for balance in wrong]
        claim = Claim(
            kind=MISMATCH,
            subject=subject_of(inputs.topology, shelf, DEVICE_CLASS),
            summary="; ".join(item.text for item in evidence),
            evidence=evidence,
        )
        self._book.fire(claim, inputs.now)

    def _clear(self, shelf: str, now: datetime) -> None:
        self._book.clear(MISMATCH, shelf, now, f"{shelf}: the supplies add up again")


def evidence_of(balance: Balance) -> Evidence:
    """What the sum says, and which supply it may be."""
    text = (
        f"{balance.shelf}: its supplies add up to {balance.supplies_watts:,.0f} W of "
        f"{balance.side}, the shelf says {balance.shelf_watts:,.0f} W "
        f"(may differ by {balance.tolerance_watts:,.0f} W)"
    )
    if balance.suspects:
        text += f"; {', '.join(balance.suspects)}: power is not what voltage and current make"
    return Evidence(
        text=text,
        device_class=DEVICE_CLASS,
        device=balance.suspects[0] if len(balance.suspects) == 1 else balance.shelf,
        metric=f"{balance.side}_power_watts",
        value=balance.supplies_watts,
        unit="W",
        reference=balance.shelf_watts,
    )
