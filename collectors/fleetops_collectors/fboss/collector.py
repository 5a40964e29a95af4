"""The ``fboss`` collector: JSON of FBOSS services over HTTP, or in files that are written again.

FBOSS services speak Thrift, which this does not: a site's exporter (``fboss2 --fmt json`` from a
timer, a bridge of FSDB) puts their structures where it can read them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field

from fleetops.core.clock import Clock
from fleetops.core.errors import InputError, TemporaryError
from fleetops_collectors.base import CollectorConfig, Scrape, Target
from fleetops_collectors.blocking import BlockingReads
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.fboss.decode import decode_fboss
from fleetops_collectors.fboss.scope import PROTOCOL
from fleetops_collectors.fboss.structs import Structs, structs_of
from fleetops_collectors.http_gets import HttpGets
from fleetops_collectors.json_input import parse_documents, read_file
from fleetops_collectors.links import LinkWatch

_HTTP = ("http://", "https://")
_HINT = "sensorData, hwPortStats, tcvrStats or the JSON of fboss2 show port, transceiver, counters"


def _have_addresses(targets: tuple[Target, ...]) -> tuple[Target, ...]:
    for target in targets:
        if not target.url.startswith((*_HTTP, "/", "file:///")):
            raise ValueError(
                f"{target.name}: url {target.url!r} is neither an http(s) address nor the "
                "absolute path of a file"
            )
    return targets


class FbossConfig(CollectorConfig):
    """Reads switches; ``url`` is an http(s) address or the path of a file."""

    targets: Annotated[tuple[Target, ...], AfterValidator(_have_addresses)] = ()
    stale_after_seconds: Annotated[float, Field(gt=0)] = 600.0
    """Values that are older by their own time are stale; a file that was not written for as long
    counts as no answer. qsfp_service goes round its modules in about a minute."""
    max_body_bytes: Annotated[int, Field(ge=1024)] = 64 * 1024 * 1024
    """Longest answer or file, after decompression."""


class FbossCollector:
    """Reads the JSON of FBOSS switches."""

    protocol: ClassVar[str] = PROTOCOL
    config_model: ClassVar[type[CollectorConfig]] = FbossConfig

    def __init__(self, config: FbossConfig, clock: Clock) -> None:
        """Opens nothing; the first read does."""
        self._config = config
        self._clock = clock
        self._gets = HttpGets(config, config.max_body_bytes)
        self._files = BlockingReads(PROTOCOL)
        self._links = LinkWatch(PROTOCOL)

    @classmethod
    def create(cls, config: CollectorConfig, clock: Clock) -> Self:
        """Makes the collector; ``config`` is a :class:`FbossConfig`."""
        assert isinstance(config, FbossConfig)  # noqa: S101 (the runner validated it)
        return cls(config, clock)

    async def collect(self, target: Target) -> Scrape:
        """Reads a switch once.

        Raises:
            InputError: what came is no JSON of FBOSS.
            TemporaryError: it did not answer, or the file is not there or no longer written.
        """
        where = f"{target.name}: {target.url}"
        if target.url.startswith(_HTTP):
            body = (await self._gets.get(target)).body
        else:
            body = await self._files.run(target.name, partial(self._file, target, where))
        now = self._clock.now()
        switch = target.host or target.device or target.name
        decoded = decode_fboss(
            _structs(body, where),
            switch=switch,
            now=now,
            in_host=target.host is not None,
            stale_after_seconds=self._config.stale_after_seconds,
        )
        decoded.events += self._links.observe(target.name, decoded.readings, switch, now)
        return Scrape.of(target, now, decoded)

    def _file(self, target: Target, where: str) -> bytes:
        path = Path(target.url.removeprefix("file://"))
        try:
            written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except OSError as error:
            raise TemporaryError(f"{where}: {error.strerror}; look at its exporter") from error
        age = (self._clock.now() - written).total_seconds()
        if age > self._config.stale_after_seconds:
            raise TemporaryError(
                f"{where}: last written {age:.0f} seconds ago; look at its exporter"
            )
        return read_file(path, self._config.max_body_bytes)

    async def close(self) -> None:
        """Closes the connections."""
        await self._gets.close()

    @classmethod
    def decode_recording(cls, path: Path, host: str | None, now: datetime) -> Decoded:
        """Reads JSON of a switch's services or tools.

        Raises:
            InputError: it cannot be read, or holds nothing of FBOSS.
        """
        structs = _structs(read_file(path), str(path))
        return decode_fboss(structs, switch=host or "switch", now=now, in_host=host is not None)


def _structs(body: bytes, where: str) -> Structs:
    found = structs_of(parse_documents(body, where))
    if not found:
        raise InputError(f"{where}: no structure of FBOSS in it; it needs {_HINT}")
    return found
