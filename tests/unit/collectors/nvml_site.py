"""An NVML collector of one target, whose driver is emulated."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from fleetops.core.clock import ManualClock
from fleetops_collectors.base import Scrape, devices_of
from fleetops_collectors.nvml import NvmlCollector, NvmlConfig, NvmlTarget
from tests.contract.collector_contract import check_readings

QUICK: dict[str, Any] = {"device_seconds": 0.5, "start_seconds": 8.0, "deadline_seconds": 10.0}


class Site:
    """A collector with one target, and its clock."""

    def __init__(self, folder: Path, **options: Any) -> None:  # noqa: ANN401
        self.clock = ManualClock()
        """Stands still: rounds have all the time, and pauses end when the test says so."""
        self.target = NvmlTarget(name="local", host="node001", library_folder=folder)
        config = NvmlConfig.model_validate(
            {"name": "gpus", "targets": [self.target], **QUICK, **options}
        )
        self.collector = NvmlCollector.create(config, self.clock)

    async def read(self) -> Scrape:
        scrape = await self.collector.collect(self.target)
        check_readings(scrape.readings)
        return scrape

    @property
    def process_id(self) -> int:
        process_id = self.collector._readers["local"]._process.process_id
        assert process_id is not None
        return process_id


def run(site: Site, act: Callable[[], Awaitable[None]]) -> None:
    async def session() -> None:
        try:
            await act()
        finally:
            await site.collector.close()

    asyncio.run(session())


def gpus(scrape: Scrape) -> list[int]:
    return [int(device.removeprefix("node001/gpu")) for device in devices_of(scrape)]


def is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True
