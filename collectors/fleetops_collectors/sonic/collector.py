"""The ``sonic`` collector: a switch's Redis, read over TCP, TLS or its unix socket."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, ClassVar, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from fleetops.core.clock import Clock
from fleetops.core.config import secret
from fleetops.core.errors import ConfigError, InputError, TemporaryError
from fleetops_collectors.base import CollectorConfig, Scrape, Target
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.json_input import parse_documents, read_file
from fleetops_collectors.links import LinkWatch
from fleetops_collectors.sonic.decode import PROTOCOL, decode_sonic
from fleetops_collectors.sonic.ports import PORT_MAPS, names_of
from fleetops_collectors.sonic.reader import read_tables
from fleetops_collectors.sonic.tables import Tables, hostname_of, tables_of

if TYPE_CHECKING:
    from redis.asyncio import Redis

DATABASES = {"APPL_DB": 0, "COUNTERS_DB": 2, "STATE_DB": 6}
"""Numbers in SONiC's own ``database_config.json``."""
_EXTRA = "pip install 'fleetops[collect]'"
_ADDRESS = re.compile(r"(?:rediss?://[^/\s@]+(?::\d+)?/?|unix:///\S+)")


def _have_addresses(targets: tuple[Target, ...]) -> tuple[Target, ...]:
    for target in targets:
        if not _ADDRESS.fullmatch(target.url):
            raise ValueError(
                f"{target.name}: url {target.url!r} is no address of a Redis; write "
                "redis://ADDRESS:6379, rediss://ADDRESS:6379 or unix:///var/run/redis/redis.sock "
                "(user and password are options of the collector)"
            )
    return targets


def _is_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone; write one like UTC or Europe/Paris") from error
    return name


def _redis(collector: str) -> ModuleType:
    """The client library, which only this collector needs.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import redis  # noqa: PLC0415
        import redis.asyncio  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(f"collector {collector}: redis is missing; {_EXTRA}") from error
    return redis


class SonicConfig(CollectorConfig):
    """Reads switches; ``url`` is the address of a switch's Redis."""

    targets: Annotated[tuple[Target, ...], AfterValidator(_have_addresses)] = ()
    databases: dict[str, Annotated[int, Field(ge=0, le=1000)]] = DATABASES
    """Number of each database, where the switch's ``database_config.json`` differs."""
    stale_after_seconds: Annotated[float, Field(gt=0)] = 900.0
    """Rows that say that they were written longer ago are stale. xcvrd goes round all modules in a
    minute or, with many of them, in several."""
    timezone: Annotated[str, AfterValidator(_is_zone)] = "UTC"
    """The switches' zone: fans, temperatures and supplies are stamped in local time."""
    max_keys: Annotated[int, Field(ge=1000)] = 200_000
    """Bound of the keys that are looked at in STATE_DB."""


class SonicCollector:
    """Reads the Redis of SONiC switches."""

    protocol: ClassVar[str] = PROTOCOL
    config_model: ClassVar[type[CollectorConfig]] = SonicConfig

    def __init__(self, config: SonicConfig, clock: Clock) -> None:
        """Opens nothing; the first read does."""
        self._config = config
        self._clock = clock
        self._numbers = {**DATABASES, **config.databases}
        self._clients: dict[tuple[str, str], Redis] = {}
        """By target and database; one connection each."""
        self._links = LinkWatch(PROTOCOL)

    @classmethod
    def create(cls, config: CollectorConfig, clock: Clock) -> Self:
        """Makes the collector; ``config`` is a :class:`SonicConfig`."""
        assert isinstance(config, SonicConfig)  # noqa: S101 (the runner validated it)
        return cls(config, clock)

    async def collect(self, target: Target) -> Scrape:
        """Reads a switch once.

        Raises:
            InputError: it is no SONiC switch's Redis, or it refuses the credentials.
            TemporaryError: it did not answer.
        """
        tables = await self._read(target)
        now = self._clock.now()
        switch = target.host or target.device or target.name
        decoded = decode_sonic(
            tables,
            switch=switch,
            now=now,
            in_host=target.host is not None,
            stale_after_seconds=self._config.stale_after_seconds,
            zone=ZoneInfo(self._config.timezone),
        )
        decoded.events += self._links.observe(target.name, decoded.readings, switch, now)
        return Scrape.of(target, now, decoded)

    async def _read(self, target: Target) -> Tables:
        redis = _redis(self._config.name)
        where = f"{target.name}: {target.url}"
        done = False
        try:
            tables = await read_tables(
                lambda name: self._client(target, name), self._config.max_keys
            )
            done = True
        except InputError as error:
            raise InputError(f"{where}: {error}") from error
        except redis.AuthenticationError as error:
            raise InputError(f"{where}: {error}; check username and password_file") from error
        except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
            raise TemporaryError(
                f"{where}: {error or type(error).__name__}; check address, network and power"
            ) from error
        except redis.RedisError as error:
            raise InputError(f"{where}: no answer of a Redis: {error}") from error
        finally:
            if not done:  # cut off, or broken: what still comes belongs to no question
                await self._drop(target)
        return tables

    def _client(self, target: Target, database: str) -> Redis:
        key = (target.name, database)
        if key not in self._clients:
            config = self._config
            password = secret(config.password, config.password_file, "password")
            options = {
                "db": self._numbers[database],
                "username": config.username,
                "password": password.get_secret_value() if password else None,
                "socket_timeout": config.deadline_seconds,
                "socket_connect_timeout": config.deadline_seconds,
                "decode_responses": True,
                "encoding_errors": "replace",
                "max_connections": 1,
                "retry": None,
            }
            if target.url.startswith("rediss:"):
                options |= {
                    "ssl_ca_certs": config.ca_file,
                    "ssl_cert_reqs": "required" if config.verify_tls else "none",
                    "ssl_check_hostname": config.verify_tls,
                }
            self._clients[key] = _redis(config.name).asyncio.Redis.from_url(target.url, **options)
        return self._clients[key]

    async def _drop(self, target: Target) -> None:
        for key in [key for key in self._clients if key[0] == target.name]:
            await self._clients.pop(key).aclose()

    async def close(self) -> None:
        """Closes the connections."""
        while self._clients:
            _, client = self._clients.popitem()
            await client.aclose()

    @classmethod
    def decode_recording(cls, path: Path, host: str | None, now: datetime) -> Decoded:
        """Reads a dump of one or several databases of a switch.

        Raises:
            InputError: it cannot be read, or holds nothing of a switch.
        """
        tables: Tables = {}
        others = 0
        for document in parse_documents(read_file(path), str(path)):
            found, unusable = tables_of(document)
            others += unusable
            for table, rows in found.items():
                for key, fields in rows.items():
                    tables.setdefault(table, {}).setdefault(key, {}).update(fields)
        switch = host or hostname_of(tables) or "switch"
        decoded = decode_sonic(tables, switch=switch, now=now, in_host=host is not None)
        if others:
            decoded.problems.append(f"{others} keys that are no hash were left out")
        if not decoded.readings and not decoded.identities:
            without_names = "COUNTERS" in tables and not names_of(tables, PORT_MAPS)
            why = "counters without COUNTERS_PORT_NAME_MAP" if without_names else "no known table"
            raise InputError(
                f"{path}: {why} of a SONiC switch in it; write the whole database with "
                "`sonic-db-dump -n COUNTERS_DB -y`"
            )
        return decoded
