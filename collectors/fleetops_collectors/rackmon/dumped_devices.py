"""Readings and events of a dump of rackmond."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from fleetops_collectors.decoded import Decoded
from fleetops_collectors.rackmon.alarms import Alarms
from fleetops_collectors.rackmon.dump import Dump, DumpedDevice, DumpedRegister
from fleetops_collectors.rackmon.dumped_values import entry_value
from fleetops_collectors.rackmon.readings import Device, Sample, read_device
from fleetops_collectors.rackmon.words import MISSING, RegisterValue
from fleetops_schemas.readings import Quality
from fleetops_schemas.register_maps import Register, RegisterFormat, RegisterMap

FIRST_CREDIBLE_YEAR = 2000
"""A controller without a clock dates its readings from 1970."""


@dataclass(frozen=True, slots=True)
class DumpReader:
    """How the devices of a target's dump are understood."""

    prefix: str
    """Begins the names of devices that have no other."""
    maps: Mapping[str, RegisterMap]
    alarms: Alarms
    names: Mapping[tuple[int, str], str] = field(default_factory=dict)
    """Names of devices by address and map."""
    host: str = ""
    port_name: str = ""
    """Where rackmond is, for the devices' identity."""
    stale_after: timedelta = timedelta(seconds=900)

    def read(self, dump: Dump, now: datetime) -> Decoded:
        """The readings, identities and new alarms of every device."""
        whole = Decoded(problems=list(dump.problems))
        if dump.unknown:
            names = ", ".join(sorted(dump.unknown)[:8])
            whole.problems.append(f"{dump.unknown.total()} unknown fields ignored: {names}")
        named: set[str] = set()
        for found in dump.devices:
            one = self._map_of(found.device_type)
            if one is None:
                whole.problems.append(
                    f"device {found.identity}: no map for its type {found.device_type!r}; "
                    "decode it with `fleetops decode rackmon`"
                )
                whole.unmapped.update(register.name for register in found.registers)
                continue
            name = self._name_of(found, one)
            if name in named:
                name = f"{name}@{found.identity}"
            named.add(name)
            self._device(found, Device(name, one, self._place(found), self.host), now, whole)
        return whole

    def _device(self, found: DumpedDevice, device: Device, now: datetime, whole: Decoded) -> None:
        dumped = {register.address: register for register in found.registers}
        samples = []
        for register in device.map.registers:
            source = dumped.get(register.address)
            if source is not None:
                samples.append(self._sample(register, source, found.dormant, now))
        decoded = read_device(device, samples, now, errors=found.failures)
        whole.readings += decoded.readings
        whole.identities += decoded.identities
        known = {register.address for register in device.map.registers}
        whole.unmapped.update(decoded.unmapped)
        whole.unmapped.update(
            one.name or f"{device.map.name} {at}" for at, one in dumped.items() if at not in known
        )
        if found.dormant:
            whole.problems.append(f"{device.name}: dormant: it no longer answers rackmond")
            return
        for register in device.map.registers:
            if register.flags and register.address in dumped:
                history = _history(register, dumped[register.address])
                whole.events += self.alarms.events(device, history, now)

    def _sample(
        self, register: Register, source: DumpedRegister, dormant: bool, now: datetime
    ) -> Sample:
        if not source.history:
            return Sample(register, MISSING)
        newest = source.history[-1]
        value, time = entry_value(newest, register), newest.time
        if value.quality is Quality.GOOD and (dormant or self._is_stale(register, time, now)):
            value = RegisterValue(None, Quality.STALE)
        if time is not None and time > now + self.stale_after:
            time = None  # a clock that runs ahead dates nothing
        return Sample(register, value, time)

    def _is_stale(self, register: Register, time: datetime | None, now: datetime) -> bool:
        if time is None or register.identity:
            return False
        if time.year < FIRST_CREDIBLE_YEAR:
            return True
        # flags may be kept only when they change: their newest entry may well be old
        is_flags = register.format is RegisterFormat.FLAGS
        allowed = max(self.stale_after, timedelta(seconds=3 * register.interval_seconds))
        return not is_flags and time < now - allowed

    def _map_of(self, device_type: str) -> RegisterMap | None:
        wanted = device_type.upper()
        return next((one for one in self.maps.values() if wanted in one.device_types), None)

    def _name_of(self, found: DumpedDevice, one: RegisterMap) -> str:
        default = f"{self.prefix}/{one.name.replace('_', '-')}-{found.address}"
        return self.names.get((found.address, one.name), default)

    def _place(self, found: DumpedDevice) -> str:
        return f"{self.port_name}:{found.identity}" if self.port_name else found.identity


def _history(register: Register, source: DumpedRegister) -> list[Sample]:
    return [Sample(register, entry_value(entry, register), entry.time) for entry in source.history]
