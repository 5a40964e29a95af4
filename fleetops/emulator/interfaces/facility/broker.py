"""An MQTT 3.1.1 broker for one publisher, this process, and any number of readers.

Building management needs no more of a broker, and an emulated fleet runs where no other can be had:
Mosquitto is not on every machine, and amqtt 0.12 wants websockets at one version that is not ours.
Quality of service is what a reader asks for, 0 or 1. A session ends with its connection: nothing is
sent twice. Readers that publish are disconnected.

Section numbers are those of the OASIS standard of 2014.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final, cast

from typing_extensions import override

PROTOCOL: Final = b"\x00\x04MQTT\x04"
"""Section 3.1.2: name and level of 3.1.1."""
ACCEPTED, WRONG_PROTOCOL = 0, 1
LONGEST_PACKET: Final = 64 * 1024
"""Of a reader's; a subscription is a few hundred bytes."""
LONGEST_BACKLOG: Final = 16 * 1024 * 1024
"""Bytes that wait for one reader; one that falls further behind is disconnected."""
CONNECT_SECONDS: Final = 10
"""Within which a connection must begin (section 3.1.4 asks for a reasonable time)."""
PACKET_IDS: Final = 65_535
KEEPALIVE_FACTOR: Final = 1.5
"""Section 3.1.2.10: silence after which a reader counts as gone, in its keepalives."""


class Packet(IntEnum):
    """Control packet types (section 2.2.1)."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14


class Broker:
    """Listens on loopback, keeps retained messages, passes everything on to who subscribed."""

    def __init__(self) -> None:
        """Opens nothing."""
        self.port = 0
        """Once it is open."""
        self._retained: dict[str, bytes] = {}
        self._readers: set[_Reader] = set()
        self._server: asyncio.Server | None = None

    async def open(self, host: str) -> None:
        """Listens on a free port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Reader(self), host, 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Disconnects everybody."""
        if self._server is not None:
            self._server.close()
            for reader in list(self._readers):
                reader.drop()
            await self._server.wait_closed()
            await asyncio.sleep(0)  # transports close their sockets in the loop's next round

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Sends a message to who subscribed to it; a retained one is kept for who comes later."""
        if retain:
            self._retained[topic] = payload
        for reader in list(self._readers):
            quality = reader.wants(topic)
            if quality is not None:
                reader.publish(topic, payload, quality, retained=False)

    async def delivered(self, seconds: float) -> None:
        """Waits until readers have all that they confirm, so long at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                for reader in list(self._readers):
                    await reader.idle.wait()

    def retained(self) -> Iterator[tuple[str, bytes]]:
        """What a new subscription is sent at once."""
        yield from self._retained.items()

    def enter(self, reader: _Reader) -> None:
        """A reader has connected."""
        self._readers.add(reader)

    def leave(self, reader: _Reader) -> None:
        """A reader is gone."""
        self._readers.discard(reader)


class _Reader(asyncio.Protocol):
    """One connection."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._transport: asyncio.Transport | None = None
        self._held = bytearray()
        self.idle = asyncio.Event()
        """Whether everything that it confirms was confirmed."""
        self.idle.set()
        self._unconfirmed: set[int] = set()
        self._last_id = 0
        self._filters: dict[str, int] = {}
        """The quality of service granted to each."""
        self._wanted: dict[str, int | None] = {}
        self._connected = False
        self._keepalive_seconds = CONNECT_SECONDS
        self._silence: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._broker.enter(self)
        self._listen()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._broker.leave(self)
        self.idle.set()
        if self._silence is not None:
            self._silence.cancel()

    @override
    def data_received(self, data: bytes) -> None:
        self._held += data
        try:
            if not self._connected and self._held[0] >> 4 != Packet.CONNECT:
                raise ValueError("another protocol")
            while (packet := _packet(self._held)) is not None:
                self._take(*packet)
        except (ValueError, IndexError, struct.error):
            self.drop()  # section 4.8: a violation of the protocol ends the connection
            return
        self._listen()

    def wants(self, topic: str) -> int | None:
        """The quality of service with which it gets a topic; None where it has no interest."""
        if topic not in self._wanted:
            granted = (quality for name, quality in self._filters.items() if matches(name, topic))
            self._wanted[topic] = max(granted, default=None)
        return self._wanted[topic]

    def publish(self, topic: str, payload: bytes, quality: int, *, retained: bool) -> None:
        """Sends it a message; a reader that does not read is dropped."""
        name = topic.encode()
        body = struct.pack(">H", len(name)) + name
        if quality:
            self._last_id = self._last_id % PACKET_IDS + 1
            if self._last_id in self._unconfirmed:
                self.drop()
                return
            self._unconfirmed.add(self._last_id)
            self.idle.clear()
            body += struct.pack(">H", self._last_id)
        self._send(_control(Packet.PUBLISH, body + payload, quality << 1 | retained))

    def _send(self, packet: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(packet)
        if self._transport.get_write_buffer_size() > LONGEST_BACKLOG:
            self.drop()

    def drop(self) -> None:
        """Ends the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _take(self, kind: int, body: bytes) -> None:
        if self._connected and kind == Packet.CONNECT:
            raise ValueError("a connection has but one CONNECT")
        match kind:
            case Packet.CONNECT:
                self._connect(body)
            case Packet.PUBACK:
                self._unconfirmed.discard(int.from_bytes(body[:2], "big"))
                if not self._unconfirmed:
                    self.idle.set()
            case Packet.SUBSCRIBE:
                self._subscribe(body)
            case Packet.UNSUBSCRIBE:
                for name, _ in _filters(body, with_quality=False):
                    self._filters.pop(name, None)
                self._wanted.clear()
                self._send(_control(Packet.UNSUBACK, body[:2]))
            case Packet.PINGREQ:
                self._send(_control(Packet.PINGRESP, b""))
            case _:  # it says good-bye, or publishes, which nobody may here
                self.drop()

    def _connect(self, body: bytes) -> None:
        self._connected = body.startswith(PROTOCOL)
        code = ACCEPTED if self._connected else WRONG_PROTOCOL
        self._send(_control(Packet.CONNACK, bytes([0, code])))
        if not self._connected:
            raise ValueError("another protocol than MQTT 3.1.1")
        (self._keepalive_seconds,) = struct.unpack_from(">H", body, len(PROTOCOL) + 1)

    def _subscribe(self, body: bytes) -> None:
        new = [(name, min(quality, 1)) for name, quality in _filters(body, with_quality=True)]
        if not new:
            raise ValueError("a subscription to nothing")
        self._filters.update(new)
        self._wanted.clear()
        granted = bytes(quality for _, quality in new)
        self._send(_control(Packet.SUBACK, body[:2] + granted))
        for topic, payload in self._broker.retained():
            fitting = [quality for name, quality in new if matches(name, topic)]
            if fitting:
                self.publish(topic, payload, max(fitting), retained=True)

    def _listen(self) -> None:
        """Waits for the next sign of life."""
        if self._silence is not None:
            self._silence.cancel()
        if self._keepalive_seconds:
            seconds = KEEPALIVE_FACTOR * self._keepalive_seconds
            self._silence = asyncio.get_running_loop().call_later(seconds, self.drop)


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a filter covers a topic: ``+`` is any one level, ``#`` all that follow (4.7.1)."""
    levels, given = topic_filter.split("/"), topic.split("/")
    if levels[-1] == "#":
        levels = levels[:-1]
        given = given[: len(levels)]
    return len(levels) == len(given) and all(
        level in {"+", one} for level, one in zip(levels, given, strict=True)
    )


def _packet(held: bytearray) -> tuple[int, bytes] | None:
    """Takes the first whole packet out of what was received: its type and its body.

    Raises:
        ValueError: it is longer than a reader's can be.
    """
    length, shift, at = 0, 0, 1
    while True:
        if at >= len(held):
            return None
        length |= (held[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if length > LONGEST_PACKET:
            raise ValueError(f"a packet of {length} bytes")
        if not held[at - 1] & 0x80:
            break
    if len(held) < at + length:
        return None
    kind, body = held[0] >> 4, bytes(held[at : at + length])
    del held[: at + length]
    return kind, body


def _filters(body: bytes, *, with_quality: bool) -> Iterator[tuple[str, int]]:
    """The topic filters of a (un)subscription, with the quality that is asked for."""
    at = 2
    while at < len(body):
        (size,) = struct.unpack_from(">H", body, at)
        at += 2 + size
        if at > len(body):
            raise ValueError("a filter that is cut off")
        name = body[at - size : at].decode()
        yield name, body[at] if with_quality else 0
        at += with_quality


def _control(kind: Packet, body: bytes, flags: int = 0) -> bytes:
    head, rest = bytearray([kind << 4 | flags]), len(body)
    while True:
        head.append(rest & 0x7F | (0x80 if rest > 0x7F else 0))  # noqa: PLR2004  seven bits a byte
        rest >>= 7
        if not rest:
            return bytes(head) + body
