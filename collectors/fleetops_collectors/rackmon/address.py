"""Addresses of what is read: a serial line, a Modbus TCP server or gateway, rackmond's socket."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qs, urlsplit

from fleetops_schemas.register_maps import Parity

DEFAULT_PORT = 502
FORMS = (
    "write tcp://HOST:PORT, rtu+tcp://HOST:PORT, rtu:///dev/ttyS3?baudrate=19200&parity=E "
    "or unix:///var/run/rackmond.sock"
)
PARITIES = {"E": Parity.EVEN, "O": Parity.ODD, "N": Parity.NONE}


class Transport(StrEnum):
    """How a target is reached."""

    TCP = "tcp"
    RTU = "rtu"
    RTU_OVER_TCP = "rtu+tcp"
    """Serial frames through a socket, as plain serial servers pass them on."""
    UNIX = "unix"
    """rackmond's socket."""


@dataclass(frozen=True, slots=True)
class BusAddress:
    """Where a bus, or rackmond, is."""

    transport: Transport
    host: str = ""
    port: int = DEFAULT_PORT
    path: str = ""
    """Of the serial device or the socket."""
    baud_rate: int | None = None
    """Of the line; None takes each map's own. Also told of a gateway, it is part of identity."""
    parity: Parity | None = None

    @property
    def port_name(self) -> str:
        """The port, as part of a device's identity."""
        return self.path or f"{self.host}:{self.port}"


def parse_address(url: str) -> BusAddress:
    """The address in a URL.

    Raises:
        ValueError: it is none; says what one looks like.
    """
    try:
        parts = urlsplit(url)
        transport = Transport(parts.scheme)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"url {url!r} is no address of a bus; {FORMS}") from error
    options = parse_qs(parts.query)
    if unknown := sorted(options.keys() - {"baudrate", "parity"}):
        raise ValueError(f"url {url!r}: unknown option {unknown[0]}; there are baudrate and parity")
    over_tcp = transport in {Transport.TCP, Transport.RTU_OVER_TCP}
    if (not parts.hostname or port == 0) if over_tcp else not parts.path.strip("/"):
        raise ValueError(f"url {url!r} names no {'host' if over_tcp else 'path'}; {FORMS}")
    return BusAddress(
        transport,
        host=parts.hostname or "",
        port=port or DEFAULT_PORT,
        path="" if over_tcp else parts.path,
        baud_rate=_baud_rate(url, options.get("baudrate")),
        parity=_parity(url, options.get("parity")),
    )


def _baud_rate(url: str, given: list[str] | None) -> int | None:
    if not given:
        return None
    if not given[0].isascii() or not given[0].isdecimal() or len(given[0]) > 7:  # noqa: PLR2004
        raise ValueError(f"url {url!r}: baudrate {given[0]!r} is no number such as 19200")
    return int(given[0])


def _parity(url: str, given: list[str] | None) -> Parity | None:
    if not given:
        return None
    parity = PARITIES.get(given[0][:1].upper())
    if parity is None:
        raise ValueError(f"url {url!r}: parity {given[0]!r} is none of E, O, N")
    return parity
