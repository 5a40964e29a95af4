"""rackmond's socket: one question, one answer, each after its length (``UnixSock.cpp``)."""

from __future__ import annotations

import asyncio
import json
import struct
from typing import Literal

from fleetops.core.errors import InputError, TemporaryError

LENGTHS = {4: "=I", 8: "=Q"}
"""rackmond writes a native ``size_t`` in native order: 4 bytes on a 32 bit controller."""
NATIVE: Literal[4, 8] = 8 if struct.calcsize("N") == 8 else 4  # noqa: PLR2004
MONITOR_DATA = {"type": "getMonitorData"}
"""The one thing that is asked: what rackmond read by itself. It moves nothing on the bus."""


async def ask_rackmond(path: str, *, where: str, max_bytes: int, length_bytes: int) -> bytes:
    """What rackmond knows of all devices, as JSON.

    Args:
        path: of its socket.
        where: names the target in errors.
        max_bytes: longest answer accepted.
        length_bytes: size of the length before each message, 4 or 8.

    Raises:
        TemporaryError: it does not answer.
        InputError: the answer breaks off, or is too long.
    """
    packing = LENGTHS[length_bytes]
    question = json.dumps(MONITOR_DATA).encode()
    try:
        reader, writer = await asyncio.open_unix_connection(path)
    except OSError as error:
        raise TemporaryError(
            f"{where}: cannot reach rackmond at {path}: {error.strerror or error}; "
            "check that it runs and that this user may use its socket"
        ) from error
    try:
        writer.write(struct.pack(packing, len(question)) + question)
        await writer.drain()
        head = await reader.readexactly(struct.calcsize(packing))
        (length,) = struct.unpack(packing, head)
        if length > max_bytes:
            raise InputError(
                f"{where}: the answer is {length} bytes long, more than {max_bytes}; it is none of "
                "rackmond, or length_bytes is not that of its machine"
            )
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        raise InputError(
            f"{where}: the answer broke off after {len(error.partial)} bytes; check length_bytes "
            "(4 for a 32 bit controller)"
        ) from error
    except OSError as error:
        raise TemporaryError(f"{where}: rackmond broke off: {error.strerror or error}") from error
    finally:
        writer.close()
