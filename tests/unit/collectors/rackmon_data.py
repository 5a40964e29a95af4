"""Hand-made devices for the tests of ``rackmon``: words of shipped maps, and rackmond's dumps."""

from __future__ import annotations

import asyncio
import json
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fleetops_schemas.register_maps import load_register_maps


def words_of(map_name: str, **changed: int) -> dict[int, int]:
    """Every register of a shipped map, 0 or its own name; ``r79=51200`` changes one word."""
    words: dict[int, int] = {}
    for register in load_register_maps()[map_name].registers:
        text = register.identity.encode()[: 2 * register.words].ljust(2 * register.words, b"\0")
        for at in range(register.words):
            words[register.address + at] = int.from_bytes(text[2 * at : 2 * at + 2], "big")
    return {**words, **{int(name[1:]): word for name, word in changed.items()}}


def flags_entry(time: int, bits: int, width: int = 16) -> dict[str, Any]:
    """A history entry of flags; each is named for its bit."""
    flags = [
        {"name": f"b{bit}", "value": bool(bits >> bit & 1), "bitOffset": bit}
        for bit in range(width)
    ]
    return {"type": "FLAGS", "timestamp": time, "value": {"flagsValue": flags}}


def entry(time: int, kind: str, content: object) -> dict[str, Any]:
    """A history entry: ``entry(1, "intValue", 5)``."""
    return {"type": kind.removesuffix("Value").upper(), "timestamp": time, "value": {kind: content}}


def dumped(
    device_type: str, address: int, registers: dict[tuple[int, str], list[Any]], **info: object
) -> dict[str, Any]:
    """One device of a dump; registers by address and name."""
    return {
        "devInfo": {
            **{"devAddress": address, "deviceType": device_type, "baudrate": 19200},
            **{"crcErrors": 0, "timeouts": 0, "miscErrors": 0, "mode": "ACTIVE"},
            **info,
        },
        "regList": [
            {"regAddress": at, "name": name, "history": history}
            for (at, name), history in registers.items()
        ],
    }


@contextmanager
def serving_rackmond(
    folder: Path, answer: Callable[[dict[str, Any]], bytes], *, length: str = "=Q"
) -> Iterator[str]:
    """A socket that speaks rackmond's framing; yields its URL."""
    path = folder / "rackmond.sock"
    loop = asyncio.new_event_loop()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            (size,) = struct.unpack(length, await reader.readexactly(struct.calcsize(length)))
            writer.write(answer(json.loads(await reader.readexactly(min(size, 100_000)))))
            await writer.drain()
        except (asyncio.IncompleteReadError, ValueError):
            pass  # as rackmond: logged there, and silence here
        finally:
            writer.close()

    server = loop.run_until_complete(asyncio.start_unix_server(talk, path))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"unix://{path}"
    finally:

        async def stop() -> None:
            server.close()
            await server.wait_closed()

        asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def framed(document: object, length: str = "=Q") -> bytes:
    """An answer as rackmond frames it."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return struct.pack(length, len(body)) + body
