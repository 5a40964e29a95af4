"""Clusters by name: a shipped one, or one rack of a platform by itself."""

from __future__ import annotations

from fleetops_schemas.clusters import Cluster, Fabric, HostGroup, Placement, Role
from fleetops_schemas.platforms import Platform, Switch
from fleetops_schemas.profiles import Basis, Figure, ProfileError, load_profile, profile_names


def fleet_names() -> tuple[str, ...]:
    """Names that :func:`cluster_of` knows: clusters first, then platforms."""
    return (*profile_names(Cluster), *profile_names(Platform))


def cluster_of(name: str) -> Cluster:
    """The cluster profile of that name, or one rack of the platform of that name.

    Raises:
        ProfileError: there is neither.
    """
    if name in profile_names(Cluster):
        return load_profile(Cluster, name)
    if name in profile_names(Platform):
        return _one_rack(load_profile(Platform, name))
    raise ProfileError(
        f"no cluster and no platform {name!r}; there are: {', '.join(fleet_names())}"
    )


def role_of(platform: Platform) -> Role:
    """What hosts of a platform are for where nothing else is said."""
    if platform.serves is not None:
        return Role(platform.serves)
    return Role.HEAD_NODE if platform.head_node else Role.COMPUTE_NODE


def _one_rack(platform: Platform) -> Cluster:
    """A rack of a platform under its own leaf switch, which has nothing above it."""
    leaf = load_profile(Switch, platform.rack.leaf)
    job = () if platform.workload is None else (_job(platform.workload),)
    return Cluster(
        name=platform.name,
        title=f"One rack: {platform.title}",
        summary=platform.summary,
        sources=platform.sources,
        year=platform.year,
        groups=(
            HostGroup(role=role_of(platform), platform=platform.name, hosts=platform.rack.hosts),
        ),
        fabric=Fabric(
            kind=leaf.kind,
            leaf=leaf.name,
            spine=leaf.name,
            racks_per_leaf=_assumed(1, "one rack"),
            uplinks_per_leaf=_assumed(0, "one rack by itself has nothing above its leaf"),
            oversubscription=_assumed(1, "nothing leaves the rack"),
            optics=leaf.optics,
        ),
        jobs=job,
    )


def _job(workload: str) -> Placement:
    return Placement(workload=workload, share=_assumed(1, "all of the rack"))


def _assumed(value: float, why: str) -> Figure:
    return Figure(value=value, basis=Basis.ASSUMED, why=why)
