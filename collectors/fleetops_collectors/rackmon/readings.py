"""From the registers of a device to readings: values by name, flags as states, alarms as health.

Which value is which metric is the catalog's matter (sources ``rackmon``); which flag is which state
or fault is the register map's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache
from typing import NamedTuple

from fleetops_collectors.columns import Columns, Raw
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.rackmon.words import RegisterValue
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.faults import load_faults
from fleetops_schemas.identity import DeviceIdentity
from fleetops_schemas.readings import Quality
from fleetops_schemas.records import Severity
from fleetops_schemas.register_maps import Flag, Register, RegisterFormat, RegisterMap

PROTOCOL = "rackmon"
LEAK_STATE, DETECTOR_OK = "leak_state", "leak_detector_ok"
BUS_ERRORS = "bus_errors_total"


class Device(NamedTuple):
    """One device on a bus, as it is named and found."""

    name: str
    """``r012/shelf1/psu3``."""
    map: RegisterMap
    address: str
    """``port:address@baud``."""
    host: str = ""
    """Host it stands in; "" beside hosts."""


class Sample(NamedTuple):
    """What one register gave in one round."""

    register: Register
    value: RegisterValue
    time: datetime | None = None
    """The source's own."""


def read_device(
    device: Device, samples: Iterable[Sample], now: datetime, *, errors: int | None = None
) -> Decoded:
    """The readings and the identity of a device.

    Args:
        device: its name, map and place.
        samples: what its registers gave.
        now: when they were read.
        errors: reads of it that failed since its reader started; None where nobody counts.
    """
    samples = list(samples)
    columns = Columns(PROTOCOL)
    decoded = Decoded()
    spoiled = set(_spoiled(samples))
    for sample in samples:
        _put_value(device, sample, spoiled, columns, decoded)
    _put_states(device, samples, columns)
    _put_health(device, samples, columns)
    if errors is not None and load_catalog()[device.map.device_class].has_metric(BUS_ERRORS):
        columns.put(device.map.device_class, device.name, BUS_ERRORS, errors)
    decoded.readings = columns.readings()
    identity = _identity(device, samples, now)
    if identity is not None:
        decoded.identities.append(identity)
    return decoded


def part_of(device: Device, part: str) -> str:
    """The name of a part of a device."""
    return f"{device.name}/{part}" if part else device.name


def set_flags(sample: Sample) -> Iterator[Flag]:
    """The flags that are set in a register that could be read.

    A leak that a broken detector reports (the map has both bits in one register) is none.
    """
    mask = sample.value.value
    if not isinstance(mask, int):
        return
    flags = [
        flag for flag in sample.register.flags if bool(mask >> flag.bit & 1) != flag.active_low
    ]
    broken = {flag.part for flag in flags if _says_broken(flag)}
    for flag in flags:
        if flag.metric != LEAK_STATE or flag.part not in broken:
            yield flag


@cache
def severity_of(device_class: str, flag: Flag) -> Severity:
    """How bad a flag is: by the state that it gives, else by its kind of fault."""
    if flag.metric:
        states = load_catalog()[device_class].metric(flag.metric).states
        word = states.get(flag.when_set, "")
        if word in {Severity.WARNING, Severity.CRITICAL}:
            return Severity(word)
    return load_faults().kind(flag.kind).severity


def _put_value(
    device: Device, sample: Sample, spoiled: set[str], columns: Columns, decoded: Decoded
) -> None:
    register, (value, quality, _) = sample.register, sample.value
    if register.identity:
        return
    device_class = device.map.device_class
    if not columns.has(device_class, register.name):
        if not register.flags:
            decoded.unmapped[register.name] += 1
        return
    if register.part and quality is Quality.ABSENT:
        return  # a part that is not fitted: maps list as many pumps as a unit can have
    raw: Raw = quality
    if quality is Quality.GOOD:
        raw = value if isinstance(value, int | float) else Quality.MISSING
    if register.name in spoiled:
        raw = Quality.MISSING
    columns.add(device_class, part_of(device, register.part), register.name, raw, sample.time)


def _put_states(device: Device, samples: list[Sample], columns: Columns) -> None:
    """States that are single bits. A leak detector that is broken says nothing about leaks."""
    broken = {flag.part for one in samples for flag in set_flags(one) if _says_broken(flag)}
    for sample in samples:
        active = set(set_flags(sample))
        for flag in sample.register.flags:
            if not flag.metric:
                continue
            raw: int | Quality = flag.when_set if flag in active else flag.when_clear
            if sample.value.quality is not Quality.GOOD:
                raw = sample.value.quality
            elif flag.metric == LEAK_STATE and flag.part in broken:
                raw = Quality.MISSING
            name = part_of(device, flag.part)
            columns.put(device.map.device_class, name, flag.metric, raw, sample.time)


def _put_health(device: Device, samples: list[Sample], columns: Columns) -> None:
    """The worst of the device's own alarms; unknown while some cannot be read and none is set."""
    alarms = [s for s in samples if any(flag.kind for flag in s.register.flags)]
    if not alarms:
        return
    device_class = device.map.device_class
    worst = max(
        (
            severity_of(device_class, flag).rank
            for sample in alarms
            for flag in set_flags(sample)
            if flag.kind
        ),
        default=0,
    )
    unread = [s.value.quality for s in alarms if s.value.quality is not Quality.GOOD]
    raw = unread[0] if unread and not worst else worst
    columns.put(device_class, device.name, "health", raw)


def _says_broken(flag: Flag) -> bool:
    """Whether the flag, while set, says that a leak detector is broken."""
    return flag.metric == DETECTOR_OK and flag.when_set == 0


def _spoiled(samples: Iterable[Sample]) -> Iterator[str]:
    for sample in samples:
        for flag in set_flags(sample):
            yield from flag.spoils


def _identity(device: Device, samples: Iterable[Sample], now: datetime) -> DeviceIdentity | None:
    found = {
        sample.register.identity: str(sample.value.value)
        for sample in samples
        if sample.register.identity
        and sample.register.format is RegisterFormat.TEXT
        and sample.value.quality is Quality.GOOD
    }
    if not found:
        return None
    return DeviceIdentity(
        device=device.name,
        device_class=device.map.device_class,
        host=device.host,
        source=PROTOCOL,
        address=device.address,
        observed_at=now,
        **found,
    )
