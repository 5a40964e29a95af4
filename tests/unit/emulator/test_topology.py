from __future__ import annotations

import pytest

from fleetops.core.errors import ConfigError
from fleetops.emulator.topology import build_layout
from fleetops_schemas.topology import Parent, ParentKind, Topology


def test_default_fleet_has_four_racks_of_eight_hosts() -> None:
    layout = build_layout()
    assert len(layout.hosts) == 32
    assert (layout.hosts[0], layout.hosts[-1]) == ("node001", "node032")
    assert layout.loops == ("cdu1", "cdu2")
    assert layout.shelves == ("r01/shelf1", "r03/shelf1")
    assert layout.loop_of.tolist() == [0] * 16 + [1] * 16
    assert layout.rack_of_loop(1) == "r03"


def test_a_rack_pair_shares_coolant_and_power_and_a_rack_its_leaf() -> None:
    topology = Topology(build_layout().placements)
    loop = topology.children(Parent(ParentKind.COOLANT_LOOP, "cdu2"))
    assert loop == {f"node{n:03d}" for n in range(17, 33)}
    assert topology.children(Parent(ParentKind.POWER_SHELF, "r03/shelf1")) == loop
    assert len(topology.children(Parent(ParentKind.LEAF_SWITCH, "leaf4"))) == 8


def test_host_names_can_be_given() -> None:
    layout = build_layout(2, 2, ["n0", "n1", "n2", "n3"])
    assert layout.hosts == ("n0", "n1", "n2", "n3")
    assert layout.index("n2") == 2
    with pytest.raises(ConfigError, match="node001"):
        layout.index("node001")


@pytest.mark.parametrize(
    ("racks", "hosts", "names"), [(0, 8, None), (4, 0, None), (1, 2, ["a"]), (1, 2, ["a", "a"])]
)
def test_an_impossible_fleet_is_refused(racks: int, hosts: int, names: list[str] | None) -> None:
    with pytest.raises(ConfigError):
        build_layout(racks, hosts, names)
