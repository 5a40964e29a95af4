"""Which column an exposed name fills. The names are data: the catalog's sources.

Exporters are told apart by the protocol under which the catalog lists their names: ``dcgm``,
``amd_exporter``, ``node_exporter`` and ``training``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from fleetops_schemas.catalog import DeviceClass, Metric, Source, load_catalog

DCGM = "dcgm"
AMD = "amd_exporter"
NODE = "node_exporter"
TRAINING = "training"

Combine = Callable[[float, float], float]
_SELECTED = re.compile(r"(?P<name>[^{]+)\{(?P<label>\w+)=(?P<value>\w+)\}")
_AMD_CLOCK_PREFIX = "gpu_clock_type_"
"""Exporters before 1.3 write ``GPU_CLOCK_TYPE_SYSTEM`` where later ones write ``system``."""

_COMBINED: dict[tuple[str, str], Combine] = {
    # A processor of several dies has one clock a die: a job waits for the slowest.
    (AMD, "sm_clock_megahertz"): min,
    (AMD, "memory_temperature_celsius"): max,
    (AMD, "thermal_throttle_ratio"): max,
    (AMD, "power_throttle_ratio"): max,
    (DCGM, "cpu_temperature_celsius"): max,
}
"""How several samples of one value become one; elsewhere the first is taken."""
_STATES = {
    # enum ib_port_state (Linux, rdma/ib_verbs.h): down, init, armed, active
    (NODE, "link_state"): {1: 0, 2: 2, 3: 3, 4: 1}
}
_ONE_RANK = frozenset({(AMD, "thermal_throttle_ratio")})
"""Metrics whose sources are parts of one value, not better and worse words for it."""


@dataclass(frozen=True, slots=True)
class Column:
    """The column that samples of one name fill."""

    exporter: str
    device_class: str
    kind: str
    """Exporter and class: columns of one kind read a set of labels alike."""
    metric: Metric
    source: Source
    rank: int
    """Of two names for one value, the lower one's is taken (an old and a new name are equals)."""
    combine: Combine | None
    states: Mapping[int, int] | None
    """The exporter's numbers for a state, where they are not the catalog's."""
    least: float
    """With ``most``: the plausible range, empty where a number must be looked up."""
    most: float
    plain: bool
    """The exporter's unit is the catalog's."""
    integer: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """A name whose samples fill different columns, by the value of a label."""

    label: str
    columns: Mapping[str, Column]

    def pick(self, labels: Mapping[str, str]) -> Column | None:
        """The column of a sample with these labels."""
        return self.columns.get(labels.get(self.label, "").lower().removeprefix(_AMD_CLOCK_PREFIX))


@cache
def columns() -> Mapping[str, Column | Choice]:
    """By exposed name; those of hwmon, which need a join, are in :func:`temperature_columns`."""
    found: dict[str, Column | Choice] = {}
    for exporter in (DCGM, TRAINING, AMD, NODE):
        for name, column in _of(exporter).items():
            selected = _SELECTED.fullmatch(name)
            if selected is None:
                found.update(dict.fromkeys(_spellings(exporter, name), column))
            elif exporter == AMD:
                for spelling in _spellings(exporter, selected["name"]):
                    choice = found.setdefault(spelling, Choice(selected["label"], {}))
                    if isinstance(choice, Choice):
                        found[spelling] = Choice(
                            choice.label, {**choice.columns, selected["value"]: column}
                        )
    return found


@cache
def temperature_columns() -> Mapping[str, Column]:
    """What ``node_hwmon_temp_celsius`` fills, by the chip's name."""
    matches = ((_SELECTED.fullmatch(name), column) for name, column in _of(NODE).items())
    return {match["value"]: column for match, column in matches if match}


def _of(exporter: str) -> dict[str, Column]:
    return {
        name: _column(exporter, *places[0])
        for name, places in load_catalog().by_source(exporter).items()
    }


def _column(exporter: str, device_class: DeviceClass, metric: Metric, source: Source) -> Column:
    states = _STATES.get((exporter, metric.name))
    return Column(
        exporter=exporter,
        device_class=device_class.name,
        kind=f"{exporter}/{device_class.name}",
        metric=metric,
        source=source,
        rank=_rank(exporter, metric, source),
        combine=_COMBINED.get((exporter, metric.name)),
        states=states,
        least=math.inf if states else metric.range[0],
        most=metric.range[1],
        plain=source.scale == 1.0 and source.offset == 0.0,
        integer=metric.type.is_integer,
    )


def _rank(exporter: str, metric: Metric, source: Source) -> int:
    if (exporter, metric.name) in _ONE_RANK:
        return 0
    return list(dict.fromkeys(map(_key, metric.sources[exporter]))).index(_key(source))


def _key(source: Source) -> str | int:
    return source.name if source.id is None else source.id


def _spellings(exporter: str, name: str) -> tuple[str, ...]:
    """AMD's exporter writes its fields in small letters, and may be told to prefix ``amd_``."""
    if exporter != AMD:
        return (name,)
    return (name, name.lower(), f"amd_{name.lower()}")
