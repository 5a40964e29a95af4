"""One subscription that stays open, and comes back when it broke."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from random import Random
from typing import TYPE_CHECKING, Any

from fleetops.core.clock import Clock
from fleetops.core.errors import FleetOpsError, InputError, TemporaryError
from fleetops_collectors.base import Target
from fleetops_collectors.gnmi.channel import error_of, grpc_library, open_channel
from fleetops_collectors.gnmi.messages import notification_of, subscription
from fleetops_collectors.gnmi.newest import NewestValues

if TYPE_CHECKING:
    from fleetops_collectors.gnmi.collector import GnmiConfig

FIRST_BACKOFF_SECONDS = 1.0
LONGEST_BACKOFF_SECONDS = 60.0
_ENCODINGS = {"JSON": 0, "PROTO": 2, "JSON_IETF": 4}
"""Of gnmi.proto; ASCII and BYTES say nothing that can be decoded."""
_PREFERRED = (4, 2, 0)


class Stream:
    """A target's subscription. The newest values are there while it is open."""

    def __init__(self, config: GnmiConfig, target: Target, clock: Clock, rng: Random) -> None:
        """Connects to nothing yet."""
        self._config = config
        self._target = target
        self._clock = clock
        self._rng = rng
        self._where = f"{target.name}: {target.url}"
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        """Set when it is complete, or failed: whoever waits looks again."""
        self._sample_only = False
        self.values = NewestValues(config.max_leaves)
        self.synced = False
        """Whether the target said that all there is was told once."""
        self.error: FleetOpsError | None = None
        """Why it is not open."""

    async def ready(self) -> None:
        """Waits until everything was told once; for a target that never says so, a while.

        Raises:
            InputError: the target refuses.
            TemporaryError: it does not answer.
        """
        if self._task is not None and self._task.done():
            ended, self._task = self._task, None
            ended.result()  # what nobody foresaw is the runner's to count
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"gnmi-{self._target.name}")
            self._news.clear()
        if not self.synced and self.error is None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), self._config.sync_seconds)
        if self.error is not None:
            raise self.error
        if not self.synced and not len(self.values):
            raise TemporaryError(
                f"{self._where}: no value within {self._config.sync_seconds:g} seconds; look at "
                "its log, or raise sync_seconds"
            )

    async def close(self) -> None:
        """Ends the subscription."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        """Subscribes for ever; the pauses after failures double up to a minute, with jitter."""
        grpc = grpc_library(self._config.name)
        failures = 0
        while True:
            try:
                async for _ in self._subscribe():
                    failures = 0
                self._failed(TemporaryError(f"{self._where}: the target ended the subscription"))
            except grpc.aio.AioRpcError as error:
                if self._can_fall_back(error):
                    continue
                self._failed(error_of(error, self._where))
            except FleetOpsError as error:
                self._failed(error)
            longest = min(FIRST_BACKOFF_SECONDS * 2**failures, LONGEST_BACKOFF_SECONDS)
            failures = min(failures + 1, 10)
            await asyncio.sleep(longest * self._rng.uniform(0.5, 1.0))
            self.error = None
            self._news.clear()

    async def _subscribe(self) -> AsyncIterator[None]:
        """Takes messages until the subscription ends; yields at each."""
        from pygnmi.spec.v080.gnmi_pb2_grpc import gNMIStub  # noqa: PLC0415 (an extra of its own)

        channel = open_channel(self._config, self._target.url.removeprefix("gnmi://"))
        try:
            stub = gNMIStub(channel)
            metadata = self._config.metadata()
            encoding = await self._encoding(stub, metadata)
            self.values.clear()
            async for response in stub.Subscribe(_only(self._request(encoding)), metadata=metadata):
                self._take(response)
                yield
        finally:
            self.synced = False
            await channel.close()

    def _take(self, response: Any) -> None:  # noqa: ANN401 (pygnmi ships no types)
        if response.HasField("update"):
            self.values.apply(notification_of(response.update), self._clock.now())
        elif response.sync_response:
            self.synced = True
            self._news.set()

    async def _encoding(self, stub: Any, metadata: Any) -> int:  # noqa: ANN401
        """One that the target has; JSON_IETF is what OpenConfig asks for."""
        from pygnmi.spec.v080 import gnmi_pb2  # noqa: PLC0415

        if self._config.encoding is not None:
            return _ENCODINGS[self._config.encoding]
        answer = await stub.Capabilities(
            gnmi_pb2.CapabilityRequest(), metadata=metadata, timeout=self._config.deadline_seconds
        )
        there = set(answer.supported_encodings)
        found = next((one for one in _PREFERRED if one in there), None)
        if there and found is None:
            raise InputError(
                f"{self._where}: it has neither JSON_IETF nor PROTO nor JSON; it cannot be read"
            )
        return found if found is not None else _PREFERRED[0]

    def _request(self, encoding: int) -> Any:  # noqa: ANN401
        config = self._config
        on_change, sampled = config.on_change_paths, config.sample_paths
        if self._sample_only:
            on_change, sampled = (), (*on_change, *sampled)
        return subscription(
            on_change,
            sampled,
            encoding=encoding,
            sample_seconds=config.sample_seconds,
            heartbeat_seconds=config.heartbeat_seconds,
        )

    def _can_fall_back(self, error: Any) -> bool:  # noqa: ANN401
        """Targets that cannot tell of changes refuse to; then everything is sampled."""
        refused = error.code().name in ("INVALID_ARGUMENT", "UNIMPLEMENTED")
        if self._sample_only or not refused or not self._config.on_change_paths:
            return False
        self._sample_only = True
        return True

    def _failed(self, error: FleetOpsError) -> None:
        """What was told is void: what changed meanwhile is not known."""
        self.synced = False
        self.values.clear()
        self.error = error
        self._news.set()


async def _only(request: Any) -> AsyncIterator[Any]:  # noqa: ANN401
    """The one request; the stream stays open behind it, since its end would end the answers."""
    yield request
    await asyncio.Event().wait()
