"""What a collector is: one class in one module, and one line among the entry points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, ClassVar, Protocol, Self, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from fleetops.core.clock import Clock
from fleetops_collectors.decoded import Decoded
from fleetops_schemas.identity import DeviceIdentity
from fleetops_schemas.readings import Reading
from fleetops_schemas.records import Event, Job, NodeState


class Target(BaseModel):
    """One thing to read. A collector's own target model may add fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """Unique among the collector's targets; shown in logs, metrics and reports."""
    url: str = ""
    """Address: an http(s) URL, or a path for files."""
    host: str | None = None
    """Host the devices stand in; None for racks' and halls' equipment."""
    rack: str = ""
    """Rack or pod: the key of the messages, so that its rows share a partition."""
    device: str | None = None
    """Device name of the target itself where it is no host (``cdu1``, ``r01/shelf1``)."""


class CollectorConfig(BaseModel):
    """What every collector's configuration holds. A collector adds its own fields.

    Unit of every ``*_seconds`` is seconds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """Unique in the installation, stable over restarts: absence is judged by it."""
    targets: tuple[Target, ...] = ()
    interval_seconds: Annotated[float, Field(ge=0.1, le=3600)] = 10.0
    deadline_seconds: Annotated[float, Field(gt=0, le=600)] = 5.0
    """A target that takes longer is cut off; the others are not held up."""
    concurrency: Annotated[int, Field(ge=1, le=4096)] = 64
    """Targets read at once. Each target has one read at a time."""
    username: str | None = None
    password: SecretStr | None = None
    password_file: str | None = None
    ca_file: str | None = None
    """CA that signed the targets' certificates; the system's otherwise."""
    verify_tls: bool = True


@dataclass(slots=True)
class Scrape:
    """What one target gave in one round."""

    target: Target
    observed_at: datetime
    readings: list[Reading] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    """By device: the labels of its class (``job`` of a training rank)."""
    identities: list[DeviceIdentity] = field(default_factory=list)
    nodes: list[NodeState] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    """What could not be read, with the place; the rest is good."""
    cursor: str | None = None
    """Where the source was read up to, for collectors that are :class:`Resuming`."""

    @classmethod
    def of(cls, target: Target, observed_at: datetime, decoded: Decoded) -> Self:
        """What was decoded of a target's answer."""
        return cls(
            target=target,
            observed_at=observed_at,
            readings=decoded.readings,
            events=decoded.events,
            labels=decoded.labels,
            identities=decoded.identities,
            nodes=decoded.nodes,
            jobs=decoded.jobs,
            warnings=decoded.warnings(),
        )


@runtime_checkable
class Collector(Protocol):
    """Reads targets of one protocol; ``collect`` runs for many targets at once."""

    protocol: ClassVar[str]
    config_model: ClassVar[type[CollectorConfig]]

    @classmethod
    def create(cls, config: CollectorConfig, clock: Clock) -> Self:
        """Makes the collector; ``config`` is a ``config_model``. Opens nothing."""
        ...

    async def collect(self, target: Target) -> Scrape:
        """Reads one target once. The runner sets the deadline by cancelling.

        Raises:
            InputError: the target answered something that is not this protocol.
            TemporaryError: the target did not answer.
        """
        ...

    async def close(self) -> None:
        """Logs out and releases everything."""
        ...


@runtime_checkable
class Resuming(Protocol):
    """A collector that reads on from where it was.

    The runner keeps each target's newest ``Scrape.cursor`` once the bus, or the spool on disk, has
    taken what came with it, and gives it back after a restart.
    """

    def resume(self, cursors: Mapping[str, str]) -> None:
        """Goes on where the cursors, by target name, say. Called once, before any collect."""
        ...


@runtime_checkable
class ReadsRecordings(Protocol):
    """A collector whose payloads can be read from a file, for ``fleetops decode``."""

    @classmethod
    def decode_recording(cls, path: Path, host: str | None, now: datetime) -> Decoded:
        """Reads a recorded payload.

        Args:
            path: A file, or a folder where the source itself is one (sysfs).
            host: Whose payload it is, where it does not say.
            now: When it was recorded, where it does not say.

        Raises:
            InputError: it cannot be read, or holds nothing of this protocol.
        """
        ...


def devices_of(scrape: Scrape) -> Sequence[str]:
    """The devices a scrape speaks of, each once, in order."""
    return list(dict.fromkeys(reading.device for reading in scrape.readings))
