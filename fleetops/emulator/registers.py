"""Devices that are read by registers: what each register map lets them tell.

The maps (``register_maps/*.yaml``) say where a value lies, the catalogue's ``rackmon`` sources
which metric it is; both are read backwards here. What no register holds, the device cannot tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Final

from fleetops.core.errors import ConfigError
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.faults import load_faults
from fleetops_schemas.platforms import Interface
from fleetops_schemas.records import Severity
from fleetops_schemas.register_maps import (
    Flag,
    Register,
    RegisterFormat,
    RegisterMap,
    load_register_maps,
)

HEALTH, ALARM_FLAGS, BUS_ERRORS = "health", "alarm_flags", "bus_errors_total"


class Alarm(StrEnum):
    """A condition that a device finds in itself."""

    INPUT_LOST = "input_lost"
    OUTPUT_FAILED = "output_failed"
    HOT = "hot"
    BATTERY_WORN = "battery_worn"
    BATTERY_FULL = "battery_full"
    BATTERY_EMPTY = "battery_empty"
    COOLANT_HOT = "coolant_hot"
    PUMP_SLOW = "pump_slow"
    FLOW_LOW = "flow_low"
    PAN_WET = "pan_wet"


ALARM_OF_FLAG: Final[Mapping[str, Alarm]] = MappingProxyType(
    {
        **dict.fromkeys(("PFC", "AC_UVP", "AC_Not_OK", "Power_Fail", "In_UVP"), Alarm.INPUT_LOST),
        **dict.fromkeys(
            ("DCDC", "DCDC_Converter_Failure", "DCDC_Fail", "Main_Converter_Failed"),
            Alarm.OUTPUT_FAILED,
        ),
        **dict.fromkeys(("Temperature", "Temp_Alarm", "Outlet_Temp_Alarm"), Alarm.HOT),
        **dict.fromkeys(("EOL", "BBU_EOL", "End_of_Life"), Alarm.BATTERY_WORN),
        "Charge_Not_Allowed": Alarm.BATTERY_FULL,
        "Discharge_Not_Allowed": Alarm.BATTERY_EMPTY,
        "RPU_Outlet_Temp": Alarm.COOLANT_HOT,
        "Pump_Abnormal": Alarm.PUMP_SLOW,
        "Coolant_Loop_Blocked": Alarm.FLOW_LOW,
        "HEX_Rack_Pan_Leakage_Relay": Alarm.PAN_WET,
    }
)
"""By a flag's name in the maps. Flags that are not here, nor give a state, are never set."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A register with a number, and the metric that it is."""

    register: Register
    metric: str
    scale: float
    """With ``offset``, from the register's value to the metric's: value * scale + offset."""
    offset: float

    @property
    def step(self) -> float:
        """What the register can tell apart, in the metric's unit."""
        one = self.register
        whole = one.format is RegisterFormat.INTEGER
        return abs(self.scale) * (1.0 if whole else abs(one.scale) / 2**one.fraction_bits)


@dataclass(frozen=True, slots=True)
class Told:
    """What the devices of a register map tell."""

    map: RegisterMap
    measured: tuple[Measured, ...]
    alarms: Register | None
    """The flags that are, all together, the metric ``alarm_flags``."""
    metrics: Mapping[str, frozenset[str]]
    """By part; "" is the device itself."""
    flags: tuple[tuple[Register, Flag], ...]
    """The flags that may be set here, and their registers."""

    def tells(self, metric: str) -> bool:
        """Whether a device itself tells a metric."""
        return metric in self.metrics[""]

    @property
    def parts(self) -> tuple[str, ...]:
        """Parts that the map tells of, in the order of the registers."""
        return tuple(part for part in self.metrics if part)


@cache
def told_by(name: str) -> Told:
    """What devices of the shipped map of that name tell.

    Raises:
        ConfigError: there is no such map.
    """
    maps = load_register_maps()
    if name not in maps:
        raise ConfigError(f"no register map {name!r}; there are: {', '.join(sorted(maps))}")
    one = maps[name]
    places = {
        source.name: Measured(one.registers[0], metric.name, source.scale, source.offset)
        for metric in load_catalog()[one.device_class].metrics
        for source in metric.sources.get(Interface.RACKMON.value, ())
    }
    found = [register for register in one.registers if register.name in places]
    measured = tuple(
        replace(places[register.name], register=register)
        for register in found
        if not register.flags
    )
    alarms = next((register for register in found if register.flags), None)
    metrics: dict[str, set[str]] = {"": {BUS_ERRORS}}
    for value in measured:
        metrics.setdefault(value.register.part, set()).add(value.metric)
    for flag in (flag for register in one.registers for flag in register.flags):
        if flag.metric:
            metrics.setdefault(flag.part, set()).add(flag.metric)
        if flag.kind:
            metrics[""].add(HEALTH)
    if alarms is not None:
        metrics[""].add(ALARM_FLAGS)
    frozen = {part: frozenset(names) for part, names in metrics.items()}
    flags = tuple(
        (register, flag)
        for register in one.registers
        for flag in register.flags
        if flag.metric or flag.name in ALARM_OF_FLAG
    )
    return Told(one, measured, alarms, MappingProxyType(frozen), flags)


@cache
def severity_rank(device_class: str, flag: Flag) -> int:
    """How bad a set flag makes its device's health: 0 ok, 1 warning, 2 critical.

    By the state that it gives, else by its kind of fault; as whoever reads registers judges it.
    """
    if not flag.kind:
        return 0
    states = load_catalog()[device_class].metric(flag.metric).states if flag.metric else {}
    word = states.get(flag.when_set, "")
    if word in {Severity.WARNING, Severity.CRITICAL}:
        return Severity(word).rank
    return load_faults().kind(flag.kind).severity.rank
