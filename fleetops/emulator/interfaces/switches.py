"""What the protocols of switches share: where a switch and its parts stand in the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fleetops.emulator.fabric import FabricSwitch
from fleetops.emulator.groups import Indices
from fleetops.emulator.interfaces.base import Carried, Selection
from fleetops.emulator.model.effects import Floats
from fleetops.emulator.model.fabric_sensors import rows_of_switches
from fleetops.emulator.model.fleet import Fleet
from fleetops.emulator.switch_parts import laser_ports
from fleetops_schemas.catalog import load_catalog
from fleetops_schemas.optics import Optics
from fleetops_schemas.profiles import load_profile

PORT, HOST, POWER_UNIT = "fabric_port", "host", "power_unit"
LOSSLESS = 3
"""The priority, and the queue, that RoCE runs in."""
DARK_DBM = -40.0
"""What modules say where no light is."""
LANE_DECIBELS = 0.05
"""A module's lanes differ by so much; tables hold the weakest, which is the first."""
LANE_BIAS_RATIO = 0.01
FAN_RATIO = 0.01
"""A switch's fans differ by so much of their speed; tables hold the slowest, the first."""


@dataclass(frozen=True, slots=True)
class SwitchRows:
    """A switch, and the rows of its parts."""

    switch: FabricSwitch
    host: int
    """Its own row among the hosts."""
    ports: Indices
    port_names: tuple[str, ...]
    """As the switch calls them: the last part of the device's name."""
    lanes: tuple[int, ...]
    """Of each port's optics; 0 where there is copper."""
    lasers: Indices
    laser_ports: tuple[int, ...]
    """By laser: which of the switch's ports it serves."""
    supplies: Indices

    @property
    def name(self) -> str:
        """The switch's device name."""
        return self.switch.name

    @property
    def fans(self) -> int:
        """How many it has."""
        return int(self.switch.profile.fans)

    def target(self, url: str) -> dict[str, str]:
        """The target of a collector's configuration."""
        return {"name": self.name, "url": url, "device": self.name, "rack": self.switch.rack}

    def answers(self, fleet: Fleet) -> bool:
        """Whether it is up."""
        return bool(fleet.tables[HOST].present[self.host])


def switches_of(fleet: Fleet, selection: Selection) -> tuple[SwitchRows, ...]:
    """The selected switches."""
    site = fleet.site
    rows = rows_of_switches(site)
    external = laser_ports(site.ports)
    bounds = np.cumsum([0, *(int(one.profile.supplies) for one in site.switches)])
    found = []
    for index in selection.switches:
        switch = site.switches[index]
        run = switch.ports
        own = np.flatnonzero((external >= run.start) & (external < run.stop))
        found.append(
            SwitchRows(
                switch=switch,
                host=int(rows[HOST][index]),
                ports=np.arange(run.start, run.stop),
                port_names=tuple(name.rpartition("/")[2] for name in site.ports.names[run]),
                lanes=tuple(_lanes(name) for name in site.ports.optics[run]),
                lasers=rows[PORT][own],
                laser_ports=tuple(int(external[at]) - run.start for at in own),
                supplies=rows[POWER_UNIT][bounds[index] : bounds[index + 1]],
            )
        )
    return tuple(found)


def carried_of(
    switches: Sequence[SwitchRows],
    metrics: Mapping[str, Sequence[str]],
    tolerances: Mapping[str, Mapping[str, float]],
) -> dict[str, Carried]:
    """What comes through of switches, ports with their lasers, and supplies, by class."""
    rows = {
        HOST: [np.array([one.host]) for one in switches],
        PORT: [np.concatenate([one.ports, one.lasers]) for one in switches],
        POWER_UNIT: [one.supplies for one in switches],
    }
    return {
        name: Carried(
            np.sort(np.concatenate(rows[name])).astype(np.intp),
            tuple(names),
            tolerances.get(name, {}),
        )
        for name, names in metrics.items()
    }


def metrics_of(
    protocol: str, device_class: str, prefix: str, fields: Sequence[str]
) -> dict[str, str]:
    """The metric of each field of a protocol, as the catalogue has it.

    Args:
        protocol: whose sources are looked at.
        device_class: of the metrics.
        prefix: of every field, in the catalogue.
        fields: as the protocol calls them.

    Raises:
        KeyError: the catalogue has no such source.
    """
    sources = load_catalog().by_source(protocol)
    return {
        field: next(
            metric.name
            for declared, metric, _ in sources[f"{prefix}{field}"]
            if declared.name == device_class
        )
        for field in fields
    }


def lanes_dbm(milliwatts: Floats, lanes: int) -> Floats:
    """(ports, lanes) power of each lane; where the table has no reading, there is no light."""
    lit = milliwatts > 0.0
    weakest = 10.0 * np.log10(np.where(lit, milliwatts, 1.0))
    decibels = weakest[:, None] + LANE_DECIBELS * np.arange(lanes)
    return np.where(lit[:, None], decibels, DARK_DBM)


def lanes_bias(milliamperes: Floats, lanes: int) -> Floats:
    """(ports, lanes) bias of each lane; the table holds the highest."""
    return milliamperes[:, None] * (1.0 - LANE_BIAS_RATIO * np.arange(lanes))


def fan_speeds(slowest: float, fans: int) -> list[float]:
    """Speed of each fan of a switch."""
    return [slowest * (1.0 + FAN_RATIO * fan) for fan in range(fans)]


def _lanes(optics: str) -> int:
    return int(load_profile(Optics, optics).lanes) if optics else 0
