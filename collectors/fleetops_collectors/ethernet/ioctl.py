"""The kernel's ethtool ioctl, reading half: driver and statistics of an interface.

Structures and numbers: Linux include/uapi/linux/ethtool.h. Neither call needs a privilege. There is
no netlink twin of the driver's own statistics, and pyroute2 has no call for them.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import socket
import struct
from types import TracebackType
from typing import NamedTuple, Self

SIOCETHTOOL = 0x8946
GDRVINFO, GSTRINGS, GSTATS, GSSET_INFO = 0x03, 0x1B, 0x1D, 0x37
SS_STATS = 1
NAME_BYTES = 32
MAX_COUNTERS = 65_536
"""An mlx5 with 128 channels has some 6,000."""
SPARE_COUNTERS = 4_096
"""The kernel writes as many numbers as there are by then, whatever it was told: queues added
between two calls must still fit into the buffer."""
_DRVINFO = struct.Struct("=I32s32s32s32s32s12s5I")
_UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM})


class DriverInfo(NamedTuple):
    """What drives an interface; empty texts where the driver does not say."""

    driver: str = ""
    version: str = ""
    firmware: str = ""
    bus_address: str = ""


class EthtoolSocket:
    """A socket to ask the kernel through. Interfaces are those of this network namespace."""

    def __init__(self) -> None:
        """Opens the socket."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def driver(self, interface: str) -> DriverInfo:
        """The driver of an interface.

        Raises:
            OSError: there is no such interface, or the driver fails.
        """
        buffer = self._ask(interface, _DRVINFO.pack(GDRVINFO, *[b""] * 6, *[0] * 5))
        if buffer is None:
            return DriverInfo()
        texts = _DRVINFO.unpack(buffer)[1:5]
        return DriverInfo(*(_text(text) for text in texts))

    def statistics(self, interface: str) -> dict[str, int]:
        """The driver's own counters by name; empty where it keeps none.

        Raises:
            OSError: there is no such interface, the driver fails, or its counters changed while
                they were read.
        """
        count = self._count(interface)
        if count == 0:
            return {}
        names = self._names(interface, count)
        request = struct.pack("=II", GSTATS, count) + bytes(8 * (count + SPARE_COUNTERS))
        answer = self._ask(interface, request)
        if answer is None:
            return {}
        (now,) = struct.unpack_from("=I", answer, 4)
        if now != count or len(names) != count:
            raise OSError(errno.EAGAIN, "its counters changed while they were read")
        return dict(zip(names, struct.unpack_from(f"={count}Q", answer, 8), strict=True))

    def _count(self, interface: str) -> int:
        answer = self._ask(interface, struct.pack("=IIQI", GSSET_INFO, 0, 1 << SS_STATS, 0))
        if answer is None:
            return 0
        _, _, mask, count = struct.unpack("=IIQI", answer)
        if count > MAX_COUNTERS:
            raise OSError(errno.E2BIG, f"it claims {count} counters")
        return count if mask else 0

    def _names(self, interface: str, count: int) -> list[str]:
        room = bytes(NAME_BYTES * (count + SPARE_COUNTERS))
        request = struct.pack("=III", GSTRINGS, SS_STATS, count) + room
        answer = self._ask(interface, request) or request
        (now,) = struct.unpack_from("=I", answer, 8)
        return [
            _text(answer[12 + at * NAME_BYTES : 12 + (at + 1) * NAME_BYTES])
            for at in range(min(now, count + SPARE_COUNTERS))
        ]

    def _ask(self, interface: str, request: bytes) -> bytes | None:
        """The kernel's answer in the request's place; None where the driver has none."""
        buffer = ctypes.create_string_buffer(request, len(request))
        name = interface.encode()[:15]
        ifreq = struct.pack("16sP16x", name, ctypes.addressof(buffer))
        try:
            fcntl.ioctl(self._socket, SIOCETHTOOL, ifreq)
        except OSError as error:
            if error.errno in _UNSUPPORTED:
                return None
            raise
        return buffer.raw


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace").strip()
