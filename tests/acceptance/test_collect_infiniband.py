"""InfiniBand through the command: the documented configuration, a tree, saved tool output."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance.commands import answer, fleetops, one_error
from tests.support import ROOT, fixtures
from tests.unit.collectors.sysfs_tree import add_port

EXAMPLE = ROOT / "docs" / "examples" / "infiniband.yaml"
PERFQUERY = """\
# Port extended counters: Lid 1719 port 2 (CapMask: 0x5300 CapMask2: 0x0000002)
PortXmitData:....................36298026860928
SymbolErrorCounter:..............4294967295
"""


def test_the_documented_configuration_reads_a_host(tmp_path: Path) -> None:
    counters = {"port_rcv_data": 10, "link_downed": 255}
    add_port(tmp_path, rate="200 Gb/sec (2X NDR)", counters=counters)
    add_port(tmp_path, "mlx5_bond_0", link_layer="Ethernet", hw_counters={"np_cnp_sent": 3})
    done = fleetops(
        *("collect", "once", "-o", "json"),
        config=EXAMPLE,
        environ={"INFINIBAND_SYSFS": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    (scrape,) = json.loads(done.stdout)
    found = {
        (one["device"].partition("/")[2], one["metric"]): (one["value"], one["quality"])
        for one in scrape["readings"]
    }
    assert found["mlx5_0", "link_state"] == (1, "good")
    assert found["mlx5_0", "receive_bytes_total"] == (40, "good")
    assert found["mlx5_0", "link_downed_total"] == (None, "saturated")
    assert found["mlx5_0", "rate_gigabits_per_second"] == (200, "good")
    assert found["mlx5_0", "expected_rate_gigabits_per_second"] == (400, "good")
    assert found["mlx5_bond_0", "cnp_sent_total"] == (3, "good")
    assert ("mlx5_bond_0", "expected_rate_gigabits_per_second") not in found


def test_a_host_without_sysfs_fails_with_a_remedy(tmp_path: Path) -> None:
    done = fleetops(
        *("collect", "once", "-o", "json"),
        config=EXAMPLE,
        environ={"INFINIBAND_SYSFS": str(tmp_path / "gone")},
    )
    assert done.returncode == 1
    assert "mount the host's /sys" in done.stdout + done.stderr


def test_saved_output_is_decoded(tmp_path: Path) -> None:
    readings = answer("decode", "infiniband", "-", stdin=PERFQUERY.encode())
    assert [(one["device"], one["metric"], one["value"]) for one in readings] == [
        ("lid1719/2", "transmit_bytes_total", 36298026860928 * 4),
        ("lid1719/2", "symbol_errors_total", None),
    ]
    assert readings[1]["quality"] == "saturated"
    one_error(fleetops("decode", "infiniband", tmp_path), 1, "no InfiniBand adapter")
    (tmp_path / "x").write_text("hello")
    one_error(fleetops("decode", "infiniband", tmp_path / "x"), 1, "ibnetdiscover", "perfquery")


@pytest.mark.fixtures
def test_the_real_tree_and_one_adapter_of_it() -> None:
    tree = fixtures() / "fabric" / "gpud-h100" / "sys-class-infiniband-h100.0"
    readings = answer("decode", "infiniband", tree, "--host", "h100")
    assert len({one["device"] for one in readings}) == 9
    assert len(readings) == 251
    one = answer("decode", "infiniband", tree / "mlx5_0", "--host", "h100")
    assert {reading["device"] for reading in one} == {"h100/mlx5_0"}
