"""How a broker is reached."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from fleetops_collectors.base import Target

PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class Access:
    """One broker, and who reads what of it."""

    where: str
    """Names the target in errors."""
    url: str
    filters: tuple[str, ...]
    """Topic filters subscribed to."""
    qos: int = 0
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None
    connect_seconds: float = 5.0

    @property
    def host(self) -> str:
        """Its name or address."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """Its port; the scheme's by default."""
        parts = urlsplit(self.url)
        return parts.port or PORTS[parts.scheme]


def _have_addresses(targets: tuple[Target, ...]) -> tuple[Target, ...]:
    for target in targets:
        try:
            parts = urlsplit(target.url)
            good = parts.scheme in PORTS and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if not good:
            raise ValueError(
                f"{target.name}: url {target.url!r} is no MQTT address; "
                "write mqtts://HOST or mqtt://HOST:PORT"
            )
    return targets


MqttTargets = Annotated[tuple[Target, ...], AfterValidator(_have_addresses)]
"""Targets that are MQTT brokers; each has an address."""
