"""Where things stand: names and indices of a demonstration's fleet and of a whole cluster."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest

from fleetops.core.errors import ConfigError
from fleetops.emulator.groups import NONE
from fleetops.emulator.site import Site, build_site
from fleetops_schemas.clusters import Cluster, Role
from fleetops_schemas.fleet_profiles import cluster_of, fleet_names
from fleetops_schemas.profiles import load_profile
from fleetops_schemas.topology import Parent, ParentKind, Topology

LOAD_SECONDS = 5.0
"""What a topology of 32,000 accelerators may take (the emulator's promise)."""


def site(name: str = "demo", hosts: int | None = None, names: Sequence[str] | None = None) -> Site:
    return build_site(cluster_of(name), hosts, names)


def test_the_demonstration_has_four_racks_of_eight_hosts() -> None:
    demo = site()
    assert (demo.hosts[0], demo.hosts[31], len(demo.hosts)) == ("node001", "node032", 32)
    assert demo.racks == ("r01", "r02", "r03", "r04")
    assert np.bincount(demo.rack_of_host).tolist() == [8] * 4
    assert len(demo.accelerators) == 256
    assert demo.accelerators[8:10] == ("node002/gpu0", "node002/gpu1")
    assert np.array_equal(demo.host_of_accelerator, np.repeat(np.arange(32), 8))
    assert {one.rack_position for one in demo.standing} == {1, 5, 9, 13, 17, 21, 25, 29}


def test_two_racks_share_a_coolant_unit_of_two_pumps() -> None:
    demo = site()
    assert [(loop.name, loop.rack) for loop in demo.loops] == [("cdu1", "r01"), ("cdu2", "r03")]
    assert demo.loop_of_host.tolist() == [0] * 16 + [1] * 16
    assert demo.pumps == ("cdu1/pump1", "cdu1/pump2", "cdu2/pump1", "cdu2/pump2")
    assert demo.loop_of_pump.tolist() == [0, 0, 1, 1]
    assert [loop.pumps for loop in demo.loops] == [slice(0, 2), slice(2, 4)]


def test_each_rack_has_a_shelf_of_six_supplies() -> None:
    demo = site()
    assert demo.names("shelves") == tuple(f"{rack}/shelf1" for rack in demo.racks)
    assert demo.rack_of_shelf.tolist() == [0, 1, 2, 3]
    assert demo.supplies[5:7] == ("r01/shelf1/psu6", "r02/shelf1/psu1")
    assert np.bincount(demo.shelf_of_supply).tolist() == [6] * 4
    assert demo.batteries == ()


def test_batteries_stand_in_their_shelves() -> None:
    made = site("catalina")
    for index, shelf in enumerate(made.shelves):
        assert made.batteries[shelf.batteries.start] == f"{shelf.name}/bbu1"
        assert (made.shelf_of_battery[shelf.batteries] == index).all()
        assert (made.shelf_of_supply[shelf.supplies] == index).all()
    assert len(made.batteries) == len(made.shelf_of_battery) > 0


def test_air_cooled_hosts_have_no_loop() -> None:
    made = site("grand_teton")
    assert (made.loops, made.pumps) == ((), ())
    assert (made.loop_of_host == NONE).all()
    assert {one.coolant_loop for one in made.standing} == {None}


def test_a_rack_pair_shares_coolant_and_a_rack_its_shelf_and_leaf() -> None:
    topology = Topology(site().standing)
    loop = topology.children(Parent(ParentKind.COOLANT_LOOP, "cdu2"))
    assert loop == {f"node{number:03d}" for number in range(17, 33)}
    last = {f"node{number:03d}" for number in range(25, 33)}
    assert topology.children(Parent(ParentKind.POWER_SHELF, "r04/shelf1")) == last
    assert topology.children(Parent(ParentKind.LEAF_SWITCH, "leaf4")) == last
    assert [one.row for one in site().standing[::8]] == ["row1", "row1", "row2", "row2"]


@pytest.mark.parametrize("name", fleet_names())
def test_links_have_two_ends(name: str) -> None:
    ports = site(name, 12).ports
    linked = np.flatnonzero(ports.peer != NONE)
    assert np.array_equal(ports.peer[ports.peer[linked]], linked)
    rates = ports.gigabits_per_second
    assert np.array_equal(rates[linked], rates[ports.peer[linked]])
    assert ((ports.host_of == NONE) != (ports.switch_of == NONE)).all()
    in_host = ports.host_of[linked] != NONE
    assert (ports.switch_of[ports.peer[linked[in_host]]] != NONE).all(), "hosts lead to switches"
    assert len(set(ports.names)) == len(ports.names)


def test_a_hosts_backend_ports_carry_its_accelerators_to_its_leaf() -> None:
    demo = site()
    ports, mine = demo.ports, np.flatnonzero(demo.ports.host_of == 9)
    assert [ports.names[port] for port in mine] == [f"node010/mlx5_{n}" for n in range(8)]
    assert ports.accelerator_of[mine].tolist() == list(range(72, 80))
    leaves = {demo.switches[ports.switch_of[ports.peer[port]]].name for port in mine}
    assert leaves == {"leaf2"}
    assert {ports.owner[ports.peer[port]] for port in mine} == {"leaf2"}


def test_uplinks_are_spread_over_the_spines() -> None:
    demo = site()
    assert demo.names("switches") == (
        *(f"leaf{number}" for number in range(1, 5)),
        *(f"spine{number}" for number in range(1, 5)),
    )
    for switch in demo.switches:
        above = demo.ports.peer[switch.ports]
        counts = np.bincount(demo.ports.switch_of[above[demo.ports.host_of[above] == NONE]])
        assert counts[counts > 0].tolist() == [4, 4, 4, 4], "sixteen links, four a neighbour"


@pytest.mark.parametrize(
    ("wanted", "racks", "hosts"), [(1, 1, 1), (3, 1, 3), (9, 2, 9), (32, 4, 32), (500, 4, 32)]
)
def test_a_part_of_a_cluster_is_taken_rack_by_rack(wanted: int, racks: int, hosts: int) -> None:
    part, whole = site(hosts=wanted), site()
    assert (len(part.racks), len(part.hosts)) == (racks, hosts)
    assert part.placements == whole.placements
    assert part.standing == whole.standing[:hosts]
    assert part.hosts == whole.hosts[:hosts]


def test_every_role_is_there_in_its_proportion() -> None:
    part, cluster = site("llm_roce_32k", 40), load_profile(Cluster, "llm_roce_32k")
    counts = {group.role: group.hosts.stop - group.hosts.start for group in part.groups}
    assert counts == {Role.COMPUTE_NODE: 35, Role.STORAGE_CACHE: 4, Role.DATA_INGESTION: 1}
    one = site("llm_roce_32k", 1)
    assert [one.hosts[group.hosts.start] for group in one.groups] == [
        "node0001",
        "store001",
        "ingest001",
    ]
    assert len(one.placements) == sum(int(group.hosts) for group in cluster.groups)


def test_things_are_found_by_name() -> None:
    demo = site()
    assert demo.index("hosts", "node007") == 6
    assert demo.index("accelerators", "node002/gpu3") == 11
    assert demo.ports.names[demo.index("ports", "leaf1/eth1")] == "leaf1/eth1"
    assert demo.group_of(31).platform.name == "emulated_hgx_liquid"
    with pytest.raises(
        ConfigError, match=r"'node099' among the emulated hosts.*node001 to node032"
    ):
        demo.index("hosts", "node099")
    with pytest.raises(ConfigError, match="there are: none"):
        demo.index("batteries", "x")


def test_host_names_can_be_given() -> None:
    names = ["n0", "n1", "n2", "n3"]
    made = site(hosts=4, names=names)
    assert list(made.hosts) == names
    assert made.accelerators[-1] == "n3/gpu7"
    assert made.ports.names[0] == "n0/mlx5_0"
    assert made.placements[4].host == "node005"
    with pytest.raises(ConfigError, match="node001"):
        made.index("hosts", "node001")
    assert site("llm_roce_32k", 1, ["gpu-a"]).hosts == ("gpu-a", "store001", "ingest001")


@pytest.mark.parametrize(
    ("hosts", "names", "message"),
    [
        (0, None, "0 hosts is no fleet"),
        (-4, None, "-4 hosts is no fleet"),
        (2, ["a"], "1 different host names of [12] for 2 hosts"),
        (2, ["a", "a"], "1 different host names of [12] for 2 hosts"),
        (2, ["a", "a", "b"], "2 different host names of 3 for 2 hosts"),
        (None, ["a", "b"], "2 different host names of 2 for 32 hosts"),
    ],
)
def test_an_impossible_fleet_is_refused(
    hosts: int | None, names: list[str] | None, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        site(hosts=hosts, names=names)


def test_a_cluster_of_32k_accelerators_stands_whole_in_seconds() -> None:
    began = time.perf_counter()
    made = site("llm_roce_32k")
    assert time.perf_counter() - began < LOAD_SECONDS
    assert len(made.accelerators) == 32_768
    assert [group.hosts.stop - group.hosts.start for group in made.groups] == [4096, 512, 128]
    # racks are numbered without a gap, and each holds somebody
    assert len(made.racks) == int(made.racks[-1][1:]) == made.rack_of_host[-1] + 1
    backend = made.ports.is_backend & (made.ports.host_of != NONE)
    assert int(backend.sum()) == 32_768
    own = made.ports.accelerator_of[backend]
    assert np.array_equal(np.sort(own), np.arange(32_768)), "a port an accelerator"
    assert len({one.leaf_switch for one in made.standing[:4096]}) == 2048
    uplinks = sum(switch.ports.stop - switch.ports.start for switch in made.switches[-4:])
    assert uplinks == 2048 * 18
