"""Platforms and clusters by their profiles: racks, loops, fabric, failure domains, optics.

Nothing here is of this moment: it is what the hardware is, with where each number is from.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import streamlit as st

from fleetops_dashboards.links import PROFILE, choose
from fleetops_dashboards.words import count, plain
from fleetops_schemas.clusters import Cluster
from fleetops_schemas.designs.cluster_drawings import domains_drawing, fabric_drawing
from fleetops_schemas.designs.optics_drawing import optics_drawing
from fleetops_schemas.designs.optics_power import is_comparable
from fleetops_schemas.designs.rack_drawings import cooling_drawing, power_drawing, rack_drawing
from fleetops_schemas.designs.racks import hosts_per_rack, rack_watts
from fleetops_schemas.designs.svg import Drawing
from fleetops_schemas.designs.wiring import accelerators, it_watts, racks_of, wiring
from fleetops_schemas.fleet_profiles import cluster_of, fleet_names
from fleetops_schemas.platforms import Platform
from fleetops_schemas.profiles import Profile, figures_of, load_profile, profile_names
from fleetops_schemas.quantities import quantity

FIRST = "demo"
"""What is shown before anything is chosen."""
Tile = tuple[str, str, str]


def page() -> None:
    """Draws the page."""
    title, picker = st.columns([3, 2], vertical_alignment="center")
    with picker:
        chosen = choose(
            "Platform or cluster",
            fleet_names(),
            PROFILE,
            words=profile_title,
            placeholder="Choose a platform or a cluster",
        )
    name = chosen or FIRST
    with title:
        st.markdown(f"## {plain(profile_title(name))}")
    if name in profile_names(Cluster):
        _cluster(load_profile(Cluster, name))
    else:
        _platform(load_profile(Platform, name))


@cache
def profile_title(name: str) -> str:
    """What a profile is called: ``Cluster: ...`` or ``Platform: ...``."""
    if name in profile_names(Cluster):
        return f"Cluster: {load_profile(Cluster, name).title}"
    return f"Platform: {load_profile(Platform, name).title}"


def _cluster(cluster: Cluster) -> None:
    st.markdown(plain(cluster.summary))
    built, groups = wiring(cluster), list(racks_of(cluster))
    hosts = sum(int(one.group.hosts) for one in groups)
    _tiles(
        ("Accelerators", f"{accelerators(cluster):,}", f"of {cluster.year}"),
        ("Hosts", f"{hosts:,}", f"{groups[-1].racks.stop - 1:,} racks"),
        ("Leaves", f"{built.leaves:,}", f"{built.uplinks:,} uplinks"),
        ("Spines", f"{built.spines:,}", f"{float(cluster.fabric.oversubscription):g} : 1"),
        ("Rated power", f"{it_watts(cluster) / 1e6:.2f} MW", "hosts and switches"),
    )
    left, right = st.columns(2, gap="large")
    with left:
        draw(fabric_drawing(cluster))
    with right:
        draw(domains_drawing(cluster))
    if is_comparable(cluster):
        draw(optics_drawing(cluster))
        st.caption(
            "Totals of the kinds of 800 Gbit/s are published, their division among components is "
            "assumed: docs/reference/platforms.md."
        )
    for platform in dict.fromkeys(one.group.platform for one in groups):
        st.subheader(f"Its racks of {plain(load_profile(Platform, platform).title)}", anchor=False)
        _rack(load_profile(Platform, platform))
    _figures(cluster)


def _platform(platform: Platform) -> None:
    st.markdown(plain(platform.summary))
    part = platform.accelerator
    _tiles(
        ("Accelerators", f"{platform.accelerators}", part.model if part else "none"),
        ("Host", f"{platform.rated_watts / 1e3:.2f} kW", "rated"),
        ("Rack", f"{rack_watts(platform) / 1e3:.1f} kW", count(hosts_per_rack(platform), "host")),
        ("Cooling", platform.cooling.medium.value, f"of {platform.year}"),
    )
    _rack(platform)
    one_rack = cluster_of(platform.name)
    left, right = st.columns(2, gap="large")
    with left:
        draw(fabric_drawing(one_rack))
    with right:
        draw(domains_drawing(one_rack))
    ways = [(way.interface.value, way.how) for way in platform.management]
    if ways:
        st.subheader("What answers there", anchor=False)
        columns = zip(*ways, strict=True)
        st.dataframe(dict(zip(("interface", "how"), columns, strict=True)), hide_index=True)
    _figures(platform)


def _rack(platform: Platform) -> None:
    rack, heat, power = st.columns([4, 5, 5], gap="large")
    with rack:
        draw(rack_drawing(platform))
    with heat:
        draw(cooling_drawing(platform))
    with power:
        draw(power_drawing(platform))


def _figures(profile: Profile) -> None:
    """Every number and where it is from."""
    st.subheader("Figures", anchor=False)
    rows: Sequence[tuple[str, ...]] = [
        (
            path,
            quantity(path, figure.value),
            figure.basis.value,
            profile.sources.get(figure.source, "") or figure.why,
        )
        for path, figure in figures_of(profile)
    ]
    columns = zip(*rows, strict=True)
    st.dataframe(
        dict(zip(("figure", "value", "basis", "origin"), columns, strict=True)),
        hide_index=True,
        height=360,
    )


def _tiles(*tiles: Tile) -> None:
    for column, (label, value, detail) in zip(
        st.columns(len(tiles), gap="small"), tiles, strict=True
    ):
        column.metric(label, value, detail, delta_color="off", delta_arrow="off", border=True)


def draw(drawing: Drawing) -> None:
    """A picture in the page, no wider than its column."""
    st.image(drawing.svg(), width="content")
