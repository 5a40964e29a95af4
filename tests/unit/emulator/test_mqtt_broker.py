"""The broker of building management: what MQTT 3.1.1 asks of it, byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from fleetops.emulator.interfaces.facility import broker as module
from fleetops.emulator.interfaces.facility.broker import Broker, matches

CONNECT = bytes.fromhex("10 10 0004 4d515454 04 02 003c 0004") + b"test"
CONNACK = bytes.fromhex("20 02 00 00")
PING, PONG = bytes.fromhex("c0 00"), bytes.fromhex("d0 00")
WAIT_SECONDS = 5.0


def subscribe(name: bytes, packet_id: int = 7, quality: int = 0) -> bytes:
    body = packet_id.to_bytes(2, "big") + len(name).to_bytes(2, "big") + name + bytes([quality])
    return bytes([0x82, len(body)]) + body


class Reader:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self, question: bytes, answer: bytes) -> None:
        self._writer.write(question)
        assert await self.take(len(answer)) == answer

    async def take(self, size: int) -> bytes:
        return await asyncio.wait_for(self._reader.readexactly(size), WAIT_SECONDS)

    async def hangs_up(self, question: bytes = b"") -> None:
        self._writer.write(question)
        try:
            assert await asyncio.wait_for(self._reader.read(), WAIT_SECONDS) == b""
        except ConnectionResetError:
            return

    async def close(self) -> None:
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionResetError:
            return


@asynccontextmanager
async def connected(broker: Broker, *, greet: bool = True) -> AsyncIterator[Reader]:
    reader = Reader(*await asyncio.open_connection("127.0.0.1", broker.port))
    try:
        if greet:
            await reader.ask(CONNECT, CONNACK)
        yield reader
    finally:
        await reader.close()


def with_broker(act: Callable[[Broker], Awaitable[None]]) -> None:
    async def run() -> None:
        broker = Broker()
        await broker.open("127.0.0.1")
        try:
            await act(broker)
        finally:
            await broker.close()

    asyncio.run(run())


def test_a_message_goes_to_who_subscribed() -> None:
    async def act(broker: Broker) -> None:
        async with connected(broker) as one, connected(broker) as other:
            await one.ask(subscribe(b"a/+"), bytes.fromhex("90 03 0007 00"))
            await other.ask(subscribe(b"b/#"), bytes.fromhex("90 03 0007 00"))
            broker.publish("a/x", b"1")
            broker.publish("b/x/y", b"22")
            assert await one.take(8) == bytes.fromhex("30 06 0003") + b"a/x1"
            assert await other.take(11) == bytes.fromhex("30 09 0005") + b"b/x/y22"
            await one.ask(PING, PONG)

    with_broker(act)


def test_a_message_that_is_confirmed() -> None:
    async def act(broker: Broker) -> None:
        async with connected(broker) as reader:
            await reader.ask(subscribe(b"a", quality=2), bytes.fromhex("90 03 0007 01"))
            broker.publish("a", b"x")
            broker.publish("a", b"y")
            assert await reader.take(8) == bytes.fromhex("32 06 0001 61 0001") + b"x"
            assert await reader.take(8) == bytes.fromhex("32 06 0001 61 0002") + b"y"
            await reader.ask(bytes.fromhex("40 02 0001") + PING, PONG)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(broker.delivered(9.0), 0.01)
            await reader.ask(bytes.fromhex("40 02 0002") + PING, PONG)
            await asyncio.wait_for(broker.delivered(9.0), WAIT_SECONDS)
            broker.publish("a", b"z")
            await broker.delivered(0.01)  # it goes on without who does not confirm

    with_broker(act)


def test_a_reader_that_leaves_owes_nothing() -> None:
    async def act(broker: Broker) -> None:
        async with connected(broker) as reader:
            await reader.ask(subscribe(b"a", quality=1), bytes.fromhex("90 03 0007 01"))
            broker.publish("a", b"x")
        await asyncio.wait_for(broker.delivered(9.0), WAIT_SECONDS)

    with_broker(act)


def test_retained_messages_come_with_the_subscription_and_say_so() -> None:
    async def act(broker: Broker) -> None:
        broker.publish("a", b"old", retain=True)
        broker.publish("a", b"new", retain=True)
        broker.publish("a", b"passing")
        async with connected(broker) as reader:
            await reader.ask(subscribe(b"#"), bytes.fromhex("90 03 0007 00"))
            assert await reader.take(8) == bytes.fromhex("31 06 0001") + b"anew"
            broker.publish("a", b"now", retain=True)
            assert await reader.take(8) == bytes.fromhex("30 06 0001") + b"anow"

    with_broker(act)


def test_long_messages_have_long_lengths() -> None:
    async def act(broker: Broker) -> None:
        async with connected(broker) as reader:
            await reader.ask(subscribe(b"a"), bytes.fromhex("90 03 0007 00"))
            broker.publish("a", b"x" * 200)
            assert await reader.take(3) == bytes.fromhex("30 cb 01")
            assert await reader.take(203) == b"\0\1a" + b"x" * 200

    with_broker(act)


def test_a_subscription_that_is_taken_back() -> None:
    async def act(broker: Broker) -> None:
        async with connected(broker) as reader:
            await reader.ask(subscribe(b"a"), bytes.fromhex("90 03 0007 00"))
            await reader.ask(bytes.fromhex("a2 05 0009 0001") + b"a", bytes.fromhex("b0 02 0009"))
            broker.publish("a", b"1")
            await reader.ask(PING, PONG)

    with_broker(act)


def test_packets_that_come_in_pieces_and_together() -> None:
    async def act(broker: Broker) -> None:
        async with connected(broker, greet=False) as reader:
            for byte in CONNECT[:-1]:
                await reader.ask(bytes([byte]), b"")
                await asyncio.sleep(0)
            await reader.ask(CONNECT[-1:] + PING + PING, CONNACK + PONG + PONG)

    with_broker(act)


@pytest.mark.parametrize(
    "question",
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="another protocol"),
        pytest.param(PING, id="no greeting"),
        pytest.param(b"\x10\xff\xff\xff\x7f", id="a huge packet"),
    ],
)
def test_what_is_no_connection_is_ended(question: bytes) -> None:
    async def act(broker: Broker) -> None:
        async with connected(broker, greet=False) as reader:
            await reader.hangs_up(question)

    with_broker(act)


def test_another_version_is_refused() -> None:
    async def act(broker: Broker) -> None:
        async with connected(broker, greet=False) as reader:
            await reader.ask(CONNECT.replace(b"MQTT\x04", b"MQTT\x05"), b"")
            answer = await asyncio.wait_for(reader.take(4), WAIT_SECONDS)
            assert answer == bytes.fromhex("20 02 00 01")

    with_broker(act)


@pytest.mark.parametrize(
    "question",
    [
        pytest.param(CONNECT, id="greets again"),
        pytest.param(bytes.fromhex("30 04 0001 61 31"), id="publishes"),
        pytest.param(bytes.fromhex("82 02 0001"), id="subscribes to nothing"),
        pytest.param(bytes.fromhex("82 06 0001 0009 61 00"), id="a filter cut off"),
        pytest.param(bytes.fromhex("e0 00"), id="good-bye"),
    ],
)
def test_who_does_not_only_read_is_disconnected(question: bytes) -> None:
    async def act(broker: Broker) -> None:
        async with connected(broker) as reader:
            await reader.hangs_up(question)
        async with connected(broker) as other:
            await other.ask(PING, PONG)

    with_broker(act)


def test_a_reader_that_falls_silent_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEEPALIVE_FACTOR", 0.05)
    hurried = CONNECT.replace(bytes.fromhex("02003c"), bytes.fromhex("020001"))

    async def act(broker: Broker) -> None:
        async with connected(broker, greet=False) as reader:
            await reader.ask(hurried, CONNACK)
            await reader.hangs_up()

    with_broker(act)


def test_a_reader_that_does_not_read_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_BACKLOG", 100_000)

    async def act(broker: Broker) -> None:
        async with connected(broker) as lazy, connected(broker) as other:
            await lazy.ask(subscribe(b"a"), bytes.fromhex("90 03 0007 00"))
            for _ in range(200):
                broker.publish("a", b"x" * 100_000)
            await other.ask(PING, PONG)
            assert len(broker._readers) == 1

    with_broker(act)


@pytest.mark.parametrize(
    ("name", "topic", "fits"),
    [
        # the examples of sections 4.7.1.2 and 4.7.1.3
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/#", "sport", True),
        ("#", "anything/at/all", True),
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("+", "/finance", False),
        ("sport", "sports", False),
        ("sport/#", "sports/a", False),
    ],
)
def test_filters(name: str, topic: str, fits: bool) -> None:
    assert matches(name, topic) is fits
