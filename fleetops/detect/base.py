"""What a detector is: one class in one module, and one line among the entry points."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Protocol, Self, runtime_checkable

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from fleetops_schemas.identity import InventoryDevice
from fleetops_schemas.records import CollectorReport, Event, Finding
from fleetops_schemas.telemetry import TelemetryHeader
from fleetops_schemas.topology import Topology


class DetectorConfig(BaseModel):
    """Base of every detector's settings; each field states its unit, its default and the source."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(slots=True)
class Inputs:
    """What arrived since the last evaluation, and what it is judged with."""

    now: datetime
    topology: Topology
    batches: list[tuple[TelemetryHeader, pa.RecordBatch]]
    events: list[Event]
    reports: list[CollectorReport]
    devices: list[InventoryDevice] = field(default_factory=list)
    """Devices of the inventory that changed."""


@runtime_checkable
class Detector(Protocol):
    """Turns inputs into findings. Holds its own windows; no clock but ``Inputs.now``, no I/O."""

    name: ClassVar[str]
    config_model: ClassVar[type[DetectorConfig]]

    @classmethod
    def create(cls, config: DetectorConfig) -> Self:
        """Makes the detector; ``config`` is a ``config_model``."""
        ...

    def evaluate(self, inputs: Inputs) -> Iterable[Finding]:
        """Findings that fired, changed or cleared since the last call, and no others."""
        ...

    def restore(self, findings: Mapping[str, Finding]) -> None:
        """After a restart: the detector's own findings that were firing, by id."""
        ...
