"""Slurm through the command: a real cluster, the documented configuration, recordings of it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from tests.acceptance.commands import answer, fleetops, one_error
from tests.slurm_testbed import SlurmCluster, slurm_cluster
from tests.support import ROOT

__all__ = ["slurm_cluster"]

EXAMPLE = ROOT / "docs" / "examples" / "slurm.yaml"


@pytest.mark.slurm
def test_the_documented_configuration_reads_a_cluster(
    slurm_cluster: SlurmCluster, tmp_path: Path
) -> None:
    slurm_cluster.command("scontrol", "update", "NodeName=n5", "State=DRAIN", "Reason=fan noise")
    held = slurm_cluster.submit("-N1", "--hold")
    done = fleetops(
        *("collect", "once", "-o", "json"),
        config=EXAMPLE,
        environ={"SLURM_BIN_DIR": str(slurm_cluster.bin_dir)},
    )
    assert done.returncode == 0, done.stderr
    (scrape,) = json.loads(done.stdout)
    assert scrape["warnings"] == []
    nodes = {one["node"]: one for one in scrape["nodes"]}
    assert set(nodes) == set(slurm_cluster.nodes)
    assert (nodes["n5"]["drained"], nodes["n5"]["reason"]) == (True, "fan noise")
    assert not nodes["n0"]["drained"]
    assert [(one["id"], one["state"]) for one in scrape["jobs"]] == [(held, "PENDING")]
    readings = {(one["device"], one["metric"]): one for one in scrape["readings"]}
    assert readings["n0", "accelerators"]["value"] == 8

    # the same from recordings, as JSON and as a table
    shown = slurm_cluster.command("scontrol", "show", "node", "--json")
    (tmp_path / "nodes.json").write_text(shown)
    (tmp_path / "groups.json").write_text(slurm_cluster.command("sinfo", "--json"))
    (tmp_path / "table.txt").write_text(slurm_cluster.command("sinfo", "-N", "-o", "%all"))
    (tmp_path / "shown.txt").write_text(slurm_cluster.command("scontrol", "show", "node"))
    for name in ("nodes.json", "groups.json", "table.txt", "shown.txt"):
        found = answer("decode", "slurm", tmp_path / name)
        kinds = Counter(one["record"] for one in found)
        assert kinds["node"] == 6
        assert kinds["reading"] >= 6
        drained = [one["node"] for one in found if one["record"] == "node" and one["drained"]]
        assert drained == ["n5"], name
    jobs = answer("decode", "slurm", "-", stdin=slurm_cluster.command("squeue", "--json").encode())
    assert [(one["record"], one["id"]) for one in jobs] == [("job", held)]


def test_what_is_no_answer_of_slurm_is_one_error(tmp_path: Path) -> None:
    file = tmp_path / "nodes.json"
    file.write_text('{"nodes": [{"name": "n1", "sta')
    one_error(fleetops("decode", "slurm", file), 1, "nodes.json", "broken or cut-off JSON")
