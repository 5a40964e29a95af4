"""The emulated scheduler, over HTTP: the emulator's, or any server of the same small API.

``GET /scheduler/ping``, ``GET /scheduler/nodes`` and ``GET /scheduler/jobs`` read;
``POST /scheduler/nodes/NODE/drain`` with ``{reason, by}`` and ``.../undrain`` write.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import httpx
import orjson
from pydantic import SecretStr, ValidationError

from fleetops.core.clock import Clock
from fleetops.core.config import secret
from fleetops.core.errors import (
    AmbiguousWriteError,
    ConfigError,
    NotFoundError,
    RefusedError,
    SchedulerUnavailableError,
)
from fleetops.operate.ownership import clean_reason
from fleetops.operate.schedulers.base import SchedulerConfig
from fleetops.operate.schedulers.names import check_node_name
from fleetops_schemas.records import Job, NodeState

T = TypeVar("T", NodeState, Job)
MAX_ANSWER_BYTES = 64 * 1024**2
PING_SECONDS = 2.0
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
"""Errors after which the server certainly saw nothing."""


class EmulatedConfig(SchedulerConfig):
    """Where the server listens."""

    url: str = "http://127.0.0.1:8090"
    token: SecretStr | None = None
    token_file: Path | None = None
    by: str = "fleetops"
    """Recorded on the scheduler as who drained."""


class EmulatedScheduler:
    """A scheduler behind HTTP. The client is safe from many threads."""

    name: ClassVar[str] = "emulated"
    config_model: ClassVar[type[SchedulerConfig]] = EmulatedConfig
    keeps_reason: ClassVar[bool] = False

    def __init__(self, config: EmulatedConfig, clock: Clock) -> None:
        """Takes its settings; calls nothing."""
        token = secret(config.token, config.token_file, "operate.scheduler_options.token")
        headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else {}
        self._config = config
        self._clock = clock
        # No proxy from the environment: the scheduler is reached directly or not at all.
        self._client = httpx.Client(base_url=config.url, headers=headers, trust_env=False)

    @classmethod
    def create(cls, config: SchedulerConfig, clock: Clock) -> Self:
        """Makes the adapter."""
        if not isinstance(config, EmulatedConfig):
            raise ConfigError(f"emulated needs an EmulatedConfig, got {type(config).__name__}")
        return cls(config, clock)

    def ping(self) -> None:
        """Asks for a sign of life."""
        self._ping(self._deadline())

    def nodes(self, names: Collection[str] | None = None) -> dict[str, NodeState]:
        """States by node."""
        listed = self._get("nodes", self._deadline())
        states = (_parse(NodeState, item) for item in listed)
        return {s.node: s for s in states if names is None or s.node in names}

    def jobs(self) -> list[Job]:
        """Jobs that hold or wait for nodes."""
        return [_parse(Job, item) for item in self._get("jobs", self._deadline())]

    def drain(self, node: str, reason: str) -> None:
        """Keeps new work off the node; running work goes on."""
        text = clean_reason(reason)
        if not text:
            raise RefusedError(f"drain of {node}: a reason is demanded; give one")
        self._post(node, "drain", {"reason": text, "by": self._config.by})

    def undrain(self, node: str) -> None:
        """Lets work onto the node again."""
        self._post(node, "undrain", {})

    def close(self) -> None:
        """Ends the connections."""
        self._client.close()

    def _ping(self, deadline: float) -> None:
        limit = min(deadline, self._clock.monotonic() + PING_SECONDS)
        try:
            code, _ = self._exchange("GET", "/scheduler/ping", limit)
        except (httpx.HTTPError, TimeoutError) as error:
            raise self._away("ping", error) from error
        if code != httpx.codes.OK:
            raise SchedulerUnavailableError(f"{self._config.url}: ping answered {code}")

    def _get(self, what: str, deadline: float) -> list[Mapping[str, Any]]:
        try:
            code, body = self._exchange("GET", f"/scheduler/{what}", deadline)
        except (httpx.HTTPError, TimeoutError) as error:
            raise self._away(what, error) from error
        place = f"{self._config.url}/scheduler/{what}"
        if code != httpx.codes.OK:
            raise SchedulerUnavailableError(f"{place}: answered {code}")
        try:
            listed = orjson.loads(body)[what]
        except (orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise SchedulerUnavailableError(f"{place}: no JSON with a list {what!r}") from error
        if not isinstance(listed, list):
            raise SchedulerUnavailableError(f"{place}: {what!r} is no list")
        return listed

    def _post(self, node: str, verb: str, body: Mapping[str, str]) -> None:
        check_node_name(node)
        deadline = self._deadline()
        self._ping(deadline)
        path = f"/scheduler/nodes/{node}/{verb}"
        try:
            code, answer = self._exchange("POST", path, deadline, body)
        except NOT_SENT as error:
            raise self._away(verb, error) from error
        except (httpx.HTTPError, TimeoutError) as error:
            raise AmbiguousWriteError(f"{verb} of {node}: sent, no answer: {error!r}") from error
        said = clean_reason(answer[:200].decode("utf-8", "replace"))
        if code == httpx.codes.NOT_FOUND:
            raise NotFoundError(f"the scheduler at {self._config.url} knows no node {node}")
        if code == httpx.codes.CONFLICT:
            raise RefusedError(f"{node} is not drained")
        if code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise AmbiguousWriteError(f"{verb} of {node}: answered {code}: {said}")
        if code >= httpx.codes.MULTIPLE_CHOICES:
            raise RefusedError(f"{verb} of {node}: answered {code}: {said}")

    def _exchange(
        self, method: str, path: str, deadline: float, body: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        """One request, whose whole answer must come before the deadline."""
        left = deadline - self._clock.monotonic()
        if left <= 0:
            raise httpx.PoolTimeout("no time left")
        received = bytearray()
        with self._client.stream(method, path, json=body, timeout=left) as answer:
            for chunk in answer.iter_bytes():
                received += chunk
                if self._clock.monotonic() > deadline:
                    raise TimeoutError("the answer came too slowly")
                if len(received) > MAX_ANSWER_BYTES:
                    raise httpx.DecodingError(f"more than {MAX_ANSWER_BYTES} bytes")
        return answer.status_code, bytes(received)

    def _away(self, what: str, error: Exception) -> SchedulerUnavailableError:
        return SchedulerUnavailableError(f"{self._config.url}: {what}: {error!r}")

    def _deadline(self) -> float:
        return self._clock.monotonic() + self._config.deadline_seconds


def _parse(model: type[T], item: Mapping[str, Any]) -> T:
    try:
        return model.model_validate(item)
    except ValidationError as error:
        raise SchedulerUnavailableError(f"not a {model.__name__}: {error}") from error
