"""What a rack of a platform draws, how its coolant warms, and what stands where in it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from fleetops_schemas.platforms import CoolantUnit, Platform, RackPower, Switch
from fleetops_schemas.profiles import load_profile

PG25_JOULES_PER_LITRE_KELVIN = 1.03 * 3970.0
"""Density times specific heat of 25 % propylene glycol in water, near 35 Cel."""
PUMP_SHUT_OFF_RATIO = 4.0 / 3.0
"""Lift of a pump that gives nothing, against that at rated flow (assumed: centrifugal pumps)."""
FAN_RATIO_AT_FULL_LOAD = 0.8
"""Speed of hosts' fans at full load; the rest is reserve for a warm day."""
SHELF_UNITS = 1
BATTERY_UNITS = 2
SWITCH_UNITS = 2
TRAY_UNITS = 1
PUMP_UNITS = 4


class Part(StrEnum):
    """What a slot of a rack holds."""

    HOST = "host"
    SCALE_UP = "scale_up"
    SHELF = "shelf"
    BATTERY = "battery"
    SWITCH = "switch"
    COOLANT = "coolant"


@dataclass(frozen=True, slots=True)
class Slot:
    """One thing in a rack; heights and positions are in rack units, 1 is at the floor."""

    part: Part
    bottom: int
    height: int
    column: int = 0
    columns: int = 1
    """Things side by side at this height."""


def hosts_per_rack(platform: Platform) -> int:
    """Hosts that stand in a rack."""
    return max(int(platform.rack.hosts), 1)


def rack_watts(platform: Platform) -> float:
    """Rated power of a rack's hosts."""
    return hosts_per_rack(platform) * platform.rated_watts


def liquid_watts(platform: Platform) -> float:
    """Rated heat of a host that coolant carries: its accelerators and processors; 0 in air."""
    if platform.cooling.litres_per_minute_per_kilowatt is None:
        return 0.0
    return platform.rated_watts - float(platform.board.busy_watts) - float(platform.board.fan_watts)


def litres_per_minute(platform: Platform) -> float:
    """Rated coolant flow of a host; 0 in air."""
    per_kilowatt = platform.cooling.litres_per_minute_per_kilowatt
    return 0.0 if per_kilowatt is None else float(per_kilowatt) * liquid_watts(platform) / 1e3


def coolant_rise_kelvin(watts: float, flow_litres_per_minute: float) -> float:
    """Warming of PG25 that carries a heat away: ``dT = Q / (V rho cp)``."""
    return watts / (flow_litres_per_minute / 60.0 * PG25_JOULES_PER_LITRE_KELVIN)


def flow_ratio_without_a_pump(unit: CoolantUnit) -> float:
    """Flow against rated flow when one pump stands still and the others are driven as they can.

    Where m - 1 of m pumps at speed n meet a loop whose lift is the square of its flow q:
    ``q = k n sqrt(S / (S - 1 + k^2))`` with ``k = (m - 1) / m``.
    """
    pumps, ratio = int(unit.pumps), float(unit.pump_speed_ratio)
    if pumps < 2:  # noqa: PLR2004  one and another
        return 0.0
    share = (pumps - 1) / pumps
    speed = min(1.0 / ratio, 1.0 / share)
    return share * speed * math.sqrt(PUMP_SHUT_OFF_RATIO / (PUMP_SHUT_OFF_RATIO - 1.0 + share**2))


def air_watts(platform: Platform) -> float:
    """Heat of a host that air carries at rated load, its fans' own included."""
    fans = float(platform.board.fan_watts)
    spared = fans * (1.0 - FAN_RATIO_AT_FULL_LOAD**3)
    return platform.rated_watts - liquid_watts(platform) - spared


def air_rise_kelvin(platform: Platform) -> float:
    """Warming of a host's air at rated load."""
    flow = float(platform.board.air_watts_per_kelvin) * FAN_RATIO_AT_FULL_LOAD
    return air_watts(platform) / flow


def supply_watts(platform: Platform, failed_per_shelf: int = 1) -> float:
    """What a rack's supplies give with so many of each shelf failed."""
    supplies = load_profile(RackPower, platform.rack.power).supplies
    working = int(supplies.per_shelf) - failed_per_shelf
    return int(platform.rack.shelves) * working * float(supplies.rated_watts)


def shelf_can_fail(platform: Platform) -> bool:
    """Whether the other shelves of a rack carry it when one is gone."""
    shelves = int(platform.rack.shelves)
    power = load_profile(RackPower, platform.rack.power)
    if shelves < 2 or power.in_hosts:  # noqa: PLR2004  one and another
        return False
    return supply_watts(platform, 0) * (shelves - 1) / shelves >= rack_watts(platform)


def backup_seconds(platform: Platform) -> float:
    """How long full batteries carry a rack at rated load; 0 where they cannot, or are none."""
    power = load_profile(RackPower, platform.rack.power)
    if power.batteries is None:
        return 0.0
    count = int(platform.rack.shelves) * int(power.batteries.per_shelf)
    able = count * float(power.batteries.rated_watts)
    load = rack_watts(platform)
    return able * float(power.batteries.backup_seconds) / load if able >= load else 0.0


def elevation(platform: Platform) -> tuple[Slot, ...]:
    """What stands where: hosts from the floor up, above them switches, supplies and batteries."""
    rack, slots, bottom = platform.rack, [], 1
    units = int(rack.host_height_units)
    for index in range(hosts_per_rack(platform)):
        row, column = divmod(index, rack.abreast)
        slots.append(Slot(Part.HOST, 1 + row * units, units, column, rack.abreast))
    bottom += math.ceil(hosts_per_rack(platform) / rack.abreast) * units
    for part, height in _above(platform):
        slots.append(Slot(part, bottom, height))
        bottom += height
    return tuple(slots)


def _above(platform: Platform) -> Iterator[tuple[Part, int]]:
    """What a rack holds beside hosts, from the lowest up, with heights in units."""
    if platform.scale_up is not None and platform.scale_up.switch_trays is not None:
        for _ in range(int(platform.scale_up.switch_trays)):
            yield Part.SCALE_UP, TRAY_UNITS
    power = load_profile(RackPower, platform.rack.power)
    for _ in range(0 if power.in_hosts else int(platform.rack.shelves)):
        yield Part.SHELF, SHELF_UNITS
        if power.batteries is not None:
            yield Part.BATTERY, BATTERY_UNITS
    if platform.cooling.unit is not None:
        unit = load_profile(CoolantUnit, platform.cooling.unit)
        if unit.kind == "liquid_to_air":
            yield Part.COOLANT, PUMP_UNITS
    fabric = any(adapter.role == "backend" for adapter in platform.adapters)
    # a leaf of several switches stands at the end of the row
    if fabric and load_profile(Switch, platform.rack.leaf).boxes == 1:
        yield Part.SWITCH, SWITCH_UNITS
