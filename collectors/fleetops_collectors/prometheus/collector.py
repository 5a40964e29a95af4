"""The ``prometheus`` collector: exporters of accelerators and hosts, and jobs' own steps.

What the text means is decoded by :mod:`fleetops_collectors.prometheus.text`.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import Field

from fleetops.core.clock import Clock
from fleetops.core.errors import InputError
from fleetops_collectors.base import CollectorConfig, Scrape, Target
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.http import HttpTargets
from fleetops_collectors.http_gets import HttpGets
from fleetops_collectors.json_input import read_file
from fleetops_collectors.prometheus.text import decode_prometheus

ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.9,text/plain;version=0.0.4"
"""Plain text first: it is the cheaper one to write, and every exporter has it."""
OPENMETRICS = "application/openmetrics-text"


class PrometheusConfig(CollectorConfig):
    """Scrapes HTTP targets; ``url`` is the whole address, ``/metrics`` and all."""

    targets: HttpTargets = ()
    max_body_bytes: Annotated[int, Field(ge=1024)] = 16 * 1024 * 1024
    stale_after_seconds: Annotated[float, Field(gt=0)] = 300.0
    """Samples that carry an older time of their own are stale."""


class PrometheusCollector:
    """Scrapes Prometheus text over HTTP."""

    protocol: ClassVar[str] = "prometheus"
    config_model: ClassVar[type[CollectorConfig]] = PrometheusConfig

    def __init__(self, config: PrometheusConfig, clock: Clock) -> None:
        """Opens nothing; the first scrape does."""
        self._config = config
        self._clock = clock
        self._gets = HttpGets(config, config.max_body_bytes)

    @classmethod
    def create(cls, config: CollectorConfig, clock: Clock) -> Self:
        """Makes the collector; ``config`` is a :class:`PrometheusConfig`."""
        assert isinstance(config, PrometheusConfig)  # noqa: S101 (the runner validated it)
        return cls(config, clock)

    async def collect(self, target: Target) -> Scrape:
        """Scrapes the target once.

        Raises:
            InputError: it answered something that is no Prometheus text.
            TemporaryError: it did not answer.
        """
        answer = await self._gets.get(target, {"Accept": ACCEPT})
        now = self._clock.now()
        decoded = decode_prometheus(
            answer.body,
            host=target.host,
            now=now,
            stale_after_seconds=self._config.stale_after_seconds,
            openmetrics=answer.headers.get("content-type", "").startswith(OPENMETRICS),
        )
        if not decoded.samples:
            why = decoded.warnings() or ["it is empty"]
            raise InputError(
                f"{target.name}: {target.url}: no Prometheus text: {why[0]}; "
                "check that the address ends in the exporter's metrics path"
            )
        return Scrape.of(target, now, decoded)

    @classmethod
    def decode_recording(cls, path: Path, host: str | None, now: datetime) -> Decoded:
        """Reads a recorded text.

        Raises:
            InputError: the file cannot be read, or holds no sample.
        """
        decoded = decode_prometheus(read_file(path), host=host)
        if not decoded.samples:
            raise InputError(f"{path}: no Prometheus sample in it; is it the text of /metrics?")
        return decoded

    async def close(self) -> None:
        """Closes the connections."""
        await self._gets.close()
