"""The ``gnmi`` collector: a STREAM subscription a target, read out once a round."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from fleetops.core.clock import Clock
from fleetops.core.config import secret
from fleetops.core.errors import InputError
from fleetops_collectors.base import CollectorConfig, Scrape, Target
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.device_names import part_name
from fleetops_collectors.gnmi.channel import grpc_library
from fleetops_collectors.gnmi.decode import PROTOCOL, decode_gnmi
from fleetops_collectors.gnmi.newest import NewestValues
from fleetops_collectors.gnmi.recordings import notifications_of
from fleetops_collectors.gnmi.stream import Stream
from fleetops_collectors.json_input import read_file
from fleetops_collectors.links import LinkWatch

ON_CHANGE_PATHS = (
    "/interfaces/interface/state/oper-status",
    "/interfaces/interface/state/admin-status",
    "/interfaces/interface/state/type",
    "/interfaces/interface/state/transceiver",
    "/interfaces/interface/state/physical-channel",
    "/interfaces/interface/state/hardware-port",
    "/interfaces/interface/ethernet/state/port-speed",
)
SAMPLE_PATHS = (
    "/interfaces/interface/state/counters",
    "/interfaces/interface/ethernet/state/counters",
    "/components/component/state",
    "/components/component/transceiver",
    "/components/component/power-supply/state",
    "/components/component/fan/state",
    "/qos/interfaces/interface/output/queues/queue/state",
)
RECORDING_STALE_SECONDS = 3600.0
"""In a recording ages count back from its latest value; a subscription of minutes is no fault."""
_ADDRESS = re.compile(r"(?:gnmi://)?(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):\d{1,5}")


def _have_addresses(targets: tuple[Target, ...]) -> tuple[Target, ...]:
    for target in targets:
        if not _ADDRESS.fullmatch(target.url):
            raise ValueError(
                f"{target.name}: url {target.url!r} is no gNMI address; write ADDRESS:PORT "
                "(9339 is gNMI's own port, 6030 EOS', 57400 SR Linux', 8080 SONiC's)"
            )
    return targets


class GnmiConfig(CollectorConfig):
    """Subscribes to targets; ``url`` is ADDRESS:PORT."""

    targets: Annotated[tuple[Target, ...], AfterValidator(_have_addresses)] = ()
    insecure: bool = False
    """No TLS at all: user name and password pass in clear."""
    tls_server_name: str | None = None
    """The name in the targets' certificates, where it is not the address."""
    cert_file: str | None = None
    """Own certificate, for targets that ask for one."""
    key_file: str | None = None
    encoding: Literal["JSON_IETF", "PROTO", "JSON"] | None = None
    """Of the values; by default the first of these that the target has."""
    on_change_paths: tuple[str, ...] = ON_CHANGE_PATHS
    """Told when they change. Targets that refuse that get them sampled."""
    sample_paths: tuple[str, ...] = SAMPLE_PATHS
    """Told every ``sample_seconds``."""
    sample_seconds: Annotated[float, Field(ge=1, le=3600)] = 10.0
    heartbeat_seconds: Annotated[float, Field(ge=1, le=86400)] = 60.0
    """How often what does not change is told nevertheless."""
    stale_after_seconds: Annotated[float, Field(gt=0)] = 180.0
    """Values that were not told for so long are stale; three heartbeats."""
    sync_seconds: Annotated[float, Field(gt=0, le=600)] = 4.0
    """How long a round waits for a new subscription to have told all; below the deadline."""
    max_message_bytes: Annotated[int, Field(ge=65536)] = 16 * 1024 * 1024
    """Longest message that is taken; grpc's own bound of 4 MiB is too low for whole trees."""
    max_leaves: Annotated[int, Field(ge=1000)] = 200_000
    """Bound of the values kept of a target. A port has about 60."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.verify_tls:
            raise ValueError(
                "verify_tls: grpc has no TLS without verification; name the certificate in "
                "ca_file (a self-signed one too) and its name in tls_server_name, or say "
                "insecure: true for targets without TLS"
            )
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together; give both or none")
        if not self.on_change_paths and not self.sample_paths:
            raise ValueError("on_change_paths and sample_paths are both empty; name what to read")
        return self

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """User name and password, as gNMI targets take them with every call.

        Raises:
            ConfigError: the password's file cannot be read.
        """
        if self.username is None:
            return ()
        password = secret(self.password, self.password_file, "password")
        text = password.get_secret_value() if password else ""
        return (("username", self.username), ("password", text))


class GnmiCollector:
    """Keeps a subscription to each target, and reads out what it told."""

    protocol: ClassVar[str] = PROTOCOL
    config_model: ClassVar[type[CollectorConfig]] = GnmiConfig

    def __init__(self, config: GnmiConfig, clock: Clock) -> None:
        """Opens nothing; the first round of a target does."""
        self._config = config
        self._clock = clock
        self._rng = Random()  # noqa: S311  spreads reconnects; guards nothing
        self._streams: dict[str, Stream] = {}
        self._links = LinkWatch(PROTOCOL)

    @classmethod
    def create(cls, config: CollectorConfig, clock: Clock) -> Self:
        """Makes the collector; ``config`` is a :class:`GnmiConfig`."""
        assert isinstance(config, GnmiConfig)  # noqa: S101 (the runner validated it)
        return cls(config, clock)

    async def collect(self, target: Target) -> Scrape:
        """The newest values that the target told.

        Raises:
            ConfigError: pygnmi is not installed.
            InputError: it refuses credentials or paths, or is no gNMI target.
            TemporaryError: it does not answer, or the subscription broke.
        """
        grpc_library(self._config.name)
        stream = self._streams.get(target.name)
        if stream is None:
            stream = Stream(self._config, target, self._clock, self._rng)
            self._streams[target.name] = stream
        await stream.ready()
        now = self._clock.now()
        switch = target.host or target.device or target.name
        decoded = decode_gnmi(
            stream.values,
            switch=switch,
            now=now,
            in_host=target.host is not None,
            stale_after_seconds=self._config.stale_after_seconds,
        )
        stream.values.begin_round()
        if not stream.synced:
            decoded.problems.append("the target has not said yet that it told everything once")
        if not decoded.readings:
            raise InputError(
                f"{target.name}: {target.url}: it told no value of OpenConfig that has a column; "
                "check on_change_paths and sample_paths"
            )
        decoded.events += self._links.observe(target.name, decoded.readings, switch, now)
        return Scrape.of(target, now, decoded)

    async def close(self) -> None:
        """Ends the subscriptions."""
        streams, self._streams = list(self._streams.values()), {}
        await asyncio.gather(*(stream.close() for stream in streams))

    @classmethod
    def decode_recording(cls, path: Path, host: str | None, now: datetime) -> Decoded:
        """Reads messages that a gNMI tool wrote down.

        Raises:
            InputError: it cannot be read, or holds no value that has a column.
        """
        recorded: dict[str, NewestValues] = {}
        for message in notifications_of(read_file(path), str(path)):
            switch = host or part_name(message.source or "switch")
            recorded.setdefault(switch, NewestValues()).apply(message, now)
        whole = Decoded()
        for switch, values in recorded.items():
            part = decode_gnmi(
                values,
                switch=switch,
                now=values.newest_time or now,
                in_host=host is not None,
                stale_after_seconds=RECORDING_STALE_SECONDS,
            )
            _add(whole, part)
        if not whole.readings:
            raise InputError(
                f"{path}: no value of OpenConfig that has a column; write one with "
                "`gnmic subscribe --format json` or event"
                + "".join(f"; {warning}" for warning in whole.warnings())
            )
        return whole


def _add(whole: Decoded, part: Decoded) -> None:
    """Puts one switch of a recording to the others."""
    whole.readings += part.readings
    whole.identities += part.identities
    whole.unmapped += part.unmapped
    whole.problems += part.problems
