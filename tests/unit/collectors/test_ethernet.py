"""What the kernel and drivers say of Ethernet ports, with its traps."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from fleetops_collectors.decoded import Decoded
from fleetops_collectors.ethernet import (
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
    found = of_driver("i40e", {"port.rx_crc_errors": 4, "port.rx_priority_3_xoff": 5})
    assert found == {
        "receive_crc_errors_total": (4, Quality.GOOD),
        "pfc_receive_total": (5, Quality.GOOD),
    }
    found = of_driver(
        "i40e",
        {
            **{"port.rx_priority_0_xoff_rx": 1, "port.rx_priority_3_xoff_rx": 6},
            **{"port.rx_priority_3_xon_rx": 8, "port.rx_priority_3_xon_2_xoff": 9},
            **{"port.tx_priority_3_xoff_tx": 2},
        },
    )
    assert found == {
        "pfc_receive_total": (7, Quality.GOOD),
        "pfc_transmit_total": (2, Quality.GOOD),
    }


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
