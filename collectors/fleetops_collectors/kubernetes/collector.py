"""The ``kubernetes`` collector: nodes, jobs and what they hold, of a cluster that is only watched.

Reads lists, and changes nothing.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import Field, SecretStr

from fleetops.core.clock import Clock
from fleetops.core.config import secret
from fleetops_collectors.base import CollectorConfig, Scrape, Target
from fleetops_collectors.ended import EndedFacts
from fleetops_collectors.http import HttpTargets, tls_context
from fleetops_collectors.kubernetes.api import LIVE_PODS, NODES, PODS, Api
from fleetops_collectors.kubernetes.cluster import decode_cluster
from fleetops_collectors.kubernetes.nodes import PROTOCOL

MAX_EVENTS = 100_000
"""Events remembered, so that a lasting problem is told once."""


class KubernetesConfig(CollectorConfig):
    """Reads clusters; ``url`` is the API server's (``https://kubernetes.default.svc`` inside)."""

    targets: HttpTargets = ()
    interval_seconds: Annotated[float, Field(ge=1, le=3600)] = 30.0
    """A round lists all nodes and pods; half a minute is soon enough for jobs."""
    deadline_seconds: Annotated[float, Field(gt=0, le=600)] = 20.0
    token: SecretStr | None = None
    token_file: Path | None = None
    """Bearer token of a service account, read before every request since it is rotated: inside a
    cluster ``/var/run/secrets/kubernetes.io/serviceaccount/token`` (and ``ca.crt`` beside it)."""
    node_selector: str = ""
    """Label selector of the nodes that count; all where it is empty."""
    pod_selector: str = ""
    """Label selector of the pods that count, where a cluster has many that hold no accelerators."""
    max_body_bytes: Annotated[int, Field(ge=1024)] = 64 * 1024 * 1024
    """Longest page of 500 objects; real ones have about 10 MB."""


class KubernetesCollector:
    """Reads Kubernetes clusters."""

    protocol: ClassVar[str] = PROTOCOL
    config_model: ClassVar[type[CollectorConfig]] = KubernetesConfig

    def __init__(self, config: KubernetesConfig, clock: Clock) -> None:
        """Opens nothing; the first round does."""
        self._config = config
        self._clock = clock
        self._tls: ssl.SSLContext | None = None
        self._apis: dict[str, Api] = {}
        """By target."""
        self._ended = EndedFacts()
        self._told: dict[str, None] = {}
        """Ids of events, the oldest first."""

    @classmethod
    def create(cls, config: CollectorConfig, clock: Clock) -> Self:
        """Makes the collector; ``config`` is a :class:`KubernetesConfig`."""
        assert isinstance(config, KubernetesConfig)  # noqa: S101 (the runner validated it)
        return cls(config, clock)

    def resume(self, cursors: Mapping[str, str]) -> None:
        """Knows again what was listed before, so that what ended meanwhile is told."""
        self._ended.resume(cursors)

    async def collect(self, target: Target) -> Scrape:
        """Reads the cluster once.

        Raises:
            InputError: it refuses us, or answered something else.
            TemporaryError: it did not answer.
        """
        api = self._api(target)
        where = f"{target.name}: {target.url}"
        nodes = await api.list_all(NODES, where, **_selected(self._config.node_selector))
        pods = await api.list_all(
            PODS, where, fieldSelector=LIVE_PODS, **_selected(self._config.pod_selector)
        )
        now = self._clock.now()
        decoded = await asyncio.to_thread(decode_cluster, nodes, pods, now)
        scrape = Scrape.of(target, now, decoded)
        scrape.events = [one for one in scrape.events if one.id not in self._told]
        for event in scrape.events:
            self._told[event.id] = None
        while len(self._told) > MAX_EVENTS:
            del self._told[next(iter(self._told))]
        self._ended.add(scrape)
        return scrape

    async def close(self) -> None:
        """Closes the connections."""
        apis, self._apis = list(self._apis.values()), {}
        await asyncio.gather(*(api.close() for api in apis))

    def _api(self, target: Target) -> Api:
        api = self._apis.get(target.name)
        if api is None:
            if self._tls is None:
                self._tls = tls_context(self._config)
            config = self._config
            api = self._apis[target.name] = Api(
                target.url, self._tls, config.deadline_seconds, config.max_body_bytes, self._token
            )
        return api

    def _token(self) -> SecretStr | None:
        return secret(self._config.token, self._config.token_file, "token")


def _selected(selector: str) -> dict[str, str]:
    return {"labelSelector": selector} if selector else {}
