"""The model settles at the same state whatever the length of its ticks, throttled or not."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from fleetops.emulator.model.effects import Floats
from tests.unit.emulator.emulated import Strike, emulated

TICKS_SECONDS = (0.25, 10.0, 60.0)
SETTLING_SECONDS, MEAN_SECONDS = 240.0, 120.0
CASES: dict[str, tuple[str, int, tuple[Strike, ...]]] = {
    "healthy": ("demo", 8, ()),
    "plate clogged": ("demo", 8, (Strike("conductance", [0], 0.1),)),
    "fans failed": ("grand_teton", 2, (Strike("airflow", [0], 0.3),)),
    "rack capped": ("demo", 8, (Strike("shelf_cap", [0], 0.4),)),
    "pump lost": (
        "demo",
        8,
        (Strike("pump_speed", [0], 0.1), Strike("check_valve_leak", [0], 0.5)),
    ),
}


@cache
def settled(case: str, tick_seconds: float) -> dict[str, Floats]:
    name, hosts, strikes = CASES[case]
    fleet = emulated(name, tick_seconds=tick_seconds, hosts=hosts, strikes=strikes)
    found: list[dict[str, Floats]] = []
    for tick in range(round((SETTLING_SECONDS + MEAN_SECONDS) / tick_seconds)):
        fleet.tick()
        if tick * tick_seconds >= SETTLING_SECONDS:
            heat, coolant = fleet.state.heat, fleet.state.coolant
            found.append(
                {
                    "host watts": heat.host_watts,
                    "die": heat.temperature_celsius,
                    "memory": heat.memory_celsius,
                    "outlet": heat.outlet_celsius,
                    "clock": heat.clock_ratio,
                    "return": coolant.tray_return_celsius,
                    "shelf watts": fleet.state.power.input_watts,
                }
            )
    return {key: np.mean([one[key] for one in found], axis=0) for key in found[0]}


@pytest.mark.parametrize("tick_seconds", TICKS_SECONDS[1:])
@pytest.mark.parametrize("case", CASES)
def test_ticks_of_any_length_settle_alike(case: str, tick_seconds: float) -> None:
    finest = settled(case, TICKS_SECONDS[0])
    coarse = settled(case, tick_seconds)
    for key, values in finest.items():
        assert coarse[key] == pytest.approx(values, rel=0.02, abs=0.02), key


def test_the_cases_throttle() -> None:
    """Else they would show nothing."""
    for case in ("plate clogged", "fans failed", "rack capped"):
        assert settled(case, 10.0)["clock"].min() < 0.9, case
