"""The ``slurm`` collector: a cluster that FleetOps watches, without acting on it.

Where FleetOps operates a cluster, ``fleetops.operate`` reads it already: never run both.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from fleetops.core.clock import Clock
from fleetops.core.config import secret
from fleetops_collectors.base import CollectorConfig, Scrape, Target
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.ended import EndedFacts
from fleetops_collectors.http import tls_context
from fleetops_collectors.slurm.cluster import decode_cluster
from fleetops_collectors.slurm.commands import Answers, Commands, environment_of
from fleetops_collectors.slurm.nodes import PROTOCOL
from fleetops_collectors.slurm.recording import decode_recording
from fleetops_collectors.slurm.rest import SOCKET_SCHEME, Restd

SHARE_OF_DEADLINE = 0.9
"""What the commands may take of it, so that we are the ones who say which of them hung."""


def _have_addresses(targets: tuple[Target, ...]) -> tuple[Target, ...]:
    for target in targets:
        try:
            parts = urlsplit(target.url)
            remote = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
            good = not target.url or remote or (parts.scheme == SOCKET_SCHEME and bool(parts.path))
        except ValueError:
            good = False
        if not good:
            raise ValueError(
                f"{target.name}: url {target.url!r} is no address of slurmrestd; write "
                "https://HOST:6820 or unix:/PATH, or leave it out to use Slurm's commands"
            )
    return targets


class SlurmConfig(CollectorConfig):
    """Reads clusters: by Slurm's commands, or from slurmrestd where a target has a ``url``."""

    targets: Annotated[tuple[Target, ...], AfterValidator(_have_addresses)] = ()
    interval_seconds: Annotated[float, Field(ge=1, le=3600)] = 30.0
    """A round is four questions to the controller; 30 s is what Slurm's own daemons take."""
    deadline_seconds: Annotated[float, Field(gt=0, le=600)] = 20.0
    """2,048 nodes take 0.3 s; a controller under load many times that."""
    bin_dir: Path | None = None
    """Folder of ``scontrol``, ``squeue`` and ``sinfo``; None takes them from PATH."""
    slurm_conf: Path | None = None
    """Value of SLURM_CONF for the commands; None leaves Slurm's default."""
    environment: tuple[str, ...] = ("PATH", "HOME", "LD_LIBRARY_PATH", "SLURM_CONF", "SLURM_JWT")
    """Variables of our environment that the commands see, and no others."""
    token: SecretStr | None = None
    token_file: Path | None = None
    """JWT for slurmrestd (``scontrol token``), read anew each round since tokens end."""
    stale_after_seconds: Annotated[float, Field(gt=0)] = 300.0
    """Power and energy that were gathered longer ago are stale."""
    max_body_bytes: Annotated[int, Field(ge=1024)] = 256 * 1024 * 1024
    """Longest answer: about 100,000 nodes (2.4 kB each, measured on 24.11)."""


class SlurmCollector:
    """Reads Slurm clusters."""

    protocol: ClassVar[str] = PROTOCOL
    config_model: ClassVar[type[CollectorConfig]] = SlurmConfig

    def __init__(self, config: SlurmConfig, clock: Clock) -> None:
        """Opens nothing; the first round does."""
        self._config = config
        self._clock = clock
        self._tls: ssl.SSLContext | None = None
        self._restds: dict[str, Restd] = {}
        """By target."""
        environment = environment_of(config.environment, config.slurm_conf)
        self._commands = Commands(config.bin_dir, environment, config.max_body_bytes)
        self._ended = EndedFacts()

    @classmethod
    def create(cls, config: CollectorConfig, clock: Clock) -> Self:
        """Makes the collector; ``config`` is a :class:`SlurmConfig`."""
        assert isinstance(config, SlurmConfig)  # noqa: S101 (the runner validated it)
        return cls(config, clock)

    def resume(self, cursors: Mapping[str, str]) -> None:
        """Knows again what was listed before, so that what ended meanwhile is told."""
        self._ended.resume(cursors)

    async def collect(self, target: Target) -> Scrape:
        """Reads the cluster once.

        Raises:
            InputError: it answered something that is not Slurm's.
            TemporaryError: it did not answer.
        """
        where = f"{target.name}: {target.url or 'slurm'}"
        answers = await self._answers(target, where)
        now = self._clock.now()
        decoded = await asyncio.to_thread(
            decode_cluster,
            answers.nodes,
            answers.jobs,
            now,
            steps=answers.steps,
            stale_after=timedelta(seconds=self._config.stale_after_seconds),
        )
        scrape = Scrape.of(target, now, decoded)
        self._ended.add(scrape)
        return scrape

    async def close(self) -> None:
        """Closes the connections."""
        restds, self._restds = list(self._restds.values()), {}
        await asyncio.gather(*(restd.close() for restd in restds))

    @classmethod
    def decode_recording(cls, path: Path, host: str | None, now: datetime) -> Decoded:
        """Reads recorded JSON or tables. ``host`` is not used: nodes have names.

        Raises:
            InputError: it cannot be read, or holds no nodes and no jobs.
        """
        del host
        return decode_recording(path, now)

    async def _answers(self, target: Target, where: str) -> Answers:
        if target.url:
            return await self._restd(target).read(where)
        return await self._commands.read(where, self._config.deadline_seconds * SHARE_OF_DEADLINE)

    def _restd(self, target: Target) -> Restd:
        restd = self._restds.get(target.name)
        if restd is None:
            if self._tls is None:
                self._tls = tls_context(self._config)
            config = self._config
            restd = self._restds[target.name] = Restd(
                target.url, self._tls, config.deadline_seconds, config.max_body_bytes, self._token
            )
        return restd

    def _token(self) -> tuple[str | None, SecretStr | None]:
        config = self._config
        return config.username, secret(config.token, config.token_file, "token")
