"""Topology: look-ups both ways, and hosts that move."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from fleetops_schemas.topology import HostPlacement, Parent, ParentKind, Topology, host_of

LOOP = Parent(ParentKind.COOLANT_LOOP, "cdu1")
SHELF = Parent(ParentKind.POWER_SHELF, "r01/shelf1")
LEAF = Parent(ParentKind.LEAF_SWITCH, "leaf1")
RACK = Parent(ParentKind.RACK, "r01")


def placed(host: str, /, **changes: object) -> HostPlacement:
    whole = {
        "host": host,
        "rack": "r01",
        "coolant_loop": "cdu1",
        "power_shelf": "r01/shelf1",
        "leaf_switch": "leaf1",
    }
    return HostPlacement.model_validate(whole | changes)


def test_parents_and_children() -> None:
    topology = Topology([placed("node001"), placed("node002", leaf_switch=None)])
    assert topology.parents("node001") == (LOOP, SHELF, LEAF, RACK)
    assert topology.parents("node002") == (LOOP, SHELF, RACK)
    assert topology.parents("nobody") == ()
    assert topology.children(RACK) == {"node001", "node002"}
    assert topology.children(LEAF) == {"node001"}
    assert topology.children(Parent(ParentKind.RACK, "r99")) == set()
    assert topology.parent_named("r01/shelf1") == SHELF
    assert topology.parent_named("node001") is None


def test_a_host_that_moves_leaves_its_old_parents() -> None:
    topology = Topology([placed("node001")])
    topology.put(placed("node001", rack="r02", coolant_loop="cdu2"))
    assert topology.children(RACK) == set()
    assert topology.children(LOOP) == set()
    assert topology.children(Parent(ParentKind.RACK, "r02")) == {"node001"}
    assert topology.children(SHELF) == {"node001"}
    assert len(topology) == 1


def test_as_a_collection() -> None:
    topology = Topology()
    assert len(topology) == 0
    topology.put(placed("node001"))
    assert "node001" in topology
    assert "node002" not in topology
    assert [placement.host for placement in topology] == ["node001"]
    found = topology.get("node001")
    assert found is not None
    assert found.rack == "r01"
    assert topology.get("node002") is None


@pytest.mark.parametrize(
    ("device", "host"),
    [("node001/gpu5", "node001"), ("node001", "node001"), ("node001/job81/rank17", "node001")],
)
def test_host_of(device: str, host: str) -> None:
    assert host_of(device) == host


@pytest.mark.parametrize(
    "change",
    [{"host": ""}, {"host": "a/b"}, {"host": "-x"}, {"rack": "a b"}, {"colour": "red"}],
)
def test_bad_placements(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        placed("node001", **change)
