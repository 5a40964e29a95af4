"""Alarms as events: a flag that becomes set is one event, however often it is read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from fleetops_collectors.rackmon.readings import (
    PROTOCOL,
    Device,
    Sample,
    part_of,
    set_flags,
    severity_of,
)
from fleetops_schemas.records import Event
from fleetops_schemas.register_maps import Flag

STANDING = "standing"


@dataclass(slots=True)
class _Seen:
    """A flags register as it was last."""

    flags: frozenset[Flag]
    time: datetime | None


class Alarms:
    """Remembers the flags of every device of a target."""

    def __init__(self, lookback: timedelta) -> None:
        """``lookback`` bounds what a source's history may tell when it is first read."""
        self._lookback = lookback
        self._seen: dict[tuple[str, int], _Seen] = {}

    def events(self, device: Device, history: Iterable[Sample], now: datetime) -> list[Event]:
        """The flags of one register that became set since the last call.

        What is set when a register is first seen is an event too, always with the same id: after a
        restart it is the same alarm still.

        Args:
            device: whose register it is.
            history: readings of that register, oldest first; without times, one.
            now: what an event without a time of its own is dated.
        """
        found: list[Event] = []
        entries = [sample for sample in history if isinstance(sample.value.value, int)]
        if not entries:
            return found
        key = (device.name, entries[0].register.address)
        seen = self._seen.get(key)
        if seen is None:
            entries = [s for s in entries if not self._is_old(s, now)] or entries[-1:]
        for sample in entries:
            if seen is not None and sample.time and seen.time and sample.time <= seen.time:
                continue
            flags = frozenset(set_flags(sample))
            before = seen.flags if seen else frozenset()
            mark = (sample.time or now).isoformat() if seen else STANDING
            rising = sorted(flags - before, key=lambda flag: flag.bit)
            found += [_event(device, sample, flag, mark, now) for flag in rising if flag.kind]
            seen = _Seen(flags, sample.time)
        if seen is not None:
            self._seen[key] = seen
        return found

    def _is_old(self, sample: Sample, now: datetime) -> bool:
        return sample.time is not None and now - sample.time > self._lookback


def _event(device: Device, sample: Sample, flag: Flag, mark: str, now: datetime) -> Event:
    register = sample.register
    identity = f"{device.name}\0{register.address}\0{flag.bit}\0{mark}"
    return Event(
        id=sha256(identity.encode()).hexdigest()[:32],
        time=sample.time or now,
        observed_at=now,
        host=device.name.split("/", 1)[0],
        device=part_of(device, flag.part),
        device_class=device.map.device_class,
        source=PROTOCOL,
        kind=flag.kind,
        severity=severity_of(device.map.device_class, flag),
        text=f"{device.name}: {register.name}: {flag.name} is set",
        attributes={
            "register": register.address,
            "bit": flag.bit,
            "flag": flag.name,
            "bus_address": device.address,
        },
    )
