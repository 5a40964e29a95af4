"""``Sensor`` resources: what each one measures, of which device.

Vendors put single sensors into the standard's place under names of their own. Where the standard's
properties (type, units, physical context, related item) do not say what is meant, the id does.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from fleetops_collectors.redfish.cells import Given, Subject
from fleetops_collectors.redfish.names import Names, leak_detector, supply
from fleetops_collectors.redfish.properties import reading_time, sensing_interval
from fleetops_collectors.redfish.tree import id_of, segments, uri_of
from fleetops_collectors.redfish.values import (
    Json,
    object_of,
    objects_of,
    reading_of,
    state_of,
    text_of,
)
from fleetops_schemas.catalog import load_catalog

SENSOR_RANK = 20
"""After the properties of the standard's own resources, which are excerpts of sensors."""


class Quantity(NamedTuple):
    """A kind of quantity, and what turns the sensor's unit into the catalog's."""

    kind: str
    scale: float = 1.0
    offset: float = 0.0


_UNITS: tuple[tuple[Quantity, str], ...] = (
    (Quantity("Temperature"), "cel|c|degc|°c|deg c|degrees c|degrees_c|celsius|degrees celsius"),
    (Quantity("Temperature", 5 / 9, -160 / 9), "[degf]|f|degf|°f|fahrenheit|degrees f"),
    (Quantity("Temperature", 1.0, -273.15), "k|kelvin"),
    (Quantity("Power"), "w|watt|watts"),
    (Quantity("Power", 1000.0), "kw"),
    (Quantity("Voltage"), "v|volt|volts"),
    (Quantity("Voltage", 0.001), "mv"),
    (Quantity("Current"), "a|amp|amps|ampere|amperes"),
    (Quantity("Current", 0.001), "ma"),
    (Quantity("Frequency"), "hz|hertz"),
    (Quantity("Energy"), "j|joule|joules"),
    (Quantity("Energy", 1000.0), "kj"),
    (Quantity("Energy", 3600.0), "w.h|wh"),
    (Quantity("Energy", 3.6e6), "kw.h|kwh"),
    (Quantity("Rotational"), "rpm|{rpm}|{rev}/min|rev/min|r/min"),
    (Quantity("Percent", 0.01), "%|percent|%rh|% rh"),
    (Quantity("Flow"), "l/min|lpm"),
    (Quantity("Flow", 60.0), "l/s"),
    (Quantity("Flow", 1000 / 60), "m3/h"),
    (Quantity("Flow", 60_000.0), "m3/s"),
    (Quantity("Flow", 3.785412), "[gal_us]/min|gal/min|gpm"),
    (Quantity("Pressure"), "kpa"),
    (Quantity("Pressure", 0.001), "pa"),
    (Quantity("Pressure", 1000.0), "mpa"),
    (Quantity("Pressure", 100.0), "bar"),
    (Quantity("Pressure", 0.1), "mbar"),
    (Quantity("Pressure", 6.894757), "[psi]|psi|psig"),
)
"""UCUM's spellings, which the standard asks for, and those that are met in its place."""
_BY_UNITS = {name: quantity for quantity, names in _UNITS for name in names.split("|")}
_NO_UNITS = frozenset({"unspecified", "unknown", "none", "n/a", "null"})
"""What is written where no unit is known."""
_BY_TYPE = {
    "Temperature": Quantity("Temperature"),
    "Power": Quantity("Power"),
    "Voltage": Quantity("Voltage"),
    "Current": Quantity("Current"),
    "Frequency": Quantity("Frequency"),
    "EnergyJoules": Quantity("Energy"),
    "EnergyWh": Quantity("Energy", 3600.0),
    "EnergykWh": Quantity("Energy", 3.6e6),
    "Rotational": Quantity("Rotational"),
    "Percent": Quantity("Percent", 0.01),
    "Humidity": Quantity("Percent", 0.01),
    "LiquidFlow": Quantity("Flow", 60.0),
    "LiquidFlowLPM": Quantity("Flow"),
    "PressurekPa": Quantity("Pressure"),
    "PressurePa": Quantity("Pressure", 0.001),
    "Heat": Quantity("Power", 1000.0),
}
_BY_ID = (
    ("temp", Quantity("Temperature")),
    ("energy", Quantity("Energy")),
    ("power", Quantity("Power")),
    ("volt", Quantity("Voltage")),
    ("fan", Quantity("Rotational")),
    ("leak", Quantity("Voltage")),
)
"""For metric reports, which give a sensor's value without its type."""

_SUPPLY_ID = re.compile(
    r"(?:(?:temperature|voltage|current|power|energy|frequency|utilization|fan_?tach|fan_?pwm)_)?"
    r"(?:ps|psu|power_?supply)_?(\d+)_(.+)"
)
"""OpenBMC puts the kind of sensor before its name: ``voltage_ps0_input_voltage``."""
_SHELF_SUPPLY_ID = re.compile(r"p(\d+)_(.+)")

Rule = tuple[str, str, str]
"""Kind of quantity, expression that the id holds, metric; "" where there is no column."""

_SUPPLY: tuple[Rule, ...] = (
    ("Voltage", r"standby", "standby_output_voltage_volts"),
    ("Current", r"standby", "standby_output_current_amperes"),
    ("Power", r"standby", "standby_output_power_watts"),
    ("Voltage", r"^(input|vin)", "input_voltage_volts"),
    ("Current", r"^(input|iin)", "input_current_amperes"),
    ("Power", r"^(input|pin)", "input_power_watts"),
    ("Voltage", r"^(output|vout)", "output_voltage_volts"),
    ("Current", r"^(output|iout)", "output_current_amperes"),
    ("Power", r"^(output|pout)", "output_power_watts"),
    ("Temperature", r"hot_?spot", "hotspot_temperature_celsius"),
    ("Temperature", r"clip", "busbar_clip_temperature_celsius"),
    ("Temperature", r"input|inlet|intake|ambient", "inlet_temperature_celsius"),
    ("Temperature", r"output|outlet|exhaust", "outlet_temperature_celsius"),
    ("Rotational", r"fan_?[01]?$", "fan_speed_rpm"),
    ("Rotational", r"fan_?2$", "second_fan_speed_rpm"),
    ("Frequency", r"", "frequency_hertz"),
    ("Percent", r"power_?factor", "power_factor_ratio"),
    ("Percent", r"efficiency", "efficiency_ratio"),
    ("Percent", r"load", "load_ratio"),
    # Delta: energy_in and energy_out in joules wander up and down; total_energy_in counts.
    ("Energy", r"^energy_(in|out)$", ""),
    ("Energy", r"energy", "input_energy_joules"),
)
_SHELF: tuple[Rule, ...] = (
    ("Power", r"^(total_power_in|(chassis|shelf|total)_input_power)$", "input_power_watts"),
    ("Power", r"^(total_power_out|(chassis|shelf|total)_output_power)$", "output_power_watts"),
    ("Current", r"^(total_current_in|(chassis|shelf)_input_current)$", "input_current_amperes"),
    ("Current", r"^(total_current_out|(chassis|shelf)_output_current)$", "output_current_amperes"),
    ("Current", r"^current_in_[ab]_a$", "phase_1_current_amperes"),
    ("Current", r"^current_in_[ab]_b$", "phase_2_current_amperes"),
    ("Current", r"^current_in_[ab]_c$", "phase_3_current_amperes"),
    ("Voltage", r"^((chassis|shelf)_input_voltage|voltage_in_.*)$", "input_voltage_volts"),
    ("Voltage", r"^((chassis|shelf)_output_voltage|max_voltage_out)$", "output_voltage_volts"),
    ("Percent", r"^(power_load|(chassis|shelf)_load)$", "load_ratio"),
    ("Percent", r"^(total|chassis|shelf)_efficiency$", "efficiency_ratio"),
    ("Temperature", r"^(bmc|pmc)_temp", "controller_temperature_celsius"),
    ("Temperature", r"^(chassis|shelf)_temp", "internal_temperature_celsius"),
    ("Temperature", r"^dc_temp_(plus|minus)$", "busbar_clip_temperature_celsius"),
)
_PRIMARY = r"(?:primary|facility|(?:^|_)fws(?:_|$))"
"""Of a coolant unit, the loop of the facility's water."""
_COOLANT: tuple[Rule, ...] = (
    ("Temperature", rf"{_PRIMARY}.*supply", "primary_supply_temperature_celsius"),
    ("Temperature", rf"{_PRIMARY}.*return", "primary_return_temperature_celsius"),
    ("Flow", _PRIMARY, "primary_flow_litres_per_minute"),
    ("Temperature", rf"{_PRIMARY}.*(delta|diff)", "primary_temperature_difference_celsius"),
    ("Pressure", rf"{_PRIMARY}.*supply", "primary_supply_pressure_kilopascals"),
    ("Pressure", rf"{_PRIMARY}.*return", "primary_return_pressure_kilopascals"),
    ("Pressure", rf"{_PRIMARY}.*(delta|diff)", "primary_differential_pressure_kilopascals"),
    ("Power", rf"{_PRIMARY}.*heat", "primary_heat_removed_watts"),
    ("", _PRIMARY, ""),
    ("Temperature", r"delta|diff", "temperature_difference_celsius"),
    ("Temperature", r"supply", "supply_temperature_celsius"),
    ("Temperature", r"return", "return_temperature_celsius"),
    ("Temperature", r"system|internal|chassis|ambient", "internal_temperature_celsius"),
    ("Flow", r"", "flow_litres_per_minute"),
    ("Pressure", r"filter.*(delta|diff|drop)", "filter_pressure_drop_kilopascals"),
    ("Pressure", r"filter", ""),
    ("Pressure", r"delta|diff", "differential_pressure_kilopascals"),
    ("Pressure", r"supply", "supply_pressure_kilopascals"),
    ("Pressure", r"return", "return_pressure_kilopascals"),
    ("Power", r"heat", "heat_removed_watts"),
    ("Percent", r"humidity", "humidity_ratio"),
)
_REGULATOR = r"vrm|regulator|(^|_)vr\d*(_|$)"
"""Regulators run hotter than the part that they are named after."""
_ACCELERATOR: tuple[Rule, ...] = (
    ("Temperature", _REGULATOR, ""),
    ("Temperature", r"dram|hbm|mem", "memory_temperature_celsius"),
    # NVIDIA boards: TEMP_1 is the distance to the throttle limit, also where the basis is not said.
    ("Temperature", r"temp_1$|t_?limit", "temperature_margin_celsius"),
    ("Temperature", r"temp(erature)?(_0)?$", "temperature_celsius"),
    # Boards' own names for the same sensors: TEMP_GB_GPU0, and TEMP_GB_GPU0_M of its memory.
    ("Temperature", r"^temp_.*gpu_?\d+_m$", "memory_temperature_celsius"),
    ("Temperature", r"^temp_.*gpu_?\d+$", "temperature_celsius"),
    ("Power", r"dram|hbm|mem|vr|vdd", ""),
    ("Power", r"", "power_watts"),
    ("Energy", r"dram|hbm|mem", ""),
    ("Energy", r"", "energy_joules"),
)
_LIMIT = r"tj_?max|tcontrol|tthrottle|margin|limit"
"""Temperatures that are limits, or the distance to one."""
_HOST: tuple[Rule, ...] = (
    ("Temperature", _LIMIT, ""),
    ("Temperature", r"coolant.*(supply|inlet)", "coolant_supply_temperature_celsius"),
    ("Temperature", r"coolant.*(return|outlet)", "coolant_return_temperature_celsius"),
    ("Flow", r"", "coolant_flow_litres_per_minute"),
    ("Temperature", r"inlet|intake", "inlet_temperature_celsius"),
    ("Temperature", r"outlet|exhaust", "outlet_temperature_celsius"),
    ("Temperature", r"gpu", ""),
    ("Temperature", _REGULATOR, ""),
    ("Temperature", r"dimm|dram|memory", "memory_temperature_celsius"),
    ("Temperature", r"nvme|ssd|drive|disk|storage_?device", "disk_temperature_celsius"),
    ("Temperature", r"cpu", "cpu_temperature_celsius"),
    ("Temperature", r"board|systemboard|pch|_io_", "board_temperature_celsius"),
    ("Rotational", r"", "fan_speed_rpm"),
    ("Percent", r"fan|pwm", "fan_speed_ratio"),
    ("Power", r"gpu|cpu|dimm|dram|memory|fan", ""),
    ("Power", r"total.*(hsc|power)|(system|chassis|node)_power", "power_watts"),
    ("Energy", r"total", "energy_joules"),
)
_RULES = {
    "power_unit": _SHELF,
    "coolant_unit": _COOLANT,
    "accelerator": _ACCELERATOR,
    "host": _HOST,
}

_LEAK_ID = re.compile(r"leak")
LEAK_VOLTS_LOWER_CRITICAL = 1.3
LEAK_VOLTS_UPPER_CRITICAL = 2.0
"""Limits of NVIDIA's leak detectors (about 1.73 V dry), for detectors that give none."""


class Measured(NamedTuple):
    """One cell that a sensor fills."""

    subject: Subject
    metric: str
    given: Given


def read_sensor(uri: str, sensor: Json, names: Names) -> list[Measured] | None:
    """The cells that a sensor fills; None if the catalog has no column for it."""
    base = names.subject(uri)
    if base is None:
        return None
    identity = _snake(text_of(sensor.get("Id")) or id_of(uri))
    quantity = _quantity(sensor, identity)
    if measures_a_leak(uri, sensor):
        return _leak(uri, sensor, base, names)
    found = _place(uri, sensor, quantity.kind, identity, names)
    if found is None:
        return None
    subject, metric = found
    given = Given(
        reading_of(sensor),
        rank=SENSOR_RANK + identity.startswith("voltage_in_"),  # phases, after a total
        scale=quantity.scale,
        offset=0.0 if "difference" in metric else quantity.offset,
        time=reading_time(sensor),
        state=state_of(sensor),
        interval=sensing_interval(sensor),
    )
    return [Measured(subject, metric, given)]


def _snake(text: str) -> str:
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)
    return re.sub(r"[^a-z0-9]+", "_", text.lower())


def _quantity(sensor: Json, identity: str) -> Quantity:
    declared = text_of(sensor.get("ReadingType"))
    spelt = text_of(sensor.get("ReadingUnits")).strip().lower()
    units = _BY_UNITS.get(spelt)
    if units and (not declared or _BY_TYPE.get(declared, units).kind == units.kind):
        return units
    if spelt and units is None and spelt not in _NO_UNITS:
        return Quantity(f"in {spelt}")  # by what to multiply is not known
    if declared:
        return _BY_TYPE.get(declared, Quantity(declared))
    return next((quantity for word, quantity in _BY_ID if word in identity), Quantity("?"))


def _place(
    uri: str, sensor: Json, kind: str, identity: str, names: Names
) -> tuple[Subject, str] | None:
    """The device, and the column that has a rule for this kind and id."""
    basis = text_of(sensor.get("ReadingBasis")) or "Zero"
    subject, rest = _device(uri, sensor, identity, names)
    if subject is None or basis == "Delta":
        return None
    if basis == "Headroom":
        is_accelerator = subject.device_class == "accelerator"
        return (subject, "temperature_margin_celsius") if is_accelerator else None
    is_supply = subject.device_class == "power_unit" and "/psu" in subject.device
    rules = _SUPPLY if is_supply else _RULES.get(subject.device_class, ())
    context = _snake(text_of(sensor.get("PhysicalContext")))
    words = f"{context}_{rest}".strip("_") if subject.device_class == "host" else rest
    if is_supply and context in ("intake", "exhaust"):
        words = f"{rest}_{context}"
    for wanted, expression, metric in rules:
        if wanted in ("", kind) and re.search(expression, words):
            known = metric and load_catalog()[subject.device_class].has_metric(metric)
            return (subject, metric) if known else None
    return None


def _device(uri: str, sensor: Json, identity: str, names: Names) -> tuple[Subject | None, str]:
    """The device that a sensor speaks of, and its id without that device's part."""
    base = names.subject(uri)
    for item in objects_of(sensor.get("RelatedItem")):
        subject = names.subject(uri_of(item))
        if subject and subject.device_class in ("accelerator", "power_unit", "coolant_unit"):
            return subject, _without_supply(identity)
    if base is None:
        return None, identity
    match = _SUPPLY_ID.fullmatch(identity)
    if match is None and base.device_class == "power_unit":
        match = _SHELF_SUPPLY_ID.fullmatch(identity)
    if match:
        return supply(base, match[1]), match[2]
    if base.device_class == "host":
        named = names.accelerator_in(base.device, identity)
        return named or names.accelerator_of_module(uri) or base, identity
    return base, identity


def _without_supply(identity: str) -> str:
    match = _SUPPLY_ID.fullmatch(identity) or _SHELF_SUPPLY_ID.fullmatch(identity)
    return match[2] if match else identity


def measures_a_leak(uri: str, sensor: Json) -> bool:
    """Whether it is the voltage behind a leak detector, which means a state."""
    identity = _snake(text_of(sensor.get("Id")) or id_of(uri))
    related = [uri_of(item) for item in objects_of(sensor.get("RelatedItem"))]
    backs = _LEAK_ID.search(identity) or any("/LeakDetectors/" in link for link in related)
    return bool(backs) and _quantity(sensor, identity).kind == "Voltage"


def _leak(uri: str, sensor: Json, base: Subject, names: Names) -> list[Measured]:
    """Water pulls the voltage down; an open wire lets it rise, and then nothing is known."""
    related = [uri_of(item) for item in objects_of(sensor.get("RelatedItem"))]
    subject = next((names.subject(link) for link in related if "/LeakDetectors/" in link), None)
    if subject is None or subject.device_class != "coolant_unit":
        parts = segments(uri)
        subject = leak_detector(base, parts[-1], parts[1])
    volts = _volts(sensor.get("Reading"))
    limits = object_of(sensor.get("Thresholds"))
    wet = volts is not None and volts <= _limit(limits, "LowerCritical", LEAK_VOLTS_LOWER_CRITICAL)
    open_wire = volts is not None and volts >= _limit(
        limits, "UpperCritical", LEAK_VOLTS_UPPER_CRITICAL
    )
    state = state_of(sensor)
    works = state == "Enabled" and not open_wire
    level = None if volts is None or not works else "Critical" if wet else "OK"
    seen = Given(
        level,
        SENSOR_RANK,
        time=reading_time(sensor),
        state=state,
        interval=sensing_interval(sensor),
    )
    return [
        Measured(subject, "leak_detector_ok", Given(works, SENSOR_RANK)),
        Measured(subject, "leak_state", seen),
    ]


def has_leak_limits(sensor: Json) -> bool:
    """Whether a sensor itself says at which voltage there is a leak."""
    limit = object_of(object_of(sensor.get("Thresholds")).get("LowerCritical")).get("Reading")
    return isinstance(limit, int | float)


def _volts(reading: object) -> float | None:
    try:
        volts = float(reading) if isinstance(reading, str | int | float) else math.nan
    except ValueError:
        return None
    return volts if math.isfinite(volts) else None


def _limit(limits: Json, name: str, default: float) -> float:
    value = object_of(limits.get(name)).get("Reading")
    return float(value) if isinstance(value, int | float) else default
