"""The ``rackmon`` collector: rack power and pumping units over Modbus, or through rackmond."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, Self

from fleetops.core.clock import Clock
from fleetops.core.errors import ConfigError
from fleetops_collectors.base import CollectorConfig, Scrape, Target
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.json_input import read_file
from fleetops_collectors.rackmon.address import Transport, parse_address
from fleetops_collectors.rackmon.alarms import Alarms
from fleetops_collectors.rackmon.bus_scan import BusScan
from fleetops_collectors.rackmon.config import RackmonConfig, RackmonTarget
from fleetops_collectors.rackmon.dump import read_document, read_dump
from fleetops_collectors.rackmon.dumped_devices import DumpReader
from fleetops_collectors.rackmon.map_files import read_own_map
from fleetops_collectors.rackmon.rackmond_source import RackmondSource
from fleetops_collectors.rackmon.readings import PROTOCOL
from fleetops_schemas.register_maps import RegisterMap, load_register_maps


class RackmonCollector:
    """Reads buses by register maps, and what rackmond read of its own."""

    protocol: ClassVar[str] = PROTOCOL
    config_model: ClassVar[type[CollectorConfig]] = RackmonConfig

    def __init__(
        self, config: RackmonConfig, clock: Clock, maps: Mapping[str, RegisterMap]
    ) -> None:
        """Opens nothing; the first round does."""
        self._config = config
        self._clock = clock
        self._maps = maps
        self._sources: dict[str, BusScan | RackmondSource] = {}

    @classmethod
    def create(cls, config: CollectorConfig, clock: Clock) -> Self:
        """Makes the collector; ``config`` is a :class:`RackmonConfig`.

        Raises:
            ConfigError: a map cannot be read, or does not suit the target that names it.
        """
        assert isinstance(config, RackmonConfig)  # noqa: S101 (the runner validated it)
        own = {one.name: one for one in map(read_own_map, config.map_files)}
        maps = {**load_register_maps(), **own}
        for target in config.targets:
            _check_maps(target, maps)
        return cls(config, clock, maps)

    async def collect(self, target: Target) -> Scrape:
        """Reads the target once.

        Raises:
            TemporaryError: the bus, or every device on it, is silent.
            InputError: what answers is no Modbus, or no rackmond.
        """
        assert isinstance(target, RackmonTarget)  # noqa: S101 (the configuration's own model)
        source = self._sources.get(target.name)
        if source is None:
            source = self._sources[target.name] = self._source(target)
        decoded = await source.read()
        return Scrape.of(target, self._clock.now(), decoded)

    async def close(self) -> None:
        """Closes every connection."""
        sources, self._sources = list(self._sources.values()), {}
        await asyncio.gather(*(source.close() for source in sources))

    @classmethod
    def decode_recording(cls, path: Path, host: str | None, now: datetime) -> Decoded:
        """Reads a recorded dump of rackmond.

        Raises:
            InputError: it is none.
        """
        dump = read_dump(read_document(read_file(path), str(path)), str(path))
        reader = DumpReader(
            prefix=host or "rack", maps=load_register_maps(), alarms=Alarms(timedelta.max)
        )
        return reader.read(dump, now)

    def _source(self, target: RackmonTarget) -> BusScan | RackmondSource:
        address = parse_address(target.url)
        kind = RackmondSource if address.transport is Transport.UNIX else BusScan
        return kind(target, address, self._maps, self._config, self._clock)


def _check_maps(target: RackmonTarget, maps: Mapping[str, RegisterMap]) -> None:
    """Refuses maps that are not there, have no class, or speak at another rate than the line."""
    rate = parse_address(target.url).baud_rate
    devices = {device.map for device in target.devices}
    for name in sorted(devices | set(target.discover)):
        one = maps.get(name)
        if one is None:
            raise ConfigError(
                f"target {target.name}: no register map {name!r}; there are: "
                f"{', '.join(sorted(maps))}"
            )
        if not one.device_class:
            raise ConfigError(f"register map {name}: device_class: missing; name a device class")
        if name in devices and rate not in {None, one.baud_rate}:
            raise ConfigError(
                f"target {target.name}: devices of {name} speak at {one.baud_rate} baud, the line "
                f"at {rate}; another map may share their addresses there"
            )
