"""What the kernel and drivers say of Ethernet ports, with its traps."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleetops.core.errors import InputError
from fleetops_collectors.decoded import Decoded
from fleetops_collectors.ethernet import (
    EthernetCollector,
    Interface,
    decode_interfaces,
    load_drivers,
    read_interfaces,
)
from fleetops_collectors.ethernet.ioctl import DriverInfo
from fleetops_schemas.readings import Quality
from tests.contract.collector_contract import check_readings
from tests.unit.collectors.sysfs_tree import (
    add_interface,
    add_module_sensor,
    add_pci_device,
    write,
)

NOW = datetime(2026, 11, 21, tzinfo=UTC)
Cell = tuple[float | None, Quality]
MLX5 = {
    "rx_bytes_phy": 5000,
    "rx_prio0_pause": 5,
    "rx_prio3_pause": 17,
    "rx_prio3_pause_duration": 3_400_000,
    "tx_prio3_pause": 2,
    "tx_pause_storm_warning_events": 3,
    "tx_pause_storm_error_events": 1,
    "rx_pcs_symbol_err_phy": 4,
    "rx_corrected_bits_phy": 99,
    "rx_prio3_marked": 8,
    "link_down_events_phy": 6,
    "rx_discards_phy": 11,
    "rx_crc_errors_phy": 12,
    "rx0_packets": 1,
    "rx1_packets": 1,
}


def decoded(*interfaces: Interface) -> Decoded:
    out = decode_interfaces(interfaces, host="n1", now=NOW)
    check_readings(out.readings)
    return out


def cells(*interfaces: Interface) -> dict[str, Cell]:
    return {one.metric: (one.value, one.quality) for one in decoded(*interfaces).readings}


def of_driver(driver: str, counters: dict[str, int | str]) -> dict[str, Cell]:
    return cells(Interface("eth0", {}, counters, DriverInfo(driver)))


def said(**values: str | None) -> dict[str, Cell]:
    return cells(Interface("eth0", values))


def test_mlx5() -> None:
    found = of_driver("mlx5_core", {**MLX5})
    assert {metric: value for metric, (value, _) in found.items()} == {
        "receive_bytes_total": 5000,
        "pfc_receive_total": 22,
        "pfc_transmit_total": 2,
        "pfc_receive_seconds_total": 3.4,
        "pause_storm_warnings_total": 3,
        "pause_storms_total": 1,
        "symbol_errors_total": 4,
        "fec_corrected_bits_total": 99,
        "ecn_marked_total": 8,
        "link_downed_total": 6,
        "receive_discards_total": 11,
        "receive_crc_errors_total": 12,
    }


def test_counters_without_a_column_are_counted() -> None:
    out = decoded(Interface("eth0", {}, MLX5, DriverInfo("mlx5_core")))
    assert out.unmapped == {"rx0_packets": 1, "rx1_packets": 1}


def test_bnxt_prefers_priorities_over_their_sum() -> None:
    found = of_driver(
        "bnxt_en",
        {
            **{"rx_pfc_ena_frames_pri0": 1, "rx_pfc_ena_frames_pri3": 2, "rx_pfc_frames": 50},
            **{"pfc_pri3_rx_duration_us": 2500, "rx_fec_corrected_blocks": 7, "tx_pfc_frames": 9},
        },
    )
    assert found == {
        "pfc_receive_total": (3, Quality.GOOD),
        "pfc_transmit_total": (9, Quality.GOOD),
        "pfc_receive_seconds_total": (0.0025, Quality.GOOD),
        "fec_corrected_total": (7, Quality.GOOD),
    }


def test_ice_and_its_older_sister() -> None:
    found = of_driver("ice", {"rx_priority_3_xoff.nic": 4, "rx_priority_3_xon.nic": 9})
    assert found == {"pfc_receive_total": (4, Quality.GOOD)}
    found = of_driver("i40e", {"port.rx_crc_errors": 4})
    assert found == {"receive_crc_errors_total": (4, Quality.GOOD)}


def test_an_unknown_driver_is_told_by_its_names_and_a_known_one_without_a_table_is_not() -> None:
    assert of_driver("", {**MLX5})["pfc_receive_total"] == (22, Quality.GOOD)
    assert of_driver("ena", {**MLX5}) == {}
    standard = {"eth-mac-FrameCheckSequenceErrors": 3, "corrected_blocks": 4}
    assert of_driver("ena", {**standard}) == {
        "receive_crc_errors_total": (3, Quality.GOOD),
        "fec_corrected_total": (4, Quality.GOOD),
    }


def test_a_sum_with_a_counter_that_is_not_set_is_none() -> None:
    found = of_driver("mlx5_core", {"rx_prio0_pause": 2**64 - 1, "rx_prio3_pause": 7})
    assert found["pfc_receive_total"] == (None, Quality.SATURATED)
    found = of_driver("mlx5_core", {"rx_prio0_pause": "abc", "rx_prio3_pause": 7})
    assert found["pfc_receive_total"] == (None, Quality.MISSING)


def test_every_metric_of_the_table_is_a_column_and_every_driver_has_its_source() -> None:
    table = load_drivers()
    assert {"mlx5_core", "bnxt_en", "ice", "standard"} <= set(table.drivers)
    assert all(driver.source for driver in table.drivers.values())


def test_the_driver_s_word_comes_before_the_kernel_s() -> None:
    """What RDMA receives is not in the kernel's count of octets."""
    values = {"statistics/rx_bytes": "10", "statistics/tx_bytes": "20"}
    found = cells(Interface("eth0", values, {"rx_bytes_phy": 5000}, DriverInfo("mlx5_core")))
    assert found["receive_bytes_total"] == (5000, Quality.GOOD)
    assert found["transmit_bytes_total"] == (20, Quality.GOOD)


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({"operstate": "up", "flags": "0x1003"}, 1),
        ({"operstate": "down", "flags": "0x1003"}, 0),
        ({"operstate": "down", "flags": "0x1002"}, 4),
        ({"operstate": "lowerlayerdown", "flags": "0x1003"}, 0),
        ({"operstate": "dormant", "flags": "0x1003"}, 2),
        ({"operstate": "testing", "flags": "0x1003"}, 2),
        ({"operstate": "unknown", "flags": "0x9", "carrier": "1"}, 1),
        ({"operstate": "unknown", "flags": "0x9", "carrier": "0"}, 0),
        ({"operstate": "unknown", "flags": "0x9"}, None),
        ({"operstate": "notpresent", "flags": "0x1003"}, None),
        ({"operstate": None, "flags": None}, None),
        ({"operstate": "up", "flags": "0xzz"}, 1),
    ],
)
def test_states(values: dict[str, str | None], state: int | None) -> None:
    quality = Quality.MISSING if state is None else Quality.GOOD
    assert said(**values)["link_state"] == (state, quality)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("400000", (400.0, Quality.GOOD)),
        ("2500", (2.5, Quality.GOOD)),
        ("-1", (None, Quality.ABSENT)),
        ("4294967295", (None, Quality.ABSENT)),
        (None, (None, Quality.ABSENT)),
        ("", (None, Quality.MISSING)),
        ("99999999", (None, Quality.OUT_OF_RANGE)),
    ],
)
def test_speeds(text: str | None, cell: Cell) -> None:
    assert said(speed=text)["rate_gigabits_per_second"] == cell


def test_a_tree(tmp_path: Path) -> None:
    """Names, PCI address, RDMA twin and the module's sensor, by links as the kernel makes them."""
    folder = add_interface(tmp_path, carrier_down_count=3)
    device = add_pci_device(tmp_path, "0000:18:00.0", folder)
    (device / "infiniband" / "mlx5_2").mkdir(parents=True)
    write(device / "vendor", "0x15b3")
    write(device / "device", "0x1021")
    add_module_sensor(device, 51500)
    add_interface(tmp_path, "veth0")  # no hardware
    ipoib = add_interface(tmp_path, "ib0", type=32)
    (ipoib / "device").symlink_to(device)
    [one], problems = read_interfaces(tmp_path)
    assert problems == ["eth0: of another network namespace, so its driver cannot be asked"]
    out = decoded(one)
    found = {r.metric: r.value for r in out.readings}
    assert {r.device for r in out.readings} == {"n1/eth0"}
    assert found["link_state"] == 1
    assert found["rate_gigabits_per_second"] == 400
    assert found["receive_bytes_total"] == 1000
    assert found["receive_discards_total"] == 7
    assert found["link_downed_total"] == 3
    assert found["optics_temperature_celsius"] == 51.5
    [identity] = out.identities
    assert identity.address == "0000:18:00.0 mlx5_2"
    assert (identity.uuid, identity.model) == ("b8:3f:d2:00:00:01", "0x15b3:0x1021")


def test_patterns_choose_what_is_read(tmp_path: Path) -> None:
    for name in ("eth0", "eth1", "lo"):
        add_interface(tmp_path, name)
    assert [one.name for one in read_interfaces(tmp_path, ("eth*",))[0]] == ["eth0", "eth1"]
    assert [one.name for one in read_interfaces(tmp_path / "class" / "net", ("lo",))[0]] == ["lo"]
    assert read_interfaces(tmp_path)[0] == []


def test_slower_than_its_like() -> None:
    interfaces = [
        Interface(f"eth{at}", {"speed": str(speed)}, board="0x15b3:0x1021")
        for at, speed in enumerate((400000, 400000, 200000))
    ]
    expected = [
        (r.device, r.value)
        for r in decoded(*interfaces).readings
        if r.metric == "expected_rate_gigabits_per_second"
    ]
    assert expected == [("n1/eth0", 400), ("n1/eth1", 400), ("n1/eth2", 400)]


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
