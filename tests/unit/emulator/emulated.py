"""Emulated fleets of shipped profiles for tests of the model: sampled, settled, and struck."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fleetops.emulator.groups import indices
from fleetops.emulator.model.effects import Effects
from fleetops.emulator.model.fleet import Fleet, FleetOptions
from fleetops.emulator.site import build_site
from fleetops_schemas.clusters import Cluster, Placement
from fleetops_schemas.fleet_profiles import cluster_of
from fleetops_schemas.platforms import Platform
from fleetops_schemas.profiles import Basis, Figure, load_profile, profile_names
from fleetops_schemas.workloads import Workload

SETTLED_SECONDS = 1800.0
EVERY_PLATFORM = "every platform"
"""A cluster of two hosts of each platform, which run all workloads."""


@dataclass(frozen=True, slots=True)
class Strike:
    """What is wrong from a moment on."""

    channel: str
    devices: Sequence[int]
    value: float
    from_seconds: float = 0.0
    to_seconds: float = float("inf")


def emulated(
    name: str,
    seed: int = 1,
    tick_seconds: float = 60.0,
    hosts: int = 12,
    strikes: Sequence[Strike] = (),
    warm_up_seconds: float = SETTLED_SECONDS,
) -> Fleet:
    """A fleet of a cluster, or of one rack of a platform."""

    def disturb(now: float, effects: Effects) -> None:
        for strike in strikes:
            if strike.from_seconds <= now < strike.to_seconds:
                effects.apply(strike.channel, indices(strike.devices), strike.value, 1.0)

    site = build_site(*((_museum(),) if name == EVERY_PLATFORM else (cluster_of(name), hosts)))
    options = FleetOptions(site, seed, tick_seconds, warm_up_seconds=warm_up_seconds)
    return Fleet(options, disturb)


def _museum() -> Cluster:
    two = Figure(value=2, basis=Basis.ASSUMED, why="a test's")
    groups = (cluster_of(platform).groups[0] for platform in profile_names(Platform))
    workloads = profile_names(Workload)
    share = two.model_copy(update={"value": 1.0 / len(workloads)})
    return load_profile(Cluster, "llm_roce_32k").model_copy(
        update={
            "groups": tuple(group.model_copy(update={"hosts": two}) for group in groups),
            "jobs": tuple(Placement(workload=one, share=share) for one in workloads),
        }
    )
