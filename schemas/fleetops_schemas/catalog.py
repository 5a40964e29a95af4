"""The catalog: every device class and every metric, declared once in ``catalog/*.yaml``.

The Arrow schema, the ClickHouse DDL, the JSON Schema and the reference page are generated from it.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Annotated, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

SCHEMA_VERSION = 1
"""Raised whenever a column is renamed, removed or retyped; a new column leaves it as it is."""


_UNIT_AT_END = re.compile(r"_[a-z]+(_per_[a-z]+)?$")


class MetricType(StrEnum):
    """Storage type of a metric's column."""

    UINT8 = "uint8"
    UINT16 = "uint16"
    UINT32 = "uint32"
    UINT64 = "uint64"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT32 = "float32"
    FLOAT64 = "float64"

    @property
    def is_integer(self) -> bool:
        """Whether values are whole numbers."""
        return not self.value.startswith("float")


class MetricKind(StrEnum):
    """How a metric behaves in time, which decides its codec and its roll-up."""

    GAUGE = "gauge"
    COUNTER = "counter"
    STATE = "state"


class Source(BaseModel):
    """Where a protocol carries the metric.

    ``scale`` and ``offset`` turn the protocol's unit into the metric's: value * scale + offset.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """Field name, Redfish property path or register name, as the protocol spells it."""
    id: int | None = None
    """Numeric identity where the protocol has one (a DCGM field id)."""
    scale: float = 1.0
    offset: float = 0.0


class Metric(BaseModel):
    """One column of a device class."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    unit: str
    """UCUM symbol (``Cel``, ``W``, ``V``, ``L/min``, ``kPa``, ``1``, ``By``, ``s`` ...)."""
    type: MetricType
    kind: MetricKind
    range: tuple[float, float]
    """Plausible values, both ends included; anything outside is stored as null, out_of_range."""
    description: str
    states: dict[int, str] = {}
    """For kind ``state``: what each number means."""
    sources: dict[str, tuple[Source, ...]] = {}
    """By protocol: dcgm, redfish, rackmon, training."""

    @property
    def words(self) -> str:
        """The name for people, without its unit: ``coolant flow``."""
        name = self.name if self.unit == "1" else _UNIT_AT_END.sub("", self.name)
        return name.replace("_", " ")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.range[0] > self.range[1]:
            raise ValueError(f"{self.name}: range {self.range} is upside down")
        if (self.kind is MetricKind.STATE) != bool(self.states):
            raise ValueError(f"{self.name}: states are given for kind state, and only for it")
        return self


class DeviceClass(BaseModel):
    """One wide table: one row a device a tick, one column a metric."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    description: str
    device_examples: tuple[str, ...]
    labels: tuple[str, ...] = ()
    """Further text columns that say where the device stands (``job`` of a training rank)."""
    raw_ttl_days: int = 30
    rollup_ttl_days: int = 400
    metrics: tuple[Metric, ...]

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names = [metric.name for metric in self.metrics]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"{self.name}: declared twice: {', '.join(sorted(twice))}")
        return self

    def metric(self, name: str) -> Metric:
        """The metric of that name.

        Raises:
            KeyError: there is none.
        """
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise KeyError(f"{self.name} has no metric {name!r}")

    def has_metric(self, name: str) -> bool:
        """Whether the class declares the metric."""
        return any(metric.name == name for metric in self.metrics)


class Catalog(BaseModel):
    """All device classes, by name."""

    model_config = ConfigDict(frozen=True)

    classes: dict[str, DeviceClass]

    def __getitem__(self, name: str) -> DeviceClass:
        try:
            return self.classes[name]
        except KeyError:
            raise KeyError(
                f"no device class {name!r}; there are: {', '.join(sorted(self.classes))}"
            ) from None

    def by_source(self, protocol: str) -> dict[str, list[tuple[DeviceClass, Metric, Source]]]:
        """Every source of a protocol, by the protocol's own name (old and new aliases alike)."""
        found: dict[str, list[tuple[DeviceClass, Metric, Source]]] = {}
        for device_class in self.classes.values():
            for metric in device_class.metrics:
                for source in metric.sources.get(protocol, ()):
                    found.setdefault(source.name, []).append((device_class, metric, source))
        return found


@cache
def load_catalog() -> Catalog:
    """The catalog shipped with this version."""
    folder = files("fleetops_schemas") / "catalog"
    classes = {}
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        if entry.name.endswith(".yaml"):
            device_class = DeviceClass.model_validate(yaml.safe_load(entry.read_text("utf-8")))
            classes[device_class.name] = device_class
    return Catalog(classes=classes)
