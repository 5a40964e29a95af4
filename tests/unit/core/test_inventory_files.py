"""Where hosts stand, from YAML, CSV, Slurm's topology.conf and Kubernetes' node labels."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleetops.core.config import Config, load_config
from fleetops.core.errors import ConfigError
from fleetops.core.inventory.load import Inventory, load_inventory
from fleetops_schemas.topology import HostPlacement

NOW = datetime(2026, 11, 21, tzinfo=UTC)
YAML = """
defaults: {site: dc1, platform: grand_teton}
hosts:
  node[001-003]: {rack: r01, coolant_loop: cdu1, power_shelf: r01/shelf1, leaf_switch: leaf1}
  node003: {rack: r02}
devices:
  node001/gpu0: {serial: "1654923041234", uuid: GPU-1}
"""
SLURM = """
# tree
SwitchName=leaf1 Nodes=node[001-002] LinkSpeed=400
SwitchName=leaf2 \\
    Nodes=node[003-004]
SwitchName=spine Switches=leaf[1-2]
"""
BLOCKS = "BlockName=b1 Nodes=node[001-018]\nBlockSizes=16\n"
CSV = """Hostname,Rack,U,Loop,Warranty
node001,r01,12,cdu1,2027
node002,r01,14,,
,r01,,,
"""
PARTS = "host,device,serial,model\nnode001,gpu0,165,H100\nnode001,node001/gpu1,166,H100\n"
NODES = {
    "kind": "NodeList",
    "items": [
        {
            "kind": "Node",
            "metadata": {
                "name": "node001",
                "labels": {
                    "topology.kubernetes.io/zone": "hall-2",
                    "topology.kubernetes.io/rack": "r01",
                    "network.topology.nvidia.com/leaf": "leaf7",
                    "nvidia.com/gpu.count": "8",
                    "example.com/loop": "cdu9",
                },
            },
        },
        {"kind": "Pod", "metadata": {"name": "no-node"}},
        {"metadata": {"name": "node002", "labels": None}},
    ],
}


def read(
    folder: Path, *sources: tuple[str, str], topology: object = (), **more: object
) -> Inventory:
    entries = []
    for number, (kind, text) in enumerate(sources):
        path = folder / f"{number}.{kind}"
        path.write_text(text)
        entries.append({"format": kind, "path": str(path), **more})
    return load_inventory(Config.model_validate({"inventory": entries, "topology": topology}))


def test_yaml_places_hosts_by_hostlist_and_names_parts(tmp_path: Path) -> None:
    inventory = read(tmp_path, ("yaml", YAML))
    assert inventory.problems == ()
    places = {one.host: one for one in inventory.placements}
    assert places["node002"] == HostPlacement(
        host="node002",
        site="dc1",
        rack="r01",
        platform="grand_teton",
        coolant_loop="cdu1",
        power_shelf="r01/shelf1",
        leaf_switch="leaf1",
    )
    assert (places["node003"].rack, places["node003"].leaf_switch) == ("r02", "leaf1")
    (part,) = [one for one in inventory.identities(NOW) if one.device == "node001/gpu0"]
    assert (part.serial, part.uuid, part.host) == ("1654923041234", "GPU-1", "node001")
    assert part.is_configured


def test_slurm_adds_leaf_switches_to_what_another_source_places(tmp_path: Path) -> None:
    racks = "hosts:\n  node[001-004]: {rack: r01}\n"
    inventory = read(tmp_path, ("yaml", racks), ("slurm_topology", SLURM))
    leaves = {one.host: one.leaf_switch for one in inventory.placements}
    assert leaves == {
        "node001": "leaf1",
        "node002": "leaf1",
        "node003": "leaf2",
        "node004": "leaf2",
    }
    assert inventory.problems == ()


def test_slurms_blocks_are_leaves_too(tmp_path: Path) -> None:
    racks = "hosts:\n  node[001-018]: {rack: r01}\n"
    inventory = read(tmp_path, ("yaml", racks), ("slurm_topology", BLOCKS))
    assert {one.leaf_switch for one in inventory.placements} == {"b1"}


def test_csv_knows_other_words_and_says_what_it_does_not_use(tmp_path: Path) -> None:
    inventory = read(tmp_path, ("csv", CSV))
    places = {one.host: one for one in inventory.placements}
    assert (places["node001"].rack_position, places["node001"].coolant_loop) == (12, "cdu1")
    assert places["node002"].coolant_loop is None
    assert inventory.problems == (
        "csv:0.csv: columns not used: warranty",
        "csv:0.csv: line 4: names no host and no device; left out",
    )


def test_csv_names_parts(tmp_path: Path) -> None:
    parts = {one.device: one for one in read(tmp_path, ("csv", PARTS)).identities(NOW)}
    assert {name: one.serial for name, one in parts.items()} == {
        "node001/gpu0": "165",
        "node001/gpu1": "166",
    }
    assert parts["node001/gpu0"].model == "H100"


def test_kubernetes_labels_say_places_and_a_site_adds_its_own(tmp_path: Path) -> None:
    source = ("kubernetes_nodes", json.dumps(NODES))
    (placed,) = read(tmp_path, source, labels={"example.com/loop": "coolant_loop"}).placements
    assert placed == HostPlacement(
        host="node001",
        room="hall-2",
        rack="r01",
        leaf_switch="leaf7",
        accelerators=8,
        coolant_loop="cdu9",
    )


def test_the_earlier_source_goes_before_the_later(tmp_path: Path) -> None:
    first = "hosts:\n  node001: {rack: r01}\n"
    second = "hosts:\n  node001: {rack: r02, leaf_switch: leaf1}\n"
    inline = [{"host": "node001", "rack": "r00"}]
    (placed,) = read(tmp_path, ("yaml", first), ("yaml", second), topology=inline).placements
    assert (placed.rack, placed.leaf_switch) == ("r00", "leaf1")


def test_a_host_without_a_rack_is_left_out_and_said(tmp_path: Path) -> None:
    inventory = read(tmp_path, ("slurm_topology", SLURM))
    assert inventory.placements == ()
    assert inventory.problems == (
        "no source names the rack of 4 hosts: node001, node002, node003, node004; left out",
    )


def test_a_wrong_number_leaves_out_one_host(tmp_path: Path) -> None:
    text = "hosts:\n  node001: {rack: r01, rack_position: low}\n  node002: {rack: r01}\n"
    inventory = read(tmp_path, ("yaml", text))
    assert [one.host for one in inventory.placements] == ["node002"]
    assert "node001: rack_position: must be a plain number" in inventory.problems[0]


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("yaml", "a: [", "not YAML"),
        ("yaml", "- node001", "must be a mapping with `hosts:`"),
        ("csv", "rack,row\nr01,1\n", "its first line must name the columns"),
        ("csv", 'host\n"node001\n', "not CSV"),
        ("slurm_topology", "NodeName=node001\n", "is it Slurm's topology.conf?"),
        ("kubernetes_nodes", "nodes", "not JSON"),
        ("kubernetes_nodes", '{"kind": "PodList", "items": []}', "kubectl get nodes -o json"),
    ],
)
def test_a_file_of_another_kind_is_one_error_that_names_it(
    tmp_path: Path, kind: str, text: str, said: str
) -> None:
    with pytest.raises(ConfigError, match=rf"inventory: .*0\.{kind}: .*{said.replace('?', '.')}"):
        read(tmp_path, (kind, text))


def test_a_missing_file_and_a_wrong_label_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.csv: cannot read it"):
        load_inventory(
            Config.model_validate({"inventory": [{"format": "csv", "path": "gone.csv"}]})
        )
    with pytest.raises(ConfigError, match="nothing is called 'shelf'"):
        read(tmp_path, ("kubernetes_nodes", json.dumps(NODES)), labels={"a": "shelf"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hosts:\n  'node[1-': {rack: r01}\n  node9: {rack: r01}\n", "is not a hostlist"),
        ("hosts:\n  node9: {rack: r01}\n  node8: r01\n", "hosts.node8: must be a mapping"),
        ("hosts:\n  node9: {rack: r01, colour: red}\n", "hosts.node9: unknown: colour"),
        ("hosts:\n  node9: {rack: r01}\nracks: {}\n", "racks: unknown section"),
        ("hosts:\n  node9: {rack: r01}\ndevices: [a]\n", "devices: must be a mapping by name"),
    ],
)
def test_a_wrong_part_is_said_and_the_rest_goes_on(tmp_path: Path, text: str, said: str) -> None:
    inventory = read(tmp_path, ("yaml", text))
    assert [one.host for one in inventory.placements if one.host == "node9"] == ["node9"]
    assert said in inventory.problems[0]


def test_variables_may_have_a_default(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("state_dir: ${PLACE:-here}\nlog_level: ${LEVEL:-info}\n")
    config = load_config(path, {"LEVEL": "debug"})
    assert (str(config.state_dir), config.log_level) == ("here", "debug")
    path.write_text("state_dir: ${PLACE}\n")
    with pytest.raises(ConfigError, match=r"\$\{PLACE\} is not set; export it, or give a default"):
        load_config(path, {})
