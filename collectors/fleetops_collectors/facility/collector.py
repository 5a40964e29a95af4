"""The ``facility`` collector: building management over MQTT.

What messages mean is decoded by :mod:`fleetops_collectors.facility.state`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from fleetops.core.clock import Clock
from fleetops.core.config import secret
from fleetops.core.errors import InputError, TemporaryError
from fleetops_collectors.base import CollectorConfig, Scrape, Target
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.facility.access import Access, MqttTargets
from fleetops_collectors.facility.heartbeat import Heartbeat
from fleetops_collectors.facility.points import PROTOCOL
from fleetops_collectors.facility.recording import decode_recording
from fleetops_collectors.facility.state import Limits
from fleetops_collectors.http import tls_context
from fleetops_schemas.records import Event, Severity

if TYPE_CHECKING:
    from fleetops_collectors.facility.session import Session

HEARTBEAT_LOST = "facility_heartbeat_lost"


class FacilityConfig(CollectorConfig):
    """Listens to MQTT brokers; a target's ``url`` is ``mqtts://HOST[:8883]`` or ``mqtt://``."""

    targets: MqttTargets = ()
    prefix: Annotated[str, Field(min_length=1, pattern=r"^[^#+]*[^#+/]$")] = "BMS/v1"
    """What the topics begin with. Older installations of the same contract: ``cronus/v1``."""
    topics: tuple[str, ...] = ()
    """Topic filters to subscribe to, where ``PREFIX/#`` is more than may or should be read."""
    qos: Literal[0, 1] = 0
    """Quality of service of the subscription. 1 is no safer here: a session begins anew after each
    loss, and brokers drop what exceeds their queue for one client (1,000 messages in Mosquitto and
    EMQX), which retained metadata do at once; at 0 the connection itself holds the sender back."""
    names: dict[str, str] = Field(default_factory=dict)
    """By rackLocationId or objectId: the name of the rack or device in FleetOps, where it is
    another."""
    stale_after_seconds: Annotated[float, Field(gt=0, le=86_400)] = 250.0
    """A value that was not sent again for so long is stale. The contract: every 100 s; two and a
    half of it, so that one lost message does no harm."""
    heartbeat_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """A heartbeat that did not advance for so long is missing. The contract: every 10 s."""
    settle_seconds: Annotated[float, Field(ge=0, le=600)] = 2.0
    """The first round of a connection waits so long, at most, for the points' values. A change is
    sent at once, all else within 100 s."""
    max_points: Annotated[int, Field(ge=1, le=1_000_000)] = 50_000
    """Points kept of one broker (about 1 KB each); messages of further ones are counted."""
    max_payload_bytes: Annotated[int, Field(ge=256, le=16 * 1024 * 1024)] = 65_536
    """Longest message that is looked at; real ones have a few hundred bytes."""

    @model_validator(mode="after")
    def _settles_in_time(self) -> Self:
        if self.settle_seconds >= self.deadline_seconds:
            raise ValueError(
                f"settle_seconds ({self.settle_seconds:g}) must be less than "
                f"deadline_seconds ({self.deadline_seconds:g}); raise the deadline"
            )
        return self


class FacilityCollector:
    """Listens to building management. One connection a broker, kept; a round is a look at it."""

    protocol: ClassVar[str] = PROTOCOL
    config_model: ClassVar[type[CollectorConfig]] = FacilityConfig

    def __init__(self, config: FacilityConfig, clock: Clock, session: type[Session]) -> None:
        """Opens nothing; the first round does."""
        self._open = session
        self._config = config
        self._clock = clock
        self._tls: ssl.SSLContext | None = None
        self._sessions: dict[str, Session] = {}
        """By target."""

    @classmethod
    def create(cls, config: CollectorConfig, clock: Clock) -> Self:
        """Makes the collector; ``config`` is a :class:`FacilityConfig`.

        Raises:
            ConfigError: the MQTT library is not installed.
        """
        # here, so that recordings can be decoded without it
        from fleetops_collectors.facility.session import Session  # noqa: PLC0415

        assert isinstance(config, FacilityConfig)  # noqa: S101 (the runner validated it)
        return cls(config, clock, Session)

    async def collect(self, target: Target) -> Scrape:
        """What is known of every point.

        Raises:
            InputError: the broker refuses us, or carries no building management.
            TemporaryError: it does not answer, or the building management behind it is silent.
        """
        session, warnings = await self._session(target)
        await session.open()
        await session.settle(self._config.settle_seconds)
        decoded, silent, dead = await session.read()
        self._check_heard(target, session)
        now = self._clock.now()
        fresh = [one for one in silent if one.key not in session.told]
        session.told = {one.key for one in silent}
        if dead and not fresh:
            # told once, with every value stale; from then on the source is what is missing
            raise TemporaryError(
                f"{target.name}: {target.url}: no heartbeat of {_names(silent)} for "
                f"{self._config.heartbeat_seconds:g} s: building management is offline"
            )
        scrape = Scrape.of(target, now, decoded)
        scrape.events = [_lost(target, one, now) for one in fresh]
        scrape.warnings += [*warnings, *_told(silent)]
        return scrape

    async def close(self) -> None:
        """Disconnects from every broker."""
        sessions, self._sessions = list(self._sessions.values()), {}
        await asyncio.gather(*(session.close() for session in sessions))

    @classmethod
    def decode_recording(cls, path: Path, host: str | None, now: datetime) -> Decoded:
        """Reads what ``mosquitto_sub`` printed. ``host`` is not used: points name their places.

        Raises:
            InputError: it cannot be read, or holds no message of building management.
        """
        del host
        return decode_recording(path, Limits(), now)

    async def _session(self, target: Target) -> tuple[Session, list[str]]:
        """The session of a target, and what is to be said of the one before."""
        session = self._sessions.get(target.name)
        warnings = []
        if session is not None and session.lost:
            del self._sessions[target.name]
            await session.close()
            warnings = [f"connected again after: {session.lost}; changes meanwhile were missed"]
            session = None
        if session is None:
            session = self._sessions[target.name] = self._new_session(target)
        return session, warnings

    def _new_session(self, target: Target) -> Session:
        config = self._config
        if target.url.startswith("mqtts") and self._tls is None:
            self._tls = tls_context(config)
        password = secret(config.password, config.password_file, "password")
        access = Access(
            where=f"{target.name}: {target.url}",
            url=target.url,
            filters=config.topics or (f"{config.prefix}/#",),
            qos=config.qos,
            username=config.username,
            password=password.get_secret_value() if password else None,
            tls=self._tls if target.url.startswith("mqtts") else None,
            connect_seconds=config.deadline_seconds,
        )
        limits = Limits(
            prefix=config.prefix,
            names=config.names,
            stale_after=timedelta(seconds=config.stale_after_seconds),
            silence=timedelta(seconds=config.heartbeat_seconds),
            max_points=config.max_points,
            max_payload_bytes=config.max_payload_bytes,
        )
        return self._open(access, limits, self._clock)

    def _check_heard(self, target: Target, session: Session) -> None:
        messages, first_refused = session.heard()
        if messages:
            return
        where = f"{target.name}: {target.url}"
        if first_refused:
            raise InputError(f"{where}: no building management: {first_refused}; check prefix")
        raise TemporaryError(
            f"{where}: connected, but nothing came below {self._config.prefix}/; "
            "check prefix, the account's rights, and the publisher"
        )


def _lost(target: Target, heartbeat: Heartbeat, now: datetime) -> Event:
    host = target.host or target.name
    said = f"{heartbeat.key}\0{heartbeat.advanced_at.isoformat()}"
    scope = f" for {heartbeat.scope}" if heartbeat.scope else ""
    return Event(
        id=sha256(f"{host}\0{said}".encode()).hexdigest()[:32],
        time=heartbeat.advanced_at,
        observed_at=now,
        host=host,
        device=target.device or host,
        device_class="coolant_unit",
        source=PROTOCOL,
        kind=HEARTBEAT_LOST,
        severity=Severity.WARNING,
        text=f"{heartbeat.name}: no heartbeat{scope} since {heartbeat.advanced_at:%H:%M:%S} UTC",
        attributes={"system": heartbeat.name, "scope": heartbeat.scope},
    )


def _told(silent: list[Heartbeat]) -> Iterator[str]:
    for one in silent:
        scope = f" ({one.scope})" if one.scope else ""
        yield f"no heartbeat of {one.name}{scope}; its values are stale"


def _names(heartbeats: list[Heartbeat]) -> str:
    return ", ".join(dict.fromkeys(one.name for one in heartbeats))
