"""One rackmond, asked round after round for what it knows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from fleetops.core.clock import Clock
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.json_input import parse_json
from fleetops_collectors.rackmon.address import BusAddress
from fleetops_collectors.rackmon.alarms import Alarms
from fleetops_collectors.rackmon.bus_scan import prefix_of
from fleetops_collectors.rackmon.config import RackmonConfig, RackmonTarget
from fleetops_collectors.rackmon.dump import read_dump
from fleetops_collectors.rackmon.dumped_devices import DumpReader
from fleetops_collectors.rackmon.rackmond import ask_rackmond
from fleetops_schemas.register_maps import RegisterMap


class RackmondSource:
    """Reads what a rackmond read; puts nothing on its buses."""

    def __init__(
        self,
        target: RackmonTarget,
        address: BusAddress,
        maps: Mapping[str, RegisterMap],
        config: RackmonConfig,
        clock: Clock,
    ) -> None:
        """Opens nothing."""
        self._where = f"{target.name}: {target.url}"
        self._path = address.path
        self._config = config
        self._clock = clock
        self._reader = DumpReader(
            prefix=prefix_of(target),
            maps=maps,
            names={(device.address, device.map): device.name for device in target.devices},
            alarms=Alarms(timedelta(seconds=config.lookback_seconds)),
            host=target.host or "",
            port_name=address.port_name,
            stale_after=timedelta(seconds=config.stale_after_seconds),
        )

    async def read(self) -> Decoded:
        """One round.

        Raises:
            TemporaryError: rackmond does not answer.
            InputError: what answers is no rackmond, or it reports an error.
        """
        body = await ask_rackmond(
            self._path,
            where=self._where,
            max_bytes=self._config.max_body_bytes,
            length_bytes=self._config.length_bytes,
        )
        dump = read_dump(parse_json(body, self._where), self._where)
        return self._reader.read(dump, self._clock.now())

    async def close(self) -> None:
        """There is nothing to close: a connection is a question."""
