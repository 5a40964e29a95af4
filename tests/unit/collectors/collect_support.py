"""What tests of the runner share: a collector that does as it is told, and a bus that goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Self, cast

from fleetops.core.clock import Clock
from fleetops.core.errors import BusUnavailableError, InputError
from fleetops_collectors.base import CollectorConfig, Scrape, Target
from fleetops_collectors.collector_config import ConfiguredCollector
from fleetops_schemas.readings import Quality, Reading

Behaviour = Callable[[Target, Clock], Scrape | Exception | float]


class ScriptedConfig(CollectorConfig):
    """A collector whose behaviour is a function of the target."""

    behaviour: Behaviour


class ScriptedCollector:
    """Returns, raises or sleeps (seconds) as its behaviour says."""

    protocol: ClassVar[str] = "scripted"
    config_model: ClassVar[type[CollectorConfig]] = ScriptedConfig

    def __init__(self, config: ScriptedConfig, clock: Clock) -> None:
        self.config = config
        self.clock = clock
        self.reading: set[str] = set()
        self.closed = False

    @classmethod
    def create(cls, config: CollectorConfig, clock: Clock) -> Self:
        return cls(cast(ScriptedConfig, config), clock)

    async def collect(self, target: Target) -> Scrape:
        assert target.name not in self.reading, "two reads of one target at once"
        self.reading.add(target.name)
        try:
            outcome = self.config.behaviour(target, self.clock)
            if isinstance(outcome, float):
                await asyncio.sleep(outcome)
                return Scrape(target, self.clock.now())
            if isinstance(outcome, Exception):
                raise outcome
            return outcome
        finally:
            self.reading.discard(target.name)

    async def close(self) -> None:
        self.closed = True


def scripted(
    behaviour: Behaviour, targets: Iterable[Target], **options: object
) -> ConfiguredCollector:
    config = ScriptedConfig.model_validate(
        {"name": "scripted", "targets": tuple(targets), "behaviour": behaviour, **options}
    )
    return ConfiguredCollector("scripted", ScriptedCollector, config)


def temperature(
    device: str, value: float | None = 61.0, quality: Quality = Quality.GOOD
) -> Reading:
    metric = "temperature_celsius"
    return Reading("accelerator", device, metric, value, "Cel", quality)


class SwitchedPublisher:
    """Keeps what it is given; away when told so. Acknowledges at the flush, as a bus does."""

    def __init__(self) -> None:
        self.away = False
        self.sent: list[tuple[str, str, bytes, dict[str, str]]] = []
        self._pending: list[tuple[str, str, bytes, dict[str, str]]] = []
        self.max_bytes = 1_000_000

    def send(
        self, topic: str, key: str, value: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        if len(value) > self.max_bytes:
            raise InputError("message too large; split it")
        if self.away:
            raise BusUnavailableError("no room in time")
        self._pending.append((topic, key, value, dict(headers or {})))

    def flush(self, timeout_seconds: float) -> None:
        if self.away:
            raise BusUnavailableError("not acknowledged in time")
        self.sent += self._pending
        self._pending = []

    def keys(self, topic: str) -> list[str]:
        return [key for name, key, _, _ in self.sent if name == topic]
