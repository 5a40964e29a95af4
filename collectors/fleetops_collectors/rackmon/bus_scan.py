"""One bus, read round after round: its devices in turn, and a few addresses asked for new ones."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from fleetops.core.clock import Clock
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.rackmon.address import BusAddress
from fleetops_collectors.rackmon.alarms import Alarms
from fleetops_collectors.rackmon.config import RackmonConfig, RackmonTarget
from fleetops_collectors.rackmon.device_reader import DeviceReader, DeviceRound
from fleetops_collectors.rackmon.discovery import Discovery, line_of, place_of
from fleetops_collectors.rackmon.modbus import (
    GarbledError,
    NoAnswerError,
    NotReachedError,
    ReadOnlyBus,
)
from fleetops_collectors.rackmon.readings import Device, read_device
from fleetops_schemas.register_maps import RegisterMap

ROUND_SHARE = 0.9
"""Of the deadline; what was read by then is told before the runner cuts the round off."""


class BusScan:
    """Reads a target's bus. One read at a time; a silent device costs the others its timeouts."""

    def __init__(
        self,
        target: RackmonTarget,
        address: BusAddress,
        maps: Mapping[str, RegisterMap],
        config: RackmonConfig,
        clock: Clock,
    ) -> None:
        """Opens nothing."""
        self._target = target
        self._address = address
        self._config = config
        self._clock = clock
        self._alarms = Alarms(timedelta(seconds=config.lookback_seconds))
        self._bus = ReadOnlyBus(
            address,
            timeout_seconds=config.timeout_seconds,
            min_delay_seconds=config.min_delay_seconds,
            retries=config.retries,
        )
        self._readers = [
            self._reader(maps[device.map], device.address, device.name) for device in target.devices
        ]
        # a line is set anew for another rate: those of one rate come together
        self._readers.sort(key=lambda reader: reader.device.map.baud_rate)
        self._discovery = Discovery(
            [maps[name] for name in target.discover],
            address,
            {place_of(maps[device.map], device.address, address) for device in target.devices},
            probes_per_round=config.probes_per_round,
            timeout_seconds=config.probe_timeout_seconds,
        )

    async def read(self) -> Decoded:
        """One round.

        Raises:
            NoAnswerError: the bus, or every device on it, is silent.
            GarbledError: nothing that came is an answer.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + ROUND_SHARE * self._config.deadline_seconds
        decoded = Decoded()
        errors: list[NoAnswerError | GarbledError] = []
        heard = 0
        for reader in list(self._readers):
            if loop.time() >= until:
                decoded.problems.append("the deadline is near; other devices come next round")
                break
            self._readers.append(self._readers.pop(0))  # who is not reached begins next time
            try:
                self._add(reader, await reader.read(self._bus, self._clock.monotonic()), decoded)
                heard += 1
            except (NoAnswerError, GarbledError) as error:
                errors.append(error)
                decoded.problems.append(f"{reader.device.name}: {error}")
                if isinstance(error, NotReachedError):
                    break
        if loop.time() < until:
            heard += await self._discover(decoded, errors, until)
        if not heard:
            raise self._silence(errors)
        return decoded

    async def close(self) -> None:
        """Closes the connection."""
        await self._bus.close()

    def _add(self, reader: DeviceReader, result: DeviceRound, decoded: Decoded) -> None:
        now = self._clock.now()
        errors = self._bus.counts.errors[reader.address]
        device = read_device(reader.device, result.samples, now, errors=errors)
        decoded.readings += device.readings
        decoded.identities += device.identities
        decoded.unmapped.update(device.unmapped)
        decoded.problems += result.problems
        for sample in result.samples:
            if sample.register.flags:
                decoded.events += self._alarms.events(reader.device, [sample], now)

    async def _discover(
        self, decoded: Decoded, errors: list[NoAnswerError | GarbledError], until: float
    ) -> int:
        """Adds the devices that are found, and reads them at once. How many answered."""
        if self._discovery.ambiguous:
            claimed = ", ".join(map(str, self._discovery.ambiguous[:8]))
            decoded.problems.append(
                f"addresses that several maps claim are not asked: {claimed}; name the line's rate "
                "(?baudrate=) or list the devices"
            )
        loop = asyncio.get_running_loop()
        answered = 0
        for candidate in self._discovery.candidates():
            try:
                if await self._discovery.finds(self._bus, candidate):
                    answered += await self._read_new(*candidate, decoded)
            except NotReachedError as error:
                errors.append(error)
                break
            if loop.time() >= until:
                break
        return answered

    async def _read_new(self, one: RegisterMap, at: int, decoded: Decoded) -> bool:
        """Adds a device that was found. Whether it could be read."""
        reader = self._reader(one, at, f"{self._prefix}/{one.name.replace('_', '-')}-{at}")
        self._readers.append(reader)
        try:
            self._add(reader, await reader.read(self._bus, self._clock.monotonic()), decoded)
        except (NoAnswerError, GarbledError) as error:
            decoded.problems.append(f"{reader.device.name}: {error}")
            return False
        return True

    def _reader(self, one: RegisterMap, at: int, name: str) -> DeviceReader:
        line = line_of(one, self._address)
        place = f"{self._address.port_name}:{at}@{line.baud_rate}"
        device = Device(name, one, place, self._target.host or "")
        return DeviceReader(device, at, line, recheck_seconds=self._config.recheck_seconds)

    @property
    def _prefix(self) -> str:
        return prefix_of(self._target)

    def _silence(self, errors: list[NoAnswerError | GarbledError]) -> NoAnswerError | GarbledError:
        """The one error of a round in which nobody answered."""
        where = f"{self._target.name}: {self._target.url}"
        garbled = [error for error in errors if isinstance(error, GarbledError)]
        if garbled:
            return GarbledError(f"{where}: {garbled[0]}")
        if errors and isinstance(errors[-1], NotReachedError):
            return NotReachedError(f"{where}: {errors[-1]}")
        if errors:
            return NoAnswerError(f"{where}: none of {len(errors)} devices answers: {errors[0]}")
        return NoAnswerError(f"{where}: no device found at the addresses that were asked")


def prefix_of(target: RackmonTarget) -> str:
    """What the names of devices without a configured name begin with."""
    return target.device or target.host or target.rack or target.name
