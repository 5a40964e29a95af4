"""Power of a cluster's optics by component: pluggable modules against co-packaged optics.

Pure arithmetic: so many link ends, so many watts a component. A profile of another rate is scaled
by the rate, which is assumed: power goes with the number of lanes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fleetops_schemas.clusters import Cluster
from fleetops_schemas.designs.wiring import Ends, wiring
from fleetops_schemas.optics import Optics
from fleetops_schemas.profiles import load_profile

PLUGGABLE = "pluggable"
LEAST_GIGABITS = 400.0
"""Slower ports were never offered with other optics than pluggable ones."""
LINEAR, CO_PACKAGED = "linear_pluggable_800g", "co_packaged_800g"


@dataclass(frozen=True, slots=True)
class Choice:
    """Which optics a cluster is built with; :data:`PLUGGABLE` is the module of the port's rate."""

    title: str
    hosts: str
    switches: str


CHOICES = (
    Choice("Pluggable modules", PLUGGABLE, PLUGGABLE),
    Choice("Linear pluggable modules", LINEAR, LINEAR),
    Choice("Co-packaged in switches, pluggable in hosts", PLUGGABLE, CO_PACKAGED),
    Choice("Co-packaged at both ends", CO_PACKAGED, CO_PACKAGED),
)


def end_watts(name: str, gigabits_per_second: float) -> dict[str, float]:
    """Watts by component of one link end at a port's rate.

    Raises:
        ProfileError: there is no module of that rate.
    """
    if name == PLUGGABLE:
        name = f"pluggable_{gigabits_per_second:g}g"
    optics = load_profile(Optics, name)
    scale = gigabits_per_second / float(optics.gigabits_per_second)
    return {one.name: float(one.watts) * scale for one in optics.components}


def optical_ends(cluster: Cluster) -> tuple[Ends, ...]:
    """Link ends with light in them."""
    return tuple(ends for ends in wiring(cluster).ends if ends.is_optical and ends.number)


def is_comparable(cluster: Cluster) -> bool:
    """Whether a cluster's links are fast enough for the comparison to mean something."""
    rates = [ends.gigabits_per_second for ends in optical_ends(cluster)]
    return bool(rates) and min(rates) >= LEAST_GIGABITS


def optics_watts(cluster: Cluster, choice: Choice) -> Mapping[str, float]:
    """Watts by component of all of a cluster's optics, in the order of the profiles."""
    total: dict[str, float] = {}
    for ends in optical_ends(cluster):
        name = choice.hosts if ends.place == "host" else choice.switches
        for component, watts in end_watts(name, ends.gigabits_per_second).items():
            total[component] = total.get(component, 0.0) + watts * ends.number
    return total


def component_titles() -> Mapping[str, str]:
    """What components are called, by name."""
    profiles = (load_profile(Optics, name) for name in ("pluggable_800g", LINEAR, CO_PACKAGED))
    return {one.name: one.title for profile in profiles for one in profile.components}
