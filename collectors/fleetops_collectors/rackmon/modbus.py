"""The bus: one read at a time, by pymodbus, and nothing but reads.

This is the one module that speaks Modbus. It has no function that writes, and every frame is looked
at before it leaves: with any other function code than 3 it is refused (:func:`check_is_read`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from fleetops.core.errors import ConfigError, InputError, RefusedError, TemporaryError
from fleetops_collectors.rackmon.address import BusAddress, Transport
from fleetops_collectors.rackmon.serial_line import takes_parity
from fleetops_schemas.register_maps import Parity

if TYPE_CHECKING:
    from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient

READ_HOLDING_REGISTERS = 3
FUNCTION_AT = {Transport.TCP: 7, Transport.RTU: 1, Transport.RTU_OVER_TCP: 1}
"""Place of the function code in a frame: after the MBAP header, or after the address."""
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
ACKNOWLEDGED, BUSY = 5, 6
GATEWAY_CODES = frozenset({10, 11})
"""A gateway says that it has no path, or that nobody answered it."""
PARITY_LETTERS = {Parity.EVEN: "E", Parity.ODD: "O", Parity.NONE: "N"}


class NoAnswerError(TemporaryError):
    """The device, or the way to it, is silent."""


class NotReachedError(NoAnswerError):
    """There is no way to any device: the line cannot be opened, the gateway not be reached."""


class GarbledError(InputError):
    """Something came that is no answer: a wrong checksum, a broken frame, another protocol."""


class RefusalError(InputError):
    """The device answered with an exception code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def is_heard(self) -> bool:
        """Whether the device itself spoke: servers of several say 4, 10 or 11 for one not there."""
        return self.is_unsupported or self.code in {ACKNOWLEDGED, BUSY}

    @property
    def is_unsupported(self) -> bool:
        """Whether the device has no such register, now and later."""
        return self.code in {ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE}


class Line(NamedTuple):
    """How a serial line is set for a device; of no meaning over TCP."""

    baud_rate: int
    parity: Parity


@dataclass(slots=True)
class Counts:
    """What happened on a bus since it was opened."""

    reads: int = 0
    timeouts: int = 0
    garbled: int = 0
    """Wrong checksums and broken frames."""
    refusals: int = 0
    retries: int = 0
    errors: Counter[int] = field(default_factory=Counter)
    """Timeouts and garbled answers by device address."""


def check_is_read(transport: Transport, frame: bytes) -> None:
    """Lets a frame pass that asks for holding registers.

    Raises:
        RefusedError: it asks for anything else.
    """
    at = FUNCTION_AT[transport]
    if frame[at : at + 1] != bytes([READ_HOLDING_REGISTERS]):
        raise RefusedError("a frame that is no read of holding registers was kept back")


class ReadOnlyBus:
    """Reads of one bus, one at a time. Opens at the first read."""

    def __init__(
        self,
        address: BusAddress,
        *,
        timeout_seconds: float,
        min_delay_seconds: float,
        retries: int = 1,
    ) -> None:
        """A closed bus.

        Args:
            address: where it is; not rackmond's socket.
            timeout_seconds: longest wait for one answer, and for the connection.
            min_delay_seconds: shortest silence between an answer and the next question.
            retries: of a read that was not answered, or not well.
        """
        self.counts = Counts()
        self._address = address
        self._timeout = timeout_seconds
        self._min_delay = min_delay_seconds
        self._retries = retries
        self._lock = asyncio.Lock()
        self._client: AsyncModbusTcpClient | AsyncModbusSerialClient | None = None
        self._line: Line | None = None
        self._quiet_until = 0.0
        self._received = 0

    async def read(
        self, device: int, register: int, words: int, line: Line, *, timeout: float | None = None
    ) -> list[int]:
        """Reads consecutive holding registers of a device.

        Raises:
            NotReachedError: there is no way to the bus.
            NoAnswerError: nothing came in time.
            GarbledError: what came is no answer to it.
            RefusalError: the device refused; no retry changes that.
        """
        async with self._lock:
            attempt = 0
            while True:
                try:
                    return await self._ask(device, register, words, line, timeout)
                except (NoAnswerError, GarbledError):
                    if attempt >= self._retries or timeout is not None:
                        raise
                    attempt += 1
                    self.counts.retries += 1

    async def close(self) -> None:
        """Closes the connection; the next read opens it again."""
        client, self._client = self._client, None
        if client is not None:
            client.close()
            await asyncio.sleep(0)  # the transport closes its socket in the loop's next round

    async def _ask(
        self, device: int, register: int, words: int, line: Line, timeout: float | None
    ) -> list[int]:
        from pymodbus.exceptions import ModbusException  # noqa: PLC0415 (an optional library)

        client = await self._open(line)
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._quiet_until - loop.time()))
        self.counts.reads += 1
        answered = False
        try:
            async with asyncio.timeout(timeout or self._timeout):
                answer = await client.read_holding_registers(
                    register, count=words, device_id=device
                )
            _heed_cancellation()
            answered = True
        except (TimeoutError, ModbusException) as error:
            raise self._unanswered(device, register) from error
        finally:
            self._quiet_until = loop.time() + self._min_delay
            # serial frames carry no number: a late answer would pass for the next one's
            in_doubt = self._received or self._address.transport is not Transport.TCP
            self._received = 0
            if not answered and in_doubt:
                await self.close()
        if answer.isError():
            self.counts.refusals += 1
            code = int(getattr(answer, "exception_code", 0))
            if code in GATEWAY_CODES:
                self.counts.errors[device] += 1
                raise NoAnswerError(f"device {device}: the gateway cannot reach it (code {code})")
            raise RefusalError(code, f"device {device}: register {register}: exception {code}")
        if len(answer.registers) != words:
            self.counts.garbled += 1
            self.counts.errors[device] += 1
            raise GarbledError(
                f"device {device}: register {register}: {len(answer.registers)} words came "
                f"where {words} were asked for"
            )
        return list(answer.registers)

    def _unanswered(self, device: int, register: int) -> NoAnswerError | GarbledError:
        self.counts.errors[device] += 1
        if self._received:
            self.counts.garbled += 1
            return GarbledError(
                f"device {device}: register {register}: {self._received} bytes came that are no "
                "Modbus answer; check protocol, wiring and baud rate"
            )
        self.counts.timeouts += 1
        return NoAnswerError(f"device {device}: no answer; check address, power and baud rate")

    async def _open(self, line: Line) -> AsyncModbusTcpClient | AsyncModbusSerialClient:
        """The connection, with the line set as the device needs it."""
        suits = line == self._line or self._address.transport is not Transport.RTU
        if self._client is not None and self._client.connected and suits:
            return self._client
        await self.close()
        client = self._make(line)
        try:
            async with asyncio.timeout(self._timeout):
                connected = await client.connect()
            _heed_cancellation()
        except TimeoutError:
            connected = False
        except asyncio.CancelledError:
            client.close()
            raise
        if not connected:
            client.close()
            self.counts.timeouts += 1
            raise NotReachedError(
                f"cannot open {self._address.port_name}; check address, network and rights"
            )
        self._client, self._line = client, line
        return client

    def _make(self, line: Line) -> AsyncModbusTcpClient | AsyncModbusSerialClient:
        try:
            from pymodbus import FramerType  # noqa: PLC0415 (an optional library)
            from pymodbus.client import (  # noqa: PLC0415
                AsyncModbusSerialClient,
                AsyncModbusTcpClient,
            )
        except ImportError as error:
            raise ConfigError(
                f"reading Modbus needs pymodbus: {error}; pip install 'fleetops[collect]'"
            ) from error
        # what goes wrong is told by the errors here, once
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)
        address = self._address
        if address.transport is Transport.RTU:
            parity = line.parity if takes_parity(address.path) else Parity.NONE
            return AsyncModbusSerialClient(
                address.path,
                framer=FramerType.RTU,
                baudrate=line.baud_rate,
                parity=PARITY_LETTERS[parity],
                timeout=self._timeout,
                retries=0,
                reconnect_delay=0,
                trace_packet=self._trace,
            )
        over_serial = address.transport is Transport.RTU_OVER_TCP
        return AsyncModbusTcpClient(
            address.host,
            port=address.port,
            framer=FramerType.RTU if over_serial else FramerType.SOCKET,
            timeout=self._timeout,
            retries=0,
            reconnect_delay=0,
            trace_packet=self._trace,
        )

    def _trace(self, sending: bool, frame: bytes) -> bytes:
        """Sees every frame before it leaves and every byte that comes."""
        if sending:
            check_is_read(self._address.transport, frame)
        else:
            self._received += len(frame)
        return frame


def _heed_cancellation() -> None:
    """Ends a read that was cut off.

    The library waits by ``asyncio.wait_for``, which before Python 3.12 forgets a cancellation that
    comes together with the result (python/cpython#86296).

    Raises:
        asyncio.CancelledError: the task was cancelled, and nobody said so.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
