"""A rack's bus: devices by address behind a Modbus TCP gateway, or on a serial line of two ptys.

Messages and frames are pymodbus's; its server is not used. That starts a task for each request and
keeps all words between a device's first register and its last, 30,784 for a pumping unit; here a
hundred racks answer a round in 0.3 s, and their words are worked out when they are asked for.
"""

from __future__ import annotations

import asyncio
import os
import tty
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import ModbusIOException
from pymodbus.framer import FramerBase, FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
)
from typing_extensions import override

from fleetops.emulator.interfaces.rackmon.bank import Bank

LONGEST_FRAME = 260
"""Modbus over TCP/IP implementation guide 1.0b, section 4.1; serial frames are shorter."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device on a bus: a row of its bank."""

    bank: Bank
    row: int


class Bus:
    """Answers reads of holding registers; refuses everything else, as nobody may write here."""

    def __init__(self, devices: Mapping[int, Device]) -> None:
        """``devices`` by address."""
        self._devices = devices

    def answer(self, asked: ModbusPDU) -> ModbusPDU | None:
        """What is said to a request; None where the device is silent."""
        device = self._devices.get(asked.dev_id)
        if device is None or not device.bank.answers(device.row):
            return None
        said: ModbusPDU = ExceptionResponse(asked.function_code, ExcCodes.ILLEGAL_FUNCTION)
        if type(asked) is ReadHoldingRegistersRequest:  # others are made of it
            words = device.bank.read(device.row, asked.address, asked.count)
            said = ExceptionResponse(asked.function_code, ExcCodes.ILLEGAL_ADDRESS)
            if words is not None:
                said = ReadHoldingRegistersResponse(registers=words)
        return said


class Frames:
    """Takes a stream of requests apart and puts the answers into frames."""

    def __init__(self, bus: Bus, framer: type[FramerBase], *, is_gateway: bool) -> None:
        """A gateway says that a device is silent; on a line nobody does."""
        self._bus = bus
        self._framer = framer(DecodePDU(True))
        self._is_gateway = is_gateway
        self._held = b""

    def take(self, data: bytes) -> bytes:
        """The frames that answer the requests that are complete now.

        Raises:
            ValueError: this is no Modbus.
        """
        self._held += data
        answers = b""
        while self._held:
            try:
                used, asked = self._framer.handleFrame(self._held, 0, 0)
            except ModbusIOException as error:
                raise ValueError(f"no request: {error}") from error
            self._held = self._held[used:]
            if asked is None:
                break
            answers += self._answer(asked)
        if len(self._held) > LONGEST_FRAME:
            raise ValueError(f"{len(self._held)} bytes that are no request")
        return answers

    def _answer(self, asked: ModbusPDU) -> bytes:
        said = self._bus.answer(asked)
        if said is None:
            if not self._is_gateway:
                return b""
            said = ExceptionResponse(asked.function_code, ExcCodes.GATEWAY_NO_RESPONSE)
        said.dev_id, said.transaction_id = asked.dev_id, asked.transaction_id
        return self._framer.buildFrame(said)


class TcpGateway:
    """A bus behind a port of its own on loopback."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._server: asyncio.Server | None = None
        self._peers: set[asyncio.Transport] = set()
        self.url = ""
        """Once it is open."""

    async def open(self, host: str) -> None:
        """Listens on a free port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Peer(self._bus, self._peers), host, 0)
        self.url = f"tcp://{host}:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Hangs up on everybody."""
        if self._server is not None:
            self._server.close()
            for peer in list(self._peers):
                peer.abort()
            await self._server.wait_closed()
            await asyncio.sleep(0)  # transports close their sockets in the loop's next round


class _Peer(asyncio.Protocol):
    def __init__(self, bus: Bus, peers: set[asyncio.Transport]) -> None:
        self._frames = Frames(bus, FramerSocket, is_gateway=True)
        self._peers = peers
        self._transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._peers.add(self._transport)

    @override
    def data_received(self, data: bytes) -> None:
        assert self._transport is not None  # noqa: S101  connection_made came before
        try:
            self._transport.write(self._frames.take(data))
        except ValueError:
            self._transport.abort()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._peers.discard(self._transport)


class SerialLine:
    """A bus at the far end of a pty pair; readers open the near end."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._frames = Frames(bus, FramerRTU, is_gateway=False)
        self._far, self._near = -1, -1
        self.url = ""
        """Once it is open."""

    async def open(self, host: str) -> None:
        """Makes the pair; ``host`` is of no meaning here."""
        del host
        self._far, self._near = os.openpty()
        # held open: a pty whose last reader leaves hangs up
        tty.setraw(self._near)
        os.set_blocking(self._far, False)
        self.url = f"rtu://{os.ttyname(self._near)}"
        asyncio.get_running_loop().add_reader(self._far, self._readable)

    async def close(self) -> None:
        """Takes the line down."""
        if self._far >= 0:
            asyncio.get_running_loop().remove_reader(self._far)
            os.close(self._far)
            os.close(self._near)
            self._far, self._near = -1, -1

    def _readable(self) -> None:
        try:
            os.write(self._far, self._frames.take(os.read(self._far, 4096)))
        except ValueError:
            self._frames = Frames(self._bus, FramerRTU, is_gateway=False)
        except BlockingIOError:
            return  # nobody reads the answer: it is lost, as on a wire
