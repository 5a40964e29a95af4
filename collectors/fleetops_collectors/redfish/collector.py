"""The ``redfish`` collector: a reader a target."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Self

from pydantic import ValidationError

from fleetops.core.clock import Clock
from fleetops.core.config import secret
from fleetops.core.errors import InputError
from fleetops_collectors.base import CollectorConfig, Scrape, Target
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.http import tls_context
from fleetops_collectors.redfish.config import RedfishConfig
from fleetops_collectors.redfish.decode import Service, decode_resources
from fleetops_collectors.redfish.directory import read_directory
from fleetops_collectors.redfish.event_reader import Cursor
from fleetops_collectors.redfish.messages import load_messages
from fleetops_collectors.redfish.reader import Credentials, TargetReader
from fleetops_schemas.catalog import load_catalog


class RedfishCollector:
    """Reads Redfish services over HTTP."""

    protocol: ClassVar[str] = "redfish"
    config_model: ClassVar[type[CollectorConfig]] = RedfishConfig

    def __init__(self, config: RedfishConfig, clock: Clock) -> None:
        """Opens nothing; the first read of each target does."""
        load_catalog()  # now, since the first reads of all targets would wait for it
        load_messages()
        self._config = config
        self._clock = clock
        self._cursors: dict[str, Cursor] = {}
        self._readers: dict[str, TargetReader] = {}
        self._tls: ssl.SSLContext | None = None

    @classmethod
    def create(cls, config: CollectorConfig, clock: Clock) -> Self:
        """Makes the collector; ``config`` is a :class:`RedfishConfig`."""
        assert isinstance(config, RedfishConfig)  # noqa: S101 (the runner validated it)
        return cls(config, clock)

    @classmethod
    def decode_recording(cls, path: Path, host: str | None, now: datetime) -> Decoded:
        """Reads a capture: a folder in the mockup layout, loose JSON files, or one of them.

        Raises:
            InputError: there is nothing of Redfish.
        """
        tree, problems = read_directory(path)
        decoded = decode_resources(tree, Service(host=host), now)
        decoded.problems[:0] = problems
        return decoded

    def resume(self, cursors: Mapping[str, str]) -> None:
        """Reads events on from where cursors, by target name, say."""
        for name, text in cursors.items():
            try:
                self._cursors[name] = Cursor.model_validate_json(text)
            except ValidationError:
                continue  # of another version: the look-back of the logs covers it

    async def collect(self, target: Target) -> Scrape:
        """Reads the target once.

        Raises:
            InputError: it answered something that is not Redfish, or refuses the account.
            TemporaryError: it did not answer.
        """
        return await self._reader(target).read()

    async def close(self) -> None:
        """Logs out of every service, all at once."""
        readers, self._readers = list(self._readers.values()), {}
        await asyncio.gather(*(reader.close() for reader in readers))

    def _reader(self, target: Target) -> TargetReader:
        reader = self._readers.get(target.name)
        if reader is None:
            if not target.url.startswith(("http://", "https://")):
                raise InputError(
                    f"{target.name}: url {target.url!r} is no http(s) address; "
                    "name the service as https://ADDRESS"
                )
            if self._tls is None:
                self._tls = tls_context(self._config)
            reader = TargetReader(target, self._config, self._clock, self._tls, self._credentials())
            if target.name in self._cursors:
                reader.resume(self._cursors[target.name])
            self._readers[target.name] = reader
        return reader

    def _credentials(self) -> Credentials | None:
        config = self._config
        password = secret(config.password, config.password_file, "password")
        if config.username is None:
            return None
        return config.username, password.get_secret_value() if password else ""
