"""Rounds of the ``rackmon`` collector over buses that tests serve."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fleetops.core.clock import ManualClock
from fleetops_collectors.base import Scrape
from fleetops_collectors.rackmon import RackmonCollector, RackmonConfig, RackmonTarget
from fleetops_collectors.rackmon.modbus import Line
from fleetops_schemas.register_maps import Parity
from tests.contract.collector_contract import check_readings
from tests.unit.collectors.modbus_server import ModbusBench

T = TypeVar("T")
LINE = Line(19_200, Parity.EVEN)


def psu(address: int = 200, name: str = "r012/shelf1/psu1") -> dict[str, Any]:
    return {"address": address, "map": "orv3_psu", "name": name}


def target(url: str, *devices: dict[str, Any], **options: object) -> dict[str, Any]:
    return {"name": "rack12", "rack": "r012", "url": url, "devices": list(devices), **options}


def run(
    act: Callable[[RackmonCollector, RackmonTarget], Awaitable[T]],
    described: dict[str, Any],
    clock: ManualClock | None = None,
    **options: object,
) -> T:
    config = RackmonConfig.model_validate(
        {"name": "test", "timeout_seconds": 0.3, "targets": [described], **options}
    )

    async def session() -> T:
        collector = RackmonCollector.create(config, clock or ManualClock())
        try:
            return await act(collector, config.targets[0])
        finally:
            await collector.close()

    return asyncio.run(session())


def scrape(described: dict[str, Any], **options: object) -> Scrape:
    found = run(lambda collector, one: collector.collect(one), described, None, **options)
    check_readings(found.readings)
    return found


def function_codes(bench: ModbusBench) -> set[int]:
    at = 7 if bench.url.startswith("tcp") else 1
    return {frame[at] for frame in bench.frames}
