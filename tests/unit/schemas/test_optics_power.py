"""Optics power against sums that were made by hand."""

from __future__ import annotations

import pytest

from fleetops_schemas.clusters import Cluster
from fleetops_schemas.designs.optics_power import (
    CHOICES,
    CO_PACKAGED,
    LINEAR,
    PLUGGABLE,
    component_titles,
    end_watts,
    optical_ends,
    optics_watts,
)
from fleetops_schemas.designs.wiring import Ends, wiring
from fleetops_schemas.fleet_profiles import cluster_of
from fleetops_schemas.optics import Optics
from fleetops_schemas.profiles import ProfileError, load_profile

PLUGGABLES, LINEARS, MIXED, CO_PACKAGEDS = CHOICES


def test_link_ends_by_hand() -> None:
    assert sum(end_watts(PLUGGABLE, 800).values()) == pytest.approx(15.0)
    assert sum(end_watts(PLUGGABLE, 400).values()) == pytest.approx(9.0)
    assert sum(end_watts(LINEAR, 800).values()) == pytest.approx(8.5)
    assert sum(end_watts(CO_PACKAGED, 800).values()) == pytest.approx(5.5)
    assert end_watts(CO_PACKAGED, 400)["external_laser"] == pytest.approx(1.7 / 2)
    with pytest.raises(ProfileError, match="pluggable_123g"):
        end_watts(PLUGGABLE, 123)


def test_only_co_packaged_optics_have_an_external_laser() -> None:
    for name in ("pluggable_400g", "pluggable_800g", LINEAR, CO_PACKAGED):
        optics = load_profile(Optics, name)
        parts = {one.name for one in optics.components}
        assert ("external_laser" in parts) == (optics.kind == "co_packaged")
        assert ("dsp" in parts) == (optics.kind == "pluggable")
        assert parts <= set(component_titles())


def test_the_unified_cluster_by_hand() -> None:
    """1,024 hosts of 40 ports, leaves with as many uplinks: 40,960 links of each kind."""
    cluster = load_profile(Cluster, "unified_2025")
    assert [(one.place, one.number) for one in optical_ends(cluster)] == [
        ("host", 40_960), ("leaf", 40_960), ("leaf", 40_960), ("spine", 40_960),
    ]  # fmt: skip
    pluggable = optics_watts(cluster, PLUGGABLES)
    assert pluggable["dsp"] == pytest.approx(163_840 * 7.4)
    assert sum(pluggable.values()) == pytest.approx(2_457_600)
    mixed = optics_watts(cluster, MIXED)
    assert mixed["dsp"] == pytest.approx(40_960 * 7.4)
    assert mixed["external_laser"] == pytest.approx(122_880 * 1.7)
    assert sum(mixed.values()) == pytest.approx(40_960 * 15.0 + 122_880 * 5.5)
    assert sum(optics_watts(cluster, CO_PACKAGEDS).values()) == pytest.approx(901_120)
    assert sum(optics_watts(cluster, LINEARS).values()) == pytest.approx(1_392_640)


def test_copper_to_the_rack_switch_has_no_optics() -> None:
    """2,048 racks of two hosts: 32,768 ports in copper, 18 uplinks a leaf in fibre."""
    cluster = load_profile(Cluster, "llm_roce_32k")
    built = wiring(cluster)
    assert (built.leaves, built.uplinks, built.host_ports) == (2048, 36_864, 32_768)
    assert Ends("host", 400.0, 32_768, False) in built.ends
    assert sum(optics_watts(cluster, PLUGGABLES).values()) == pytest.approx(2 * 36_864 * 9.0)
    assert optics_watts(cluster, MIXED) == optics_watts(cluster, CO_PACKAGEDS)


def test_a_rack_by_itself_has_nothing_above_its_leaf() -> None:
    built = wiring(cluster_of("zionex"))
    assert (built.leaves, built.spines, built.uplinks, built.host_ports) == (1, 0, 0, 16)
    assert wiring(cluster_of("tioga_pass")).ends == ()
