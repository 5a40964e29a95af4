"""A training collector of one target."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from fleetops.core.clock import ManualClock
from fleetops_collectors.base import Scrape
from fleetops_collectors.training import TrainingCollector, TrainingConfig, TrainingTarget
from tests.contract.collector_contract import check_readings

T = TypeVar("T")


class Site:
    """A collector of one target."""

    def __init__(self, url: str, target: dict[str, Any] | None = None, **options: object) -> None:
        own = {"name": "job", "url": url, **(target or {})}
        quick = {"listen_seconds": 0.05, **options}
        self.clock = ManualClock(datetime.now(UTC))
        self.config = TrainingConfig.model_validate({"name": "t", "targets": [own], **quick})
        self.target = self.config.targets[0]

    def run(self, act: Callable[[TrainingCollector, TrainingTarget], Awaitable[T]]) -> T:
        async def session() -> T:
            collector = TrainingCollector.create(self.config, self.clock)
            try:
                return await act(collector, self.target)
            finally:
                await collector.close()

        return asyncio.run(session())

    def scrape(self) -> Scrape:
        scrape = self.run(lambda collector, target: collector.collect(target))
        check_readings(scrape.readings)
        return scrape


def values(scrape: Scrape) -> dict[tuple[str, str], object]:
    """By device and metric."""
    return {(one.device, one.metric): one.value for one in scrape.readings}
