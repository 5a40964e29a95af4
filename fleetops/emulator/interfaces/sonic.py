"""SONiC: a real Redis for each switch, with what its daemons write there.

A server process a switch (1.7 MB each) keeps the port and the numbers of the databases as on a
switch; a switch that is down has its server stopped, so that nobody answers. What changed is
written after each tick, in one pipeline a switch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import override

from fleetops.emulator.interfaces.base import (
    LOOPBACK,
    Carried,
    Selection,
    ServedInterface,
    Surroundings,
)
from fleetops.emulator.interfaces.redis_server import RedisServer, redis_program
from fleetops.emulator.interfaces.sonic_tables import (
    COUNTERS,
    HEALTH,
    MODULE_METRICS,
    QUEUE,
    RATES,
    SUPPLY,
    TEMPERATURES,
    Hashes,
    hashes_of,
    pipeline,
)
from fleetops.emulator.interfaces.switches import (
    HOST,
    PORT,
    POWER_UNIT,
    SwitchRows,
    carried_of,
    switches_of,
)
from fleetops_schemas.platforms import Interface

THIRD_DECIMAL = 0.0005
WHOLE_PERCENT = 0.005
TOLERANCES: Mapping[str, Mapping[str, float]] = {
    PORT: {
        "optics_supply_voltage_volts": THIRD_DECIMAL,
        "optics_bias_milliamperes": THIRD_DECIMAL,
    },
    HOST: {"fan_speed_ratio": WHOLE_PERCENT},
    POWER_UNIT: {
        metric: THIRD_DECIMAL
        for metric in SUPPLY.values()
        if metric.endswith(("_volts", "_amperes"))
    },
}


class SonicInterface(ServedInterface):
    """The databases of all switches that run SONiC."""

    interface: ClassVar[Interface] = Interface.SONIC

    def __init__(self, surroundings: Surroundings, selection: Selection) -> None:
        """Prepares the keys; starts nothing."""
        super().__init__(surroundings, selection)
        self._switches = switches_of(surroundings.fleet, selection)
        self._hashes = {one.name: hashes_of(one) for one in self._switches}
        self._servers: dict[str, RedisServer] = {}

    @override
    def carries(self) -> Mapping[str, Carried]:
        links = ("link_state", "rate_gigabits_per_second", "link_transitions_total")
        counted = (*COUNTERS.values(), *QUEUE.values(), *RATES.values())
        metrics = {
            PORT: (*links, *counted, *MODULE_METRICS),
            HOST: (*TEMPERATURES.values(), "fan_speed_ratio"),
            POWER_UNIT: (*SUPPLY.values(), HEALTH),
        }
        return carried_of(self._switches, metrics, TOLERANCES)

    @override
    def collectors(self) -> list[dict[str, Any]]:
        targets = [
            one.target(f"redis://{LOOPBACK}:{self._servers[one.name].port}")
            for one in self._switches
        ]
        return [{"kind": "sonic", "name": "sonic", "targets": targets}]

    @override
    async def start(self) -> None:
        program = redis_program()
        self._servers = {one.name: RedisServer(program) for one in self._switches}
        for server in self._servers.values():
            await server.start()

    @override
    async def refresh(self) -> None:
        for switch in self._switches:
            await self._write(switch, self._hashes[switch.name])

    @override
    async def close(self) -> None:
        servers, self._servers = self._servers, {}
        await asyncio.gather(*(server.stop() for server in servers.values()))

    async def _write(self, switch: SwitchRows, hashes: list[Hashes]) -> None:
        fleet, server = self.surroundings.fleet, self._servers[switch.name]
        up = switch.answers(fleet)
        server.silence(not up)
        if up:
            await server.write(pipeline(hashes, fleet.tables, self.surroundings.clock.now()))
