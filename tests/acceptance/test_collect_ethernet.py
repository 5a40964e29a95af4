"""Ethernet through the command: this machine's own loopback, and saved output of ethtool."""

from __future__ import annotations

import json
import platform

import pytest

from tests.acceptance.commands import answer, fleetops, one_error
from tests.support import ROOT

EXAMPLE = ROOT / "docs" / "examples" / "ethernet.yaml"
STATISTICS = """\
NIC statistics:
     rx_prio3_pause: 1523
     tx_prio3_pause: 2
     tx_pause_storm_error_events: 1
     rx_pcs_symbol_err_phy: 18446744073709551615
"""
MODULE = """\
[ {"ifname": "swp1", "module_temperature": 70.49, "laser_tx_bias_current": [ 83.8, 110.1 ],
   "transmit_avg_optical_power": [ 1.5975, 1.4387 ], "rx_power": {"values": [ 2.2489, 0.0001 ]}} ]
"""


def test_the_documented_configuration_reads_this_machine() -> None:
    done = fleetops(
        *("collect", "once", "-o", "json"), config=EXAMPLE, environ={"ETHERNET_INTERFACES": "lo"}
    )
    assert done.returncode == 0, done.stderr
    (scrape,) = json.loads(done.stdout)
    found = {one["metric"]: (one["value"], one["quality"]) for one in scrape["readings"]}
    assert {one["device"] for one in scrape["readings"]} == {f"{platform.node()}/lo"}
    assert found["link_state"] == (1, "good")
    assert found["rate_gigabits_per_second"] == (None, "absent")
    assert found["receive_bytes_total"][1] == found["transmit_bytes_total"][1] == "good"


def test_saved_statistics_are_decoded() -> None:
    readings = answer("decode", "ethernet", "-", "--host", "n1", stdin=STATISTICS.encode())
    assert {one["metric"]: (one["value"], one["quality"]) for one in readings} == {
        "pfc_receive_total": (1523, "good"),
        "pfc_transmit_total": (2, "good"),
        "pause_storms_total": (1, "good"),
        "symbol_errors_total": (None, "saturated"),
    }


def test_a_saved_module_is_decoded() -> None:
    readings = answer("decode", "ethernet", "-", "--host", "n1", stdin=MODULE.encode())
    assert {one["device"] for one in readings} == {"n1/swp1"}
    found = {one["metric"]: (one["value"], one["quality"]) for one in readings}
    assert found["optics_temperature_celsius"] == (pytest.approx(70.49), "good")
    assert found["optics_transmit_power_milliwatts"] == (pytest.approx(1.4387), "good")
    assert found["optics_bias_milliamperes"] == (pytest.approx(110.1), "good")
    assert found["optics_receive_power_milliwatts"] == (pytest.approx(2.2489), "good")
    assert found["optics_dark_lanes"] == (1, "good")


def test_something_else_is_one_error() -> None:
    done = fleetops("decode", "ethernet", "-", stdin=b"Settings for eth0:\n\tDuplex: Full\n")
    one_error(done, 1, "standard input", "ethtool -S eth0 > eth0.txt")
