"""One connection to one MQTT broker, and what came over it. It subscribes and never publishes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from fleetops.core.clock import Clock
from fleetops.core.errors import ConfigError, InputError, TemporaryError
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.facility.access import Access
from fleetops_collectors.facility.heartbeat import Heartbeat
from fleetops_collectors.facility.state import Facility, Limits

try:
    from paho.mqtt.client import Client, MQTTMessage
    from paho.mqtt.enums import CallbackAPIVersion
except ImportError as error:
    raise ConfigError(
        "the facility collector needs paho-mqtt; install it: pip install 'fleetops[facility]'"
    ) from error

KEEPALIVE_SECONDS = 30
"""A broker that is gone without a word is noticed within one and a half of it."""
REFUSED_FROM = 0x80
"""MQTT 3.1.1, section 3.9.3: return codes of SUBACK from here on are failures."""
POLL_SECONDS = 0.05


class Session:
    """One connection, from opening to loss.

    When it is lost the session is over, with all that it knew: what changed meanwhile was missed,
    and a new one gets the retained metadata again.
    """

    def __init__(self, access: Access, limits: Limits, clock: Clock) -> None:
        """Connects to nothing yet."""
        self.told: set[str] = set()
        """Heartbeats whose loss was reported."""
        self.settled = False
        self._access = access
        self._clock = clock
        self._facility = Facility(limits)
        self._lock = threading.Lock()
        """The facility is fed by paho's thread and read by ours."""
        self._subscribed = False
        self._refused = ""
        self._lost = ""
        self._opening: asyncio.Future[None] | None = None
        self._client = self._make_client()

    @property
    def lost(self) -> str:
        """Why it is over; empty while it is not."""
        return self._lost or self._refused

    async def open(self) -> None:
        """Connects and subscribes; at once where that is done. A cut-off call leaves it going on.

        Raises:
            TemporaryError: the broker does not answer.
            InputError: it refuses us.
        """
        if self._opening is None:
            self._opening = asyncio.ensure_future(asyncio.to_thread(self._connect))
        await asyncio.shield(self._opening)
        await self._until(lambda: self._subscribed or bool(self.lost), self._access.connect_seconds)
        if self._refused:
            raise InputError(f"{self._access.where}: {self._refused}")
        if self._lost:
            raise TemporaryError(f"{self._access.where}: the connection was lost: {self._lost}")
        if not self._subscribed:
            self._lost = "it accepted the connection and said nothing"
            raise TemporaryError(f"{self._access.where}: {self._lost}; is it an MQTT broker?")

    async def settle(self, seconds: float) -> None:
        """Waits, once, until every point described so far has its value; so long at most."""
        if not self.settled:
            await self._until(self._is_complete, seconds)
            self.settled = True

    async def read(self) -> tuple[Decoded, list[Heartbeat], bool]:
        """What is known now, the heartbeats that are missing, and whether all are."""
        return await asyncio.to_thread(self._read, self._clock.now())

    def heard(self) -> tuple[int, str]:
        """How many messages could be read, and the first that could not."""
        return self._facility.messages, self._facility.first_refused

    async def close(self) -> None:
        """Disconnects and ends the network thread."""
        if self._opening is not None:
            await asyncio.gather(self._opening, return_exceptions=True)
        await asyncio.to_thread(self._stop)

    def _read(self, now: datetime) -> tuple[Decoded, list[Heartbeat], bool]:
        with self._lock:
            return (
                self._facility.decoded(now),
                self._facility.silent(now),
                self._facility.is_dead(now),
            )

    def _is_complete(self) -> bool:
        with self._lock:
            return self._facility.complete

    async def _until(self, reached: Callable[[], bool], seconds: float) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not reached() and loop.time() < end:
            await asyncio.sleep(POLL_SECONDS)

    def _make_client(self) -> Client:
        client = Client(CallbackAPIVersion.VERSION2, clean_session=True, reconnect_on_failure=False)
        client.connect_timeout = self._access.connect_seconds
        if self._access.username is not None:
            client.username_pw_set(self._access.username, self._access.password)
        if self._access.tls is not None:
            client.tls_set_context(self._access.tls)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        return client

    def _connect(self) -> None:
        try:
            self._client.connect(self._access.host, self._access.port, KEEPALIVE_SECONDS)
        except OSError as error:
            self._lost = str(error) or type(error).__name__
            raise TemporaryError(
                f"{self._access.where}: {self._lost}; check address, network and certificates"
            ) from error
        self._client.loop_start()

    def _stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    # Called by paho, in its thread.

    def _on_connect(self, client: Client, _data: Any, _flags: Any, code: Any, _more: Any) -> None:  # noqa: ANN401
        if code.is_failure:
            self._refused = f"the broker refuses the connection: {code}; check username, password"
        else:
            client.subscribe([(one, self._access.qos) for one in self._access.filters])

    def _on_subscribe(self, _client: Client, _data: Any, _id: int, codes: Any, _more: Any) -> None:  # noqa: ANN401
        if all(code.value >= REFUSED_FROM for code in codes):
            filters = ", ".join(self._access.filters)
            self._refused = f"the broker refuses to let us read {filters}; check its access rules"
        self._subscribed = True

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:  # noqa: ANN401
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = repr(message._topic)
        now = self._clock.now()
        with self._lock:
            self._facility.take(topic, bytes(message.payload), now)

    def _on_disconnect(
        self,
        _client: Client,
        _data: Any,  # noqa: ANN401
        _flags: Any,  # noqa: ANN401
        code: Any,  # noqa: ANN401
        _more: Any,  # noqa: ANN401
    ) -> None:
        self._lost = str(code)
