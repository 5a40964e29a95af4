"""Rounds of a collector against a running Redfish service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fleetops.core.clock import ManualClock, SystemClock
from fleetops_collectors.base import Scrape, Target
from fleetops_collectors.redfish import RedfishCollector, RedfishConfig
from tests.unit.collectors.redfish_service import PASSWORD, USER, RedfishService, running

T = TypeVar("T")
INLET = "/redfish/v1/Chassis/Tray/Sensors/Inlet"
LOGIN: dict[str, Any] = {"username": USER, "password": PASSWORD}
READINGS_OF_A_TRAY = 12


def using(
    service: RedfishService,
    act: Callable[[RedfishCollector, Target], Awaitable[T]],
    clock: ManualClock | SystemClock | None = None,
    **options: object,
) -> T:
    """Runs a coroutine function with a collector of a running service; closes it afterwards."""
    config = RedfishConfig.model_validate({"name": "test", **options})

    async def session(url: str) -> T:
        collector = RedfishCollector.create(config, clock or ManualClock())
        try:
            return await act(collector, Target(name="bmc7", url=url, host="node007", rack="r01"))
        finally:
            await collector.close()

    with running(service) as url:
        return asyncio.run(session(url))


async def once(collector: RedfishCollector, target: Target) -> Scrape:
    return await collector.collect(target)


async def twice(collector: RedfishCollector, target: Target) -> Scrape:
    await collector.collect(target)
    return await collector.collect(target)


async def until(holds: Callable[[], bool], seconds: float = 5.0) -> None:
    """Waits for something that another thread or task does."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)
