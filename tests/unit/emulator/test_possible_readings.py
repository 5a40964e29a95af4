"""No impossible reading in a day of any profile, whatever the seed.

A day of every cluster, and of all platforms at once. ``FLEETOPS_PROPERTY_EXAMPLES`` is the number
of days, one without it; with it every platform gets days of its own, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleetops.emulator.model.effects import CHANNELS, Blend, Floats
from fleetops.emulator.model.fleet import Fleet
from fleetops.emulator.model.tables import Table
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.clusters import Cluster
from fleetops_schemas.fleet_profiles import fleet_names
from fleetops_schemas.profiles import profile_names
from tests.unit.emulator.emulated import EVERY_PLATFORM, Strike, emulated

EXAMPLES = int(os.environ.get("FLEETOPS_PROPERTY_EXAMPLES", "0"))
NAMES = fleet_names() if EXAMPLES else profile_names(Cluster)
DAY_TICKS = 1440
TICK_SECONDS = 60.0
WORST = {Blend.FACTOR: 0.0, Blend.ADDEND: 30.0, Blend.LEVEL: 1.0}
LEAST_PRIMARY_FLOW = 0.2
"""With none at all the loop warms without end: nobody is there who would switch the racks off."""
NOT_ABOVE = (
    ("host", "coolant_supply_temperature_celsius", "coolant_return_temperature_celsius", 0.0),
    ("host", "inlet_temperature_celsius", "outlet_temperature_celsius", 0.0),
    ("coolant_unit", "supply_temperature_celsius", "return_temperature_celsius", 0.0),
    ("coolant_unit", "return_pressure_kilopascals", "supply_pressure_kilopascals", 0.0),
    ("coolant_unit", "primary_supply_temperature_celsius", "supply_temperature_celsius", 0.0),
    (
        "coolant_unit",
        "primary_supply_temperature_celsius",
        "primary_return_temperature_celsius",
        0.0,
    ),
    ("power_unit", "output_power_watts", "input_power_watts", 0.0),
    ("power_unit", "inlet_temperature_celsius", "outlet_temperature_celsius", 0.0),
    ("fabric_port", "optics_receive_power_milliwatts", "optics_transmit_power_milliwatts", 0.2),
    ("training_rank", "compute_seconds", "step_seconds", 0.0),
)
"""Class, a metric, one that it is not above in the same row, and by how much it may be."""
SHARES = {
    "power_unit": ("charge_ratio", "state_of_health_ratio", "load_ratio"),
    "coolant_unit": ("valve_position_ratio", "reservoir_level_ratio", "humidity_ratio"),
}


def impossible(fleet: Fleet, before: dict[str, dict[str, Floats]]) -> Iterator[str]:
    """What cannot be in the tables of this tick; ``before`` are counters of the tick before."""
    for device_class, table in fleet.tables.items():
        declared = load_catalog()[device_class]
        yield from out_of_range(table)
        for metric, column in table.columns.items():
            if declared.metric(metric).kind == "counter":
                known = before.setdefault(device_class, {})
                if metric in known and (column < known[metric]).any():
                    yield f"{device_class}.{metric} fell"
                known[metric] = column
        yield from _contradictions(device_class, table)


def out_of_range(table: Table) -> Iterator[str]:
    """Metrics of a table with a reading that the catalog calls implausible."""
    declared = load_catalog()[table.roster.device_class]
    for metric, column in table.columns.items():
        least, most = declared.metric(metric).range
        if not (((column >= least) & (column <= most)) | np.isnan(column) | ~table.present).all():
            yield f"{table.roster.device_class}.{metric} outside {least} to {most}"


def _contradictions(device_class: str, table: Table) -> Iterator[str]:
    for of_class, lower, upper, slack in NOT_ABOVE:
        there = of_class == device_class and {lower, upper} <= set(table.columns)
        if there and (table[lower] > table[upper] + slack).any():
            yield f"{device_class}: {lower} above {upper}"
    if "efficiency_ratio" in table.columns and (table["efficiency_ratio"] >= 1.0).any():
        yield f"{device_class} gives more than it takes"
    for metric in SHARES.get(device_class, ()):
        if metric in table.columns and ((table[metric] < 0.0) | (table[metric] > 1.0)).any():
            yield f"{device_class}.{metric} is no share"


@pytest.mark.parametrize("name", [EVERY_PLATFORM, *NAMES])
@settings(
    max_examples=max(EXAMPLES, 1),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
)
@given(seed=st.integers(min_value=0, max_value=2**31))
def test_a_day_holds_no_impossible_reading(name: str, seed: int) -> None:
    fleet = emulated(name, seed, TICK_SECONDS, hosts=6, warm_up_seconds=300.0)
    counters: dict[str, dict[str, Floats]] = {}
    for tick in range(DAY_TICKS):
        fleet.tick()
        wrong = list(impossible(fleet, counters))
        assert not wrong, f"{name}, seed {seed}, minute {tick}: {wrong}"


@pytest.mark.parametrize("channel", CHANNELS)
def test_the_worst_of_everything_stays_in_range(channel: str) -> None:
    """On all devices at once: no flow, no air, no mains, every host down."""
    devices = len(_whole().effects[channel])
    value = LEAST_PRIMARY_FLOW if channel == "primary_flow" else WORST[CHANNELS[channel].blend]
    worst = Strike(channel, range(devices), value)
    fleet = emulated(EVERY_PLATFORM, strikes=[worst], warm_up_seconds=60.0)
    for _ in range(10):
        for table in fleet.tick().values():
            assert not list(out_of_range(table))


@cache
def _whole() -> Fleet:
    return emulated(EVERY_PLATFORM, warm_up_seconds=0.0)
