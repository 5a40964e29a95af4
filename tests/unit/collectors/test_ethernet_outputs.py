"""Saved output of ethtool: counters, FEC, settings and modules, as text and as JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleetops.core.errors import InputError
from fleetops_collectors.ethernet import EthernetCollector, read_interfaces
from fleetops_schemas.readings import Quality
from tests.contract.collector_contract import check_readings
from tests.unit.collectors.sysfs_tree import add_interface

NOW = datetime(2026, 11, 21, tzinfo=UTC)
Cell = tuple[float | None, Quality]


QSFP = """\
\tIdentifier                                : 0x11 (QSFP28)
\tVendor name                               : ACME OPTICS
\tVendor PN                                 : Q28-SR4
\tVendor SN                                 : QS9001
\tModule temperature                        : 38.10 degrees C / 100.58 degrees F
\tModule voltage                            : 3.3000 V
\tAlarm/warning flags implemented           : Yes
\tLaser tx bias current (Channel 1)         : 6.800 mA
\tLaser tx bias current (Channel 2)         : 7.000 mA
\tTransmit avg optical power (Channel 1)    : 0.8000 mW / -0.97 dBm
\tTransmit avg optical power (Channel 2)    : 0.8100 mW / -0.92 dBm
\tRcvr signal avg optical power(Channel 1)  : 0.6000 mW / -2.22 dBm
\tRcvr signal avg optical power(Channel 2)  : {weak} mW / -40.00 dBm
\tLaser bias current high alarm   (Chan 1)  : Off
\tLaser bias current high alarm threshold   : 13.200 mA
\tModule temperature high alarm threshold   : 75.00 degrees C / 167.00 degrees F
"""
SFP = """\
\tIdentifier                                : 0x03 (SFP)
\tOptical diagnostics support               : Yes
\tLaser bias current                        : 6.750 mA
\tLaser output power                        : 0.5890 mW / -2.30 dBm
\tReceiver signal average optical power     : 0.4510 mW / -3.46 dBm
\tModule temperature                        : 30.56 degrees C / 87.01 degrees F
\tLaser bias current high alarm             : Off
"""
CMIS_JSON = """\
[ {
  "ifname": "swp1", "identifier": 24, "vendor_sn": "DD4242", "vendor_name": "ACME",
  "module_temperature": 70.49, "module_voltage": 3.2186,
  "laser_tx_bias_current": [ 83.806, 81.878, 72.9, 110.1, 0, 0, 0, 0 ],
  "transmit_avg_optical_power": [ 1.5975, 1.6486, 1.6333, 1.4387, 0, 0, 0, 0 ],
  "rx_power": { "values": [ 2.2489, 1.8629, 1.8427, 1.8215, 0, 0, 0, 0 ], "type": "avg" },
  "module_temperature": { "high_alarm_threshold": 75.0 }
} ]
"""


def output(text: str, tmp_path: Path, name: str = "eth0.txt") -> dict[tuple[str, str], Cell]:
    path = tmp_path / name
    path.write_text(text)
    out = EthernetCollector.decode_recording(path, "n1", NOW)
    check_readings(out.readings)
    return {(r.device, r.metric): (r.value, r.quality) for r in out.readings}


def test_a_module_of_several_lanes(tmp_path: Path) -> None:
    assert output(QSFP.format(weak="0.5900"), tmp_path) == {
        ("n1/eth0", "optics_temperature_celsius"): (38.1, Quality.GOOD),
        ("n1/eth0", "optics_receive_power_milliwatts"): (0.59, Quality.GOOD),
        ("n1/eth0", "optics_dark_lanes"): (0, Quality.GOOD),
        ("n1/eth0", "optics_transmit_power_milliwatts"): (0.8, Quality.GOOD),
        ("n1/eth0", "optics_bias_milliamperes"): (7.0, Quality.GOOD),
    }


@pytest.mark.parametrize("floor", ["0.0000", "0.0001"])
def test_a_lane_without_light_is_no_measured_power(tmp_path: Path, floor: str) -> None:
    found = output(QSFP.format(weak=floor), tmp_path)
    assert found["n1/eth0", "optics_receive_power_milliwatts"] == (0.6, Quality.GOOD)
    assert found["n1/eth0", "optics_dark_lanes"] == (1, Quality.GOOD)
    found = output(SFP.replace("0.4510", floor), tmp_path)
    assert found["n1/eth0", "optics_receive_power_milliwatts"] == (None, Quality.SENTINEL)
    assert found["n1/eth0", "optics_dark_lanes"] == (1, Quality.GOOD)


def test_powers_told_in_decibels_alone_are_no_milliwatts(tmp_path: Path) -> None:
    text = (
        "\tIdentifier                                : 0x18 (QSFP-DD)\n"
        "\tTransmit avg optical power (Channel 0)    : 3.0 dBm\n"
        "\tTransmit avg optical power (Channel 1)    : -3.0 dBm\n"
        "\tRcvr signal avg optical power (Channel 0) : -inf dBm\n"
        "\tRcvr signal avg optical power (Channel 1) : -10.0 dBm\n"
    )
    found = output(text, tmp_path)
    value, quality = found["n1/eth0", "optics_transmit_power_milliwatts"]
    assert value == pytest.approx(0.5012, abs=1e-4)
    assert quality is Quality.GOOD
    assert found["n1/eth0", "optics_receive_power_milliwatts"] == (0.1, Quality.GOOD)
    assert found["n1/eth0", "optics_dark_lanes"] == (1, Quality.GOOD)


def test_a_module_of_one_lane(tmp_path: Path) -> None:
    assert output(SFP, tmp_path) == {
        ("n1/eth0", "optics_temperature_celsius"): (30.56, Quality.GOOD),
        ("n1/eth0", "optics_receive_power_milliwatts"): (0.451, Quality.GOOD),
        ("n1/eth0", "optics_dark_lanes"): (0, Quality.GOOD),
        ("n1/eth0", "optics_transmit_power_milliwatts"): (0.589, Quality.GOOD),
        ("n1/eth0", "optics_bias_milliamperes"): (6.75, Quality.GOOD),
    }


def test_lanes_that_are_not_in_use_are_left_out_and_a_doubled_key_keeps_its_number(
    tmp_path: Path,
) -> None:
    assert output(CMIS_JSON, tmp_path) == {
        ("n1/swp1", "optics_temperature_celsius"): (70.49, Quality.GOOD),
        ("n1/swp1", "optics_receive_power_milliwatts"): (1.8215, Quality.GOOD),
        ("n1/swp1", "optics_dark_lanes"): (0, Quality.GOOD),
        ("n1/swp1", "optics_transmit_power_milliwatts"): (1.4387, Quality.GOOD),
        ("n1/swp1", "optics_bias_milliamperes"): (110.1, Quality.GOOD),
    }


def test_the_module_is_a_part_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "eth0.txt").write_text(QSFP.format(weak="0.5"))
    out = EthernetCollector.decode_recording(tmp_path / "eth0.txt", "n1", NOW)
    [module] = [one for one in out.identities if one.serial]
    assert (module.device, module.serial) == ("n1/eth0/module", "QS9001")
    assert (module.manufacturer, module.part_number) == ("ACME OPTICS", "Q28-SR4")


TERMINAL = """\
# ethtool -S ens1f0np0
NIC statistics:
     rx_prio3_pause: 1523
     rx_prio3_pause_duration: 250000
     not_a_number: abc
     tx_pause_storm_error_events: 1
root@n1:~# ethtool -I --show-fec ens1f0np0
FEC parameters for ens1f0np0:
Supported/Configured FEC encodings: Auto RS
Active FEC encoding: RS
Statistics:
  corrected_blocks: 256
    Lane 0: 255
    Lane 1: 1
  uncorrectable_blocks: 145
    Lane 0: 128
root@n1:~# ethtool -S ens1f1np1 --groups eth-mac
Standard stats for ens1f1np1:
eth-mac-FrameCheckSequenceErrors: 9
root@n1:~# ethtool -I -a ens1f1np1
Pause parameters for ens1f1np1:
Autonegotiate:\toff
RX:\t\ton
Statistics:
  tx_pause_frames: 1
  rx_pause_frames: 2
"""


def test_what_was_copied_from_a_terminal(tmp_path: Path) -> None:
    assert output(TERMINAL, tmp_path, "notes.txt") == {
        ("n1/ens1f0np0", "pfc_receive_total"): (1523, Quality.GOOD),
        ("n1/ens1f0np0", "pfc_receive_seconds_total"): (0.25, Quality.GOOD),
        ("n1/ens1f0np0", "pause_storms_total"): (1, Quality.GOOD),
        ("n1/ens1f0np0", "fec_corrected_total"): (256, Quality.GOOD),
        ("n1/ens1f0np0", "fec_uncorrectable_total"): (145, Quality.GOOD),
        ("n1/ens1f1np1", "receive_crc_errors_total"): (9, Quality.GOOD),
        ("n1/ens1f1np1", "pause_transmit_total"): (1, Quality.GOOD),
        ("n1/ens1f1np1", "pause_receive_total"): (2, Quality.GOOD),
    }


def test_counters_whose_heading_was_cut_away_and_a_module_behind_them(tmp_path: Path) -> None:
    text = (
        "$ ethtool -S ens2 | grep -e pause -e crc\n"
        "     rx_prio3_pause: 7\n     rx_crc_errors_phy: 2\n"
        "        Identifier                                : 0x03 (SFP)\n"
        "        Module temperature                        : 30.50 degrees C / 86.90 degrees F\n"
        "$ ethtool -a ens3\n     RX: on\n"
    )
    assert output(text, tmp_path) == {
        ("n1/ens2", "pfc_receive_total"): (7, Quality.GOOD),
        ("n1/ens2", "receive_crc_errors_total"): (2, Quality.GOOD),
        ("n1/ens2", "optics_temperature_celsius"): (30.5, Quality.GOOD),
    }


@pytest.mark.parametrize(
    ("speed", "detected", "cells"),
    [
        ("400000Mb/s", "yes", {"rate": (400, Quality.GOOD), "link": (1, Quality.GOOD)}),
        ("Unknown!", "no (No cable)", {"rate": (None, Quality.ABSENT), "link": (0, Quality.GOOD)}),
        ("Unknown! (0)", "maybe", {"rate": (None, Quality.ABSENT)}),
    ],
)
def test_settings(tmp_path: Path, speed: str, detected: str, cells: dict[str, Cell]) -> None:
    text = f"Settings for eth7:\n\tSpeed: {speed}\n\tLanes: 4\n\tLink detected: {detected}\n"
    found = output(text, tmp_path)
    assert {metric.partition("_")[0]: cell for (_, metric), cell in found.items()} == cells
    assert {device for device, _ in found} == {"n1/eth7"}


def test_a_copy_of_sysfs(tmp_path: Path) -> None:
    add_interface(tmp_path, "veth0")
    out = EthernetCollector.decode_recording(tmp_path, "n1", NOW)
    assert {one.device for one in out.readings} == {"n1/veth0"}
    assert not out.problems


def test_fec_and_groups_as_json(tmp_path: Path) -> None:
    text = """[ {"ifname": "eth1", "config": ["RS"], "active": ["RS"], "statistics":
      {"corrected_blocks": {"total": 256, "lanes": [255, 1]}, "uncorrectable_blocks":
      {"total": 18446744073709551615}}},
      {"ifname": "eth1", "eth-mac": {"OctetsReceivedOK": 77}, "rmon": {"etherStatsJabbers": 1}} ]"""
    assert output(text, tmp_path) == {
        ("n1/eth1", "fec_corrected_total"): (256, Quality.GOOD),
        ("n1/eth1", "fec_uncorrectable_total"): (None, Quality.SATURATED),
        ("n1/eth1", "receive_bytes_total"): (77, Quality.GOOD),
    }


@pytest.mark.parametrize(
    "text",
    ["", "<html>", "[", "[1, 2]", "[{}]", "Settings for eth0:\n\tDuplex: Full\n", "[" * 9999],
)
def test_what_is_no_output_of_ethtool_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"eth0\.txt: "):
        output(text, tmp_path)


def test_a_path_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no network interface"):
        read_interfaces(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_interfaces(tmp_path / "absent")
