"""Lines that faults leave in kernel logs and in the logs of management controllers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fleetops.emulator.fault_kinds import Log
from fleetops.emulator.fault_places import Place, Places
from fleetops.emulator.fault_reach import devices_within
from fleetops.emulator.fault_shapes import Course, number_of
from fleetops.emulator.groups import NONE, Indices
from fleetops.emulator.kernel_lines import LEVELS, driver_lines, sxid_lines
from fleetops.emulator.log_lines import LogLine
from fleetops.emulator.model.effects import Scope
from fleetops.emulator.pci import adapter_address, pci_address

SECONDS_PER_HOUR = 3600.0
LEAST_PER_HOUR = 1e-6


@dataclass(slots=True)
class PlannedLog:
    """A kind's log entry for one fault, and when it is due next."""

    log: Log
    devices: Indices
    """Accelerators for codes, ports for lines about an adapter, hosts for others."""
    scope: Scope
    every_seconds: float
    code: int
    rng: np.random.Generator
    period_seconds: float = 0.0
    """Of pulses, where it is written with them."""
    due_seconds: float | None = None
    """After the onset; None once nothing comes any more."""

    def move_on(self) -> None:
        """To the time of the next line."""
        if self.due_seconds is None:
            return
        if self.period_seconds:
            self.due_seconds += self.period_seconds
        elif self.every_seconds:
            self.due_seconds += self.rng.exponential(self.every_seconds)
        else:
            self.due_seconds = None


class LogWriter:
    """Says which lines are due. Draws from the seed, the fault and the entry alone."""

    def __init__(self, places: Places, seed: int, tick_seconds: float) -> None:
        """``places`` name what lines are about."""
        self._places = places
        self._seed = seed
        self._tick_seconds = tick_seconds

    def plan(
        self,
        key: tuple[int, int],
        log: Log,
        place: Place,
        numbers: Mapping[str, float],
        course: Course,
    ) -> PlannedLog:
        """An entry of a kind's logs; ``key`` are the numbers of the fault and of the entry."""
        scope = _scope_of(log)
        rng = np.random.default_rng([self._seed, *key, 1])
        every = 0.0 if log.every_seconds is None else number_of(log.every_seconds, numbers)
        if log.per_hour is not None:
            every = SECONDS_PER_HOUR / max(number_of(log.per_hour, numbers), LEAST_PER_HOUR)
        code = 0
        if log.xid is not None and not isinstance(log.xid, dict):
            code = round(number_of(log.xid, numbers))
        planned = PlannedLog(
            log=log,
            devices=devices_within(self._places, place, log.within)[scope],
            scope=scope,
            every_seconds=every,
            code=code,
            rng=rng,
        )
        if log.at in {"pulse", "lull"}:
            planned.period_seconds = course.period(self._tick_seconds)
            planned.due_seconds = 0.0 if log.at == "pulse" else course.on(self._tick_seconds)
        else:
            planned.due_seconds = rng.exponential(every) if every else 0.0
        return planned

    def due(
        self, logs: Sequence[PlannedLog], begins_at: float, ends_at: float | None, now: float
    ) -> Iterator[LogLine]:
        """Lines since the last call, of a fault that began and ends at those times."""
        end = math.inf if ends_at is None else ends_at
        for planned in logs:
            if planned.log.at == "end":
                if planned.due_seconds is not None and now >= end:
                    planned.due_seconds = None
                    yield from self._lines(planned, end)
                continue
            while planned.due_seconds is not None:
                at = begins_at + planned.due_seconds
                if at > now:
                    break
                planned.move_on()
                if at >= end:
                    planned.due_seconds = None
                    break
                yield from self._lines(planned, at)

    def _lines(self, planned: PlannedLog, at: float) -> Iterator[LogLine]:
        devices = planned.devices
        if planned.log.pick == "one" and len(devices):
            devices = devices[planned.rng.integers(len(devices)) :][:1]
        for device in devices:
            if planned.log.message:
                yield self._message(planned.log, int(device), planned.scope, at)
            else:
                yield from self._kernel(planned, int(device), at)

    def _kernel(self, planned: PlannedLog, device: int, at: float) -> Iterator[LogLine]:
        site, log = self._places.site, planned.log
        if log.xid is not None:
            code = planned.code or _drawn(log.xid, planned.rng)
            yield from self._driver(device, code, at, harmless=isinstance(log.xid, dict))
        elif log.sxid is not None:
            for line in sxid_lines(0, log.sxid):
                yield LogLine(at, "kernel", site.hosts[device], line.text, line.level)
        else:
            host, words = self._words(device, planned.scope)
            if host != NONE:
                text = log.kernel.format(**words)
                yield LogLine(at, "kernel", site.hosts[host], text, LEVELS[log.level])

    def _driver(self, device: int, code: int, at: float, *, harmless: bool) -> Iterator[LogLine]:
        """The lines of a code; NVIDIA's first one carries it into the accelerator's readings."""
        site = self._places.site
        host = int(site.host_of_accelerator[device])
        number = device - int(np.searchsorted(site.host_of_accelerator, host))
        accelerator = site.group_of(host).platform.accelerator
        vendor = accelerator.vendor if accelerator else ""
        shown = code if vendor == "nvidia" else 0
        for line in driver_lines(vendor, number, code, harmless=harmless):
            owner = site.hosts[host]
            yield LogLine(at, "kernel", owner, line.text, line.level, xid=shown, accelerator=device)
            shown = 0

    def _words(self, device: int, scope: Scope) -> tuple[int, dict[str, str]]:
        """The host whose kernel speaks, and what its text's placeholders stand for."""
        site = self._places.site
        if scope is Scope.PORT:
            host = int(site.ports.host_of[device])
            if host == NONE:
                return NONE, {}
            number = int(np.searchsorted(np.flatnonzero(site.ports.host_of == host), device))
            words = {"nic": adapter_address(number), "interface": f"ens{number}np0"}
            return host, words
        if scope is Scope.ACCELERATOR:
            host = int(site.host_of_accelerator[device])
            number = device - int(np.searchsorted(site.host_of_accelerator, host))
            return host, {"pci": f"{pci_address(number)}.0", "host": site.hosts[host]}
        return device, {"host": site.hosts[device]}

    def _message(self, log: Log, device: int, scope: Scope, at: float) -> LogLine:
        owner = self._places.site.names(scope.value)[device]
        return LogLine(
            at, "management", owner, log.text, message_id=log.message, severity=log.severity
        )


def _scope_of(log: Log) -> Scope:
    """What a line is about."""
    if log.xid is not None or "{pci}" in log.kernel:
        return Scope.ACCELERATOR
    if "{nic}" in log.kernel:
        return Scope.PORT
    return Scope.HOST


def _drawn(weights: object, rng: np.random.Generator) -> int:
    """A code by its weight."""
    assert isinstance(weights, dict)  # noqa: S101  a single code is planned
    shares = np.array(list(weights.values()), dtype=np.float64)
    return int(rng.choice(list(weights), p=shares / shares.sum()))
