"""Real Modbus servers for tests: pymodbus over TCP, and over a serial line made of two ptys."""

from __future__ import annotations

import asyncio
import os
import select
import socket
import threading
import tty
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

Server = ModbusTcpServer | ModbusSerialServer
Words = dict[int, int]
"""Of one device, by register address."""


@dataclass
class ModbusBench:
    """A served bus: what is on it, and what was asked."""

    devices: dict[int, Words]
    """By device address; may be changed while it is served, addresses alone."""
    url: str = ""
    frames: list[bytes] = field(default_factory=list)
    """Everything that came over the wire, as it came."""
    reads: list[tuple[int, int, int]] = field(default_factory=list)
    """Device, register and count of every read."""
    refused: set[tuple[int, int]] = field(default_factory=set)
    """Device and register: any read that touches it is refused."""
    silent: set[int] = field(default_factory=set)
    """Devices that do not answer."""
    delay_seconds: float = 0.0
    spoil: Callable[[bytes], bytes] = bytes
    """What becomes of an answer on a serial line."""

    def sim_devices(self) -> list[SimDevice]:
        return [self._device(at, words) for at, words in self.devices.items()]

    def trace(self, sending: bool, data: bytes) -> bytes:
        if not sending and data:
            self.frames.append(bytes(data))
        return data

    def _device(self, at: int, words: Words) -> SimDevice:
        async def act(
            code: int, start: int, address: int, count: int, current: list[int], new: object
        ) -> ExcCodes | None:
            assert new is None, "somebody writes"
            self.reads.append((at, address, count))
            await asyncio.sleep(self.delay_seconds)
            if at in self.silent:
                await asyncio.sleep(3600)
            span = range(address, address + count)
            if any((at, register) in self.refused for register in span):
                return ExcCodes.ILLEGAL_ADDRESS
            for register in span:
                current[register - start] = words.get(register, 0)
            return None

        return SimDevice(id=at, simdata=_blocks(words), action=act)


def _blocks(words: Words) -> list[SimData]:
    """Runs of neighbours: what lies between is no register."""
    blocks: list[tuple[int, list[int]]] = []
    for address in sorted(words):
        if blocks and blocks[-1][0] + len(blocks[-1][1]) == address:
            blocks[-1][1].append(words[address])
        else:
            blocks.append((address, [words[address]]))
    return [
        SimData(address, values=list(values), datatype=DataType.REGISTERS)
        for address, values in blocks
    ]


@contextmanager
def serving_tcp(
    devices: Mapping[int, Words], *, framer: str = "socket", port: int = 0
) -> Iterator[ModbusBench]:
    """A Modbus TCP server, by default on a free port; ``framer="rtu"`` makes it a serial server."""
    bench = ModbusBench(dict(devices))

    async def start() -> ModbusTcpServer:
        server = ModbusTcpServer(
            bench.sim_devices(),
            framer=FramerType(framer),
            address=("127.0.0.1", port),
            ignore_missing_devices=framer == "rtu",
            trace_packet=bench.trace,
        )
        await server.serve_forever(background=True)
        sockets = server.transport.sockets  # type: ignore[attr-defined]
        scheme = "tcp" if framer == "socket" else "rtu+tcp"
        bench.url = f"{scheme}://127.0.0.1:{sockets[0].getsockname()[1]}"
        return server

    with _in_thread(start):
        yield bench


@contextmanager
def serving_rtu(devices: Mapping[int, Words]) -> Iterator[ModbusBench]:
    """A serial line: two ptys, back to back, with the devices at the far end."""
    bench = ModbusBench(dict(devices))
    near, near_end = os.openpty()
    far, far_end = os.openpty()
    for end in (near, near_end, far, far_end):
        tty.setraw(end)
    bench.url = f"rtu://{os.ttyname(near_end)}"

    async def start() -> ModbusSerialServer:
        server = ModbusSerialServer(
            bench.sim_devices(),
            framer=FramerType.RTU,
            port=os.ttyname(far_end),
            baudrate=19200,
            ignore_missing_devices=True,
            trace_packet=bench.trace,
        )
        await server.serve_forever(background=True)
        return server

    stop = threading.Event()
    line = threading.Thread(target=_join, args=(near, far, bench, stop), daemon=True)
    line.start()
    try:
        with _in_thread(start):
            yield bench
    finally:
        stop.set()
        line.join()
        for end in (near, near_end, far, far_end):
            os.close(end)


def _join(near: int, far: int, bench: ModbusBench, stop: threading.Event) -> None:
    """Carries bytes between the ends of the line."""
    while not stop.is_set():
        ready, _, _ = select.select([near, far], [], [], 0.02)
        for end in ready:
            data = os.read(end, 4096)
            if end == near:
                os.write(far, data)
            else:
                os.write(near, bench.spoil(data))


@contextmanager
def answering(body: bytes) -> Iterator[str]:
    """A server that says the same to everything."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    stop = threading.Event()

    def serve() -> None:
        open_: list[socket.socket] = []
        while not stop.is_set():
            try:
                peer, _ = listener.accept()
                open_.append(peer)
                peer.sendall(body)
            except OSError:
                continue
        for peer in open_:
            peer.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stop.set()
        thread.join()
        listener.close()


@contextmanager
def _in_thread(start: Callable[[], Coroutine[Any, Any, Server]]) -> Iterator[None]:
    """Runs a server in a loop of its own thread until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
        yield
        asyncio.run_coroutine_threadsafe(_stop(server), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _stop(server: Server) -> None:
    await server.shutdown()  # type: ignore[no-untyped-call]
    pending = asyncio.all_tasks() - {asyncio.current_task()}
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    await asyncio.sleep(0.01)  # transports close their sockets in the loop's next rounds
