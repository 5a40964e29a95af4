"""The ``training`` collector: what training jobs say of themselves."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Protocol, Self, cast

from fleetops.core.clock import Clock
from fleetops.core.errors import InputError
from fleetops_collectors.base import CollectorConfig, Scrape, Target
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.training.config import TrainingConfig, TrainingTarget
from fleetops_collectors.training.files import RecordingFolder, read_recording
from fleetops_collectors.training.happenings import PROTOCOL
from fleetops_collectors.training.ranks import RankNames
from fleetops_collectors.training.ras_client import RasClient
from fleetops_collectors.training.receiver import StepReceiver
from fleetops_collectors.training.recording import decode_training
from fleetops_schemas.records import Event

MAX_THREADS = 8
REMEMBERED_EVENTS = 10_000
MAX_RECORDING_BYTES = 256 * 1024 * 1024


class _Source(Protocol):
    """One target being read."""

    async def read(self, now: datetime) -> Decoded: ...

    async def close(self) -> None: ...


class TrainingCollector:
    """Takes reports of steps, reads files that jobs leave, and asks NCCL's RAS service."""

    protocol: ClassVar[str] = PROTOCOL
    config_model: ClassVar[type[CollectorConfig]] = TrainingConfig

    def __init__(self, config: TrainingConfig, clock: Clock) -> None:
        """Opens nothing; the first round does."""
        self._config = config
        self._clock = clock
        self._sources: dict[str, _Source] = {}
        self._told: OrderedDict[str, None] = OrderedDict()
        """Ids of events that were handed on: files and processes stay as they are for hours."""
        self._pool = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="training")

    @classmethod
    def create(cls, config: CollectorConfig, clock: Clock) -> Self:
        """Makes the collector; ``config`` is a :class:`TrainingConfig`."""
        return cls(cast(TrainingConfig, config), clock)

    async def collect(self, target: Target) -> Scrape:
        """What the target says since the last round.

        Raises:
            InputError: it answered something that is known of no training job.
            TemporaryError: it did not answer, or there is nothing to read.
        """
        source = self._source(cast(TrainingTarget, target))
        decoded = await source.read(self._clock.now())
        now = self._clock.now()
        decoded.events = [
            event.model_copy(update={"observed_at": now})
            for event in decoded.events
            if self._is_news(event)
        ]
        return Scrape.of(target, now, decoded)

    async def close(self) -> None:
        """Stops listening; ends the reading threads."""
        sources, self._sources = list(self._sources.values()), {}
        await asyncio.gather(*(source.close() for source in sources))
        self._pool.shutdown(wait=False, cancel_futures=True)

    @classmethod
    def decode_recording(cls, path: Path, host: str | None, now: datetime) -> Decoded:
        """Reads a file that a job left, or a folder of them (one flight recorder's dump a rank).

        Raises:
            InputError: it cannot be read, or is of no kind that is known.
        """
        paths = sorted(one for one in path.iterdir() if one.is_file()) if path.is_dir() else [path]
        if not paths:
            raise InputError(f"{path}: the folder is empty")
        recordings = (read_recording(one, MAX_RECORDING_BYTES) for one in paths)
        try:
            return decode_training(recordings, RankNames(host=host))
        except OSError as error:
            raise InputError(f"{path}: {error.strerror or error}") from error

    def _source(self, target: TrainingTarget) -> _Source:
        source = self._sources.get(target.name)
        if source is None:
            source = self._sources[target.name] = self._open(target)
        return source

    def _open(self, target: TrainingTarget) -> _Source:
        if target.scheme == "unix":
            return StepReceiver(target, self._config)
        if target.scheme == "ras":
            return RasClient(target, self._config, self._clock)
        return RecordingFolder(target, self._config, self._pool)

    def _is_news(self, event: Event) -> bool:
        if event.id in self._told:
            self._told.move_to_end(event.id)
            return False
        self._told[event.id] = None
        if len(self._told) > REMEMBERED_EVENTS:
            self._told.popitem(last=False)
        return True
