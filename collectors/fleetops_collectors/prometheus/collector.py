"""The ``prometheus`` collector: exporters of accelerators and hosts, and jobs' own steps.

What the text means is decoded by :mod:`fleetops_collectors.prometheus.text`.
"""

from __future__ import annotations

import asyncio
import ssl
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Self

import httpx
from pydantic import Field

from fleetops.core.clock import Clock
from fleetops.core.config import secret
from fleetops.core.errors import InputError, TemporaryError
from fleetops_collectors.base import CollectorConfig, Scrape, Target
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.http import (
    Answer,
    Connection,
    HttpTargets,
    make_client,
    status_text,
    tls_context,
)
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
        self._tls: ssl.SSLContext | None = None
        self._connections: dict[str, Connection] = {}
        """By target, so that one that hangs takes nothing from the others."""

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
        answer = await self._get(target)
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
        try:
            decoded = decode_prometheus(path.read_bytes(), host=host)
        except OSError as error:
            raise InputError(f"{path}: cannot read it: {error.strerror}") from error
        if not decoded.samples:
            raise InputError(f"{path}: no Prometheus sample in it; is it the text of /metrics?")
        return decoded

    async def _get(self, target: Target) -> Answer:
        where = f"{target.name}: {target.url}"
        answer = await self._connection(target).ask(
            "GET",
            target.url,
            where=where,
            max_bytes=self._config.max_body_bytes,
            headers={"Accept": ACCEPT},
            auth=self._credentials(),
        )
        if answer.status == httpx.codes.TOO_MANY_REQUESTS or answer.status >= 500:  # noqa: PLR2004
            raise TemporaryError(f"{where}: {status_text(answer)}; look at its log")
        if answer.status != httpx.codes.OK:
            raise InputError(f"{where}: {status_text(answer)}; check path and credentials")
        return answer

    def _credentials(self) -> httpx.BasicAuth | None:
        config = self._config
        if config.username is None:
            return None
        password = secret(config.password, config.password_file, "password")
        return httpx.BasicAuth(config.username, password.get_secret_value() if password else "")

    async def close(self) -> None:
        """Closes the connections."""
        connections, self._connections = list(self._connections.values()), {}
        await asyncio.gather(*(connection.close() for connection in connections))

    def _connection(self, target: Target) -> Connection:
        connection = self._connections.get(target.name)
        if connection is None:
            if self._tls is None:
                self._tls = tls_context(self._config)
            open_http = partial(make_client, "", self._tls, self._config.deadline_seconds)
            connection = self._connections[target.name] = Connection(open_http)
        return connection
